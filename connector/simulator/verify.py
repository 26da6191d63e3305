"""What a mirror must contain, from a journal alone.

Pure: no database here. ``must`` are the events of acknowledged deliveries: each has to be in the
ledger. ``may`` also has those of deliveries that no one acknowledged: the receiver can have taken
one whose answer got lost, so these are allowed in the ledger, and nothing else of this hook is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connector import events
from connector.simulator import journal


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """One notification of one delivery; ``details`` is compact JSON text, as in the ledger."""

    delivery_id: str
    # Of the hook that it was posted to; empty when the journal does not say so.
    source: str
    index: int
    action: str
    details: bytes

    @property
    def event_id(self) -> str:
        return f"{self.delivery_id}:{self.index}"

    @property
    def identity(self) -> events.Identity:
        return (self.event_id, self.source)


def must(path: Path) -> Iterator[ExpectedEvent]:
    """Events of the deliveries that were answered with 2xx at least once."""
    for sent in journal.read(path).values():
        if sent.acknowledged:
            yield from of(sent)


def may(path: Path) -> Iterator[ExpectedEvent]:
    """Events of every delivery that was sent, acknowledged or not."""
    for sent in journal.read(path).values():
        if not sent.withheld:
            yield from of(sent)


def of(sent: journal.Sent) -> Iterator[ExpectedEvent]:
    """Yield the events of one delivery, read as the gateway reads them."""
    for index, raw in enumerate(sent.notifications):
        read = events.parse_notification(raw)
        yield ExpectedEvent(sent.delivery_id, sent.source, index, read.action, read.details)
