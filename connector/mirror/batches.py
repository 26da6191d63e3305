"""Many rows of one shape as parameters of one statement; each dialect has its own form for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector.mirror import dialects
from connector.mirror.dialects.dialect import Columns
from connector.mirror.dialects.parts import Encoded

__all__ = ["Batch", "Columns", "Encoded", "Statement", "add", "run", "run_both"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one shape as parameters; a numeric is canonical text, an instant an int."""

    columns: Columns
    rows: Sequence[Sequence[Any]]

    def encoded(self, dialect: dialects.Dialect) -> Encoded:
        """The batch, ready for ``run``."""
        return dialect.encode(self.columns, list(zip(*self.rows, strict=True)))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement over a batch: ``before SELECT … FROM <batch> AS batch after``.

    ``adds``: rows of new events are always new; ``after`` is for existing ones.
    ``stamped``: the last column of ``before`` is the instant at which it runs.
    """

    before: str
    batch: Encoded
    after: str
    adds: bool = False
    stamped: bool = False

    def run(self, connection: Connection, now: int, *, new: bool = False) -> None:
        """Run it where no rows come back; ``new`` are rows of new events, which costs less.

        With ``new`` an existing row raises an error that is translated into ``AlreadyThere``.
        """
        late = [("timestamp", now)] if self.stamped else []
        if new and self.adds:
            add(connection, self.before, self.batch, late)
        else:
            run(connection, self.before, self.batch, self.after, late)


def run(
    connection: Connection,
    before: str,
    batch: Batch | Encoded,
    after: str,
    late: Sequence[tuple[str, Any]] = (),
) -> Sequence[Any]:
    """``before SELECT … FROM <batch> AS batch after``; returns what the statement returns.

    ``late`` are types and values of further columns that are the same for each row.
    """
    dialect = dialects.of(connection)
    encoded = batch.encoded(dialect) if isinstance(batch, Batch) else batch
    return dialect.run(connection, before, encoded, after, late)


def run_both(connection: Connection, first: tuple[str, Batch, str], second: tuple[str, Batch, str]) -> None:
    """Two statements as ``run`` takes them, which return no rows and touch different tables."""
    dialect = dialects.of(connection)
    one, other = ((before, batch.encoded(dialect), after) for before, batch, after in (first, second))
    dialect.run_both(connection, one, other)


def add(connection: Connection, before: str, encoded: Encoded, late: Sequence[tuple[str, Any]] = ()) -> None:
    """``before`` with rows that cannot be in conflict with any."""
    dialects.of(connection).add(connection, before, encoded, late)
