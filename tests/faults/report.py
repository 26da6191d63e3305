"""One line per fault: what was done, and what it cost."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = Path(__file__).parents[2] / "data" / "faults.json"
SCALE = float(os.environ.get("XTND_FAULT_SCALE", "0.1"))
# Of one test: the full durations, two drains, and a slow machine.
TIMEOUT_SECONDS = 300 + 600 * SCALE
HEADINGS = ("fault", "acknowledged", "lost", "doubled", "longest answer", "recovery", "passed")


def seconds(full: float, *, least: float = 4.0) -> float:
    """A duration of the specification, scaled; long enough to be felt."""
    return max(min(full, least), full * SCALE)


def times(full: int, *, least: int = 3) -> int:
    """A number of repetitions of the specification, scaled."""
    return max(min(full, least), round(full * SCALE))


@dataclass
class Line:
    """One fault and what came of it; ``None`` where nothing was measured."""

    test: str
    fault: str = ""
    acknowledged: int = 0
    lost: int | None = None
    doubled: int | None = None
    longest_answer: float | None = None
    recovery: float | None = None
    notes: list[str] = field(default_factory=list)
    passed: bool = False

    def cells(self) -> tuple[str, ...]:
        return (
            "; ".join([self.fault, *self.notes]),
            str(self.acknowledged),
            "-" if self.lost is None else str(self.lost),
            "-" if self.doubled is None else str(self.doubled),
            _text(self.longest_answer),
            _text(self.recovery),
            "yes" if self.passed else "NO",
        )


lines: list[Line] = []


def table() -> list[str]:
    """The lines as a Markdown table."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    texts = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return [texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]]


def write(line: Line) -> None:
    """Keep a line in ``data/faults.json``, in the place of its test's former one."""
    FILE.parent.mkdir(exist_ok=True)
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    kept[line.test] = asdict(line) | {"scale": SCALE}
    FILE.write_text(json.dumps(kept, indent=2) + "\n")


def begin_afresh() -> None:
    """Forget the lines of former runs; some may be of tests that are no more."""
    FILE.unlink(missing_ok=True)


def _text(duration: float | None) -> str:
    return "-" if duration is None else f"{duration:.1f} s"
