"""The own tables of what came from Kafka: events, dead letters, and how far each partition is."""

from sqlalchemy import Index, text

from connector.mirror import dialects
from connector.mirror.models.own import SOURCE, Own, column

# True of an event of the ledger and the row of its body.
BODY = " AND ".join(
    f"_bodies.{name} = _notifications.{of}"
    for name, of in (("entity_key", "entity_key"), ("source", "source"), ("digest", "body"))
)
# An event's Details, wherever they stand; null where somebody took its body away.
DETAILS = f"CASE WHEN body IS NULL THEN details ELSE (SELECT _bodies.details FROM _bodies WHERE {BODY}) END"


def unkeyed(dialect: dialects.Dialect) -> str:
    """Events whose entity key does not name all entities that they speak of; an index holds just these."""
    return f"{dialect.is_json_array('details')} OR entity_key IS NULL"


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
    details: str = column("json", "The notification's Details as received.", shown=DETAILS)
    properties: str = column("json", "The delivery's Properties as received.")
    received_at: str = column("timestamp", "When the gateway had read the whole body (UTC).")
    occurred_at: str = column("timestamp", "Best estimate of when it happened in XTND (UTC).")
    kafka_topic: str = column("text", "Where the record stands on Kafka: topic.", of="topic")
    kafka_partition: int = column("small", "Where the record stands on Kafka: partition.", of="partition")
    kafka_offset: int = column("integer", "Where the record stands on Kafka: offset.", of="offset")
    mirrored_at: str = column("timestamp", "When it was committed here (UTC).")
    # Last, where a step adds it too; and last in the key, because ids tell events apart at once.
    source: str = column("exact", SOURCE, key=True)
    body: bytes | None = column("binary", "Digest of a body that stands in _bodies.", hidden=True)
    archive: int | None = column(
        "small", "Archive that has its Details and Properties, which are empty here; null: they are here."
    )


class BodyRow(Own, table=True):
    """What records say, each content of a record once (connector's own)."""

    __tablename__ = "_bodies"

    entity_key: str = column("exact", "Entity key of the events that have it.", key=True)
    source: str = column("exact", "Where these came from.", key=True)
    digest: bytes = column("binary", "Digest of the text as received.", key=True)
    details: str = column("json", "The text.")


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


class ForgottenEntity(Own, table=True):
    """Entities that somebody had removed (connector's own)."""

    __tablename__ = "_forgotten"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    entity_key: str = column("exact", "Which entity of it, as in notifications.", key=True)
    forgotten_at: str = column("timestamp", "When it was removed (UTC).")
    ended_at: str | None = column("timestamp", "When the first hook of it after that occurred (UTC).")
    changed_at: str = column("timestamp", "When this row was changed (UTC).")
