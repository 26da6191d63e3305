"""Tables are made again from the ledger while workers go on: ``connector rebuild``, ``verify --repair``."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from sqlalchemy import inspect

from connector import events
from connector.commands import rebuild as commands
from connector.errors import DatabaseDamaged, DatabaseOutage, StartupError
from connector.mirror import database, rebuilder, remedies, verify
from connector.mirror.dialects.sqlite import SQLite
from connector.mirror.replacement import Rebuilt
from tests import processes, strategies, workers
from tests.conftest import DATABASES, ROOT, SECRET, MakeConfig, new_database
from tests.integration.test_mirror_law import looks
from tests.processes import Connector
from tests.strategies import MINUTE, NOON, Mirror, Sent
from tests.workers import World, until

SPOILS = (
    "DELETE FROM _orders",
    "DELETE FROM _stock_balances WHERE warehouse = 'N'",
    "UPDATE _stock_balances SET balance = 7, balance__version = ''",
    "UPDATE _orders SET reserved_count = reserved_count + 1, event_count = event_count + 1",
    "UPDATE _orders SET status = NULL, last_version = '', order_number = order_number || 'x'",
    "DELETE FROM _stock_balance_history WHERE measure = 'balance'",
    "UPDATE _stock_balance_history SET quantity = NULL",
    "UPDATE _stock_balance_history SET event_id = event_id || 'x'",
    "UPDATE _purchase_delivery_rows SET product_number = 'x'",
    "DELETE FROM _mirror_counters",
)


def ignore(_what: str, _done: int, _total: int) -> None:
    """Report to nobody."""


@pytest.fixture
def shipped(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    """With all tables of the shipped configuration, which a command takes."""
    with strategies.mirror(make_config({"database.url": database_url}, records=True), copied=True) as found:
        yield found


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url}), copied=True) as found:
        yield found


def rebuild(mirror: Mirror, *names: str, report: rebuilder.Report = ignore) -> list[Rebuilt]:
    with rebuilder.rebuilding(mirror.engine, mirror.mapping) as session:
        rebuilt = [*session.tables(names or [table.name for table in mirror.mapping.tables], report)]
        session.count_again()
    return [one._replace(waited_seconds=0) for one in rebuilt if one.added or one.changed or one.removed]


def does(mirror: Mirror, *statements: str) -> None:
    with database.transaction(mirror.engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def write_some(mirror: Mirror) -> None:
    for number in range(6):
        details = {"OrderNumber": str(number % 3), "OrderType": "Web"}
        action = "OrderCreated" if number < 3 else "OrderReserved"
        mirror.now = NOON + number * MINUTE
        mirror.write(mirror.event(action, details, delivery=f"d{number}", at=NOON + number))
    stock = {"ProductNumber": "P", "Warehouse": "N", "Balance": "1.5"}
    mirror.write(mirror.event("BalanceChanged", stock, delivery="s"))


def tables_of(mirror: Mirror) -> set[str]:
    with database.transaction(mirror.engine) as connection:
        return set(inspect(connection).get_table_names())


# --- What is put right -----------------------------------------------------------------------------


@looks(12)
@given(
    sent=strategies.sent_sets(),
    later=strategies.sent_sets(max_size=4),
    spoils=st.sets(st.sampled_from(SPOILS)),
    seed=st.integers(0, 2**32),
    moment=st.integers(0, 12),
)
def test_whatever_was_spoilt_and_comes_meanwhile_the_tables_are_the_fold_afterwards(
    mirror: Mirror, sent: list[Sent], later: list[Sent], spoils: set[str], seed: int, moment: int
) -> None:
    mirror.empty()
    for batch in strategies.arrival(
        mirror, [one for s in sent for one in strategies.copies_of(mirror, s)], seed
    ):
        mirror.sink.write(batch)
    does(mirror, *sorted(spoils))
    # Of one event that comes in two copies the details are one: a delivery is sent again as it was.
    known = {(one.delivery, one.index, one.hook): one for one in sent}
    events = [
        event
        for one in later
        for event in strategies.copies_of(mirror, known.get((one.delivery, one.index, one.hook), one))
    ]
    moments = 0

    def report(_what: str, _done: int, _total: int) -> None:
        nonlocal moments
        if moments == moment:
            mirror.now += MINUTE
            mirror.sink.write([mirror.chunk(events, topic="meanwhile")])
        moments += 1

    rebuild(mirror, report=report)
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_row_that_is_right_is_left_alone_and_one_that_was_spoilt_says_that_it_changed(
    mirror: Mirror,
) -> None:
    write_some(mirror)
    before = mirror.content()
    stamps = {row["order_number"]: row["mirrored_at"] for row in mirror.rows("orders")}
    does(
        mirror,
        "UPDATE _orders SET status = 'x' WHERE order_number = '1'",
        "DELETE FROM _orders WHERE order_number = '2'",
        "UPDATE _stock_balances SET product_number = 'Q'",
    )
    assert rebuild(mirror) == [Rebuilt("orders", 1, 1, 0), Rebuilt("stock_balances", 1, 0, 1)]
    assert mirror.content() == before
    after = {row["order_number"]: row["mirrored_at"] for row in mirror.rows("orders")}
    assert [after[number] == stamps[number] for number in "012"] == [True, False, False]
    assert rebuild(mirror) == []


def test_only_the_tables_that_were_named_are_made_again(mirror: Mirror) -> None:
    write_some(mirror)
    does(mirror, "DELETE FROM _orders", "DELETE FROM _stock_balances")
    assert rebuild(mirror, "orders") == [Rebuilt("orders", 3, 0, 0)]
    assert mirror.rows("stock_balances") == []


def test_what_differs_by_its_spelling_alone_is_put_right(mirror: Mirror) -> None:
    write_some(mirror)
    # SQLite has the number as text; the other is a binary float.
    for spelled in ["1.50"] if mirror.engine.dialect.name == "postgresql" else ["'1.50'", "1.5"]:
        does(mirror, f"UPDATE _stock_balances SET balance = {spelled}")
        assert len(verify.differences(mirror.engine, mirror.mapping)) == 1
        assert rebuild(mirror) == [Rebuilt("stock_balances", 0, 1, 0)]
        assert verify.differences(mirror.engine, mirror.mapping) == []


def test_many_rows_are_put_right_in_several_transactions_on_sqlite(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some(mirror)
    before = mirror.content()
    does(mirror, "DELETE FROM _orders")
    monkeypatch.setattr(SQLite, "most_rows", 2)
    assert rebuild(mirror) == [Rebuilt("orders", 3, 0, 0)]
    assert mirror.content() == before


@pytest.mark.parametrize("wrong", ["infinity", "0044-01-01 BC", "2023-11-14"])
def test_an_instant_that_none_can_be_is_named_and_put_right(mirror: Mirror, wrong: str) -> None:
    write_some(mirror)
    does(mirror, f"UPDATE _orders SET created_at = '{wrong}' WHERE order_number = '1'")
    [found] = verify.differences(mirror.engine, mirror.mapping)
    assert f"created_at is '{wrong[:2]}" in found
    assert f"and should be '{events.iso(NOON + 1)}'" in found
    assert rebuild(mirror) == [Rebuilt("orders", 0, 1, 0)]


def test_a_row_that_is_there_twice_is_a_difference(mirror: Mirror) -> None:
    write_some(mirror)
    does(mirror, "CREATE TABLE loose AS SELECT * FROM _orders")
    if mirror.engine.dialect.name == "postgresql":
        does(mirror, "ALTER TABLE _orders DROP CONSTRAINT _orders_pkey")
    else:
        does(mirror, "DROP TABLE _orders", "CREATE TABLE _orders AS SELECT * FROM loose")
    does(mirror, "INSERT INTO _orders SELECT * FROM loose")
    found = verify.differences(mirror.engine, mirror.mapping)
    assert "orders ('0',): the row is there 2 times" in found
    with pytest.raises(StartupError, match="the key of the table orders is"):
        rebuild(mirror)


# --- What stays ------------------------------------------------------------------------------------


def test_what_others_built_on_a_table_stays(mirror: Mirror) -> None:
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    write_some(mirror)
    does(
        mirror,
        "CREATE VIEW mine AS SELECT order_number FROM orders",
        "CREATE INDEX ix_mine ON _orders (as_of)",
        'CREATE TABLE notes (order_number TEXT REFERENCES "_orders")',
        "INSERT INTO notes VALUES ('1')",
        *(
            ["CREATE ROLE rebuild_reader", "GRANT SELECT ON _orders TO rebuild_reader"]
            if on_postgresql
            else []
        ),
    )
    does(mirror, "UPDATE _orders SET status = 'x'", "DELETE FROM _orders WHERE order_number = '2'")
    assert rebuild(mirror) == [Rebuilt("orders", 1, 2, 0)]
    assert [row["order_number"] for row in mirror.rows("mine", "1")] == ["0", "1", "2"]
    assert "ix_mine" in {index["name"] for index in inspect(mirror.engine).get_indexes("_orders")}
    if on_postgresql:
        granted = "SELECT has_table_privilege('rebuild_reader', '_orders', 'SELECT') AS may"
        assert strategies.select(mirror.engine, granted) == [{"may": True}]
        does(mirror, "DROP OWNED BY rebuild_reader", "DROP ROLE rebuild_reader")


def test_a_row_too_many_that_others_point_at_is_refused_with_what_points_at_it(mirror: Mirror) -> None:
    write_some(mirror)
    does(
        mirror,
        "UPDATE _orders SET order_number = '9' WHERE order_number = '1'",
        'CREATE TABLE notes (order_number TEXT REFERENCES "_orders")',
        "INSERT INTO notes VALUES ('9')",
    )
    with pytest.raises(StartupError, match="Rows that no event gives stay in the table orders"):
        rebuild(mirror)
    does(mirror, "DROP TABLE notes")
    assert rebuild(mirror) == [Rebuilt("orders", 1, 0, 1)]


def made_before_update(mirror: Mirror, *, raises: bool) -> None:
    """A trigger of somebody's on the orders."""
    if mirror.engine.dialect.name == "sqlite":
        act = "ABORT, 'no way'" if raises else "IGNORE"
        does(mirror, f"CREATE TRIGGER mine BEFORE UPDATE ON _orders BEGIN SELECT RAISE({act}); END")
        return
    act = "RAISE 'no way'" if raises else "RETURN NULL"
    does(
        mirror,
        f"CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {act}; END $$",
        "CREATE TRIGGER mine BEFORE UPDATE ON _orders FOR EACH ROW EXECUTE FUNCTION mine()",
    )


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (True, "Rows of the table orders cannot be put right: .*no way.*\n.*made on _orders"),
        (False, "3 rows of the table orders stay wrong: a trigger or a rule"),
    ],
)
def test_a_trigger_that_keeps_rows_wrong_is_named_and_nothing_is_said_to_be_right(
    mirror: Mirror, raises: bool, said: str
) -> None:
    write_some(mirror)
    does(mirror, "UPDATE _orders SET status = 'x'")
    made_before_update(mirror, raises=raises)
    with pytest.raises(StartupError, match=f"(?s){said}"):
        rebuild(mirror)
    assert {row["status"] for row in mirror.rows("orders")} == {"x"}


