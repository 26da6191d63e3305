"""What the mirror asks of a database: everything in which one differs from another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Literal

from sqlalchemy import URL, Connection, Engine, Pool, Table
from sqlalchemy import Dialect as SQLAlchemyDialect
from sqlalchemy.types import TypeEngine

from connector.config import Database
from connector.errors import ConnectorError, StartupError
from connector.mirror.dialects.fixes import Unknown
from connector.mirror.dialects.parts import Daily, Encoded, LockHolder, as_text

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


class Dialect(ABC):
    """One database. Types are those of ``tables.yaml``, and ``json``; instants are UTC.

    Methods raise SQLAlchemy's errors or the driver's, which ``translate`` explains. Those that do nothing
    here are for databases in which a transaction is alone from its start.
    """

    name: ClassVar[str]  # in a URL of SQLAlchemy
    driver_error: ClassVar[type[Exception]]
    code_name: ClassVar[str]  # where an error of the driver's has its code
    library: ClassVar[tuple[str, str]]  # name and version of what the driver is built on
    compiler: ClassVar[SQLAlchemyDialect]  # writes SQL without a database
    # SQLAlchemy's events between which a transaction may wait for a lock: the first, and what ends it. It may
    # still wait when "commit" comes, where that was only sent (``sent_together``).
    waits_between: ClassVar[tuple[str, ...]] = ("begin", "checkin", "rollback")
    # The names of all functions.
    functions: ClassVar[str]
    # SQL for a parameter.
    mark: ClassVar[str]
    # What a column of each type is declared as; "exact" is text that is compared byte by byte.
    types: ClassVar[Mapping[str, TypeEngine[Any]]]
    # Behind a parameter that is given as text, by type.
    casts: ClassVar[Mapping[str, str]] = {}
    # Behind the columns in CREATE TABLE.
    table_options: ClassVar[str] = ""
    # The same as SQLAlchemy's options of a table.
    table_arguments: ClassVar[Mapping[str, Any]] = {}
    # Options of an index that finds a stretch of a column which grows with the rows, for next to no cost.
    range_index: ClassVar[Mapping[str, Any]] = {}
    # What DROP TABLE needs where a view depends on the table, the connector's own included.
    cascade: ClassVar[str] = ""
    # Whether ALTER changes columns and keys that are there, and renames views and indexes.
    alters: ClassVar[bool] = True
    # Whether one writer keeps all others from writing.
    one_writer: ClassVar[bool] = False
    # Whether names are kept as they are written; else those that differ in their case are one.
    keeps_case: ClassVar[bool] = True
    # Whether SQLAlchemy, which has no name for the type ANY, reads it as NUMERIC.
    numeric_is_any: ClassVar[bool] = False
    # The code of the error for a value that is too long for an index; None where none is.
    index_limit: ClassVar[str | None] = None
    # The code of the error for a lock that was not granted in time (``wait_briefly``).
    lock_not_granted: ClassVar[str | None] = None
    # The code of the error for a column that others built upon, where it names no more than that.
    built_upon: ClassVar[str | None] = None
    # By the code of an error: why ``trial`` is not possible for this role, now or here.
    no_trial: ClassVar[Mapping[str, str]] = {}
    # What follows occurred_at in event order (docs/contract.md, Events), and then the row object's place.
    event_order: ClassVar[tuple[str, ...]]
    # Behind a SELECT, and has its rows locked until the transaction ends.
    lock_rows: ClassVar[str] = ""
    # Behind a query: lock the rows of the table with this alias, and leave out those that others have locked.
    skip_locked: Callable[[str], str] = "".format
    # Join a table, with an alias, by a condition on its key: row by row, whatever a planner guesses.
    look_up: Callable[[str, str, str], str] = "LEFT JOIN {0} AS {1} ON {2}".format
    # Behind an operand: texts are compared byte by byte.
    exact: ClassVar[str] = ""
    # A statement that lets the transaction's commit return before the disk has it; empty where there is none.
    unsynced: ClassVar[str] = ""
    # Between two operands, of which each may be null.
    differs: ClassVar[str] = "IS DISTINCT FROM"
    # Seconds since the epoch on the database's clock; None where it has this host's.
    clock: ClassVar[str | None] = None
    # A look at the log beside such a file, to be repeated, given what observes its size in bytes.
    log_watch: Callable[[Path, Callable[[int], Any]], Callable[[], str | None]] | None = None
    # How many rows a tool changes in one transaction; None where it does not keep all others from writing.
    most_rows: ClassVar[int | None] = None

    # --- SQL of an operand, which is SQL too ---

    # An instant as whole microseconds since the epoch.
    microseconds: Callable[[str], str]
    # From one instant to another, with microseconds.
    seconds_between: Callable[[str, str], str]
    json_text: Callable[[str], str] = "{0}".format
    is_json_array: Callable[[str], str]
    # A numeric of the store as a number that compares, sorts and adds.
    number: Callable[[str], str] = "{0}".format

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
    def connect(self, database: Database, *, connections: int, access: Access) -> Engine:
        """An engine; see ``database.connect``."""

    def spaces(self, database: Database) -> tuple[list[str], str]:  # noqa: ARG002
        """Statements that make the schemas of an empty database, and the prefix of a view's name there."""
        return [], ""

    @abstractmethod
    def trial(
        self, database: Database, tables: Callable[[Connection], Collection[str]], kept: Collection[str]
    ) -> AbstractContextManager[Engine]:
        """An engine on an empty copy of these tables and all views, which is undone afterwards.

        The tables ``kept`` come with their rows. Fails with a code of ``no_trial`` where there can be none.
        """

    @abstractmethod
    def scratch(self, engine: Engine) -> AbstractContextManager[Connection | None]:
        """A transaction that sees no live table and is never committed; None where there can be none."""

    @abstractmethod
    def ask(self, cursor: Any, sql: str) -> tuple[list[str], Sequence[Any]]:
        """Columns and rows of a person's query, which the driver gets unchanged; Ctrl-C ends it."""

    def lock_schema(self, connection: Connection, *, shared: bool) -> None:  # noqa: B027 - see Dialect
        """Hold the schema as it is (``shared``) or for a change, until the transaction ends."""

    def sent_together(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do not wait for the answer to each statement, none of which may return rows.

        An error may come with a later statement, or at the end of the block.
        """
        return nullcontext()

    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:  # noqa: B027
        """Lock these tables exclusively until the transaction ends."""

    def wait_briefly(self, connection: Connection, seconds: float) -> None:  # noqa: B027
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
