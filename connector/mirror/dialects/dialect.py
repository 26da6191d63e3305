"""What the mirror asks of a database: everything in which one differs from another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, Pool, Table

from connector.config import DatabaseSettings
from connector.errors import ConnectorError, StartupError
from connector.mirror.dialects.fixes import Unknown
from connector.mirror.dialects.parts import Beside, Daily, Encoded, LockHolder, as_text
from connector.mirror.dialects.syntax import Syntax

# Names and types.
Columns = tuple[tuple[str, str], ...]

# Execution option of a connection that changes nothing that others use (schema_trial.py).
UNLOCKED = "xtnd_unlocked"
Access = Literal["create", "write", "read"]
"""Make the database where there is none; change one that is there; look at one that is there."""


def quoted(name: str) -> str:
    """An identifier as SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text as SQL; where the driver reads signs of its own in it, ``Dialect.literal`` is to be used."""
    return "'" + text.replace("'", "''") + "'"


class Dialect(Syntax, ABC):
    """One database. Types are those of ``tables.yaml``, and ``json``; instants are UTC.

    Methods raise SQLAlchemy's errors or the driver's, which ``translate`` explains. Those that do nothing
    here are for databases in which a transaction is alone from its start.
    """

    # --- Errors of the driver ---

    # What an error means (``database.translate``), given the file that it is about.
    translate: Callable[[Any, str], ConnectorError]
    # What fixes an error, for a person; None where that is not known.
    fix: Callable[[Any], str | None]
    # Why a person's query could not be run, where the query is the cause, given its text.
    explain: Callable[[Any, str], Unknown | StartupError | None]

    def code(self, error: BaseException) -> str:
        """The driver's code of its error, or of SQLAlchemy's for it; empty where it has none."""
        return getattr(getattr(error, "orig", error), self.code_name, None) or ""

    # --- Sessions ---

    @abstractmethod
    def url(self, text: str) -> URL:
        """The URL with the driver that the connector brings, for people and for other engines."""

    def file(self, url: URL) -> Path | None:  # noqa: ARG002 - for those that are one
        """The file that such a database is; None for one of a server."""
        return None

    @abstractmethod
    def connect(self, database: DatabaseSettings, *, connections: int, access: Access) -> Engine:
        """An engine; see ``database.connect``."""

    def save(self, engine: Engine, file: Path, observe: Callable[[int, int], None]) -> bool:  # noqa: ARG002
        """Write the whole database as it is now into a new file of SQLite; False where that is no plain copy.

        ``observe`` gets how much is done, and all.
        """
        return False

    def spaces(self, database: DatabaseSettings) -> tuple[list[str], str]:  # noqa: ARG002
        """Statements that make the schemas of an empty database, and the prefix of a view's name there."""
        return [], ""

    @abstractmethod
    def trial(
        self,
        database: DatabaseSettings,
        tables: Callable[[Connection], Collection[str]],
        kept: Collection[str],
    ) -> AbstractContextManager[Engine]:
        """An engine on an empty copy of these tables and all views, which is undone afterwards.

        The tables ``kept`` come with their rows. Fails with a code of ``no_trial`` where there can be none.
        """

    @abstractmethod
    def scratch(self, engine: Engine) -> AbstractContextManager[Connection | None]:
        """A transaction that sees no live table and is never committed; None where there can be none."""

    def beside(self, engine: Engine) -> AbstractContextManager[Beside] | None:  # noqa: ARG002
        """Empty tables beside the mirror, for a database in which one writer keeps all others from writing.

        None for any other: there a transaction may be tried on the mirror itself and undone.
        """
        return None

    @abstractmethod
    def ask(self, cursor: Any, sql: str) -> tuple[list[str], Sequence[Any]]:
        """Columns and rows of a person's query, which the driver gets unchanged; Ctrl-C ends it."""

    def lock_schema(self, connection: Connection, *, shared: bool) -> None:
        """Hold the schema as it is (``shared``) or for a change, until the transaction ends."""

    def sent_together(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do not wait for the answer to each statement, none of which may return rows.

        An error may come with a later statement, or at the end of the block.
        """
        return nullcontext()

    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:
        """Lock these tables exclusively until the transaction ends."""

    def wait_briefly(self, connection: Connection, seconds: float) -> None:
        """Limit how long this transaction waits for each of its locks."""

    def session(self, connection: Connection) -> int:  # noqa: ARG002
        """The id of a session for ``lock_holders``."""
        return 0

    @abstractmethod
    def lock_holders(self, pool: Pool, waiting: Sequence[int]) -> Sequence[LockHolder]:
        """Who keeps these sessions waiting; ``pool`` gives connections that wait for none."""

    @abstractmethod
    def until(self, connection: Connection, deadline: float) -> AbstractContextManager[None]:
        """Have the database end a statement that is not done at ``deadline``, on the monotonic clock."""

    @abstractmethod
    def snapshot(self, connection: Connection) -> AbstractContextManager[None]:
        """A transaction that sees one state of the database, and writes to temporary tables alone."""

    @abstractmethod
    def rebuilding(self, connection: Connection) -> AbstractContextManager[None]:
        """Be the only rebuild of this mirror, with temporary tables that need not fit into memory.

        Lasts until the block ends, or the process. Raises ``StartupError``, which names the other one.
        """

    # --- SQL ---

    def literal(self, text: str) -> str:
        """Text as SQL, where no parameter can stand."""
        return self.escaped(literal(text))

    def escaped(self, statement: str) -> str:
        """SQL as the driver takes it, whatever signs it holds."""
        return statement

    def execute(self, connection: Connection, *statements: str) -> None:
        """Run statements that take no parameters, whatever signs they hold."""
        for statement in statements:
            connection.exec_driver_sql(self.escaped(statement))

    def declared(self, type_: str) -> str:
        """A type as CREATE TABLE names it."""
        return self.types[type_].compile(dialect=self.compiler)

    def scalar(self, type_: str) -> str:
        """A parameter of this type, given as text."""
        return self.mark + self.casts.get(type_, "")

    def difference(self, source: str, value: str, previous: str) -> tuple[str, str]:
        """What to select from instead of ``source``, and there ``value - previous``, exact where it fits."""
        return source, f"({value} - {previous})"

    @abstractmethod
    def daily(self, of: Daily) -> str:
        """The value at the end of each UTC day, from the day of a series' first event to today."""

    # --- Rows ---

    @abstractmethod
    def encode(self, columns: Columns, values: Sequence[Sequence[Any]]) -> Encoded:
        """Make rows ready for ``run``; ``values`` has one sequence per column, each as long, not empty."""

    def run(
        self,
        connection: Connection,
        before: str,
        encoded: Encoded,
        after: str,
        late: Sequence[tuple[str, Any]] = (),
    ) -> Sequence[Any]:
        """``before SELECT … FROM <batch> AS batch after``; returns what the statement returns.

        ``late`` are types and values of further columns that are the same for each row.
        """
        statement, parameters = self.written(before, encoded, after, late)
        result = connection.exec_driver_sql(statement, parameters)
        return result.fetchall() if result.returns_rows else ()

    def written(
        self, before: str, encoded: Encoded, after: str, late: Sequence[tuple[str, Any]] = ()
    ) -> tuple[str, tuple[str | None, ...]]:
        """The statement of ``run``, and its parameters."""
        columns = ", ".join([encoded.columns, *(self.scalar(type_) for type_, _ in late)])
        values = (as_text(type_, value) for type_, value in late)
        parameters = (*encoded.scalars, *values, *encoded.arrays)
        return f"{before} SELECT {columns} {encoded.source} {after}", parameters

    def run_both(
        self, connection: Connection, first: tuple[str, Encoded, str], second: tuple[str, Encoded, str]
    ) -> None:
        """Two statements of ``run`` that return no rows and touch different tables."""
        self.run(connection, *first)
        self.run(connection, *second)

    def add(
        self, connection: Connection, before: str, encoded: Encoded, late: Sequence[tuple[str, Any]]
    ) -> None:
        """``before`` with rows that cannot be in conflict with any."""
        self.run(connection, before, encoded, "", late)

    # --- Whole tables, from one database into another (``copying.py``) ---

    @abstractmethod
    def for_loading(self, engine: Engine) -> None:
        """Set up an engine, before its first connection, for a long transaction that writes whole tables."""

    def load_order(self, table: Table) -> list[str]:
        """Columns in whose order the rows of a table are best written."""
        return [column.name for column in table.primary_key]

    @abstractmethod
    def hold(self, connection: Connection, tables: Collection[str]) -> None:
        """Have tables keep their columns until the transaction ends, before it sees anything of them."""

    @abstractmethod
    def portable(self, column: str, type_: str) -> str:
        """A column in the form that all databases share.

        A numeric and JSON are text, an instant is ISO-8601 text, a boolean is 0 or 1.
        """

    @abstractmethod
    def stream(self, connection: Connection, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as they come, so that memory does not grow with them."""

    @abstractmethod
    def load(
        self, connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
    ) -> None:
        """Write rows in the form of ``portable`` into a table, as they come."""

    @abstractmethod
    def refused_row(self, error: Any) -> int | None:
        """Which row of ``load``, from 1, an error is about; None for the one that was given last."""

    @abstractmethod
    def others_views(self, connection: Connection, ours: Collection[str]) -> list[str]:
        """Views that are not ``ours`` and read the mirror, or stand beside it."""

    @abstractmethod
    def readers(self, connection: Connection) -> list[str]:
        """Roles that may read the mirror's views and do not own them."""


def rebuilt_by(holder: str) -> StartupError:
    """The error for a mirror that somebody else rebuilds."""
    return StartupError(
        f"This mirror is being rebuilt already, by {holder}.", "wait until that is done, or end it"
    )
