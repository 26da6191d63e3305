"""What a database has beside rows: schemas, names, views, and what others built on tables."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.errors import StartupError
from connector.mirror.dialects.dialect import Dialect, quoted

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Relation:
    """An object whose name a view needs, and its definition where it is a view."""

    is_view: bool
    definition: str


class Obstacle(NamedTuple):
    """An object that somebody built on a table; ``refuses``: it may keep values out on purpose."""

    kind: str
    name: str
    table: str
    definition: str
    refuses: bool
    removal: str


class Key(NamedTuple):
    """A column of text that a table and its primary key get, as ``first`` of the key or last.

    ``value`` is SQL over the row, and None where every row has the text ``usual``. The columns ``nullable``
    lose their NOT NULL. ``type`` is that of another column than one of text, ``usual`` its text.
    """

    column: str
    comment: str | None
    usual: str
    value: str | None = None
    nullable: Collection[str] = ()
    first: bool = False
    type: str = "exact"

    def among(self, key: Collection[str], column: str) -> list[str]:
        """The columns of the new key, given those of the former one."""
        return [column, *key] if self.first else [*key, column]


class Catalogue(ABC):
    """Reads and changes these, in one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection, self._dialect = connection, dialect

    def execute(self, *statements: str) -> None:
        """Run statements that take no parameters, whatever signs they hold."""
        self._dialect.execute(self._connection, *statements)

    def columns(self, select: str) -> list[str]:
        """The columns that a SELECT gives."""
        query = self._dialect.escaped(f"SELECT * FROM ({select}\n) AS made LIMIT 0")
        return list(self._connection.exec_driver_sql(query).keys())

    @property
    def schema(self) -> str:
        """Before the name of a view when it is made: its schema and a point, where there are schemas."""
        return ""

    @property
    def store(self) -> str:
        """The same for a table, where a person types its name."""
        return ""

    def make_store(self) -> None:  # noqa: B027 - as they are, where there is one space of names
        """Make the store's schema where there is none; ``StartupError`` where the role may not use one."""

    def require_usable(self) -> None:  # noqa: B027
        """Raise ``StartupError`` where there is a store that this role may not enter."""

    def rewrite_rules(self) -> dict[str, dict[str, str]]:
        """Rules that replace what is written to a table: definitions by table and name."""
        return {}

    @abstractmethod
    def names(self) -> set[str]:
        """Every name that is taken for tables and views."""

    @abstractmethod
    def obstacles(self, tables: Collection[str]) -> list[Obstacle]:
        """What others built on these tables that may keep the connector from writing."""

    # --- Tables ---

    @abstractmethod
    def rename(self, table: str, name: str) -> None:
        """Give a table another name, and its key the one that goes with it."""

    def add_to_key(self, table: str, key: Key) -> None:
        """Add a column to a table and its key; ``StartupError`` where something was built on that."""
        rows = self._connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted(table)}").scalar_one()
        log.info("changing a table", table=table, rows=rows)
        self._add_to_key(table, key)

    @abstractmethod
    def _add_to_key(self, table: str, key: Key) -> None: ...

    # --- Views ---

    @abstractmethod
    def relations(self, names: Collection[str]) -> dict[str, Relation]:
        """The objects with these names in the readers' schema."""

    @abstractmethod
    def make_view(self, name: str, select: str, *, replace: bool) -> None:
        """Make a view, or replace the one that is there with what others built and were granted on it.

        Raises ``StartupError`` where others built on a column that goes.
        """

    def drop_view(self, view: str, ours: Collection[str]) -> None:  # noqa: ARG002
        """Drop a view where it is there and not used (``is_used``); fails alone."""
        with self._connection.begin_nested():
            self._connection.exec_driver_sql(f"DROP VIEW IF EXISTS {self.schema}{quoted(view)}")

    @abstractmethod
    def is_used(self, view: str, ours: Collection[str]) -> bool:
        """Whether others' views depend on a view; ``ours`` are the connector's own views."""

    def key_users(self, table: str) -> Sequence[str]:  # noqa: ARG002
        """What depends on a table's key; nothing where the database changes it all the same."""
        return ()

    def comments(self, view: str) -> Mapping[str, str | None]:  # noqa: ARG002
        """Comments of a view by column, its own by the empty name; none where there are no comments."""
        return {}

    def views(self) -> Mapping[str, str]:
        """Views with what makes them again, where the database lets one be broken."""
        return {}

    def triggers(self, view: str) -> Mapping[str, str]:  # noqa: ARG002
        """Triggers, with what makes them again, that go with a view when it is dropped."""
        return {}

    @abstractmethod
    def make_readable(self, role: str, views: Collection[str], *, timeout_seconds: float) -> list[str]:
        """Statements that let a role read views; ``StartupError`` where there is none."""

    @contextmanager
    def dependents_named(self, refusal: str) -> Iterator[None]:
        """Name the dependents, such as a view that groups by a key, that stop a change."""
        try:
            yield
        except DBAPIError as error:
            if not (detail := self.dependent(error)):
                raise
            raise StartupError(
                f"{refusal}, because other objects depend on it: {detail}.",
                "drop these objects, start the worker, and create them again",
            ) from error

    @abstractmethod
    def dependent(self, error: DBAPIError) -> str:
        """The dependents that an error names; empty for another error."""
