"""The connector's own tables: only here are their columns, types, keys, indexes and comments written.

Every other list of these columns is derived from here (``columns``, ``key``). A model's docstring is the
comment of its table, and an attribute that may be None is a column that takes nulls.

A change here is a change of the layout and needs a step (``steps.py``).
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Dialect, Index, Integer, LargeBinary, Table, text
from sqlalchemy.orm import declared_attr, registry
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel
from typing_extensions import override

from connector import events
from connector.mirror import dialects
from connector.mirror.dialects.dialect import Columns


class Instant(TypeDecorator[str]):
    """An instant, in Python ISO-8601 UTC text with microseconds."""

    impl = dialects.column_type("timestamp")
    cache_ok = True

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value


# Types of columns: those that each database declares, then of whole numbers that 32 bits hold, and of bytes.
DECLARED = ("text", "exact", "numeric", "boolean", "integer", "json")
TYPES: dict[str, TypeEngine[Any]] = {name: dialects.column_type(name) for name in DECLARED}
TYPES |= {"timestamp": Instant(), "small": Integer(), "binary": LargeBinary()}
SOURCE = "Where the event came from; with event_id its identity."


def unkeyed(dialect: dialects.Dialect) -> str:
    """Events whose entity key does not name all entities that they speak of; an index holds just these."""
    return f"{dialect.is_json_array('details')} OR entity_key IS NULL"


def column(type_: str, comment: str, *, key: bool = False, **info: Any) -> Any:
    """A column of one of ``TYPES`` with its comment; part of the primary key where ``key``.

    ``of`` names the attribute that fills it, where that has another name (``ledger.py``), and ``hidden``
    keeps it out of the view (``shown.py``).
    """
    declared: Any = TYPES[type_]
    info["type"] = {"exact": "text", "small": "integer"}.get(type_, type_)  # in a batch
    return Field(sa_type=declared, primary_key=key, sa_column_kwargs={"comment": comment, "info": info})


def only(rows: str) -> dict[str, Any]:
    """Options of an index over the rows for which this SQL is true."""
    return dialects.options(lambda _: {"where": text(rows)})


class Own(SQLModel, registry=registry()):
    """One of the connector's own tables."""

    __table__: ClassVar[Table]
    indexes: ClassVar[tuple[Index, ...]] = ()

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> Any:
        return (
            *cls.indexes,
            {"comment": cls.__doc__, **dialects.options(lambda dialect: dialect.table_arguments)},
        )

    @classmethod
    def columns(cls, *left_out: str) -> Columns:
        """Names and types, as a batch takes them."""
        found = cls.__table__.columns
        return tuple((one.name, one.info["type"]) for one in found if one.name not in left_out)

    @classmethod
    def key(cls) -> Columns:
        """Names and types of the primary key."""
        return tuple(one for one in cls.columns() if one[0] in cls.__table__.primary_key.columns)


def names(columns: Columns) -> str:
    """Names of columns as SQL lists them."""
    return ", ".join(name for name, _ in columns)


class LedgerRow(Own, table=True):
    """The ledger: every event once, as received."""

    __tablename__ = "_notifications"
    # The last two cost a batch next to nothing: for what no entity key finds, and for a stretch of time.
    indexes = (
        Index("ix_notifications_entity_key", "entity_key"),
        Index(
            "ix_notifications_unkeyed",
            *("action", "event_id", "source"),
            **dialects.options(lambda dialect: {"where": text(unkeyed(dialect))}),
        ),
        Index(
            "ix_notifications_received_at",
            "received_at",
            **dialects.options(lambda dialect: dialect.range_index),
        ),
    )

    event_id: str = column("exact", "<delivery Id>:<index in Notifications>", key=True)
    delivery_id: str | None = column("exact", "XTND's Id of the delivery, the same on every attempt.")
    notification_index: int | None = column(
        "small", "Place in the delivery's Notifications, from 0.", of="index"
    )
    hook: str | None = column("text", "Hook that it came in by.")
    attempt: int | None = column(
        "small", "Which of XTND's attempts is kept here, from 1; below 0: forgotten."
    )
    family: str = column("text", "Family of the action; unrouted when no family claims it.")
    action: str = column("text", "XTND's Action.")
    entity_key: str | None = column("exact", "What the event speaks of; null for unrouted.")
    details: str = column("json", "The notification's Details as received.")
    properties: str = column("json", "The delivery's Properties as received.")
    received_at: str = column("timestamp", "When the gateway had read the whole body (UTC).")
    occurred_at: str = column("timestamp", "Best estimate of when it happened in XTND (UTC).")
    kafka_topic: str = column("text", "Where the record stands on Kafka: topic.", of="topic")
    kafka_partition: int = column("small", "Where the record stands on Kafka: partition.", of="partition")
    kafka_offset: int = column("integer", "Where the record stands on Kafka: offset.", of="offset")
    mirrored_at: str = column("timestamp", "When it was committed here (UTC).")
    # Last, where a step adds it too; and last in the key, because ids tell events apart at once.
    source: str = column("exact", SOURCE, key=True)
    archive: int | None = column(
        "small", "Archive that has its Details and Properties, which are empty here; null: they are here."
    )


