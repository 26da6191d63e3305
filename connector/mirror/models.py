"""The connector's own tables: their columns, types, keys, indexes and comments are written here alone.

What else names columns of them derives the list from here (``columns``, ``key``). A model's docstring is the
comment of its table, and an attribute that may be None is a column that takes nulls.

A change here is a change of the layout and needs a step (``steps.py``).
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Dialect, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import declared_attr, registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel
from typing_extensions import override

from connector import events
from connector.mirror.batches import Columns


class Instant(TypeDecorator[str]):
    """An instant: ISO-8601 UTC text with microseconds, in Python and on SQLite."""

    impl = Text().with_variant(postgresql.TIMESTAMP(timezone=True, precision=6), "postgresql")
    cache_ok = True

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value


TEXT: Any = Text()
# Compared byte by byte on every database.
EXACT_TEXT: Any = Text().with_variant(Text(collation="C"), "postgresql")
JSON_TEXT: Any = Text().with_variant(postgresql.JSONB(), "postgresql")
INSTANT: Any = Instant()
INTEGER: Any = Integer()
COUNT: Any = BigInteger().with_variant(Integer(), "sqlite")
BINARY: Any = LargeBinary()
# What a batch calls them (``batches.CASTS``).
_IN_BATCHES = {TEXT: "text", EXACT_TEXT: "text", JSON_TEXT: "json"}
_IN_BATCHES |= {INSTANT: "timestamp", INTEGER: "integer", COUNT: "integer"}


SOURCE = "Where the event came from; with event_id its identity."


def unkeyed(dialect: str) -> str:
    """Events whose entity key does not name all entities that they speak of; an index holds just these."""
    kind = "jsonb_typeof" if dialect == "postgresql" else "json_type"
    return f"{kind}(details) = 'array' OR entity_key IS NULL"


def column(type_: Any, comment: str, *, key: bool = False, **info: Any) -> Any:
    """A column with its comment; part of the primary key where ``key``.

    ``of`` names the attribute that fills it, where that has another name (``ledger.py``), and ``hidden``
    keeps it out of the view (``shown.py``).
    """
    return Field(sa_type=type_, primary_key=key, sa_column_kwargs={"comment": comment, "info": info})


class Own(SQLModel, registry=registry()):
    """One of the connector's own tables."""

    __table__: ClassVar[Table]
    indexes: ClassVar[tuple[Index, ...]] = ()

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> Any:
        return (*cls.indexes, {"comment": cls.__doc__, "sqlite_strict": True})

    @classmethod
    def columns(cls, *left_out: str) -> Columns:
        """Names and types, as a batch takes them."""
        found = cls.__table__.columns
        return tuple((one.name, _IN_BATCHES[one.type]) for one in found if one.name not in left_out)

    @classmethod
    def key(cls) -> Columns:
        """Names and types of the primary key."""
        return tuple(one for one in cls.columns() if one[0] in cls.__table__.primary_key.columns)


def names(columns: Columns) -> str:
    """Names of columns as SQL lists them."""
    return ", ".join(name for name, _ in columns)


class Notification(Own, table=True):
    """The ledger: every event once, as received."""

    __tablename__ = "_notifications"
    # The last two cost a batch next to nothing: for what no entity key finds, and for a stretch of time.
    indexes = (
        Index("ix_notifications_entity_key", "entity_key"),
        Index(
            "ix_notifications_unkeyed",
            *("action", "event_id", "source"),
            postgresql_where=text(unkeyed("postgresql")),
            sqlite_where=text(unkeyed("sqlite")),
        ),
        Index(
            "ix_notifications_received_at",
            "received_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": True},
        ),
    )

    event_id: str = column(EXACT_TEXT, "<delivery Id>:<index in Notifications>", key=True)
    delivery_id: str | None = column(EXACT_TEXT, "XTND's Id of the delivery, the same on every attempt.")
    notification_index: int | None = column(
        INTEGER, "Place in the delivery's Notifications, from 0.", of="index"
    )
    hook: str | None = column(TEXT, "Hook that it came in by.")
    attempt: int | None = column(INTEGER, "Which of XTND's attempts is kept here, from 1.")
    family: str = column(TEXT, "Family of the action; unrouted when no family claims it.")
    action: str = column(TEXT, "XTND's Action.")
    entity_key: str | None = column(EXACT_TEXT, "What the event speaks of; null for unrouted.")
    details: str = column(JSON_TEXT, "The notification's Details as received.")
    properties: str = column(JSON_TEXT, "The delivery's Properties as received.")
    received_at: str = column(INSTANT, "When the gateway had read the whole body (UTC).")
    occurred_at: str = column(INSTANT, "Best estimate of when it happened in XTND (UTC).")
    kafka_topic: str = column(TEXT, "Where the record stands on Kafka: topic.", of="topic")
    kafka_partition: int = column(INTEGER, "Where the record stands on Kafka: partition.", of="partition")
    kafka_offset: int = column(COUNT, "Where the record stands on Kafka: offset.", of="offset")
    mirrored_at: str = column(INSTANT, "When it was committed here (UTC).")
    # Last, where a step adds it too; and last in the key, because ids tell events apart at once.
    source: str = column(EXACT_TEXT, SOURCE, key=True)


