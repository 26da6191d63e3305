# ruff: noqa: E501 - what a catalogue or a sentence says stands in one line
"""What analysts build on the mirror stays through its changes, and stops nothing."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy import create_engine, make_url

from connector import config
from connector.config import Config
from connector.errors import StartupError
from connector.mirror import database, locks, schema, verify
from connector.mirror.mapping import Mapping
from tests import strategies, workers
from tests.conftest import SECRET, shipped
from tests.gateways import until
from tests.pauses import awake
from tests.strategies import MINUTE, NOON, Mirror

# The README's own example, and a column more in the middle of stock_movements.
ACTION = ("        OrderCreated: {key", "        Shipped: {key: OrderNumber}\n        OrderCreated: {key")
COLUMN = (
    "      event_type: {type: text",
    "      zone: {type: text, path: Zone}\n      event_type: {type: text",
)
OTHER_COLUMN = ("      event_type: {type: text", "      kind_of_event: {type: text")
LOGGED_SECONDS = 5.0


class Warehouse:
    """One database that is opened with one configuration after another."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack
        self._is_untouched = True

    def config(self, *changes: tuple[str, str]) -> Config:
        texts = shipped()
        for old, new in changes:
            assert any(old in text for text in texts.values())
            texts = {name: text.replace(old, new) for name, text in texts.items()}
        return config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": self.url})

    def stored(self, table: str) -> str:
        """A table of the store, as somebody outside of the connector names it."""
        return f"public_store._{table}" if self.url.startswith("postgresql") else f"_{table}"

    def open(self, *changes: tuple[str, str]) -> Mirror:
        """What a worker does at its start."""
        copied, self._is_untouched = self._is_untouched and not changes, False
        return self._stack.enter_context(strategies.mirror(self.config(*changes), copied=copied))

    def analyst(self, *statements: str, role: str = "") -> list[Any]:
        """Do something beside the connector; gives the rows of the last statement."""
        self._is_untouched = False
        engine = create_engine(database.url_of(self.config().database))
        try:
            with engine.begin() as connection:
                if role:
                    connection.exec_driver_sql(f"SET ROLE {role}")
                for statement in statements:
                    done = connection.exec_driver_sql(statement)
                return list(done.fetchall()) if done.returns_rows else []
        finally:
            engine.dispose()


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    with ExitStack() as stack:
        yield Warehouse(database_url, stack)


@pytest.fixture
def on_postgresql(postgres: Any) -> Iterator[Warehouse]:
    with ExitStack() as stack:
        yield Warehouse(postgres.new_database(), stack)


def write(mirror: Mirror, delivery: str = "a") -> None:
    for place, value in enumerate((4, 6)):
        details = {"ProductNumber": "P", "Warehouse": "W", "Balance": value}
        mirror.write(
            mirror.event("BalanceChanged", details, delivery=f"{delivery}{place}", at=NOON + place * MINUTE),
            mirror.event("OrderCreated", {"OrderNumber": str(place)}, delivery=f"{delivery}o{place}"),
        )


# --- Views -----------------------------------------------------------------------------------------


def test_a_view_on_the_status_stays_when_an_action_is_added(warehouse: Warehouse) -> None:
    warehouse.open()
    warehouse.analyst("CREATE VIEW d AS SELECT family FROM mirror_status")
    mirror = warehouse.open(ACTION)
    assert ("orders",) in [tuple(row) for row in warehouse.analyst("SELECT family FROM d")]
    mirror.write(mirror.event("Shipped", {"OrderNumber": "1"}))
    assert mirror.row("mirror_status", family="orders")["events"] == 1
    assert schema.state(mirror.engine, mirror.mapping) is None


def test_an_action_more_changes_no_view(warehouse: Warehouse) -> None:
    mirror = warehouse.open()
    before = definitions(mirror)
    assert definitions(warehouse.open(ACTION)) == before


def definitions(mirror: Mirror) -> list[dict[str, Any]]:
    query = "SELECT name, sql, rootpage FROM sqlite_master WHERE type = 'view'"
    if mirror.engine.dialect.name == "postgresql":
        query = "SELECT oid, xmin::text, relname FROM pg_class WHERE relkind = 'v' AND relname IN ('mirror_status', 'stock_movements')"
    return strategies.select(mirror.engine, query)