class DeadLetterRow(Own, table=True):
    """What could not be mirrored as it was, kept raw for a replay."""

    __tablename__ = "_dead_letters"
    indexes = (
        Index("ix_dead_letters_state_parked_at", "state", "parked_at"),
        Index("ix_dead_letters_reason", "reason"),
    )

    dead_letter_id: str = column("exact", "The same for every copy of the same fault.", key=True)
    stage: str = column("text", "gateway or worker: who parked it.")
    reason: str = column("text", "Stable short code.")
    error: str = column("text", "What is wrong, which field, and the cure.")
    hook: str | None = column("text", "Hook that it came in by.")
    action: str | None = column("text", "XTND's Action, where it could be read.")
    event_id: str | None = column("exact", "The event, where it could be read.")
    # ``connector dead-letters show`` has both that no view has.
    payload: bytes = column("binary", "Raw, exactly as received.", hidden=True)
    context: str = column("json", "What a replay needs beside the payload.", hidden=True)
    kafka_topic: str | None = column("text", "Where the record stood: topic.")
    kafka_partition: int | None = column("small", "Where the record stood: partition.")
    kafka_offset: int | None = column("integer", "Where the record stood: offset.")
    parked_at: str = column("timestamp", "When it was parked (UTC).")
    state: str = column("text", "parked, replayed or discarded.")
    state_at: str = column("timestamp", "Since when it is in that state (UTC).")


class ConsumerOffset(Own, table=True):
    """How far the mirror has come on each Kafka partition; moved with the rows."""

    __tablename__ = "_consumer_offsets"

    topic: str = column("exact", "Kafka topic.", key=True)
    partition: int = column("small", "Kafka partition.", key=True)
    next_offset: int = column("integer", "The first offset that the mirror does not hold yet.")
    records_lost: int = column("integer", "Offsets that Kafka deleted before they were read.")
    updated_at: str = column("timestamp", "When it last moved (UTC).")
    topic_id: str | None = column("text", "Kafka's id of the topic, so that one re-created is known.")
    clock_distance_ms: int | None = column(
        "integer",
        "How far the gateway's clock was ahead of Kafka's at the last event (milliseconds).",
        hidden=True,  # ``mirror_status`` shows it in seconds
    )


class MirrorLoss(Own, table=True):
    """What Kafka deleted before the mirror read it."""

    __tablename__ = "_mirror_losses"

    topic: str = column("exact", "Kafka topic.", key=True)
    partition: int = column("small", "Kafka partition.", key=True)
    first_offset: int = column("integer", "The first offset that may be missing.", key=True)
    next_offset: int | None = column("integer", "One past the last; null where nobody can tell.")
    records: int | None = column(
        "integer", "How many are missing; null where nobody can tell, because the topic was re-created."
    )
    sent_after: str | None = column("timestamp", "When the last event before them was received (UTC).")
    sent_before: str | None = column("timestamp", "When the next event was received, or they were missed.")
    found_at: str = column("timestamp", "When the worker missed them (UTC).", key=True)
    acknowledged_at: str | None = column("timestamp", "When somebody took note: connector losses.")


