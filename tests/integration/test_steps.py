# ruff: noqa: E501 - what a catalogue or a sentence says stands in one line
"""A store that an older connector made is brought to today's layout, step by step, and loses nothing."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy import URL, Engine, inspect, make_url

from connector import config, events
from connector.commands import checkup
from connector.config import Config
from connector.errors import ConnectorError, Defect, StartupError
from connector.events import Event
from connector.mirror import database, ledger, losses, rules, schema, source_step, steps, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.dialects import sqlite_catalogue
from connector.mirror.dry_run import DryRun
from connector.mirror.letters import Filter, Letters
from connector.mirror.mapping import Mapping
from tests import copies, strategies
from tests.conftest import ROOT, SECRET, shipped
from tests.gateways import until
from tests.strategies import Mirror

KEPT = ROOT / "tests" / "data" / "layout-0.1"
EVENTS = 330


class Store:
    """A database with what connector 0.1 left in it."""

    def __init__(self, url: str, *, records: bool = False) -> None:
        self.config: Config = config.parse(
            shipped(records=records), {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
        )
        self.mapping = Mapping(self.config)
        self.engine: Engine = database.connect(self.config.database, connections=4)

    def execute(self, *statements: str) -> None:
        with database.transaction(self.engine) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def ensure(self) -> schema.Filled:
        return schema.ensure(self.engine, self.config, self.mapping)

    def everything(self) -> dict[str, Any]:
        """Every row of every table, as the database has it, with its columns."""
        names = sorted(inspect(self.engine).get_table_names())
        return {
            name: strategies.select(self.engine, f'SELECT * FROM "{name}" ORDER BY 1, 2') for name in names
        }

    def events(self) -> list[Event]:
        with database.transaction(self.engine) as connection:
            actions = [*(action for _, action, _ in self.config.actions()), "StockTaken"]
            return list(ledger.of_sorts(connection, map(events.Sort, actions)))


def load(url: str) -> None:
    """Put the kept mirror of layout 1 into an empty database."""
    copies.make_once(make_url(url), ("layout 1",), _load)


def _load(where: URL) -> None:
    if where.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(where.database))
        connection.executescript((KEPT / "sqlite.sql").read_text(encoding="utf-8"))
        connection.close()
        return
    plain = where.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute((KEPT / "postgresql.sql").read_bytes())


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    load(database_url)
    found = Store(database_url)
    yield found
    found.engine.dispose()


def shape(engine: Engine) -> Any:
    """Tables, columns, keys and indexes, as the catalogue has them; as far as 0.1 named them so."""
    seen = inspect(engine)
    return {
        name: (
            [(one["name"], str(one["type"]), one["nullable"], one.get("comment")) for one in seen.get_columns(name)],
            seen.get_pk_constraint(name),
            sorted((str(one["name"]).replace("$", "_")[:50], tuple(one["column_names"])) for one in seen.get_indexes(name)),
        )
        for name in [*seen.get_table_names(), *seen.get_view_names()]
    }  # fmt: skip


def layouts(store: Store) -> list[int]:
    return [row["version"] for row in strategies.select(store.engine, "SELECT version FROM _mirror_layout")]


# --- From 0.1 to today ---------------------------------------------------------------------------


def test_a_mirror_of_0_1_keeps_every_event_and_equals_the_fold_of_its_ledger(database_url: str) -> None:
    load(database_url)
    store = Store(database_url, records=True)
    filled = store.ensure()
    # Nothing had to be read again from the ledger: what is new takes records, of which it has none.
    records = {name for name, table in store.config.tables.items() if table.kind == "snapshot"}
    assert filled.columns.keys() == records
    assert verify.count(store.engine) == EVENTS
    assert verify.differences(store.engine, store.mapping) == []
    assert schema.state(store.engine, store.mapping) is None
    assert layouts(store) == [step.version for step in steps.STEPS]
    sources = strategies.select(store.engine, "SELECT DISTINCT hook, source FROM notifications ORDER BY 1")
    assert [(row["hook"], row["source"]) for row in sources] == [
        ("second", "/webhooks/second"),
        ("xtnd", "/webhooks/xtnd"),
    ]
    store.engine.dispose()


def test_what_a_mirror_of_0_1_becomes_is_what_a_new_one_makes_of_the_same_events(
    store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store.ensure()
    new = f"sqlite:///{tmp_path / 'new.db'}"
    if store.engine.dialect.name == "postgresql":
        new = request.getfixturevalue("postgres").new_database()
    with strategies.mirror(Store(new).config) as fresh, strategies.mirror(store.config) as brought:
        fresh.write(*store.events())
        assert brought.content() == fresh.content()
        assert shape(brought.engine) == shape(fresh.engine)


def test_delivering_everything_again_after_the_step_changes_nothing(store: Store) -> None:
    store.ensure()
    with strategies.mirror(store.config) as mirror:
        before, letters = mirror.content(), mirror.rows("_dead_letters")
        written = mirror.write(*store.events())
        assert written.new == {}
        assert sum(written.known.values()) == EVENTS
        assert (mirror.content(), mirror.rows("_dead_letters")) == (before, letters)


def test_dead_letters_offsets_and_losses_of_0_1_stay_as_they_are(store: Store) -> None:
    store.execute("UPDATE consumer_offsets SET records_lost = 3 WHERE next_offset > 3")
    before = store.everything()
    store.ensure()
    after = store.everything()
    lost = [row for row in before["consumer_offsets"] if row["records_lost"]]
    found = losses.unacknowledged(store.engine)
    assert len(found) == len(lost) > 0
    assert {(one.topic, one.partition, one.next_offset, one.records) for one in found} == {
        (row["topic"], row["partition"], row["next_offset"], 3) for row in lost
    }
    assert after["_dead_letters"] == before["dead_letters"]
    added = {"topic_id": None, "clock_distance_ms": None}
    assert [row | added for row in before["consumer_offsets"]] == after["_consumer_offsets"]
    letters = Letters(store.engine)
    letters.require()
    states = [one.state for one in letters.load(letters.ids(Filter(state=None)))]
    assert {state: states.count(state) for state in set(states)} == {
        "parked": 4,
        "replayed": 3,
        "discarded": 2,
    }


def test_the_same_id_by_another_hook_is_kept_beside_the_first_after_the_step(store: Store) -> None:
    with database.transaction(store.engine) as connection:
        (held,) = connection.exec_driver_sql(
            "SELECT delivery_id FROM notifications WHERE action = 'BalanceChanged' AND hook = 'xtnd' "
            "AND notification_index = 0 ORDER BY 1 LIMIT 1"
        ).one()
    with strategies.mirror(store.config) as mirror:
        details = {"ProductNumber": "P1", "Warehouse": "1", "Balance": 4}
        other = mirror.event("BalanceChanged", details, delivery=held, hook="another")
        assert mirror.write(other).new == {"balances": 1}
        assert verify.count(mirror.engine) == EVENTS + 1
        assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_second_start_does_nothing(store: Store) -> None:
    store.ensure()
    before = (store.everything(), shape(store.engine))
    assert store.ensure().columns == {}
    assert (store.everything(), shape(store.engine)) == before


def test_a_long_table_is_copied_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_catalogue, "PAGE", 7)
    monkeypatch.setattr(sqlite_catalogue, "REPORT_SECONDS", 0.0)
    store.execute("DELETE FROM dead_letters")
    store.ensure()
    assert verify.count(store.engine) == EVENTS
    assert verify.differences(store.engine, store.mapping) == []


def test_a_row_of_a_history_gets_the_instant_of_its_event_and_stays_where_the_ledger_lacks_it(
    store: Store,
) -> None:
    store.execute(
        "DELETE FROM notifications WHERE event_id = (SELECT MIN(event_id) FROM purchase_delivery_rows)"
    )
    store.ensure()
    rows = select(store, "SELECT event_id, event__version FROM _purchase_delivery_rows")
    instants = {event.event_id: event.occurred_at for event in store.events()}
    assert len(rows) > len({row["event_id"] for row in rows}) > 1
    assert {row["event_id"] for row in rows} - instants.keys() == {min(row["event_id"] for row in rows)}
    assert all(row["event__version"] == instants.get(row["event_id"], 0) for row in rows)


def test_ranks_and_columns_of_that_name_which_were_a_users_own_are_kept(store: Store) -> None:
    store.execute(
        "ALTER TABLE stock_balances ADD COLUMN low__version TEXT DEFAULT '1000' NOT NULL",
        "ALTER TABLE purchase_delivery_rows ADD COLUMN source TEXT DEFAULT 'theirs'",
    )
    store.ensure()
    ranks = strategies.select(store.engine, "SELECT DISTINCT low__version FROM _stock_balances")
    assert [row["low__version"] for row in ranks] == ["1000"]
    query = "SELECT DISTINCT source__former FROM purchase_delivery_rows"
    assert [row["source__former"] for row in strategies.select(store.engine, query)] == ["theirs"]
    assert verify.differences(store.engine, store.mapping) == []


def test_views_that_analysts_built_stay_and_stop_nothing(store: Store) -> None:
    store.execute(
        "CREATE VIEW theirs AS SELECT event_id, action FROM notifications",
        "CREATE VIEW moves AS SELECT * FROM stock_movements",
    )
    if store.engine.dialect.name == "sqlite":
        store.execute(
            "CREATE VIEW broken AS SELECT * FROM long_gone",
            "CREATE TRIGGER watches AFTER INSERT ON notifications BEGIN SELECT 1; END",
            "CREATE TRIGGER fails AFTER UPDATE ON orders BEGIN INSERT INTO gone VALUES (1); END",
        )
    store.ensure()
    if store.engine.dialect.name == "sqlite":  # a trigger goes with a table that is made again
        assert strategies.select(
            store.engine, "SELECT tbl_name FROM sqlite_master WHERE name = 'watches'"
        ) == [{"tbl_name": "_notifications"}]
    with database.transaction(store.engine) as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM theirs").scalar_one() == EVENTS
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM moves").scalar_one() > 0


def test_readers_of_0_1_keep_their_rights_and_their_views_and_see_no_more_than_they_did(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        return  # there are no rights there; views are next
    reader, column_reader, owner = (
        f"{name}_{time.time_ns()}" for name in ("reader", "column_reader", "owner")
    )
    store.execute(
        *(f"CREATE ROLE {role}" for role in (reader, column_reader, owner)),
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}",
        f"GRANT SELECT (order_number, status) ON orders TO {column_reader}",
        f"GRANT SELECT ON orders TO {owner}",
        "CREATE SCHEMA reports",
        f"GRANT ALL ON SCHEMA reports TO {owner}",
        "CREATE VIEW reports.open AS SELECT order_number, status FROM orders WHERE status <> 'picked'",
        f"ALTER VIEW reports.open OWNER TO {owner}",
        f"GRANT SELECT ON reports.open TO {column_reader}",
        "COMMENT ON VIEW reports.open IS '100 %% theirs'",
        "CREATE MATERIALIZED VIEW by_status AS SELECT status, COUNT(*) AS n FROM reports.open GROUP BY status",
        "CREATE UNIQUE INDEX by_status_status ON by_status (status)",
        "CREATE VIEW raw AS SELECT payload FROM dead_letters",
        "CREATE VIEW on_raw AS SELECT COUNT(*) FROM raw",
        "CREATE VIEW moves AS SELECT delta FROM stock_movements",
        "CREATE TABLE notes (order_number TEXT REFERENCES orders (order_number))",
        "INSERT INTO notes SELECT MIN(order_number) FROM orders",
    )
    before = select(store, "SELECT status, n FROM by_status ORDER BY 1")
    with structlog.testing.capture_logs() as logs:
        store.ensure()
    lost = {line["view"]: line["fix"] for line in logs if line["event"].startswith("a view was dropped")}
    assert set(lost) == {"public.raw", "public.on_raw"}, lost
    assert "SELECT payload" in lost["public.raw"]
    store.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY by_status")  # which needs its index
    assert select(store, "SELECT status, n FROM by_status ORDER BY 1") == before
    assert len(select(store, "SELECT * FROM moves")) > 0
    described = "SELECT obj_description('reports.open'::regclass) AS said, relowner::regrole::text AS owner FROM pg_class WHERE oid = 'reports.open'::regclass"
    assert select(store, described) == [{"said": "100 % theirs", "owner": owner}]
    for role, query in (
        (reader, "SELECT COUNT(payload_less.*) FROM dead_letters AS payload_less"),
        (reader, "SELECT * FROM orders"),
        (column_reader, "SELECT order_number, status FROM orders"),
        (reader, "SELECT * FROM mirror_status"),
    ):
        store.execute(f"SET LOCAL ROLE {role}", query)
    refused = ((column_reader, "SELECT * FROM orders"), (reader, "SELECT * FROM public_store._orders"))
    for role, query in refused:
        with pytest.raises(ConnectorError, match="permission denied"):
            store.execute(f"SET LOCAL ROLE {role}", query)
    # Nothing that readers built hangs on the store, but for a key, which only a table can hold.
    with pytest.raises(ConnectorError, match=r"violates RESTRICT|violates foreign key"):
        store.execute("DELETE FROM _orders")
    assert schema.state(store.engine, store.mapping) is None
    store.execute(
        "DROP TABLE notes",
        "DROP MATERIALIZED VIEW by_status",
        "DROP VIEW reports.open",
        *(f"DROP OWNED BY {role}" for role in (reader, column_reader, owner)),
        *(f"DROP ROLE {role}" for role in (reader, column_reader, owner)),
    )


def test_a_view_of_a_role_that_the_connector_may_not_act_for_stays_and_is_named(postgres: Any) -> None:
    url = postgres.new_database()
    owner, analyst = (f"{name}_{time.time_ns()}" for name in ("connector", "analyst"))
    name = make_url(url).database
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(), autocommit=True
    ) as admin:
        admin.execute(f"CREATE ROLE {owner} LOGIN")
        admin.execute(f"CREATE ROLE {analyst}")
        admin.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
        ours = make_url(url).set(username=owner).render_as_string()
        _load(make_url(ours))
        admin.execute(f"CREATE SCHEMA reports AUTHORIZATION {analyst}")
        admin.execute(f"GRANT SELECT ON orders TO {analyst}")
        admin.execute(f"SET ROLE {analyst}")
        admin.execute("CREATE VIEW reports.open AS SELECT order_number, status FROM orders")
        store = Store(ours)
        with structlog.testing.capture_logs() as logs:
            store.ensure()
        (line,) = [one for one in logs if one["event"].startswith("a view still reads")]
        assert f"as {analyst}: DROP VIEW reports.open; CREATE VIEW reports.open AS" in line["fix"]
        assert len(admin.execute("SELECT * FROM reports.open").fetchall()) > 0
        for statement in line["fix"].partition(": ")[2].split(";"):
            if statement.strip():
                admin.execute(statement)  # as the log says
        assert len(admin.execute("SELECT * FROM reports.open").fetchall()) > 0
        uses = "SELECT DISTINCT view_schema FROM information_schema.view_table_usage WHERE table_name = '_orders' AND view_name = 'open'"
        assert admin.execute(uses).fetchall() == []
        store.engine.dispose()


def test_views_of_sqlites_readers_keep_their_text_and_one_that_is_lost_is_named(store: Store) -> None:
    if store.engine.dialect.name == "postgresql":
        return  # see above
    text = "CREATE VIEW theirs AS SELECT order_number, status FROM orders"
    store.execute(
        text,
        "CREATE VIEW raw AS SELECT payload FROM dead_letters",
        "CREATE VIEW broken AS SELECT * FROM long_gone",
        "CREATE TABLE seen (order_number TEXT)",
        "CREATE TRIGGER theirs_too AFTER INSERT ON orders BEGIN INSERT INTO seen VALUES (NEW.order_number); END",
    )
    with structlog.testing.capture_logs() as logs:
        store.ensure()
    assert [line["view"] for line in logs if line["event"].startswith("a view was dropped")] == ["raw"]
    assert select(store, "SELECT sql FROM sqlite_master WHERE name = 'theirs'") == [{"sql": text}]
    assert len(select(store, "SELECT * FROM theirs")) > 0
    with strategies.mirror(store.config) as mirror:
        mirror.write(mirror.event("OrderCreated", {"OrderNumber": "new"}))
    assert select(store, "SELECT * FROM seen") == [{"order_number": "new"}]


def test_rows_of_0_1_say_that_they_last_changed_at_the_step(store: Store) -> None:
    before = events.iso(time.time_ns() // 1000)
    store.ensure()
    after = events.iso(time.time_ns() // 1000)
    found = {
        strategies.plain("", row["mirrored_at"]) for row in select(store, "SELECT mirrored_at FROM orders")
    }
    assert len(found) == 1
    assert before <= str(found.pop()) <= after


def select(store: Store, query: str) -> list[dict[str, Any]]:
    return strategies.select(store.engine, query)


def test_a_view_that_hangs_on_the_former_key_is_named_and_nothing_is_changed(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        return  # no view hangs on a key there
    store.execute("CREATE VIEW theirs AS SELECT event_id, action FROM notifications GROUP BY event_id")
    before = shape(store.engine)
    with pytest.raises(StartupError, match=r"(?s)table notifications cannot be changed.*view theirs depends"):
        store.ensure()
    assert shape(store.engine) == before
    store.execute("DROP VIEW theirs")
    store.ensure()
    assert verify.differences(store.engine, store.mapping) == []


def test_a_foreign_key_that_hangs_on_the_former_key_is_named_and_nothing_is_changed(store: Store) -> None:
    store.execute("CREATE TABLE theirs (event_id TEXT REFERENCES notifications (event_id))")
    store.execute("INSERT INTO theirs SELECT event_id FROM notifications LIMIT 1")
    before = shape(store.engine)
    with pytest.raises(
        StartupError, match=r"(?s)table notifications cannot be changed.*(theirs|FOREIGN KEY)"
    ):
        store.ensure()
    assert shape(store.engine) == before


def test_a_reader_that_the_step_waits_for_is_named_in_the_log(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        return  # readers hold nobody up there
    starting = threading.Thread(target=store.ensure)
    with store.engine.connect() as reader, structlog.testing.capture_logs() as logs:
        reader.begin()
        reader.exec_driver_sql("SELECT COUNT(*) FROM notifications")
        starting.start()
        until(lambda: any(one["event"] == "waiting for a lock" for one in logs), "a line of the log")
        line = next(one for one in logs if one["event"] == "waiting for a lock")
        assert (line["user"], line["query"]) == ("postgres", "SELECT COUNT(*) FROM notifications")
        reader.rollback()
        starting.join(30)
    assert verify.differences(store.engine, store.mapping) == []


# --- Crashes and crowds --------------------------------------------------------------------------


def test_a_crash_inside_a_step_leaves_the_former_layout_and_the_next_start_completes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (store.everything(), shape(store.engine))

    def breaks(*arguments: Any) -> None:
        source_step.act(*arguments)
        raise Defect("in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(steps, "STEPS", (steps.Step(2, "breaks", breaks),))
        with pytest.raises(Defect, match="in the middle"):
            store.ensure()
    assert (store.everything(), shape(store.engine)) == before
    assert "layout 1" in (schema.state(store.engine, store.mapping) or "")
    store.ensure()
    assert verify.differences(store.engine, store.mapping) == []
    assert layouts(store) == [step.version for step in steps.STEPS]


def test_of_several_starts_at_once_one_takes_the_step_and_all_end_well(store: Store) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        own = Store(store.config.database.url.get_secret_value())
        try:
            own.ensure()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            errors.append(error)
        finally:
            own.engine.dispose()

    starts = [threading.Thread(target=start) for _ in range(4)]
    for one in starts:
        one.start()
    for one in starts:
        one.join(60)
    assert errors == []
    assert layouts(store) == [step.version for step in steps.STEPS]
    assert verify.differences(store.engine, store.mapping) == []


def test_a_worker_of_0_1_stops_at_the_new_layout_instead_of_parking_events(store: Store) -> None:
    """It asks for its table of rules at the start of every transaction."""
    store.ensure()
    query = "SELECT rule FROM mirror_columns WHERE table_name = '' AND column_name = ''"
    with pytest.raises(Defect), database.transaction(store.engine) as connection:
        connection.exec_driver_sql(query)


# --- Stores that do not fit ----------------------------------------------------------------------


@pytest.fixture
def newer(store: Store) -> Store:
    store.ensure()
    values = f"{steps.NEWEST + 7}, '9.8.7', '2030-01-01T00:00:00.000000Z'"
    store.execute(f"INSERT INTO _mirror_layout (version, connector, made_at) VALUES ({values})")
    return store


def test_a_store_of_a_newer_connector_is_refused_with_both_versions_and_the_fix(newer: Store) -> None:
    before = newer.everything()
    sentence = rf"(?s)layout {steps.NEWEST + 7}, made by connector 9\.8\.7.*up to {steps.NEWEST}.*run connector 9\.8\.7 or newer"
    looks = (
        newer.ensure,
        lambda: schema.state(newer.engine, newer.mapping),
        lambda: checkup.Checkup(newer.config).verify(None),
        Letters(newer.engine).require,
    )
    for look in looks:
        with pytest.raises(StartupError, match=sentence):
            look()
    assert newer.everything() == before
    faults = [
        result
        for result in checkup.Checkup(newer.config).results()
        if result.fault and "layout" in result.fault
    ]
    assert [result.cure for result in faults] == [
        "run connector 9.8.7 or newer, or restore the database as it was before the upgrade"
    ]


def test_readers_say_of_an_older_store_that_a_worker_brings_it_up_and_leave_it_alone(store: Store) -> None:
    before = store.everything()
    for look in (
        lambda: checkup.Checkup(store.config).verify(None),
        Letters(store.engine).require,
    ):
        with pytest.raises(StartupError, match=r"(?s)layout 1, and this connector's is .*connector worker"):
            look()
    assert store.everything() == before


def test_an_empty_database_gets_the_newest_layout_at_once(database_url: str) -> None:
    empty = Store(database_url)
    with pytest.raises(ConnectorError, match="no mirror yet"):
        steps.require(empty.engine)
    empty.ensure()
    assert layouts(empty) == [steps.NEWEST]
    assert empty.ensure().columns == {}
    empty.engine.dispose()


def test_the_fingerprint_that_writers_are_held_to_changes_with_the_layout(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = rules.fingerprint(store.mapping)
    monkeypatch.setattr(steps, "NEWEST", steps.NEWEST + 1)
    assert rules.fingerprint(store.mapping) != now


def test_two_hooks_events_of_one_id_both_count_in_one_row(database_url: str) -> None:
    with strategies.mirror(Store(database_url).config) as mirror:
        twins = [twin(mirror, hook, value) for hook, value in (("b", 1), ("a", 2), ("c", 3))]
        for one in twins:
            mirror.write(one)
        assert mirror.write(*twins).new == {}
        balance = mirror.row("stock_balances", product_number="P")
        assert (balance["balance"], balance["event_count"]) == (3, 3)  # c is the last at one instant
        assert [row["source"] for row in mirror.rows("stock_balance_history", "source")] == [
            "/webhooks/a",
            "/webhooks/b",
            "/webhooks/c",
        ]
        moves = sorted(mirror.rows("stock_movements"), key=lambda row: row["source"])
        assert [row["previous_quantity"] for row in moves] == [None, 2, 1]
        assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_letter_counts_as_mirrored_only_by_its_own_hook_and_a_dry_run_tells_twins_apart(
    database_url: str,
) -> None:
    with strategies.mirror(Store(database_url).config) as mirror:
        mirror.write(twin(mirror, "first", 1))
        for number, hook in enumerate(("first", "second", None)):
            row = {
                "dead_letter_id": str(hook), "stage": "worker", "reason": "r", "error": "e.", "hook": hook,
                "event_id": "d1:0", "payload": b"", "context": "{}", "parked_at": "2024-01-01T00:00:00.000000Z",
                "state": "parked", "state_at": "2024-01-01T00:00:00.000000Z",
            }  # fmt: skip
            mirror.sink.write([Chunk("dead", 0, number, number, number + 1, letters=[Letter(number, row)])])
        letters = Letters(mirror.engine)
        mirrored = {one.id: one.mirrored for one in letters.load(letters.ids(Filter()))}
        assert mirrored == {"first": True, "second": False, "None": False}
        would = DryRun(mirror.engine, mirror.mapping, rules.fingerprint(mirror.mapping), lambda: 1)
        done = would.run([twin(mirror, "first", 1), twin(mirror, "second", 2)])
        assert done.known == {("d1:0", "/webhooks/first")}
        (new,) = (change for change in done.changes if change.table == "notifications")
        assert new.key == {"event_id": "d1:0", "source": "/webhooks/second"}


def test_an_event_that_only_another_hook_brought_is_missing(database_url: str) -> None:
    with strategies.mirror(Store(database_url).config) as mirror:
        mirror.write(twin(mirror, "second", 1))
        asked = [("d1:0", "/webhooks/first"), ("d1:0", "/webhooks/second"), ("d1:0", ""), ("d2:0", "")]
        assert verify.missing(mirror.engine, asked) == [asked[0], asked[3]]


def twin(mirror: Mirror, hook: str, value: int) -> Event:
    details = {"ProductNumber": "P", "Warehouse": "W", "Balance": value}
    return mirror.event("BalanceChanged", details, hook=hook)
