"""Columns of the connector's own tables in today's layout, and the types that all tables are made of.

A change here is a change of the layout and needs a step (``steps.py``).
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Numeric, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine, UserDefinedType
from typing_extensions import override

# Tables of the connector's own; only a step changes the columns and keys of one that is there (steps.py).
# By their names in the store (``mapped.stored``).
OWN = (
    *("_notifications", "_dead_letters", "_consumer_offsets", "_mirror_losses"),
    *("_mirror_rules", "_mirror_layout", "_mirror_routes", "_mirror_counters"),
)


class ExactAny(UserDefinedType[Any]):
    """SQLite's ANY in a STRICT table: a value is stored as it is given, never as a binary float."""

    cache_ok = True

    @override
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
    # SQLite shows 0 and 1.
    "boolean": Boolean().with_variant(Integer(), "sqlite"),
    "integer": COUNT,
}

SOURCE = "Where the event came from; with event_id its identity."


def own(name: str, type_: TypeEngine[Any], comment: str, **options: Any) -> tuple[str, Column[Any]]:
    """A column of the connector's own with its name; not null unless ``options`` say so."""
    options.setdefault("nullable", False)
    return name, Column(name, type_, comment=comment, **options)


def ledger() -> list[tuple[str, Column[Any]]]:
    """Columns of ``notifications``."""
    return [
        own("event_id", EXACT_TEXT, "<delivery Id>:<index in Notifications>", primary_key=True),
        own(
            "delivery_id", EXACT_TEXT, "XTND's Id of the delivery, the same on every attempt.", nullable=True
        ),
        own("notification_index", Integer(), "Place in the delivery's Notifications, from 0.", nullable=True),
        own("hook", Text(), "Hook that it came in by.", nullable=True),
        own("attempt", Integer(), "Which of XTND's attempts is kept here, from 1.", nullable=True),
        own("family", Text(), "Family of the action; unrouted when no family claims it."),
        own("action", Text(), "XTND's Action."),
        own("entity_key", EXACT_TEXT, "What the event speaks of; null for unrouted.", nullable=True),
        own("details", JSON_TEXT, "The notification's Details as received."),
        own("properties", JSON_TEXT, "The delivery's Properties as received."),
        own("received_at", INSTANT, "When the gateway had read the whole body (UTC)."),
        own("occurred_at", INSTANT, "Best estimate of when it happened in XTND (UTC)."),
        own("kafka_topic", Text(), "Where the record stands on Kafka: topic."),
        own("kafka_partition", Integer(), "Where the record stands on Kafka: partition."),
        own("kafka_offset", COUNT, "Where the record stands on Kafka: offset."),
        own("mirrored_at", INSTANT, "When it was committed here (UTC)."),
        # Last, where a step adds it too; and last in the key, because ids tell events apart at once.
        own("source", EXACT_TEXT, SOURCE, primary_key=True),
    ]


def dead_letters() -> list[tuple[str, Column[Any]]]:
    """Columns of ``dead_letters``."""
    return [
        own("dead_letter_id", EXACT_TEXT, "The same for every copy of the same fault.", primary_key=True),
        own("stage", Text(), "gateway or worker: who parked it."),
        own("reason", Text(), "Stable short code."),
        own("error", Text(), "What is wrong, which field, and the cure."),
        own("hook", Text(), "Hook that it came in by.", nullable=True),
        own("action", Text(), "XTND's Action, where it could be read.", nullable=True),
        own("event_id", EXACT_TEXT, "The event, where it could be told.", nullable=True),
        own("payload", LargeBinary(), "Raw, exactly as received."),
        own("context", JSON_TEXT, "What a replay needs beside the payload."),
        own("kafka_topic", Text(), "Where the record stood: topic.", nullable=True),
        own("kafka_partition", Integer(), "Where the record stood: partition.", nullable=True),
        own("kafka_offset", COUNT, "Where the record stood: offset.", nullable=True),
        own("parked_at", INSTANT, "When it was parked (UTC)."),
        own("state", Text(), "parked, replayed or discarded."),
        own("state_at", INSTANT, "Since when it is in that state (UTC)."),
    ]


def offsets() -> list[tuple[str, Column[Any]]]:
    """Columns of ``consumer_offsets``."""
    return [
        own("topic", EXACT_TEXT, "Kafka topic.", primary_key=True),
        own("partition", Integer(), "Kafka partition.", primary_key=True),
        own("next_offset", COUNT, "The first offset that the mirror does not hold yet."),
        own("records_lost", COUNT, "Offsets that Kafka no longer held when they were wanted."),
        own("updated_at", INSTANT, "When it last moved (UTC)."),
        own("topic_id", Text(), "Kafka's id of the topic, so that one re-created is known.", nullable=True),
    ]


def losses() -> list[tuple[str, Column[Any]]]:
    """Columns of ``mirror_losses``."""
    records = "How many are missing; null where nobody can tell, because the topic was re-created."
    return [
        own("topic", EXACT_TEXT, "Kafka topic.", primary_key=True),
        own("partition", Integer(), "Kafka partition.", primary_key=True),
        own("first_offset", COUNT, "The first offset that may be missing.", primary_key=True),
        own("next_offset", COUNT, "One past the last; null where nobody can tell.", nullable=True),
        own("records", COUNT, records, nullable=True),
        own("sent_after", INSTANT, "When the last event before them was received (UTC).", nullable=True),
        own("sent_before", INSTANT, "When the next event was received, or they were missed.", nullable=True),
        own("found_at", INSTANT, "When the worker missed them (UTC).", primary_key=True),
        own("acknowledged_at", INSTANT, "When somebody took note: connector losses.", nullable=True),
    ]


def layout() -> list[tuple[str, Column[Any]]]:
    """Columns of ``mirror_layout``."""
    return [
        own("version", Integer(), "Layout of the connector's own tables.", primary_key=True),
        own("connector", Text(), "Version of the connector that made it."),
        own("made_at", INSTANT, "Since when the tables have it (UTC)."),
    ]


def rules() -> list[tuple[str, Column[Any]]]:
    """Columns of ``mirror_rules``."""
    return [
        own("table_name", EXACT_TEXT, "Table of the mirror.", primary_key=True),
        own("column_name", EXACT_TEXT, "Column; empty for the table itself.", primary_key=True),
        own("rule", Text(), "The rule that filled it, as written in YAML."),
    ]


def routes() -> list[tuple[str, Column[Any]]]:
    """Columns of ``mirror_routes``."""
    return [
        own("family", EXACT_TEXT, "Family of topics.yaml, or unrouted.", primary_key=True),
        own("action", EXACT_TEXT, "XTND's Action; empty for the family itself.", primary_key=True),
        own("topic", Text(), "Kafka topic of the family."),
    ]


def counters() -> list[tuple[str, Column[Any]]]:
    """Columns of ``mirror_counters``."""
    return [
        own("topic", EXACT_TEXT, "Kafka topic that the events were read from.", primary_key=True),
        own("partition", Integer(), "Kafka partition.", primary_key=True),
        own("family", EXACT_TEXT, "Family of the events, as in notifications.", primary_key=True),
        own("events", COUNT, "How many events of notifications they are."),
        own("first_received_at", INSTANT, "When the first of them was received (UTC)."),
        own("last_received_at", INSTANT, "When the last of them was received (UTC)."),
        own("last_mirrored_at", INSTANT, "When one of them was last committed here (UTC)."),
    ]
