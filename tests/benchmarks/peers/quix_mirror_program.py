"""A mirror as a careful user of Quix Streams writes one: ledger, history and state in one transaction.

Run with the Python of the peer's own virtual environment. One argument: a JSON object with
``application``, ``topic`` and ``sink``, the settings of the application and of PostgreSQL.
"""

import json
import sys
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

PAGE = 1_000  # rows of one statement
LEDGER = """
    INSERT INTO notifications (event_id, delivery_id, notification_index, hook, attempt, family, action,
        entity_key, details, properties, received_at, occurred_at, kafka_topic, kafka_partition, kafka_offset,
        source) VALUES %s ON CONFLICT (event_id, source) DO NOTHING RETURNING event_id, source"""
HISTORY = """
    INSERT INTO stock_balance_history (event_id, row_index, product_number, warehouse, measure, quantity,
        event_name, event_type, occurred_at, source) VALUES %s"""
STATE = """
    INSERT INTO stock_balances AS held (product_number, warehouse, balance, balance_event_name,
        balance_event_type, balance_as_of, first_seen_at, as_of, last_action, last_event_id, event_count)
    VALUES %s ON CONFLICT (product_number, warehouse) DO UPDATE SET
        balance = CASE WHEN {newer} THEN excluded.balance ELSE held.balance END,
        balance_event_name = CASE WHEN {newer} THEN excluded.balance_event_name
            ELSE held.balance_event_name END,
        balance_event_type = CASE WHEN {newer} THEN excluded.balance_event_type
            ELSE held.balance_event_type END,
        balance_as_of = greatest(held.balance_as_of, excluded.balance_as_of),
        first_seen_at = least(held.first_seen_at, excluded.first_seen_at),
        as_of = greatest(held.as_of, excluded.as_of),
        last_action = CASE WHEN {newer} THEN excluded.last_action ELSE held.last_action END,
        last_event_id = CASE WHEN {newer} THEN excluded.last_event_id ELSE held.last_event_id END,
        event_count = held.event_count + excluded.event_count, mirrored_at = now()
    """.format(newer="(excluded.as_of, excluded.last_event_id) > (held.as_of, held.last_event_id)")


class MirrorSink(BatchingSink):
    """Writes each partition's batch in one transaction; an event that is there changes nothing."""

    def __init__(self, **database: Any) -> None:
        super().__init__()
        self._database = database
        self._connection: Any = None

    def setup(self) -> None:
        self._connection = psycopg2.connect(**self._database)

    def write(self, batch: SinkBatch) -> None:
        events = {(item.value["id"], item.value["source"]): item for item in batch}
        with self._connection, self._connection.cursor() as cursor:
            rows = [_ledger(batch, item) for item in events.values()]
            new = execute_values(cursor, LEDGER, rows, page_size=PAGE, fetch=True)
            fresh = [events[identity].value for identity in new]
            if fresh:
                execute_values(cursor, HISTORY, list(map(_history, fresh)), page_size=PAGE)
                execute_values(cursor, STATE, _states(fresh), page_size=PAGE)


def _ledger(batch: SinkBatch, item: Any) -> tuple[Any, ...]:
    event = item.value
    return (
        event["id"],
        event["deliveryid"],
        event["deliveryindex"],
        event["hook"],
        event["attempt"],
        event["family"],
        event["action"],
        event["subject"],
        json.dumps(event["data"]),
        event["properties"],
        event["receivedat"],
        event["time"],
        batch.topic,
        batch.partition,
        item.offset,
        event["source"],
    )


def _history(event: dict[str, Any]) -> tuple[Any, ...]:
    data = event["data"]
    return (
        event["id"],
        0,
        data["ProductNumber"],
        data["Warehouse"],
        "balance",
        data["Balance"],
        data["EventName"],
        data["EventType"],
        event["time"],
        event["source"],
    )


def _states(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """One row for each key: of its newest event, with the time of the oldest and the number."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    first: dict[tuple[str, str], str] = {}
    count: dict[tuple[str, str], int] = {}
    for event in events:
        key = (event["data"]["ProductNumber"], event["data"]["Warehouse"])
        count[key] = count.get(key, 0) + 1
        first[key] = min(first.get(key, event["time"]), event["time"])
        other = newest.get(key)
        if other is None or (event["time"], event["id"]) > (other["time"], other["id"]):
            newest[key] = event
    return [
        (
            *key,
            event["data"]["Balance"],
            event["data"]["EventName"],
            event["data"]["EventType"],
            event["time"],
            first[key],
            event["time"],
            event["action"],
            event["id"],
            count[key],
        )
        for key, event in sorted(newest.items())
    ]


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    application = Application(**settings["application"])
    topic = application.topic(settings["topic"], value_deserializer="json")
    application.dataframe(topic).sink(MirrorSink(**settings["sink"]))
    application.run()
