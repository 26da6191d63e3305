"""The one rule of a standstill: records wait in a partition, and the mirror's offset does not move.

Whatever else moves. Readiness and watchdog each compare it with a limit of their own.
"""

from collections.abc import Mapping

from connector.mirror.offsets import Partition


class Standstill:
    """Keeps since when each partition that lags has the same offset."""

    def __init__(self) -> None:
        self._standing: dict[Partition, tuple[int, float]] = {}

    def look(self, now: float, lagging: Mapping[Partition, int]) -> dict[Partition, float]:
        """Note the offsets of partitions that lag at ``now``; how many seconds each has not moved."""
        before = self._standing
        self._standing = {
            partition: before[partition] if before.get(partition, (None,))[0] == offset else (offset, now)
            for partition, offset in lagging.items()
        }
        return {partition: now - since for partition, (_, since) in self._standing.items()}
