"""What the benchmarks measured: samples per figure, a table at the end, and ``data/bench.json``.

Machines differ, so a figure means something beside another of the same run: ``ratio`` sets two
figures against each other, run by run, and the target stands beside it. Nothing here fails.
"""

import json
import os
import statistics
from dataclasses import asdict, dataclass, field
from operator import ge, le, lt
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "data" / "bench.json"
RUNS = int(os.environ.get("XTND_BENCH_RUNS", "3"))
# 1 is what the documentation's table was measured with; less is a look, not a measurement.
SCALE = float(os.environ.get("XTND_BENCH_SCALE", "1"))
HEADINGS = ("benchmark", "figure", "median", "min to max", "unit", "target", "met")


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


def _text(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
