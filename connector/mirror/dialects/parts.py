"""Types that the mirror and its dialects exchange."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from connector import events


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as one database takes it: ``SELECT columns source``, and the parameters of both.

    ``temporary`` are the rows that a temporary table must hold first, where the database needs one.
    """

    columns: str
    source: str
    scalars: tuple[str | None, ...] = ()
    arrays: tuple[str, ...] = ()
    width: int = 0
    temporary: Sequence[Sequence[Any]] = ()


class LockHolder(NamedTuple):
    """Who holds a lock that is waited for, as a sentence and as fields of a log line, the fix among them."""

    holder: str
    fields: Mapping[str, Any]


class Beside(NamedTuple):
    """The empty tables of a mirror in a transaction beside it, which is never committed.

    In SQL the name of a table is that of the empty one; behind ``live`` it is the mirror's, as it is now.
    ``complete`` makes what is no table, such as indexes and triggers.
    """

    connection: Connection
    live: str
    complete: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Daily:
    """A view of the value of each series of a history at the end of each day; the parts are SQL.

    ``table`` is called ``history``. The columns ``per`` tell its series apart, and each series, a row
    ``series`` of them and of ``first_at``, has a day ``days`` (``day``, ``until``). ``shown`` are columns of
    the series, ``shop`` one that comes last; ``complete`` is true of rows whose series has no null,
    ``last`` selects the newest ``value`` of the series among the rows for which its argument is true.
    """

    table: str
    per: Sequence[str]
    instant: str
    value: str
    shown: str
    shop: str
    complete: str
    last: Callable[[str], str]


def as_text(type_: str, value: Any) -> str | None:
    """A value as a parameter of its type; an instant is microseconds since the epoch."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return events.iso(value) if type_ == "timestamp" else str(value)
