"""The mirror's tables as SQLModel models, built from the mapping.

The connector's own tables (ledger, dead letters, offsets) and one model per mapped table share one
metadata per ``Tables``, so two configurations can live in one process.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import create_model
from sqlalchemy import (
    Column,
    Dialect,
    Index,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from connector.mirror import own_tables
from connector.mirror.ledger import unkeyed
from connector.mirror.mapped import MappedColumn, MappedTable, stored
from connector.mirror.mapping import Mapping
from connector.mirror.own_tables import COLUMN_TYPES, COUNT, EXACT_TEXT, INSTANT, own

MAX_NAME = 63  # bytes, on PostgreSQL


def _own_index_name(table: str, columns: Sequence[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"


def _mapped_index_name(table: str, columns: Sequence[str]) -> str:
    """A name that no other columns of no other table give: ``$`` can stand in none of their names."""
    name = "$".join([f"ix_{table}", *columns])
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME - len(digest) - 1]}${digest}"


class Tables:
    """All models of a mapping, and their ``MetaData``."""

    def __init__(self, mapping: Mapping) -> None:
        self.metadata = MetaData()
        self._registry = registry(metadata=self.metadata)
        self.ledger = self._model(
            "notifications",
            own_tables.ledger(),
            "The ledger: every event once, as received.",
            [("entity_key",)],
        )
        _add_ledger_indexes(self.table("notifications"))
        self.dead_letters = self._model(
            "dead_letters",
            own_tables.dead_letters(),
            "What could not be mirrored as it was, kept raw for a replay.",
            [("state", "parked_at"), ("reason",)],
        )
        self.offsets = self._model(
            "consumer_offsets",
            own_tables.offsets(),
            "How far the mirror has come on each Kafka partition; moved with the rows.",
            [],
        )
        self.losses = self._model(
            "mirror_losses", own_tables.losses(), "What Kafka no longer held when the mirror wanted it.", []
        )
        self.rules = self._model(
            "mirror_rules", own_tables.rules(), "Which rule filled which column (connector's own).", []
        )
        self.layout = self._model(
            "mirror_layout", own_tables.layout(), "Which layouts the connector's own tables had.", []
        )
        self.routes = self._model(
            "mirror_routes", own_tables.routes(), "Which action belongs to which family and topic.", []
        )
        self.counters = self._model(
            "mirror_counters",
            own_tables.counters(),
            "How many events came of which partition and family (connector's own).",
            [],
        )
        self.by_shop = mapping.by_shop
        self.mapped = {
            table.name: self._model(
                table.name,
                mapped_columns(table),
                table.description,
                table.indexes,
                index_name=_mapped_index_name,
            )
            for table in mapping.tables
        }

    def _model(
        self,
        name: str,
        columns: list[tuple[str, Column[Any]]],
        comment: str,
        indexes: Sequence[tuple[str, ...]],
        *,
        index_name: Callable[[str, Sequence[str]], str] = _own_index_name,
    ) -> type[SQLModel]:
        """One SQLModel class with exactly these columns.

        ``column_`` stands before each name there, because a model has members of its own, such as ``copy``.
        """
        base: Any = type("MirrorModel", (SQLModel,), {"__abstract__": True}, registry=self._registry)
        fields: dict[str, Any] = {
            f"column_{column_name}": (Any, Field(default=None, sa_column=column))
            for column_name, column in columns
        }
        table_indexes = [Index(index_name(name, index), *index) for index in indexes]
        base.__table_args__ = (*table_indexes, {"comment": comment or None, "sqlite_strict": True})
        base.__tablename__ = stored(name)
        model = create_model(name, __base__=base, __cls_kwargs__={"table": True}, **fields)
        return cast("type[SQLModel]", model)

    def table(self, name: str) -> Table:
        """The SQLAlchemy table that the store has under ``stored(name)``."""
        return self.metadata.tables[stored(name)]


def _add_ledger_indexes(ledger: Table) -> None:
    """Two that cost a batch next to nothing: for a stretch of time, and for what no entity key finds."""
    Index(
        "ix_notifications_unkeyed",
        ledger.c.action,
        ledger.c.event_id,
        ledger.c.source,
        postgresql_where=text(unkeyed("postgresql")),
        sqlite_where=text(unkeyed("sqlite")),
    )
    Index(
        "ix_notifications_received_at",
        ledger.c.received_at,
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )


def mapped_columns(table: MappedTable) -> list[tuple[str, Column[Any]]]:
    """Columns of a mapped table in the order in which ``SELECT *`` shows them."""
    columns = [_mapped(column, primary_key=True, nullable=False) for column in table.key]
    # A history's source stands last, where a step adds it too.
    last = [columns.pop()] if table.kind == "history" else []
    columns += [_mapped(column) for column in table.columns] + last
    if table.kind == "state":
        columns += state_columns()
        columns += [_version(column) for column in table.columns if column.version]
        columns.append(own("mirrored_at", INSTANT, "When the row last changed here (UTC)."))
    return columns


def state_columns() -> list[tuple[str, Column[Any]]]:
    """What every state table has beside its own columns (mirror.md, part 4)."""
    return [
        own("first_seen_at", INSTANT, "When the oldest event of this row occurred (UTC)."),
        own("as_of", INSTANT, "When the newest event of this row occurred (UTC)."),
        own("last_action", Text(), "Action of the newest event."),
        own("last_event_id", EXACT_TEXT, "The newest event, as in notifications."),
        own("event_count", COUNT, "How many distinct events this row was folded from."),
        own("last_version", EXACT_TEXT, "Version of the newest event (connector's own)."),
    ]


def _mapped(column: MappedColumn, **options: Any) -> tuple[str, Column[Any]]:
    type_ = EXACT_TEXT if options.get("primary_key") and column.type == "text" else COLUMN_TYPES[column.type]
    if column.merge == "count":
        options |= {"nullable": False, "server_default": "0"}
    return column.name, Column(column.name, type_, comment=column.description or None, **options)


def _version(column: MappedColumn) -> tuple[str, Column[Any]]:
    comment = f"Version of the event that gave {column.name} (connector's own)."
    name = f"{column.name}__version"
    return name, Column(name, EXACT_TEXT, comment=comment, nullable=False, server_default="")


def column_ddl(column: Column[Any], dialect: Dialect) -> str:
    """``name TYPE …`` as in ALTER TABLE ADD COLUMN."""
    return str(dialect.ddl_compiler(dialect, None).get_column_specification(column))  # type: ignore[arg-type]
