"""The mirror's tables as SQLModel models, built from the mapping.

The connector's own tables (ledger, dead letters, offsets) and one model per mapped table share one
metadata per ``Tables``, so two configurations can live in one process.
"""

from typing import Any, cast

from pydantic import create_model
from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeEngine, UserDefinedType
from sqlmodel import Field, SQLModel

from connector.mirror.ledger import unkeyed
from connector.mirror.mapped import MappedColumn, MappedTable
from connector.mirror.mapping import Mapping

# Tables of the connector's own; only a step changes the columns and keys of one that is there (steps.py).
OWN = ("notifications", "dead_letters", "consumer_offsets", "mirror_rules", "mirror_layout")


class ExactAny(UserDefinedType[Any]):
    """SQLite's ANY in a STRICT table: a value is stored as it is given, never as a binary float."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "ANY"


# Compared byte by byte on every database.
EXACT_TEXT: TypeEngine[Any] = Text().with_variant(Text(collation="C"), "postgresql")
JSON_TEXT: TypeEngine[Any] = Text().with_variant(postgresql.JSONB(), "postgresql")
INSTANT: TypeEngine[Any] = Text().with_variant(postgresql.TIMESTAMP(timezone=True, precision=6), "postgresql")
COUNT: TypeEngine[Any] = BigInteger().with_variant(Integer(), "sqlite")
COLUMN_TYPES: dict[str, TypeEngine[Any]] = {
    "text": Text(),
    "numeric": Numeric().with_variant(ExactAny(), "sqlite"),
    "timestamp": INSTANT,
    "integer": COUNT,
}

SOURCE = "Where the event came from; with event_id its identity."


def _own(name: str, type_: TypeEngine[Any], comment: str, **options: Any) -> tuple[str, Column[Any]]:
    options.setdefault("nullable", False)
    return name, Column(name, type_, comment=comment, **options)


def _ledger() -> list[tuple[str, Column[Any]]]:
    return [
        _own("event_id", EXACT_TEXT, "<delivery Id>:<index in Notifications>", primary_key=True),
        _own(
            "delivery_id", EXACT_TEXT, "XTND's Id of the delivery, the same on every attempt.", nullable=True
        ),
        _own(
            "notification_index", Integer(), "Place in the delivery's Notifications, from 0.", nullable=True
        ),
        _own("hook", Text(), "Hook that it came in by.", nullable=True),
        _own("attempt", Integer(), "Which of XTND's attempts is kept here, from 1.", nullable=True),
        _own("family", Text(), "Family of the action; unrouted when no family claims it."),
        _own("action", Text(), "XTND's Action."),
        _own("entity_key", EXACT_TEXT, "What the event speaks of; null for unrouted.", nullable=True),
        _own("details", JSON_TEXT, "The notification's Details as received."),
        _own("properties", JSON_TEXT, "The delivery's Properties as received."),
        _own("received_at", INSTANT, "When the gateway had read the whole body (UTC)."),
        _own("occurred_at", INSTANT, "Best estimate of when it happened in XTND (UTC)."),
        _own("kafka_topic", Text(), "Where the record stands on Kafka: topic."),
        _own("kafka_partition", Integer(), "Where the record stands on Kafka: partition."),
        _own("kafka_offset", COUNT, "Where the record stands on Kafka: offset."),
        _own("mirrored_at", INSTANT, "When it was committed here (UTC)."),
        # Last, where a step adds it too; and last in the key, because ids tell events apart at once.
        _own("source", EXACT_TEXT, SOURCE, primary_key=True),
    ]


def _dead_letters() -> list[tuple[str, Column[Any]]]:
    return [
        _own("dead_letter_id", EXACT_TEXT, "The same for every copy of the same fault.", primary_key=True),
        _own("stage", Text(), "gateway or worker: who parked it."),
        _own("reason", Text(), "Stable short code."),
        _own("error", Text(), "What is wrong, which field, and the cure."),
        _own("hook", Text(), "Hook that it came in by.", nullable=True),
        _own("action", Text(), "XTND's Action, where it could be read.", nullable=True),
        _own("event_id", EXACT_TEXT, "The event, where it could be told.", nullable=True),
        _own("payload", LargeBinary(), "Raw, exactly as received."),
        _own("context", JSON_TEXT, "What a replay needs beside the payload."),
        _own("kafka_topic", Text(), "Where the record stood: topic.", nullable=True),
        _own("kafka_partition", Integer(), "Where the record stood: partition.", nullable=True),
        _own("kafka_offset", COUNT, "Where the record stood: offset.", nullable=True),
        _own("parked_at", INSTANT, "When it was parked (UTC)."),
        _own("state", Text(), "parked, replayed or discarded."),
        _own("state_at", INSTANT, "Since when it is in that state (UTC)."),
    ]


def _offsets() -> list[tuple[str, Column[Any]]]:
    return [
        _own("topic", EXACT_TEXT, "Kafka topic.", primary_key=True),
        _own("partition", Integer(), "Kafka partition.", primary_key=True),
        _own("next_offset", COUNT, "The first offset that the mirror does not hold yet."),
        _own("records_lost", COUNT, "Offsets that Kafka no longer held when they were wanted."),
        _own("updated_at", INSTANT, "When it last moved (UTC)."),
        _own("topic_id", Text(), "Kafka's id of the topic, so that one re-created is known.", nullable=True),
    ]


def _layout() -> list[tuple[str, Column[Any]]]:
    return [
        _own("version", Integer(), "Layout of the connector's own tables.", primary_key=True),
        _own("connector", Text(), "Version of the connector that made it."),
        _own("made_at", INSTANT, "Since when the tables have it (UTC)."),
    ]


def _rules() -> list[tuple[str, Column[Any]]]:
    return [
        _own("table_name", EXACT_TEXT, "Table of the mirror.", primary_key=True),
        _own("column_name", EXACT_TEXT, "Column; empty for the table itself.", primary_key=True),
        _own("rule", Text(), "The rule that filled it, as written in YAML."),
    ]


class Tables:
    """All models of a mapping, and their ``MetaData``."""

    def __init__(self, mapping: Mapping) -> None:
        self.metadata = MetaData()
        self._registry = registry(metadata=self.metadata)
        self.ledger = self._model(
            "notifications",
            _ledger(),
            "The ledger: every event once, as received.",
            [("entity_key",)],
        )
        _add_ledger_indexes(self.table("notifications"))
        self.dead_letters = self._model(
            "dead_letters",
            _dead_letters(),
            "What could not be mirrored as it was, kept raw for a replay.",
            [("state", "parked_at"), ("reason",)],
        )
        self.offsets = self._model(
            "consumer_offsets",
            _offsets(),
            "How far the mirror has come on each Kafka partition; moved with the rows.",
            [],
        )
        self.rules = self._model(
            "mirror_rules", _rules(), "Which rule filled which column (connector's own).", []
        )
        self.layout = self._model(
            "mirror_layout", _layout(), "Which layouts the connector's own tables had.", []
        )
        self.mapped = {
            table.name: self._model(table.name, mapped_columns(table), table.description, table.indexes)
            for table in mapping.tables
        }

    def _model(
        self, name: str, columns: list[tuple[str, Column[Any]]], comment: str, indexes: Any
    ) -> type[SQLModel]:
        """One SQLModel class with exactly these columns.

        A column whose name is a member of SQLModel's own, such as ``copy``, has ``column_`` before it there.
        """
        base: Any = type("MirrorModel", (SQLModel,), {"__abstract__": True}, registry=self._registry)
        fields: dict[str, Any] = {
            _attribute(column_name): (Any, Field(default=None, sa_column=column))
            for column_name, column in columns
        }
        table_indexes = [Index(f"ix_{name}_{'_'.join(index)}"[:63], *index) for index in indexes]
        base.__table_args__ = (*table_indexes, {"comment": comment or None, "sqlite_strict": True})
        base.__tablename__ = name
        class_name = "".join(part.title() for part in name.split("_"))
        model = create_model(class_name, __base__=base, __cls_kwargs__={"table": True}, **fields)
        return cast("type[SQLModel]", model)

    def table(self, name: str) -> Table:
        """The SQLAlchemy table of that name."""
        return self.metadata.tables[name]


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


def _attribute(column: str) -> str:
    taken = hasattr(SQLModel, column) or column.startswith("model_") or column == "registry"
    return f"column_{column}" if taken else column


def mapped_columns(table: MappedTable) -> list[tuple[str, Column[Any]]]:
    """Columns of a mapped table in the order in which ``SELECT *`` shows them."""
    columns = [_mapped(column, primary_key=True, nullable=False) for column in table.key]
    # A history's source stands last, where a step adds it too.
    last = [columns.pop()] if table.kind == "history" else []
    columns += [_mapped(column) for column in table.columns] + last
    if table.kind == "state":
        columns += state_columns()
        columns += [_version(column) for column in table.columns if column.version]
    return columns


def state_columns() -> list[tuple[str, Column[Any]]]:
    """What every state table has beside its own columns (mirror.md, part 4)."""
    return [
        _own("first_seen_at", INSTANT, "When the oldest event of this row occurred (UTC)."),
        _own("as_of", INSTANT, "When the newest event of this row occurred (UTC)."),
        _own("last_action", Text(), "Action of the newest event."),
        _own("last_event_id", EXACT_TEXT, "The newest event, as in notifications."),
        _own("event_count", COUNT, "How many distinct events this row was folded from."),
        _own("last_version", EXACT_TEXT, "Place in time of the newest event (connector's own)."),
    ]


def _mapped(column: MappedColumn, **options: Any) -> tuple[str, Column[Any]]:
    type_ = EXACT_TEXT if options.get("primary_key") and column.type == "text" else COLUMN_TYPES[column.type]
    if column.merge in ("min", "max") and column.type == "text":
        type_ = EXACT_TEXT
    if column.merge == "count":
        options |= {"nullable": False, "server_default": "0"}
    return column.name, Column(column.name, type_, comment=column.description or None, **options)


def _version(column: MappedColumn) -> tuple[str, Column[Any]]:
    comment = f"Place in time of the event that gave {column.name} (connector's own)."
    name = f"{column.name}__version"
    return name, Column(name, EXACT_TEXT, comment=comment, nullable=False, server_default="")


def column_ddl(column: Column[Any], dialect: Dialect) -> str:
    """``name TYPE …`` as in ALTER TABLE ADD COLUMN."""
    return str(dialect.ddl_compiler(dialect, None).get_column_specification(column))  # type: ignore[arg-type]
