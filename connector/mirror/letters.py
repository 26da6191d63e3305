"""Dead letters in the mirror: read, filtered, and moved to another state.

A letter is ``parked`` until a person has it ``replayed`` or ``discarded``. ``state_at`` of a
replayed letter is the instant *before* its events were published: whatever is parked after that
failed again and is parked again (``sink.py``), and every copy from before it changes nothing.

Before and after do not depend on the clocks of two machines: a replay is never dated before the
letters that it sends, and its instant goes with their records (``REPLAYED_AT``), so that the worker
never dates a letter before the replay that it answers.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, literal, or_, select, update
from sqlmodel import col

from connector import events
from connector.errors import StartupError
from connector.events import DeadLetter
from connector.mirror import dialects, models, steps
from connector.mirror.database import transaction

ID = col(models.DeadLetterRow.dead_letter_id)
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

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """What is true in SQL of each, whatever the limit."""
        columns = models.DeadLetterRow.__table__.c
        for name in ("state", "stage", "reason", "action", "hook"):
            if (value := getattr(self, name)) is not None:
                yield columns[name] == value
        if self.since is not None:
            yield columns.parked_at >= events.iso(self.since)


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter with its state; ``state_at`` is ISO-8601 UTC text."""

    letter: DeadLetter
    state: str
    state_at: str
    # Whether the ledger knows its event already, by another way than this letter.
    mirrored: bool = False

    @classmethod
    def of(cls, row: Any) -> Self:
        """What stands in a row of the table."""
        fields = {name: getattr(row, name) for name in DeadLetter.__struct_fields__ if name in row._fields}
        letter = DeadLetter(**fields | {"context": _context(row.context)})
        return cls(letter, row.state, row.state_at, bool(row.mirrored))

    @property
    def id(self) -> str:
        return self.letter.dead_letter_id


class Letters:
    """The table ``dead_letters``; every method is one transaction and raises ``DatabaseOutage``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def require(self) -> None:
        """Raise ``StartupError`` when there are no tables yet, or tables of another layout."""
        steps.require(self._engine)

    def ids(self, asked: Filter) -> list[str]:
        """Ids that match, newest first."""
        query = select(ID).where(*asked.conditions()).order_by(col(models.DeadLetterRow.parked_at).desc(), ID)
        return self._select(query.limit(asked.limit))

    def count(self, asked: Filter) -> int:
        """How many match, whatever the limit."""
        return int(self._select(select(func.count(ID)).where(*asked.conditions()))[0])

    def starting_with(self, prefix: str) -> list[str]:
        """Ids that start with ``prefix``, an id that equals it among them."""
        return self._select(select(ID).where(func.substr(ID, 1, len(prefix)) == prefix).order_by(ID))

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
            what = f"The ids of {len(matching)} dead letters start with {prefix!r}: {listed}."
            return StartupError(what, "give more letters of the one you mean")
        near = difflib.get_close_matches(prefix, self._recent(len(prefix)), n=1, cutoff=NEAR)
        cure = "look it up with: connector dead-letters list --state all"
        return StartupError(
            f"There is no dead letter whose id starts with {prefix!r}.",
            f"did you mean {near[0]}? Else {cure}" if near else cure,
        )

    def _recent(self, length: int) -> list[str]:
        newest = self.ids(Filter(state=None, limit=RECENT))
        return [letter_id[: max(length, SUGGESTED_LETTERS)] for letter_id in newest]

    def load(self, ids: Sequence[str], *, with_payload: bool = True) -> list[StoredLetter]:
        """These letters in this order; what is not there is left out.

        Without payloads many take little memory; then ``payload`` is empty.
        """
        letter, event = models.DeadLetterRow.__table__.c, models.LedgerRow.__table__.c
        columns = [column for column in letter if with_payload or column is not letter.payload]
        source = literal(events.source_of("")) + letter.hook
        # The id of a snapshot, which came by no hook, names its source's record.
        same = or_(event.source == source, and_(letter.hook.is_(None), event.hook.is_(None)))
        known = select(event.event_id).where(event.event_id == letter.event_id, same)
        found: dict[str, StoredLetter] = {}
        with transaction(self._engine) as connection:
            for start in range(0, len(ids), PAGE):
                query = select(*columns, known.exists().label("mirrored"))
                rows = connection.execute(query.where(ID.in_(ids[start : start + PAGE])))
                found |= {row.dead_letter_id: StoredLetter.of(row) for row in rows}
        return [found[letter_id] for letter_id in ids if letter_id in found]

    @contextmanager
    def change(self, ids: Sequence[str], state: str, at: int) -> Iterator[set[str]]:
        """Put parked letters into ``state``; gives the ids of those that were still parked.

        The rows stay locked until the block ends, and an exception in it undoes the change: a letter
        that fails again while its replay is on the way waits for the end of it (``sink.py``).
        """
        parked = update(models.DeadLetterRow).where(ID.in_(ids), col(models.DeadLetterRow.state) == PARKED)
        with transaction(self._engine) as connection:
            statement = parked.values(state=state, state_at=events.iso(at)).returning(ID)
            yield set(connection.execute(statement).scalars())

    def _select(self, query: Select[Any]) -> list[Any]:
        """The first column of a query's rows."""
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())


def whole_bytes(letter: DeadLetter) -> int | None:
    """The length of the whole payload, when the letter holds only its beginning."""
    length = letter.context.get(WHOLE_BYTES)
    return length if isinstance(length, int) and length > len(letter.payload) else None


def _context(value: Any) -> dict[str, Any]:
    """The context, which PostgreSQL gives as data and SQLite as text."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            value = {}
    return value if isinstance(value, dict) else {}


def park(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write dead letters, each its row's values by column, all with the same columns.

    One that was replayed and is parked again after that has failed again. Copies of the same fault and a
    rebuild from the log bring only what was parked before, and change nothing.
    """
    if not rows:
        return
    names = list(rows[0])
    sets = ", ".join(f"{name} = excluded.{name}" for name in names if name != "dead_letter_id")
    marks = ", ".join([dialects.of(connection).mark] * len(names))
    connection.exec_driver_sql(
        f"INSERT INTO _dead_letters AS stored ({', '.join(names)}) VALUES ({marks}) "
        f"ON CONFLICT (dead_letter_id) DO UPDATE SET {sets} "
        "WHERE stored.state = 'replayed' AND excluded.parked_at > stored.state_at",
        [tuple(row[name] for name in names) for row in rows],
    )