class DeadLetter(Own, table=True):
    """What could not be mirrored as it was, kept raw for a replay."""

    __tablename__ = "_dead_letters"
    indexes = (
        Index("ix_dead_letters_state_parked_at", "state", "parked_at"),
        Index("ix_dead_letters_reason", "reason"),
    )

    dead_letter_id: str = column(EXACT_TEXT, "The same for every copy of the same fault.", key=True)
    stage: str = column(TEXT, "gateway or worker: who parked it.")
    reason: str = column(TEXT, "Stable short code.")
    error: str = column(TEXT, "What is wrong, which field, and the cure.")
    hook: str | None = column(TEXT, "Hook that it came in by.")
    action: str | None = column(TEXT, "XTND's Action, where it could be read.")
    event_id: str | None = column(EXACT_TEXT, "The event, where it could be told.")
    # ``connector dead-letters show`` has both that no view has.
    payload: bytes = column(BINARY, "Raw, exactly as received.", hidden=True)
    context: str = column(JSON_TEXT, "What a replay needs beside the payload.", hidden=True)
    kafka_topic: str | None = column(TEXT, "Where the record stood: topic.")
    kafka_partition: int | None = column(INTEGER, "Where the record stood: partition.")
    kafka_offset: int | None = column(COUNT, "Where the record stood: offset.")
    parked_at: str = column(INSTANT, "When it was parked (UTC).")
    state: str = column(TEXT, "parked, replayed or discarded.")
    state_at: str = column(INSTANT, "Since when it is in that state (UTC).")


class ConsumerOffset(Own, table=True):
    """How far the mirror has come on each Kafka partition; moved with the rows."""

    __tablename__ = "_consumer_offsets"

    topic: str = column(EXACT_TEXT, "Kafka topic.", key=True)
    partition: int = column(INTEGER, "Kafka partition.", key=True)
    next_offset: int = column(COUNT, "The first offset that the mirror does not hold yet.")
    records_lost: int = column(COUNT, "Offsets that Kafka no longer held when they were wanted.")
    updated_at: str = column(INSTANT, "When it last moved (UTC).")
    topic_id: str | None = column(TEXT, "Kafka's id of the topic, so that one re-created is known.")


class MirrorLoss(Own, table=True):
    """What Kafka no longer held when the mirror wanted it."""

    __tablename__ = "_mirror_losses"

    topic: str = column(EXACT_TEXT, "Kafka topic.", key=True)
    partition: int = column(INTEGER, "Kafka partition.", key=True)
    first_offset: int = column(COUNT, "The first offset that may be missing.", key=True)
    next_offset: int | None = column(COUNT, "One past the last; null where nobody can tell.")
    records: int | None = column(
        COUNT, "How many are missing; null where nobody can tell, because the topic was re-created."
    )
    sent_after: str | None = column(INSTANT, "When the last event before them was received (UTC).")
    sent_before: str | None = column(INSTANT, "When the next event was received, or they were missed.")
    found_at: str = column(INSTANT, "When the worker missed them (UTC).", key=True)
    acknowledged_at: str | None = column(INSTANT, "When somebody took note: connector losses.")


class MirrorRule(Own, table=True):
    """Which rule filled which column (connector's own)."""

    __tablename__ = "_mirror_rules"

    table_name: str = column(EXACT_TEXT, "Table of the mirror.", key=True)
    column_name: str = column(EXACT_TEXT, "Column; empty for the table itself.", key=True)
    rule: str = column(TEXT, "The rule that filled it, as written in YAML.")


class MirrorLayout(Own, table=True):
    """Which layouts the connector's own tables had."""

    __tablename__ = "_mirror_layout"

    version: int = column(INTEGER, "Layout of the connector's own tables.", key=True)
    connector: str = column(TEXT, "Version of the connector that made it.")
    made_at: str = column(INSTANT, "Since when the tables have it (UTC).")


class MirrorRoute(Own, table=True):
    """Which action belongs to which family and topic."""

    __tablename__ = "_mirror_routes"

    family: str = column(EXACT_TEXT, "Family of topics.yaml, or unrouted.", key=True)
    action: str = column(EXACT_TEXT, "XTND's Action; empty for the family itself.", key=True)
    topic: str = column(TEXT, "Kafka topic of the family.")


class MirrorCounter(Own, table=True):
    """How many events came of which partition and family (connector's own)."""

    __tablename__ = "_mirror_counters"

    topic: str = column(EXACT_TEXT, "Kafka topic that the events were read from.", key=True)
    partition: int = column(INTEGER, "Kafka partition.", key=True)
    family: str = column(EXACT_TEXT, "Family of the events, as in notifications.", key=True)
    events: int = column(COUNT, "How many events of notifications they are.")
    first_received_at: str = column(INSTANT, "When the first of them was received (UTC).")
    last_received_at: str = column(INSTANT, "When the last of them was received (UTC).")
    last_mirrored_at: str = column(INSTANT, "When one of them was last committed here (UTC).")


# Names of the tables; only a step changes the columns and keys of one that is there.
OWN = frozenset(Own.metadata.tables)
