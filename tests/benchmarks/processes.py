"""What processes and all that they started take: processor time and memory."""

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Carried:
    """What one run of a worker or of a peer measured over the events that it carried into a database."""

    rate: float  # events/s
    # Processor time of its own processes and of PostgreSQL's, in microseconds an event.
    own_micros: float
    database_micros: float
    # Memory of its own processes.
    peak_mb: float

    @property
    def micros(self) -> float:
        """All processor time of an event but Kafka's."""
        return self.own_micros + self.database_micros


class Processes:
    """A process and its children, down to the last."""

    def __init__(self, *pids: int) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]

    def cpu_seconds(self) -> float:
        """Processor time so far, with that of children that have ended."""
        found = 0.0
        for process in self._all():
            try:
                found += sum(process.cpu_times()[:4])  # user, system, and both of the children waited for
            except psutil.NoSuchProcess:
                continue  # its parent has its time
        return found

    def memory_mb(self) -> float:
        """Resident memory just now."""
        found = 0
        for process in self._all():
            try:
                found += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return found / 2**20

    def _all(self) -> list[psutil.Process]:
        return [one for root in self._roots for one in (root, *root.children(recursive=True))]


def peak_mb(pid: int) -> float:
    """The most memory that a process has had since its program started; it must be running."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