def test_tables_that_were_done_before_a_failure_are_printed(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    write_some(mirror)
    does(
        mirror,
        "DELETE FROM _orders WHERE order_number = '1'",
        "UPDATE _stock_balances SET product_number = 'Q'",
    )
    does(
        mirror,
        "CREATE TABLE notes (product_number TEXT, warehouse TEXT, "
        'FOREIGN KEY (product_number, warehouse) REFERENCES "_stock_balances" (product_number, warehouse))',
        "INSERT INTO notes VALUES ('Q', 'N')",
    )
    with pytest.raises(StartupError, match="stay in the table stock_balances"):
        commands.make_again(mirror.config)
    assert "orders: 1 rows added" in capsys.readouterr().out


# --- What is refused -------------------------------------------------------------------------------


def test_a_second_rebuild_is_refused_and_names_the_first(mirror: Mirror) -> None:
    with (
        rebuilder.rebuilding(mirror.engine, mirror.mapping),
        pytest.raises(StartupError, match=r"is being rebuilt already, by process \d+"),
    ):
        rebuild(mirror)
    assert rebuild(mirror) == []


def test_another_mapping_than_that_of_the_tables_is_refused(mirror: Mirror) -> None:
    does(mirror, "UPDATE _mirror_rules SET rule = 'other' WHERE table_name = '' AND column_name = ''")
    with pytest.raises(StartupError, match=r"made by another tables\.yaml"):
        rebuild(mirror)


def test_a_mapping_that_changes_meanwhile_stops_the_rebuild_and_nothing_happened(mirror: Mirror) -> None:
    write_some(mirror)
    does(mirror, "DELETE FROM _orders")

    def report(what: str, _done: int, _total: int) -> None:
        if what == "putting rows right":
            does(mirror, "UPDATE _mirror_rules SET rule = 'other' WHERE table_name = '' AND column_name = ''")

    with pytest.raises(StartupError, match=r"made by another tables\.yaml"):
        rebuild(mirror, report=report)
    assert mirror.rows("orders") == []


def test_a_session_that_the_server_ends_is_an_outage_and_nothing_happened(
    make_config: MakeConfig, postgres: Any
) -> None:
    with strategies.mirror(make_config({"database.url": postgres.new_database()})) as mirror:
        write_some(mirror)
        does(mirror, "DELETE FROM _orders")

        def report(what: str, _done: int, _total: int) -> None:
            if what == "comparing tables":
                others = "pid <> pg_backend_pid() AND datname = current_database()"
                does(mirror, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

        with pytest.raises(DatabaseOutage):
            rebuild(mirror, report=report)
        assert mirror.rows("orders") == []
        assert rebuild(mirror) == [Rebuilt("orders", 3, 0, 0)]


def test_a_role_that_may_make_no_temporary_tables_is_told_which_right_it_lacks(
    make_config: MakeConfig, postgres: Any
) -> None:
    url = postgres.new_database()
    with strategies.mirror(make_config({"database.url": url})) as mirror:
        [[name]] = [row.values() for row in strategies.select(mirror.engine, "SELECT current_database()")]
        does(
            mirror,
            "CREATE ROLE rebuild_alone LOGIN",
            "GRANT pg_read_all_data TO rebuild_alone",
            f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC',
        )
        config = make_config({"database.url": url.replace("postgres@", "rebuild_alone@")})
        with pytest.raises(DatabaseOutage) as raised:
            commands.make_again(config)
        assert "GRANT TEMPORARY ON DATABASE" in (remedies.fix(raised.value) or "")
        does(mirror, "DROP OWNED BY rebuild_alone", "DROP ROLE rebuild_alone")


# --- As a command ----------------------------------------------------------------------------------


def command(mirror: Mirror, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    url = str(mirror.config.database.url.get_secret_value())
    return processes.run(
        [*arguments, "--config", str(ROOT / "config")],
        env={**os.environ, "DATABASE_URL": url, "XTND_WEBHOOK_SECRET": SECRET, **environ},
    )


@pytest.mark.parametrize("point", ["rebuild-compared", "rebuild-swap"])
def test_killed_at_any_place_nothing_happened_and_the_next_one_does_it(shipped: Mirror, point: str) -> None:
    mirror = shipped
    write_some(mirror)
    right = mirror.content()
    does(mirror, "UPDATE _orders SET status = 'x'")
    spoilt, tables = mirror.content(), tables_of(mirror)
    killed = command(mirror, "rebuild", XTND_FAILPOINTS=f"exit-{point}")
    assert killed.returncode == -9, killed.stderr
    assert (mirror.content(), tables_of(mirror)) == (spoilt, tables)

    def is_done() -> bool:  # a server sees a little later that its client is gone
        try:
            return rebuild(mirror) == [Rebuilt("orders", 0, 3, 0)]
        except StartupError:
            return False

    until(is_done, 60, what="rebuilt")
    assert (mirror.content(), tables_of(mirror)) == (right, tables)
    database_file = mirror.engine.url.database or ""
    assert not Path(f"{database_file}-rebuild").exists()


def test_a_repair_says_what_it_put_right(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    write_some(mirror)
    does(mirror, "UPDATE _orders SET status = 'x'", "DELETE FROM _mirror_counters")
    commands.make_again(mirror.config)
    said = capsys.readouterr().out
    assert "orders: 3 rows changed" in said
    assert "products: as the ledger has it" in said
    assert "its counters were counted again" in said
    assert verify.differences(mirror.engine, mirror.mapping) == []


UNREADABLE = {"sqlite": ("abc", "", "9999-99-01"), "postgresql": ("infinity", "0044-01-01 BC", "20000-01-01")}


@pytest.mark.parametrize("column", ["received_at", "occurred_at"])
def test_a_ledgers_row_without_a_readable_instant_is_named(mirror: Mirror, column: str) -> None:
    write_some(mirror)
    (row, *_) = mirror.rows("notifications")
    for value in UNREADABLE[mirror.engine.dialect.name]:
        does(mirror, f"UPDATE _notifications SET {column} = '{value}' WHERE event_id = '{row['event_id']}'")
        named = f"The event {row['event_id']} of /webhooks/xtnd cannot be read.*{column}"
        with pytest.raises(DatabaseDamaged, match=named):
            verify.differences(mirror.engine, mirror.mapping)
        with pytest.raises(DatabaseDamaged, match=named):
            rebuild(mirror)


def test_a_ledger_that_somebody_cut_is_refused_and_no_row_goes(mirror: Mirror) -> None:
    write_some(mirror)
    before = mirror.content()
    does(mirror, "DELETE FROM _notifications WHERE action = 'OrderReserved'")
    with pytest.raises(StartupError, match="lacks 3 events") as refused:
        commands.make_again(mirror.config)
    assert "--from kafka" in refused.value.cure
    with (
        pytest.raises(StartupError, match="does not have them any more") as refused,
        rebuilder.rebuilding(mirror.engine, mirror.mapping) as session,
    ):
        session.require_whole_ledger(kafka_was_read=True)
    assert "--from kafka" not in str(refused.value)
    assert mirror.content()["orders"] == before["orders"]
    commands.make_again(mirror.config, accept_smaller_ledger=True)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    commands.make_again(mirror.config)  # nothing is missing any more


# --- Beside a worker -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=DATABASES)
def world(
    request: pytest.FixtureRequest, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A ready worker, which is there to the end."""
    folder = tmp_path_factory.mktemp("rebuild")
    url = new_database(request.param, request, folder / "mirror.db")
    with workers.world(folder / "world", kafka_bootstrap, url) as made:
        worker = made.worker().wait_ready()
        yield made
        assert not worker.ended()


def test_a_worker_goes_on_while_tables_are_made_again(world: World) -> None:
    world.send(workers.balances(1000))
    world.wait_caught_up()
    spoil(world, "DELETE FROM _stock_balances", "DELETE FROM _stock_balance_history")
    assert "stock_balance_history: as the ledger" not in run_while_events_come(world, "rebuild")
    spoil(world, "UPDATE _stock_balances SET event_count = 0, balance = NULL")
    assert "verified" in run_while_events_come(world, "verify", "--repair")
    world.wait_caught_up()
    world.assert_sound()


def test_the_ledger_is_made_whole_by_what_kafka_still_holds(world: World) -> None:
    first, second = (world.ends()[TopicPartition(world.topic, number)] for number in (0, 1))
    world.send(workers.balances(40), partition=0)
    world.send(workers.balances(60), partition=1)
    world.wait_caught_up()
    world.admin.delete_records({TopicPartition(world.topic, 0): first + 30})
    spoil(
        world,
        f"DELETE FROM _notifications WHERE kafka_partition = 1 AND kafka_offset >= {second + 10}",
        """UPDATE _notifications SET details = '{"ProductNumber": "Q", "Warehouse": "1", "Balance": 1}' """
        f"WHERE kafka_partition = 0 AND kafka_offset = {first + 35}",
        "UPDATE _stock_balances SET balance = 0",
    )
    done = run_while_events_come(world, "rebuild", "--from", "kafka")
    assert "50 events were on Kafka only and are in the ledger now" in done
    assert "1 events had another copy in the ledger, which Kafka's replaced" in done
    assert f"{first + 30:,} events are in the ledger only" in done
    world.wait_caught_up()
    world.assert_sound()


def spoil(world: World, *statements: str) -> None:
    with database.transaction(world.engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def run_while_events_come(world: World, *arguments: str) -> str:
    """Run a command, and send 200 events a second until it ends; gives what it printed."""
    out, err = world.folder / "out", world.folder / "err"
    command = [*arguments, "--config", str(world.config_dir)]
    process = Connector(command, env={**os.environ, **world.environ}, stdout=out, stderr=err)
    while process.poll() is None:
        world.send(workers.balances(20))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    assert process.returncode == 0, err.read_text()
    return out.read_text()
