"""What the benchmarks measured: samples per figure, a table at the end, and ``data/bench.json``.

Machines differ, so a figure means something beside another of the same run: ``ratio`` sets two
figures against each other, run by run, and the target stands beside it. Nothing here fails.

``python -m tests.benchmarks.report`` puts what ``data/bench.json`` has into ``docs/performance.md``: the rows
of every benchmark that it names, in place of those that the page has.
"""

import json
import os
import statistics
from dataclasses import asdict, dataclass, field, fields
from operator import ge, le, lt
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import Carried

ROOT = Path(__file__).parents[2]
FILE = ROOT / "data" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
RUNS = int(os.environ.get("XTND_BENCH_RUNS", "3"))
# 1 is what the documentation's table was measured with; less is a look, not a measurement.
SCALE = float(os.environ.get("XTND_BENCH_SCALE", "1"))
HEADINGS = ("benchmark", "figure", "median", "min to max", "unit", "target", "met")


@dataclass(frozen=True)
class Targets:
    """Bounds of a run's figures, as a ``Figure`` has them."""

    micros: str = ""
    rate: str = ""
    memory: str = ""


@dataclass
class Figure:
    """One figure over the runs; ``target`` is a bound such as ``>= 2`` or ``< 50``."""

    benchmark: str
    name: str
    unit: str
    target: str = ""
    samples: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def met(self) -> str:
        """ "yes" or "NO" by the median; empty without a target."""
        if not self.target:
            return ""
        sign, bound = self.target.split()
        met = {">=": ge, "<=": le, "<": lt}[sign](self.median, float(bound))
        return "yes" if met else "NO"

    def cells(self) -> tuple[str, ...]:
        spread = f"{_text(min(self.samples))} to {_text(max(self.samples))}"
        return (self.benchmark, self.name, _text(self.median), spread, self.unit, self.target, self.met)


class Report:
    """The figures of one run of ``make bench``."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(
        self, benchmark: str, name: str, value: float, unit: str, *, target: str = "", **facts: Any
    ) -> Figure:
        """Add one run's sample to a figure, which the first sample makes."""
        figure = self.find(benchmark, name)
        if figure is None:
            figure = Figure(benchmark, name, unit, target)
            self.figures.append(figure)
        figure.samples.append(value)
        figure.facts |= facts
        return figure

    def run(self, benchmark: str, name: str, one: Carried, *, targets: Targets = Targets()) -> None:
        """Add a run of a worker or of a peer: its processor time first, which the machine sways least."""
        self.add(benchmark, f"{name}: processor", one.micros, "µs/event", target=targets.micros)
        if one.database_micros:
            self.add(benchmark, f"{name}: of it PostgreSQL", one.database_micros, "µs/event")
        self.add(benchmark, name, one.rate, "events/s", target=targets.rate)
        self.add(benchmark, f"{name}: peak memory", one.peak_mb, "MB", target=targets.memory)

    def versus(self, benchmark: str, name: str, of: str, to: str, *, target: str = "") -> None:
        """Set two runs against each other, by processor time and by rate: more is better for ``of``."""
        for what, unit in (("processor", ": processor"), ("rate", "")):
            one, other = (self.find(benchmark, f"{figure}{unit}") for figure in (of, to))
            assert one is not None
            assert other is not None
            pair = (other, one) if unit else (one, other)
            self.ratio(benchmark, f"{name}, by {what}", *pair, target=target)

    def ratio(self, benchmark: str, name: str, of: Figure, to: Figure, *, target: str = "") -> None:
        """Set two figures against each other, each run with the other's of the same turn."""
        for one, other in zip(of.samples, to.samples, strict=True):
            self.add(benchmark, name, one / other, "x", target=target)

    def find(self, benchmark: str, name: str) -> Figure | None:
        same = (one for one in self.figures if (one.benchmark, one.name) == (benchmark, name))
        return next(same, None)

    def table(self) -> list[str]:
        """The figures as a Markdown table."""
        rows = [HEADINGS, *(figure.cells() for figure in self.figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        texts = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
        return [texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]]

    def write(self) -> None:
        """Keep the figures in ``data/bench.json``, each in the place of its former one."""
        FILE.parent.mkdir(exist_ok=True)
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        kept |= {
            f"{one.benchmark}: {one.name}": asdict(one) | {"median": one.median, "scale": SCALE}
            for one in self.figures
        }
        FILE.write_text(json.dumps(kept, indent=2) + "\n")


def scaled(full: int, *, least: int = 1) -> int:
    """A size of the benchmark, scaled."""
    return max(least, round(full * SCALE))


def publish() -> None:
    """Put the figures of ``FILE`` into the table of ``PAGE``."""
    names = [one.name for one in fields(Figure)]
    kept = json.loads(FILE.read_text()).values()
    figures = [Figure(**{name: one[name] for name in names}) for one in kept]
    new: dict[str, list[str]] = {}
    for figure in figures:
        new.setdefault(figure.benchmark, []).append(f"| {' | '.join(figure.cells())} |")
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"| {' | '.join(HEADINGS)} |") + 2
    end = next(n for n, line in enumerate(lines) if n >= start and not line.startswith("|"))
    rows: dict[str, list[str]] = {}
    for line in lines[start:end]:
        rows.setdefault(line.split("|")[1].strip(), []).append(line)
    table = [line for listed in (rows | new).values() for line in listed]
    PAGE.write_text("\n".join([*lines[:start], *table, *lines[end:]]) + "\n")


def _text(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    publish()
