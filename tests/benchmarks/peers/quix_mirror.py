"""Quix Streams doing the same work: the same records into ledger, history and state, each event once.

The program is what a careful user writes with its ``BatchingSink`` and psycopg2's ``execute_values``; keys
and indexes are those of the connector, and at the end the rows are.
"""

from pathlib import Path

from tests.benchmarks.backlog import Backlog
from tests.benchmarks.peers import Filled, measure, quix
from tests.benchmarks.processes import Carried
from tests.servers import PostgresServer

NAME = "Quix Streams, the same work"
PROGRAM = Path(__file__).with_name("quix_mirror_program.py")
CREATE = """
    CREATE TABLE notifications (
        event_id text COLLATE "C", delivery_id text NOT NULL, notification_index integer NOT NULL,
        hook text NOT NULL, attempt integer NOT NULL, family text NOT NULL, action text NOT NULL,
        entity_key text, details jsonb NOT NULL, properties jsonb NOT NULL, received_at timestamptz NOT NULL,
        occurred_at timestamptz NOT NULL, kafka_topic text NOT NULL, kafka_partition integer NOT NULL,
        kafka_offset bigint NOT NULL, mirrored_at timestamptz NOT NULL DEFAULT now(), source text COLLATE "C",
        PRIMARY KEY (event_id, source));
    CREATE INDEX ON notifications (entity_key);
    CREATE INDEX ON notifications (action, event_id, source)
        WHERE jsonb_typeof(details) = 'array' OR entity_key IS NULL;
    CREATE INDEX ON notifications USING brin (received_at);
    CREATE TABLE stock_balance_history (
        event_id text COLLATE "C", row_index integer, product_number text, warehouse text, measure text,
        quantity numeric, event_name text, event_type text, occurred_at timestamptz, source text COLLATE "C",
        PRIMARY KEY (occurred_at, event_id, row_index, source));
    CREATE INDEX ON stock_balance_history (product_number, warehouse, measure, occurred_at);
    CREATE TABLE stock_balances (
        product_number text COLLATE "C", warehouse text COLLATE "C", balance numeric, balance_event_name text,
        balance_event_type text, balance_as_of timestamptz, first_seen_at timestamptz NOT NULL,
        as_of timestamptz NOT NULL, last_action text NOT NULL, last_event_id text COLLATE "C" NOT NULL,
        event_count bigint NOT NULL, mirrored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (product_number, warehouse));
    CREATE INDEX ON stock_balances (warehouse)"""
APPLIED = "SELECT coalesce(sum(event_count), 0) FROM stock_balances"
# What both must have in the end, in the names of both.
SAME = {
    "notifications": "event_id, delivery_id, notification_index, hook, attempt, family, action, entity_key, "
    "details, properties, received_at, occurred_at, kafka_topic, kafka_partition, kafka_offset, source",
    "stock_balance_history": "event_id, row_index, product_number, warehouse, measure, quantity, event_name, "
    "event_type, occurred_at, source",
    "stock_balances": "product_number, warehouse, balance, balance_event_name, balance_event_type, "
    "balance_as_of, first_seen_at, as_of, last_action, last_event_id, event_count",
}


def run(backlog: Backlog, server: PostgresServer, ours: str, theirs: str, folder: Path) -> Carried:
    """Carry the backlog once into ``theirs``, and compare the rows with those of ``ours``, both URLs."""
    tables = Filled(theirs, CREATE, APPLIED)
    topic = backlog.routes.topic_of_family["balances"]
    made = quix.program(PROGRAM, backlog.bootstrap, topic, tables.url, folder, {})
    result = measure(made, backlog.events, tables, server)
    mirror = Filled(ours)
    for name, columns in SAME.items():
        # One row for each hundredth of the rows, so that two large tables are compared in the servers.
        select = (
            "SELECT left(md5(one::text), 2) AS part, count(*), "
            "md5(string_agg(md5(one::text), '' ORDER BY md5(one::text) COLLATE \"C\")) "
            f"FROM (SELECT {columns} FROM {name}) AS one GROUP BY part ORDER BY part"
        )
        assert tables.rows(select) == mirror.rows(select), f"{name} differs"
    mirror.close()
    tables.close()
    return result