class MirrorRule(Own, table=True):
    """Which rule filled which column (connector's own)."""

    __tablename__ = "_mirror_rules"

    table_name: str = column("exact", "Table of the mirror.", key=True)
    column_name: str = column("exact", "Column; empty for the table itself.", key=True)
    rule: str = column("text", "The rule that filled it, as written in YAML.")


class MirrorLayout(Own, table=True):
    """Which layouts the connector's own tables had."""

    __tablename__ = "_mirror_layout"

    version: int = column("small", "Layout of the connector's own tables.", key=True)
    connector: str = column("text", "Version of the connector that made it.")
    made_at: str = column("timestamp", "Since when the tables have it (UTC).")


class MirrorRoute(Own, table=True):
    """Which action belongs to which family and topic."""

    __tablename__ = "_mirror_routes"

    family: str = column("exact", "Family of topics.yaml, or unrouted.", key=True)
    action: str = column("exact", "XTND's Action; empty for the family itself.", key=True)
    topic: str = column("text", "Kafka topic of the family.")


class MirrorCounter(Own, table=True):
    """How many events came of which partition and family (connector's own)."""

    __tablename__ = "_mirror_counters"

    topic: str = column("exact", "Kafka topic that the events were read from.", key=True)
    partition: int = column("small", "Kafka partition.", key=True)
    family: str = column("exact", "Family of the events, as in notifications.", key=True)
    events: int = column("integer", "How many events of notifications they are.")
    first_received_at: str = column("timestamp", "When the first of them was received (UTC).")
    last_received_at: str = column("timestamp", "When the last of them was received (UTC).")
    last_mirrored_at: str = column("timestamp", "When one of them was last committed here (UTC).")


class HydrationWork(Own, table=True):
    """How far the hydrator is with records that it is asked for (connector's own)."""

    __tablename__ = "_hydration_work"
    indexes = (
        Index("ix_hydration_work_again_at", "family", "again_at", **only("again_at IS NOT NULL")),
        Index("ix_hydration_work_asked_at", "family", "asked_at", **only("asked_at IS NOT NULL")),
        Index("ix_hydration_work_leased", "leased_until", "leased_by", **only("leased_until IS NOT NULL")),
        Index("ix_hydration_work_swept_at", "family", "swept_at", **only("swept_at IS NOT NULL")),
    )

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    entity_key: str = column("exact", "Which record of it, as in notifications.", key=True)
    asked_at: str | None = column("timestamp", "When a backfill, sweep or audit asked for it (UTC).")
    again_at: str | None = column("timestamp", "When it is fetched once more (UTC).")
    answered_at: str | None = column("timestamp", "Up to when wants of hooks are published or parked (UTC).")
    marked_at: str | None = column("timestamp", "The newest snapshot that is published (UTC).")
    # In microseconds since the epoch; no two leases of a key have the same.
    lease: int | None = column("integer", "Beyond which instant the snapshot of the last lease lies (µs).")
    leased_by: str | None = column("text", "The hydrator that has it.")
    leased_at: str | None = column("timestamp", "Since when it has it (UTC).")
    leased_until: str | None = column("timestamp", "Until when no other hydrator takes it (UTC).")
    not_before: str | None = column("timestamp", "When it is tried again at the earliest (UTC).")
    trouble: str = column("text", "Why it was not fetched: away, missing or refused; else empty.")
    tries: int = column("small", "How often in a row it was not.")
    swept_at: str | None = column("timestamp", "The start of the newest sweep that asked for it (UTC).")
    changed_at: str | None = column("timestamp", "When the record changed, as that sweep's list says (UTC).")
    row_digest: str | None = column("text", "Digest of what a sweep's list had of it last.")


class BackfillWork(Own, table=True):
    """How far a family's newest backfill is with its list (connector's own)."""

    __tablename__ = "_backfills"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    changed_since: str = column("timestamp", "Since when the records changed (UTC).")
    changed_until: str | None = column("timestamp", "Until when they changed; null: until its start (UTC).")
    started_at: str = column("timestamp", "When it was started (UTC).")
    finished_at: str | None = column("timestamp", "When the list was read to its end (UTC).")
    part: int = column("small", "Which window of changes is read, from 0.")
    reading: int = column("small", "Whether it is read for the first time (0) or for the second (1).")
    page: int | None = column("small", "The last page that was read; null before the first.")
    listed: int = column("integer", "Rows that were listed.")
    asked: int = column("integer", "Records that were asked for, or published from the list itself.")