def test_a_column_more_comes_last_in_a_view_that_others_built_on(warehouse: Warehouse) -> None:
    write(warehouse.open())
    warehouse.analyst(
        "CREATE VIEW theirs AS SELECT * FROM stock_movements",
        "CREATE VIEW on_theirs AS SELECT delta FROM theirs",
    )
    mirror = warehouse.open(COLUMN)
    row = mirror.rows("stock_movements")[0]
    if mirror.engine.dialect.name == "postgresql":
        assert list(row)[-1] == "zone"
    assert "zone" in row
    assert sorted(str(row[0]) for row in warehouse.analyst("SELECT delta FROM on_theirs")) == ["2", "None"]
    assert schema.state(mirror.engine, mirror.mapping) is None


def test_rights_comments_and_options_outlast_each_change_of_a_view(on_postgresql: Warehouse) -> None:
    on_postgresql.open()
    roles = [f"{name}_{time.time_ns()}" for name in ("reader", "lender", "column_reader", "shut_out")]
    reader, lender, column_reader, shut_out = roles
    on_postgresql.analyst(
        *(f"CREATE ROLE {role}" for role in roles),
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {shut_out}",
        f"GRANT SELECT ON stock_movements, mirror_status TO {reader}",
        f"GRANT SELECT ON stock_movements TO {lender} WITH GRANT OPTION",
        f"GRANT SELECT (delta, event_type) ON stock_movements TO {column_reader}",
        "COMMENT ON COLUMN stock_movements.delta IS '100 %% ''theirs'''",
        "ALTER VIEW stock_movements SET (security_barrier = true)",
    )
    everything = """
        SELECT relacl::text, reloptions::text, obj_description(class.oid), attacl::text, col_description(class.oid, attnum)
        FROM pg_class AS class JOIN pg_attribute ON attrelid = class.oid AND attname = 'delta'
        WHERE relname = 'stock_movements'
    """
    before = on_postgresql.analyst(everything)
    for changes in ((ACTION,), (COLUMN,), (OTHER_COLUMN,), ()):  # the last two lose a column each
        on_postgresql.open(*changes)
        assert on_postgresql.analyst(everything) == before
        assert on_postgresql.analyst("SELECT delta FROM stock_movements", role=column_reader) == []
        assert len(on_postgresql.analyst("SELECT * FROM mirror_status", role=reader)) == 8
        with pytest.raises(Exception, match="permission denied"):
            on_postgresql.analyst("SELECT * FROM stock_movements", role=shut_out)
    on_postgresql.analyst(
        *(f"DROP OWNED BY {role}" for role in roles), *(f"DROP ROLE {role}" for role in roles)
    )


def test_a_name_that_is_taken_costs_that_view_alone_and_is_told(warehouse: Warehouse) -> None:
    warehouse.analyst(
        "CREATE TABLE stock_movements (theirs TEXT)", "INSERT INTO stock_movements VALUES ('kept')"
    )
    mirror = warehouse.open()
    write(mirror)
    told = schema.state(mirror.engine, mirror.mapping)
    assert told is not None
    assert told.startswith("the view stock_movements was not made, because its name is taken: rename")
    assert warehouse.analyst("SELECT theirs FROM stock_movements")[0][0] == "kept"
    warehouse.analyst("DROP TABLE stock_movements")
    assert len(warehouse.open().rows("stock_movements")) == 2


def test_a_view_of_an_analysts_is_not_written_over_by_one_that_comes_later(warehouse: Warehouse) -> None:
    warehouse.open(("  stock_movements:", "  moves:"))
    warehouse.analyst("CREATE VIEW stock_movements AS SELECT 1 AS theirs")
    mirror = warehouse.open()
    assert mirror.rows("stock_movements", "1") == [{"theirs": 1}]


def test_a_view_that_left_the_configuration_stays_while_somebody_needs_it(on_postgresql: Warehouse) -> None:
    write(on_postgresql.open())
    on_postgresql.analyst("CREATE MATERIALIZED VIEW theirs AS SELECT * FROM stock_movements")
    renamed = ("  stock_movements:", "  moves:")
    mirror = on_postgresql.open(renamed)
    on_postgresql.analyst("REFRESH MATERIALIZED VIEW theirs")
    assert len(mirror.rows("moves")) == 2
    on_postgresql.analyst("DROP MATERIALIZED VIEW theirs")
    on_postgresql.open(renamed)
    assert on_postgresql.analyst("SELECT 1 FROM pg_class WHERE relname = 'stock_movements'") == []


