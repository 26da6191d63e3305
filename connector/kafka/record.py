"""What goes to Kafka."""

from typing import NamedTuple

# What Kafka adds around key, value and headers of a record, generously.
RECORD_OVERHEAD_BYTES = 1024


class Record(NamedTuple):
    """One record; ``label`` is the event's family, or the dead letter's reason."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    label: str
    parked: bool = False

    @property
    def size(self) -> int:
        """Bytes that the record takes, about."""
        size = len(self.key) + len(self.value) + RECORD_OVERHEAD_BYTES
        for name, value in self.headers:
            size += len(name) + len(value)
        return size