class Sweep(Own, table=True):
    """What the sweeps of a family's list found (connector's own)."""

    __tablename__ = "_sweeps"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When it started (UTC).", key=True)
    alive_until: str = column("timestamp", "Until when it is taken to run while it is not finished (UTC).")
    finished_at: str | None = column("timestamp", "When the list was read to its end (UTC).")
    whole: int = column("small", "1 where the whole list was read, 0 where what changed was.")
    listed: int = column("integer", "Records that were listed.")
    enqueued: int = column("integer", "Records that were asked for, or published from the list itself.")
    repaired: int = column("integer", "Those of them that were fetched since.")
    lost_hooks: int = column("integer", "Those of them whose change no hook reported.")


class Audit(Own, table=True):
    """How far the newest audit of a family's records is (connector's own)."""

    __tablename__ = "_audits"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When it was started (UTC).")
    finished_at: str | None = column("timestamp", "When all records were read (UTC).")
    entity_key: str = column("exact", "The last record that was read; empty before the first.")
    compared: int = column("integer", "Records that were compared.")
    moved: int = column("integer", "Records that were left to the hydrator, because they changed meanwhile.")
    left_out: int = column("integer", "Records that the API did not give.")


class Drift(Own, table=True):
    """Where the mirror was not as the source (connector's own)."""

    __tablename__ = "_drift"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When the audit was started that found it (UTC).", key=True)
    entity_key: str = column("exact", "Which record of the family, as in notifications.", key=True)
    table_name: str = column("exact", "Table of the mirror.", key=True)
    row_key: str = column("exact", "Which of the record's rows there; empty where it has one.", key=True)
    column_name: str = column("exact", "Column; empty where only one of both has the row.", key=True)
    found_at: str = column("timestamp", "When the record was asked for (UTC).")
    hooked_at: str | None = column(
        "timestamp", "When the newest hook for it occurred that was mirrored (UTC)."
    )
    mirrored: str | None = column("text", "What the mirror had; of a row its columns as JSON.")
    source: str | None = column("text", "What the source had; of a row its columns as JSON.")


class ForgottenEntity(Own, table=True):
    """Entities that somebody had removed (connector's own)."""

    __tablename__ = "_forgotten"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    entity_key: str = column("exact", "Which entity of it, as in notifications.", key=True)
    forgotten_at: str = column("timestamp", "When it was removed (UTC).")
    ended_at: str | None = column("timestamp", "When the first hook of it after that occurred (UTC).")
    changed_at: str = column("timestamp", "When this row was changed (UTC).")


class Archive(Own, table=True):
    """Files with what events say that left the ledger (connector's own)."""

    __tablename__ = "_archives"

    archive: int = column("small", "Number of the archive, as in notifications.", key=True)
    month: str = column("text", "In which month its events were received (UTC), as 2024-03.")
    file: str = column("text", "Path or URL of its Parquet file.")
    sha256: str = column("text", "SHA-256 of the file.")
    size_bytes: int = column("integer", "Size of the file in bytes.")
    events: int = column("integer", "How many events the file has.")
    unkeyed: int = column("integer", "How many of them speak of entities that entity_key does not name.")
    made_at: str = column("timestamp", "When the file was made (UTC).")
    read_at: str | None = column("timestamp", "When it was read back and found whole (UTC).")
    emptied_at: str | None = column("timestamp", "Since when the ledger no longer has what they say (UTC).")
    former: str | None = column("text", "The file that this one took the place of, to be removed.")


class ArchivedRow(Own, table=True):
    """Rows of tables as the archived events alone give them (connector's own)."""

    __tablename__ = "_archived_rows"

    table_name: str = column("exact", "Table of the mirror.", key=True)
    row_digest: str = column("exact", "Digest of the row's key.", key=True)
    folded: str = column("text", "The key and the fold, as JSON.")


# Names of the tables; only a step changes the columns and keys of one that is there.
OWN = frozenset(Own.metadata.tables)
