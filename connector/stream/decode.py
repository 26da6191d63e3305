"""Raw records of a fetch → a chunk that the sink can write, and the dead letters among them.

Runs in a thread beside the event loop; pure but for the clock that is handed in.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import structlog

from connector import events
from connector.errors import Poison
from connector.events import DeadLetter
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapping import Mapping
from connector.mirror.rows import Item
from connector.stream.expansion import Unread
from connector.stream.fetched import Fetched

log = structlog.get_logger(__name__)

INT32, INT64 = 2**31, 2**63
SHORT = 200
# Letters of an error that are kept: one that quotes its input has no limit, and a header has one.
ERROR_LETTERS = 4000


@dataclass(frozen=True, slots=True)
class Decoded:
    """A chunk with its good events, and the dead letters of the others."""

    chunk: Chunk
    parked: tuple[DeadLetter, ...] = ()


class Origin(NamedTuple):
    """Where a record stands on Kafka."""

    topic: str
    partition: int
    offset: int


def decode_events(mapping: Mapping, fetched: Fetched, now: int) -> Decoded:
    """Read events; what cannot be read or mapped becomes a dead letter."""
    items: list[Item] = []
    parked: list[DeadLetter] = []
    for record in fetched.records:
        event: events.Event | None = None
        try:
            event = events.decode(record.value)
            contributions = mapping.contributions(event)
        except Poison as poison:
            parked.append(dead_letter(record, poison, event, now))
            continue
        except events.JSON_ERRORS as error:
            log.exception("an event was not read for an unforeseen reason", offset=record.offset)
            parked.append(dead_letter(record, unforeseen(error), event, now))
            continue
        ledger_event = LedgerEvent(event, record.topic, record.partition, record.offset)
        items.append(Item(ledger_event, contributions, record))
    return Decoded(_chunk(fetched, items=items), tuple(parked))


def decode_dead_letters(fetched: Fetched, now: int) -> Decoded:
    """Read dead letters; a foreign record becomes a row of its own, never a new dead letter."""
    letters = []
    for record in fetched.records:
        try:
            letter = events.DeadLetter.decode(record.headers, record.value)
        except Poison as poison:
            letter = dead_letter(record, poison, None, now)
        at = Origin(record.topic, record.partition, record.offset)
        letters.append(Letter(record.offset, LetterRow(letter, at, now).values()))
    return Decoded(_chunk(fetched, letters=letters))


def decode_any(mapping: Mapping, fetched: Fetched, now: int) -> Decoded:
    """Read a former topic, of which the configuration does not say whether it has events or letters."""
    letters = [record for record in fetched.records if events.DeadLetter.is_in(record.headers)]
    others = [record for record in fetched.records if not events.DeadLetter.is_in(record.headers)]
    read = decode_events(mapping, replace(fetched, records=tuple(others)), now)
    parked = decode_dead_letters(replace(fetched, records=tuple(letters)), now)
    chunk = _chunk(fetched, items=read.chunk.items, letters=parked.chunk.letters)
    return Decoded(chunk, read.parked)


def unforeseen(error: Exception) -> Poison:
    """The reason to park an event that fails in an unforeseen way, so that it stops no other."""
    return Poison("unforeseen", f"The event cannot be mirrored: {error!r}. Please report this.")


def dead_letter(record: Any, poison: Poison, event: events.Event | None, now: int) -> DeadLetter:
    """The dead letter of a record; every copy of the same event and fault has the same id."""
    # Of two hooks that post one Id, each has its letter.
    origin = " ".join(event.identity) if event else f"{record.topic}/{record.partition}/{record.offset}"
    context = {"key": record.key.decode("utf-8", "replace") if record.key is not None else None}
    if isinstance(record.value, Unread):
        poison = _unread(record)
        context |= {"first_offset": record.value.first, "last_offset": record.offset}
    digest = hashlib.sha256(f"worker\n{origin}\n{poison.reason}".encode()).hexdigest()[:32]
    return DeadLetter(
        dead_letter_id=digest,
        stage="worker",
        reason=poison.reason,
        error=poison.error[:ERROR_LETTERS],
        hook=_short(event.hook) if event and event.source_name is None else None,
        action=_short(event.action) if event else None,
        event_id=event.event_id if event else None,
        kafka_topic=record.topic,
        kafka_partition=record.partition,
        kafka_offset=record.offset,
        parked_at=events.iso(now),
        context=context,
        payload=record.value or b"",
    )


def _unread(record: Any) -> Poison:
    """Why records were not read, where they are, and how a person reads them."""
    first, count = record.value.first, record.offset - record.value.first + 1
    where = f"--topic {record.topic} --partition {record.partition} --offset {first} --max-messages {count}"
    error = (
        f"The batch of records at offsets {first} to {record.offset} was not read: "
        f"{record.value.poison.error}. Kafka holds it while topics.retention_hours lasts; read it with: "
        f"kafka-console-consumer.sh --bootstrap-server HOST:PORT {where}"
    )
    return Poison(record.value.poison.reason, error)


def without(chunk: Chunk, item: Item) -> Chunk:
    """The chunk with one event taken out; its offset stays covered."""
    return replace(chunk, items=[other for other in chunk.items if other is not item])


def with_letters(chunk: Chunk, letters: Iterable[DeadLetter], now: int) -> Chunk:
    """The chunk with those of the dead letters that its own records became, as rows."""
    own = [
        Letter(letter.kafka_offset, LetterRow(letter, Origin(*chunk.tp, letter.kafka_offset), now).values())
        for letter in letters
        if (letter.kafka_topic, letter.kafka_partition) == chunk.tp
        and letter.kafka_offset is not None
        and chunk.first <= letter.kafka_offset < chunk.next_offset
    ]
    return replace(chunk, letters=[*chunk.letters, *own]) if own else chunk


def split(chunks: list[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Two halves of a batch, each with about half of the events, in offset order per partition."""
    if len(chunks) > 1:
        middle = len(chunks) // 2
        return chunks[:middle], chunks[middle:]
    chunk = chunks[0]
    middle = len(chunk.items) // 2
    border = chunk.items[middle].ledger_event.offset
    before = [letter for letter in chunk.letters if letter.offset < border]
    after = [letter for letter in chunk.letters if letter.offset >= border]
    first = replace(chunk, next_offset=border, items=chunk.items[:middle], letters=before)
    second = replace(chunk, asked=border, first=border, items=chunk.items[middle:], letters=after)
    return [first], [second]


