"""What was forgotten is gone, and does not come back (``connector forget``)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from connector import cli, clocks, config, events
from connector.errors import StartupError
from connector.events import Event
from connector.mirror import database, erasure, forgotten, ledger, rebuilder, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.entities import Entity
from connector.mirror.forgotten import Tombstone
from connector.mirror.hydration import DueKeys
from connector.mirror.ledger import LedgerEvent
from connector.mirror.ledger_union import LedgerUnion
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database, tables_of_hooks
from tests.integration.test_copy import LETTER, copy, moved
from tests.integration.test_mirror_law import SEEDS, looks, said_by
from tests.sources import snapshot, with_sources
from tests.strategies import MINUTE, NOON, Mirror, select

ONE = Entity("", "orders", "1")


@pytest.fixture(scope="module", params=DATABASES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("forget") / "mirror.db")
    texts = {name: (ROOT / "config" / name).read_text(encoding="utf-8") for name in config.FILES}
    texts["tables.yaml"] = tables_of_hooks(texts["tables.yaml"])
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    settings = config.parse(texts, variables, strategies.RECORD_TABLES)
    with strategies.mirror(with_sources(settings)) as found:
        yield found


@pytest.fixture
def mirror(whole: Mirror) -> Mirror:
    whole.empty()
    return whole


def forget(mirror: Mirror, entity: Entity = ONE, *, dry_run: bool = False) -> erasure.Erased:
    return erasure.erase(mirror.engine, mirror.mapping, entity, dry_run=dry_run)


def stored(mirror: Mirror) -> dict[events.Identity, Event]:
    with database.transaction(mirror.engine) as connection:
        rows = connection.exec_driver_sql("SELECT event_id, source FROM _notifications").fetchall()
        return ledger.stored(connection, [(row[0], row[1]) for row in rows])


def content(event: Event) -> tuple[Any, ...]:
    return (
        event.copy_rank,
        event.occurred_at,
        event.entity_key,
        events.exact_json.decode(event.details),
        events.exact_json.decode(event.properties),
    )


@looks(15)
@given(data=st.data(), sent=strategies.sent_sets(max_size=8), first=SEEDS, second=SEEDS)
def test_what_is_forgotten_stays_out_whatever_comes_after_and_comes_again(
    mirror: Mirror, data: st.DataObject, sent: list[Any], first: int, second: int
) -> None:
    said = [*said_by(mirror, sent), *data.draw(strategies.snapshots(mirror, max_size=5))]
    named = sorted({(one.family, one.entity_key) for one in said if one.entity_key})
    entity = Entity("", *data.draw(st.sampled_from([*named, ("orders", "1")])))
    batches = strategies.arrival(mirror, said, first)
    middle = data.draw(st.integers(0, len(batches)))
    mirror.empty()
    for batch in batches[:middle]:
        mirror.sink.write(batch)
    forget(mirror, entity)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    for batch in batches[middle:]:
        mirror.sink.write(batch)
    for partition in range(4):
        mirror.sink.reset_position(("t", partition), 0)
    for batch in strategies.arrival(mirror, said, second):
        mirror.sink.write(batch)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    left = {
        event.identity: content(mirror.mapping.entities.without(event, lambda one: one == entity))
        for event in strategies.distinct(said)
    }
    assert {identity: content(event) for identity, event in stored(mirror).items()} == left


def test_the_command_says_what_goes_and_a_dry_run_changes_nothing(mirror: Mirror) -> None:
    mirror.write(
        mirror.event("OrderPicked", {"OrderNumber": "1", "Shop": "Anna"}, delivery="a"),
        mirror.event("OrderPicked", [{"OrderNumber": "2"}, {"OrderNumber": "1"}], delivery="b"),
        mirror.event("OrderPicked", {"OrderNumber": "2"}, delivery="c", at=NOON + MINUTE),
        mirror.snapshot(
            "1",
            {"orderHeader": {"orderNumber": "1", "customerName": "Anna"}, "orderRows": [{"rowNumber": 1}]},
        ),
    )
    before = mirror.content()
    planned = forget(mirror, dry_run=True)
    assert (planned.events, mirror.content()) == (3, before)
    of_records = {"order_details": 1, "order_rows": 1, "hydration": 1, "implied_hooks": 1}
    assert forget(mirror).rows == {"orders": 1} | of_records
    assert [row["order_number"] for row in mirror.rows("orders")] == ["2"]
    assert mirror.rows("order_details") == mirror.rows("order_rows") == []
    assert "Anna" not in str(mirror.rows("_notifications"))
    (both,) = [event for event in stored(mirror).values() if event.delivery_id == "b"]
    assert json.loads(both.details) == [{"OrderNumber": "2"}, {}]
    again = forget(mirror)
    assert (again.events, again.rows, again.forgotten_before) == (0, {}, True)


def test_what_is_forgotten_stays_out_of_a_copy_whatever_comes_again(
    mirror: Mirror, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    events_of_it = [
        mirror.event("OrderPicked", {"OrderNumber": "1", "Shop": "Anna"}, delivery="a"),
        mirror.snapshot("1", {"orderHeader": {"orderNumber": "1", "customerName": "Anna"}}),
    ]
    late = mirror.snapshot("1", {"orderHeader": {"orderNumber": "1", "customerName": "Anna"}}, at=NOON - 1)
    mirror.write(*events_of_it)
    forget(mirror)
    (other,) = {*DATABASES} - {mirror.engine.dialect.name}
    target = moved(mirror.config, new_database(other, request, tmp_path / "copy.db"))
    copy(mirror.config, target)
    with strategies.mirror(target) as copied:
        for position in range(2):
            copied.sink.reset_position(("t", position), 0)
        copied.write(*events_of_it, late)
        kept = [copied.rows(name) for name in ("orders", "order_details", "hydration", "implied_hooks")]
        assert kept == [[]] * 4
        assert {content(event)[3] == {} for event in stored(copied).values()} == {True}
        assert verify.differences(copied.engine, copied.mapping) == []


def test_a_hook_that_is_received_later_makes_the_entity_known_again(mirror: Mirror) -> None:
    mirror.write(
        mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="a"), snapshot("1", NOON + MINUTE)
    )
    forget(mirror)
    later = clocks.now() + MINUTE
    # A sweep, or a fetch that was under way, brings the record; nobody reported anything of it since.
    mirror.write(snapshot("1", later))
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    keys.ask([("orders", "1"), ("orders", "2")])
    assert [due.key for due in keys.lease({"orders": (5, 5)}, 60)[0]] == ["2"]
    assert mirror.rows("order_details") == mirror.rows("orders") == []
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="b", at=later + 2))
    (due,) = keys.lease({"orders": (5, 5)}, 60)[0]
    assert due.key == "1"
    mirror.write(snapshot("1", later + MINUTE))
    assert len(mirror.rows("order_details")) == len(mirror.rows("orders")) == 1
    assert mirror.row("orders", order_number="1")["event_count"] == 1
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_record_that_was_fetched_by_a_clock_ahead_does_not_come_back_after_a_new_hook(
    mirror: Mirror,
) -> None:
    now = clocks.now()
    ahead = [replace(snapshot("1", now + minutes * MINUTE), received_at=now) for minutes in (10, 20)]
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="a", at=now), ahead[0])
    keys = DueKeys(mirror.engine, shop="", hydrator="one")
    keys.ask([("orders", "1")])
    (due,) = keys.lease({"orders": (5, 5)}, 60)[0]
    keys.mark(due, ahead[1].occurred_at, None)  # it is on Kafka, and not mirrored yet
    forget(mirror)
    # Its third attempt: it occurred, by the schedule, before the record was fetched.
    received = now + 30 * MINUTE
    third = {"delivery": "b", "at": now + MINUTE, "received": received}
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, **third))
    assert [row["event_count"] for row in mirror.rows("orders")] == [1]
    mirror.write(ahead[1])
    restore(mirror, ahead[0])
    assert mirror.rows("order_details") == []
    assert verify.differences(mirror.engine, mirror.mapping) == []


def restore(mirror: Mirror, *said: Event) -> LedgerUnion:
    """What ``rebuild --from kafka`` does with what Kafka has."""
    with rebuilder.rebuilding(mirror.engine, mirror.mapping) as session:
        union = LedgerUnion(session)
        with session.snapshot() as connection:
            union.start(connection)
        union.add([LedgerEvent(event, "t", 0, place) for place, event in enumerate(said)])
        list(session.tables([table.name for table in mirror.mapping.tables if table.sorts], lambda *_: None))
    return union


UNREADABLE = (b'{"OrderNumber": 1e9999999999999999999999}', b"[" * 2000 + b"]" * 2000)


def test_an_event_that_cannot_be_read_is_left_out_beside_forgotten_ones(mirror: Mirror) -> None:
    forget(mirror)
    sound = mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="a")
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "2"}, delivery="b"))
    bad = [
        replace(sound, delivery_id=f"c{place}", entity_key=None, details=details)
        for place, details in enumerate(UNREADABLE)
    ]
    union = restore(mirror, sound, *bad)
    assert (union.only_on_kafka, union.left_out) == (1, 2)
    assert [row["order_number"] for row in mirror.rows("orders")] == ["2"]


def test_a_dead_letter_that_cannot_be_read_stops_nothing(mirror: Mirror) -> None:
    sound = mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="a")
    rows = [
        LETTER | {"dead_letter_id": f"{place}", "payload": events.encode(replace(sound, details=details))}
        for place, details in enumerate(UNREADABLE)
    ]
    mirror.sink.write([Chunk("dead", 0, 0, 0, 2, letters=[Letter(at, row) for at, row in enumerate(rows)])])
    found = forget(mirror)
    assert (found.letters, found.mentions) == (1, ["1"])


def test_another_worker_that_runs_on_hears_of_it(mirror: Mirror) -> None:
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "2"}, delivery="a"))
    forget(mirror)
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="b"))
    forget(mirror, Entity("", "orders", "2"))
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "2"}, delivery="c"))
    assert mirror.rows("orders") == []


def test_dead_letters_of_the_entity_are_emptied_and_others_that_may_speak_of_it_are_named(
    mirror: Mirror,
) -> None:
    event = mirror.event("OrderPicked", {"OrderNumber": "1", "Name": "Anna"}, delivery="a")
    letters = {
        "w" * 64: ("worker", events.encode(event), "{}"),
        "h" * 64: ("hydrator", b"Anna", json.dumps({"family": "orders", "entity_key": "1"})),
        "g" * 64: ("gateway", b'{"Notifications": [{"OrderNumber": "1"}]}', "{}"),
        "o" * 64: ("hydrator", b"Bo", json.dumps({"family": "orders", "entity_key": "2"})),
    }
    rows = [
        {"dead_letter_id": name, "stage": stage, "reason": "r", "error": "e.", "payload": payload,
         "context": context, "parked_at": "2024-01-01T00:00:00Z", "state": "parked",
         "state_at": "2024-01-01T00:00:00Z"}
        for name, (stage, payload, context) in letters.items()
    ]  # fmt: skip
    mirror.sink.write([Chunk("dead", 0, 0, 0, 4, letters=[Letter(at, row) for at, row in enumerate(rows)])])
    found = forget(mirror)
    assert (found.letters, found.mentions) == (2, ["g" * 64])
    assert {row["dead_letter_id"][0]: row["state"] for row in mirror.rows("_dead_letters")} == {
        "w": "discarded", "h": "discarded", "g": "parked", "o": "parked"
    }  # fmt: skip
    assert "Anna" not in str([bytes(row["payload"]) for row in mirror.rows("_dead_letters")])


def test_of_two_workers_that_end_tombstones_at_once_each_hears_of_the_other(mirror: Mirror) -> None:
    forget(mirror)
    forget(mirror, Entity("", "orders", "2"))
    later = clocks.now() + MINUTE
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "3"}))  # it has read both tombstones
    # Another worker's, which started before the second one was written, and is committed after it.
    with database.transaction(mirror.engine) as connection:
        ended = f"UPDATE _forgotten SET ended_at = '{events.iso(later)}', changed_at = '{events.iso(NOON)}'"
        connection.exec_driver_sql(f"{ended} WHERE entity_key = '1'")
    mirror.write(snapshot("1", later + 1))
    assert len(mirror.rows("order_details")) == 1
    # This one's hook is later than the other's, which has it already.
    with database.transaction(mirror.engine) as connection:
        stones = {Entity("", "orders", "1"): Tombstone(NOON, later + MINUTE)}
        forgotten.put(connection, stones, clocks.now(), forgotten.EARLIER)
        assert forgotten.stored(connection)[ONE].ended_at == later


# What somebody makes so that a row stays, and what takes it away again.
KEEPERS = {
    "postgresql": (
        "CREATE TABLE notes (number TEXT REFERENCES public_store._orders (order_number))",
        "INSERT INTO notes VALUES ('1')",
        "DROP TABLE notes",
    ),
    "sqlite": (
        "CREATE TRIGGER stay BEFORE DELETE ON _orders BEGIN SELECT RAISE(ABORT, 'it stays'); END",
        "SELECT 1",
        "DROP TRIGGER stay",
    ),
}


def test_a_row_that_somebody_keeps_stops_all_of_it_and_is_named(mirror: Mirror) -> None:
    mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}))
    before = mirror.content()
    *make, take_away = KEEPERS[mirror.engine.dialect.name]
    with database.transaction(mirror.engine) as connection:
        for statement in make:
            connection.exec_driver_sql(statement)
    with pytest.raises(StartupError, match=r"Nothing was forgotten.*(notes_number_fkey|it stays)"):
        forget(mirror)
    assert (mirror.content(), mirror.rows("_forgotten")) == (before, [])
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql(take_away)
    assert forget(mirror).events == 1


def test_a_worker_of_another_mapping_keeps_it_from_starting(mirror: Mirror) -> None:
    rule = select(mirror.engine, "SELECT rule FROM _mirror_rules WHERE table_name = ''")[0]["rule"]

    def note(rule: str) -> None:
        with database.transaction(mirror.engine) as connection:
            connection.exec_driver_sql(f"UPDATE _mirror_rules SET rule = '{rule}' WHERE table_name = ''")

    note("other")
    with pytest.raises(StartupError, match="made by another"):
        forget(mirror)
    note(rule)


def test_the_command_asks_first_and_json_needs_a_yes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url, "XTND_DATA_DIR": str(tmp_path)}
    variables["XTND_CONFIG_DIR"] = str(ROOT / "config")
    with strategies.mirror(config.load(ROOT / "config", variables, {})) as mirror:
        mirror.write(mirror.event("CustomerCreated", {"CustomerNumber": "1"}))

        def run(*arguments: str, answer: str = "") -> Any:
            return CliRunner().invoke(cli.app, ["forget", *arguments], input=answer, env=variables)

        refused = run("people", "1", "--yes").exception, run("customers", "1", "--json").exception
        assert [type(one) for one in refused] == [StartupError, StartupError]
        declined = run("customers", "1", answer="n\n")
        assert (declined.exit_code, "1 events" in declined.output) == (1, True)
        assert len(mirror.rows("customers")) == 1
        planned = json.loads(run("customers", "1", "--json", "--dry-run").stdout)
        assert (planned["dry_run"], planned["events"], planned["rows"]["customers"]) == (True, 1, 1)
        done = run("customers", "1", answer="y\n")
        assert (done.exit_code, mirror.rows("customers")) == (0, [])
        assert "Kafka keeps what was published" in done.output
        again = json.loads(run("customers", "1", "--json", "--yes").stdout)
        assert (again["events"], again["forgotten_before"]) == (0, True)
