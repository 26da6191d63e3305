"""How far Maven's downloads are, from what it logs: a line for each file that has come."""

import re
import time
from collections.abc import Callable
from pathlib import Path

# Such as "Downloaded from central: https://…/zstd-jni-1.5.6-3.jar (6.7 MB at 4.9 MB/s)".
DOWNLOADED = re.compile(rb"Downloaded from [^\n]*/([^/\s]+) \((\d+(?:\.\d+)?) ([kMG]?)B at [^\n]*\)")
LITTLE_BYTES = 50_000
UNITS = {b"": 1, b"k": 1e3, b"M": 1e6, b"G": 1e9}


class Download:
    """Reads a log that Maven is writing.

    ``names`` are those of the files that it is asked for, ``total`` their bytes; what it fetches besides
    is its own. ``clock`` gives seconds.
    """

    def __init__(
        self, log: Path, names: frozenset[str], total: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._names = names
        self._total = total
        self._clock = clock
        self._started = clock()
        self._read = 0  # bytes of the log
        self._bytes = self._others = 0.0

    def text(self) -> str:
        """Bytes done and in all, and the rate; empty while hardly anything has come."""
        self._look()
        done = self._bytes + self._others
        if done < LITTLE_BYTES:
            return ""
        rate = done / max(self._clock() - self._started, 0.001)
        others = f" and {self._others / 1e6:.1f} MB of Maven's own" if self._others >= LITTLE_BYTES else ""
        return f"{self._bytes / 1e6:.1f} of {self._total / 1e6:.1f} MB{others}, {rate / 1e6:.1f} MB/s"

    def _look(self) -> None:
        """Take in the lines that were added, the last one only when it is complete."""
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._read)
            lines, end, _ = log.read().rpartition(b"\n")
        self._read += len(lines) + len(end)
        for name, size, unit in DOWNLOADED.findall(lines):
            if name.decode(errors="replace") in self._names:
                self._bytes += float(size) * UNITS[unit]
            else:
                self._others += float(size) * UNITS[unit]
