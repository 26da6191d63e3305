"""What the mirror asks of a database: everything in which one differs from another."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.types import TypeEngine

from connector import events
from connector.config import Database
from connector.errors import ConnectorError, StartupError

# Names and types.
Columns = tuple[tuple[str, str], ...]

# Execution option of a connection that changes nothing that others use (schema_trial.py).
UNLOCKED = "xtnd_unlocked"
Access = Literal["create", "write", "read"]
"""Make the database where there is none; change one that is there; look at one that is there."""


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


class Dialect(ABC):
    """One database. Types are those of ``tables.yaml``, and ``json``; instants are UTC.

    Methods that give SQL take SQL, such as the name of a column. What fails, fails with SQLAlchemy's error
    or the driver's, which ``translate`` explains.
    """

    name: ClassVar[str]  # in a URL of SQLAlchemy
    driver_error: ClassVar[type[Exception]]
    # SQL where a parameter stands.
    mark: ClassVar[str]
    # What a column of each type is declared as; "exact" is text that is compared byte by byte.
    types: ClassVar[Mapping[str, TypeEngine[Any]]]
    # Behind the columns in CREATE TABLE.
    table_options: ClassVar[str] = ""
    # Options of an index that finds a stretch of a column which grows with the rows, for next to no cost.
    range_index: ClassVar[Mapping[str, Any]] = {}
    # Behind a SELECT, and has its rows locked until the transaction ends.
    lock_rows: ClassVar[str] = ""
    # Whether one lock is for everybody who writes, so that who only tries something writes to a copy.
    one_writer: ClassVar[bool] = False
    # Behind an operand: texts are compared byte by byte.
    exact: ClassVar[str] = ""
    # A statement that lets the transaction's commit return before the disk has it; empty where there is none.
    unsynced: ClassVar[str] = ""
    # Between two operands, of which each may be null.
    differs: ClassVar[str] = "IS DISTINCT FROM"
    # Seconds since the epoch on the database's clock; None where it has this host's.
    clock: ClassVar[str | None] = None
    # How many rows a tool changes in one transaction; None where it does not keep all others from writing.
    most_rows: ClassVar[int | None] = None

    # --- Sessions ---

    @abstractmethod
    def url(self, text: str) -> URL:
        """The URL with the driver that the connector brings, for people and for other engines."""

    @abstractmethod
    def file(self, url: URL) -> Path | None:
        """The file that such a database is; None for one of a server."""

    @abstractmethod
    def connect(self, database: Database, *, connections: int, access: Access) -> Engine:
        """An engine; see ``database.connect``."""

    @abstractmethod
    def translate(self, error: Any, file: str) -> ConnectorError:
        """What an error of the driver means; see ``database.translate``."""

    @abstractmethod
    def lock_schema(self, connection: Connection, *, shared: bool) -> None:
        """Hold the schema as it is (``shared``) or for a change, until the transaction ends."""

    @abstractmethod
    def wait_briefly(self, connection: Connection, seconds: float) -> None:
        """Have this transaction wait so long at most for each of its locks."""

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
        return self.escaped("'" + text.replace("'", "''") + "'")

    def escaped(self, statement: str) -> str:
        """SQL as the driver takes it, whatever signs it holds."""
        return statement

    def execute(self, connection: Connection, *statements: str) -> None:
        """Run statements that take no parameters, whatever signs they hold."""
        for statement in statements:
            connection.exec_driver_sql(self.escaped(statement))

    @abstractmethod
    def scalar(self, type_: str) -> str:
        """A parameter of this type, given as text."""

    @abstractmethod
    def microseconds(self, instant: str) -> str:
        """An instant as whole microseconds since the epoch."""

    @abstractmethod
    def seconds_between(self, start: str, end: str) -> str:
        """Seconds from one instant to another, with microseconds."""

    @abstractmethod
    def json_text(self, json: str) -> str:
        """JSON as text."""

    @abstractmethod
    def is_json_array(self, json: str) -> str:
        """Whether JSON is an array."""

    @abstractmethod
    def number(self, column: str) -> str:
        """A numeric of the store as a number that compares, sorts and adds."""

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
        columns = ", ".join([encoded.columns, *(self.scalar(type_) for type_, _ in late)])
        values = (as_text(type_, value) for type_, value in late)
        parameters = (*encoded.scalars, *values, *encoded.arrays)
        result = connection.exec_driver_sql(f"{before} SELECT {columns} {encoded.source} {after}", parameters)
        return result.fetchall() if result.returns_rows else ()

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


def as_text(type_: str, value: Any) -> str | None:
    """A value as a parameter of its type; an instant is microseconds since the epoch."""
    if value is None:
        return None
    return events.iso(value) if type_ == "timestamp" else str(value)
