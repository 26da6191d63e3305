"""Dead letters as they stand in the mirror: read, filtered, and put into another state.

A letter is ``parked`` until a person has it ``replayed`` or ``discarded``. ``state_at`` of a
replayed letter is the instant *before* its events were published: whatever is parked after that
failed again and is parked again (``sink.py``), and every copy from before it changes nothing.

Before and after do not hang on the clocks of two machines: a replay is never dated before the
letters that it sends, and its instant goes with their records (``REPLAYED_AT``), so that the worker
never dates a letter before the replay that it answers.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, and_, func, literal, select, true, update

from connector import events
from connector.errors import StartupError
from connector.events import DeadLetter
from connector.mirror import steps
from connector.mirror.database import transaction
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables

# Ids per query; SQLite takes 32,766 parameters, PostgreSQL 65,535.
PAGE = 5000
# How a wrong id is answered: how many ids are listed, and among how many the nearest is sought.
SUGGESTED = 5
SUGGESTED_LETTERS = 12
RECENT = 2000
NEAR = 0.6

# Header of the events that a replay publishes: its instant, as ``state_at`` of their letters.
REPLAYED_AT = "replayed-at"
# In the context of a letter that was too large for its topic: how long the payload of the record is.
WHOLE_BYTES = "whole_bytes"

PARKED, REPLAYED, DISCARDED = STATES = ("parked", "replayed", "discarded")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters: None leaves a part open. ``since`` is microseconds since the epoch."""

    state: str | None = PARKED
    stage: str | None = None
    reason: str | None = None
    action: str | None = None
    hook: str | None = None
    since: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A dead letter with its state; ``state_at`` is ISO-8601 UTC text."""

    letter: DeadLetter
    state: str
    state_at: str
    # Whether the ledger knows its event already, by another way than this letter.
    mirrored: bool = False

    @property
    def id(self) -> str:
        return self.letter.dead_letter_id


class Letters:
    """The table ``dead_letters``; every method is one transaction and raises ``DatabaseOutage``."""

    def __init__(self, engine: Engine, mapping: Mapping) -> None:
        tables = Tables(mapping)
        self._engine = engine
        self._table = tables.table("dead_letters")
        self._ledger = tables.table("notifications")

    def require(self) -> None:
        """Raise ``StartupError`` when there are no tables yet, or tables of another layout."""
        steps.require(self._engine)

    def ids(self, wanted: Filter) -> list[str]:
        """Ids that fit, newest first."""
        query = (
            select(self._table.c.dead_letter_id)
            .where(self._fits(wanted))
            .order_by(self._table.c.parked_at.desc(), self._table.c.dead_letter_id)
            .limit(wanted.limit)
        )
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def count(self, wanted: Filter) -> int:
        """How many fit, the limit left aside."""
        query = select(func.count()).select_from(self._table).where(self._fits(wanted))
        with transaction(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def starting_with(self, prefix: str) -> list[str]:
        """Ids that begin so; the whole id is one beginning of itself."""
        column = self._table.c.dead_letter_id
        query = select(column).where(func.substr(column, 1, len(prefix)) == prefix).order_by(column)
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def resolve(self, given: Sequence[str]) -> list[str]:
        """Whole ids of what was given as ids or their first letters, each once.

        Raises ``StartupError`` for one that names no letter or several.
        """
        found: dict[str, None] = {}
        for prefix in given:
            matching = [prefix] if prefix in (ids := self.starting_with(prefix)) else ids
            if len(matching) != 1:
                raise self._unclear(prefix, matching)
            found[matching[0]] = None
        return list(found)

    def _unclear(self, prefix: str, matching: Sequence[str]) -> StartupError:
        if matching:
            listed = ", ".join(matching[:SUGGESTED])
            what = f"{prefix!r} begins the ids of {len(matching)} dead letters: {listed}."
            return StartupError(what, "give more letters of the one you mean")
        near = difflib.get_close_matches(prefix, self._recent(len(prefix)), n=1, cutoff=NEAR)
        cure = "look it up with: connector dead-letters list --state all"
        return StartupError(
            f"There is no dead letter whose id begins with {prefix!r}.",
            f"did you mean {near[0]}? Else {cure}" if near else cure,
        )

    def _recent(self, length: int) -> list[str]:
        newest = self.ids(Filter(state=None, limit=RECENT))
        return [letter_id[: max(length, SUGGESTED_LETTERS)] for letter_id in newest]

    def load(self, ids: Sequence[str], *, with_payload: bool = True) -> list[Stored]:
        """These letters in this order; what is not there is left out.

        Without payloads many take little memory; then ``payload`` is empty.
        """
        columns = [column for column in self._table.c if with_payload or column.name != "payload"]
        letter, held = self._table.c, self._ledger.c
        source = literal(events.source_of("")) + letter.hook
        known = select(held.event_id).where(held.event_id == letter.event_id, held.source == source)
        found: dict[str, Stored] = {}
        with transaction(self._engine) as connection:
            for start in range(0, len(ids), PAGE):
                query = select(*columns, known.exists().label("mirrored")).where(
                    self._table.c.dead_letter_id.in_(ids[start : start + PAGE])
                )
                found |= {row.dead_letter_id: _stored(row) for row in connection.execute(query)}
        return [found[letter_id] for letter_id in ids if letter_id in found]

    @contextmanager
    def change(self, ids: Sequence[str], state: str, at: int) -> Iterator[set[str]]:
        """Put parked letters into ``state``; gives the ids of those that were still parked.

        The rows stay locked until the block ends, and an exception in it undoes the change: a letter
        that fails again while its replay is on the way waits for the end of it (``sink.py``).
        """
        table = self._table
        statement = (
            update(table)
            .where(table.c.dead_letter_id.in_(ids), table.c.state == PARKED)
            .values(state=state, state_at=events.iso(at))
            .returning(table.c.dead_letter_id)
        )
        with transaction(self._engine) as connection:
            yield set(connection.execute(statement).scalars())

    def _fits(self, wanted: Filter) -> ColumnElement[bool]:
        columns = self._table.c
        conditions = [
            columns[name] == value
            for name in ("state", "stage", "reason", "action", "hook")
            if (value := getattr(wanted, name)) is not None
        ]
        if wanted.since is not None:
            conditions.append(columns.parked_at >= events.iso(wanted.since))
        return and_(true(), *conditions)


def whole_bytes(letter: DeadLetter) -> int | None:
    """The length of the whole payload, when the letter holds only its beginning."""
    length = letter.context.get(WHOLE_BYTES)
    return length if isinstance(length, int) and length > len(letter.payload) else None


def _stored(row: Any) -> Stored:
    values: dict[str, Any] = row._asdict()
    fields: dict[str, Any] = {name: values.get(name) for name in DeadLetter.__struct_fields__}
    fields |= {
        "payload": bytes(values.get("payload", b"")),
        "context": _context(row.context),
        "parked_at": _instant(row.parked_at),
    }
    return Stored(DeadLetter(**fields), row.state, _instant(row.state_at), bool(row.mirrored))


def _context(value: Any) -> dict[str, Any]:
    """The context, which PostgreSQL gives as data and SQLite as text."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            value = {}
    return value if isinstance(value, dict) else {}


def _instant(value: datetime | str) -> str:
    return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value