def _chunk(fetched: Fetched, **content: Any) -> Chunk:
    return Chunk(
        topic=fetched.topic,
        partition=fetched.partition,
        asked=fetched.asked,
        first=fetched.first,
        next_offset=fetched.next_offset,
        topic_id=fetched.topic_id,
        clock_distance=fetched.clock_distance,
        **content,
    )


class LetterRow:
    """A letter as a row of ``dead_letters`` that every database takes, whatever its header claims.

    ``origin`` is for a letter that names no origin itself.
    """

    def __init__(self, letter: DeadLetter, origin: Origin, now: int) -> None:
        self._letter = letter
        self._origin = origin
        self._now = now

    def values(self) -> dict[str, Any]:
        """The row's values by column."""
        letter, origin = self._letter, self._origin
        at = self._parked_at()
        context = {_clean(key): self._storable(value) for key, value in letter.context.items()}
        values = msgspec.structs.asdict(letter)
        values |= {name: _short(value) for name, value in values.items() if isinstance(value, str)}
        return values | {
            "error": _clean(letter.error),
            "context": msgspec.json.encode(context).decode(),
            "kafka_topic": _short(letter.kafka_topic or origin.topic),
            "kafka_partition": self._number(letter.kafka_partition, origin.partition, INT32),
            "kafka_offset": self._number(letter.kafka_offset, origin.offset, INT64),
            "parked_at": at,
            "state": "parked",
            "state_at": at,
        }

    def _parked_at(self) -> str:
        try:
            return events.iso(events.from_iso(self._letter.parked_at or events.iso(self._now)))
        except ValueError:
            return events.iso(self._now)

    @staticmethod
    def _number(claimed: int | None, actual: int, below: int) -> int:
        return actual if claimed is None or not 0 <= claimed < below else claimed

    @staticmethod
    def _storable(value: Any) -> Any:
        """A value that a JSON column takes: text without U+0000, small whole numbers, else its text."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and -INT64 <= value < INT64:
            return value
        return _clean(value if isinstance(value, str) else repr(value))


def _short(text: str | None) -> str | None:
    """Text for a column that is a key or indexed; no real one is longer."""
    return None if text is None else _clean(text[:SHORT])


def _clean(text: str | None) -> str | None:
    return None if text is None else text.replace("\x00", "\ufffd")


def count_events(chunks: Iterable[Chunk]) -> int:
    """Events in a batch."""
    return sum(len(chunk.items) for chunk in chunks)