# --- Tables ----------------------------------------------------------------------------------------


def test_keys_publications_and_indexes_of_analysts_outlast_a_table_that_is_filled_again(
    warehouse: Warehouse,
) -> None:
    mirror = warehouse.open()
    write(mirror)
    orders = warehouse.stored("orders")
    warehouse.analyst(
        f"CREATE TABLE notes (order_number TEXT REFERENCES {orders}(order_number) ON DELETE CASCADE, note TEXT)",
        f"CREATE TABLE marks (order_number TEXT REFERENCES {orders}(order_number))",
        "INSERT INTO notes VALUES ('1', 'theirs')",
        "INSERT INTO marks VALUES ('1')",
        f"CREATE INDEX theirs ON {orders} (status)",
    )
    if mirror.engine.dialect.name == "postgresql":
        warehouse.analyst(
            f"CREATE PUBLICATION theirs FOR TABLE {orders}, {warehouse.stored('notifications')}",
            "CREATE MATERIALIZED VIEW summary AS SELECT status, COUNT(*) FROM orders GROUP BY status",
            f"COMMENT ON TABLE {orders} IS 'theirs'",
        )
    # Another action touches orders, so every row is folded again; then a better copy comes.
    shipped = ("actions: [OrderCreated, OrderReserved", "actions: [Shipped, OrderCreated, OrderReserved")
    its_key = (
        "          OrderCreated: OrderNumber\n",
        "          OrderCreated: OrderNumber\n          Shipped: OrderNumber\n",
    )
    mirror = warehouse.open(ACTION, shipped, its_key)
    later = mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="z", attempt=2, at=NOON + 9 * MINUTE)
    mirror.write(later)
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="z", at=NOON + 8 * MINUTE))
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert [tuple(row) for row in warehouse.analyst("SELECT note FROM notes")] == [("theirs",)]
    assert len(warehouse.analyst("SELECT * FROM marks")) == 1


def test_a_row_that_must_go_and_that_a_foreign_key_holds_is_named(warehouse: Warehouse) -> None:
    mirror = warehouse.open()
    write(mirror)
    orders = warehouse.stored("orders")
    warehouse.analyst(
        f"CREATE TABLE marks (order_number TEXT REFERENCES {orders}(order_number))",
        "INSERT INTO marks VALUES ('1')",
    )
    without_created = (
        ("actions: [OrderCreated, ", "actions: ["),
        ("          OrderCreated: OrderNumber\n", ""),
        ("          OrderCreated: created\n", ""),
        ("on: [OrderCreated]", "on: [OrderReserved]"),
    )
    with pytest.raises(
        StartupError, match=r"(?s)no event gives any longer stay in the table orders.*(marks|FOREIGN KEY)"
    ):
        warehouse.open(*without_created)
    warehouse.analyst("DROP TABLE marks")
    assert warehouse.open(*without_created).rows("orders") == []


def test_a_view_with_the_name_of_a_new_table_is_named_and_left_alone(warehouse: Warehouse) -> None:
    warehouse.analyst("CREATE VIEW orders AS SELECT 1 AS theirs")
    with pytest.raises(StartupError, match=r"(?s)names that are not the connector's: orders\."):
        warehouse.open()
    assert [tuple(row) for row in warehouse.analyst("SELECT theirs FROM orders")] == [(1,)]


# --- Locks -----------------------------------------------------------------------------------------


def lines(logs: list[Any]) -> list[Any]:
    return [one for one in logs if one["event"] == "waiting for a lock"]


def test_a_start_beside_an_open_reader_names_it_within_seconds_and_holds_up_no_other_reader(
    on_postgresql: Warehouse,
) -> None:
    mirror = on_postgresql.open()
    changed = on_postgresql.config(COLUMN)
    with (
        psycopg.connect(plain(on_postgresql.url), application_name="a report") as reader,
        psycopg.connect(plain(on_postgresql.url), autocommit=True) as other,
        structlog.testing.capture_logs() as logs,
    ):
        reader.execute("SELECT * FROM stock_movements")
        started = awake()
        start = threading.Thread(target=schema.ensure, args=(mirror.engine, changed, Mapping(changed)))
        start.start()
        until(lambda: lines(logs), "a line of the log")
        assert awake() - started < LOGGED_SECONDS
        line = lines(logs)[0]
        assert (line["pid"], line["user"], line["application"], line["query"]) == (
            reader.info.backend_pid, "postgres", "a report", "SELECT * FROM stock_movements",
        )  # fmt: skip
        told = until(lambda: locks.trouble(mirror.engine), "the same for the readiness")
        assert str(reader.info.backend_pid) in told
        # A query that comes behind waits as long as one attempt does, at most.
        other.execute(f"SET statement_timeout = {int(locks.DDL_SECONDS * 1000 + 10_000)}")
        other.execute("SELECT * FROM stock_movements")
        assert start.is_alive()
        reader.rollback()
        start.join(60)
    assert not start.is_alive()
    assert strategies.select(mirror.engine, "SELECT zone FROM stock_movements") == []
    until(lambda: locks.trouble(mirror.engine) is None, "the end of the wait")


def test_a_batch_that_waits_behind_a_session_that_waits_is_logged_with_the_one_that_holds_the_lock(
    on_postgresql: Warehouse,
) -> None:
    """As a worker's batch behind a change of the schema, which waits for a reader."""
    mirror = on_postgresql.open()
    lock = "LOCK TABLE public_store._orders"
    with (
        psycopg.connect(plain(on_postgresql.url)) as change,
        psycopg.connect(plain(on_postgresql.url)) as reader,  # which ends first, also when the test fails
        locks.watching(mirror.engine),
        structlog.testing.capture_logs() as logs,
    ):
        reader.execute("SELECT * FROM orders")
        waits = [
            threading.Thread(target=change.execute, args=(lock,)),
            threading.Thread(target=write, args=(mirror,)),
        ]
        waits[0].start()
        of_change = f"SELECT 1 FROM pg_locks WHERE NOT granted AND pid = {change.info.backend_pid}"
        until(lambda: on_postgresql.analyst(of_change), "the change waits")
        waits[1].start()
        until(lambda: lines(logs), "a line of the log")
        assert [line["pid"] for line in lines(logs)] == [reader.info.backend_pid]
        reader.rollback()
        waits[0].join(60)
        change.rollback()
        waits[1].join(60)
    assert not any(thread.is_alive() for thread in waits)


def test_a_batch_that_waits_for_a_lock_is_logged_with_its_holder(warehouse: Warehouse) -> None:
    mirror = warehouse.open()
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    writing = threading.Thread(target=write, args=(mirror,))
    with locks.watching(mirror.engine), structlog.testing.capture_logs() as logs, ExitStack() as stack:
        if on_postgresql:
            holder: Any = stack.enter_context(psycopg.connect(plain(warehouse.url)))
            holder.execute("LOCK TABLE public_store._orders")
        else:
            holder = sqlite3.connect(str(make_url(warehouse.url).database), isolation_level=None)
            stack.callback(holder.close)
            holder.execute("BEGIN IMMEDIATE")
        started = awake()
        writing.start()
        until(lambda: lines(logs), "a line of the log")
        assert awake() - started < LOGGED_SECONDS
        told = locks.trouble(mirror.engine) or ""
        wanted = (
            f"process {holder.info.backend_pid} of user postgres"
            if on_postgresql
            else "holds SQLite's write lock"
        )
        assert wanted in told
        holder.rollback() if on_postgresql else holder.execute("ROLLBACK")
        writing.join(60)
        until(lambda: locks.trouble(mirror.engine) is None, "the end of the wait")
    assert len(mirror.rows("orders")) == 2


def test_a_worker_that_waits_for_a_lock_at_its_start_says_so_in_its_readiness(
    kafka_bootstrap: str, postgres: Any, tmp_path: Path
) -> None:
    url = postgres.new_database()
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        schema.ensure(world.engine, world.config, Mapping(world.config))
        with psycopg.connect(plain(url)) as analyst:
            analyst.execute("DROP VIEW stock_movements")  # and is not committed yet
            analyst.execute("SELECT 1 AS thinking")
            worker = world.worker()
            pid = str(analyst.info.backend_pid)
            told = until(
                lambda: found if pid in (found := (worker.failures() or {}).get("locks", "")) else None,
                "the holder in /readyz",
                seconds=60,
            )
            assert "of user postgres" in told
            assert "SELECT 1 AS thinking" in told
            assert worker.said_event("waiting for a lock")
            analyst.rollback()
        worker.wait_ready()


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
