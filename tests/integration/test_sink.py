"""The transaction: ledger, rows, history and offsets, together or not at all."""

import select
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import event

from connector import events
from connector.config import Config
from connector.errors import DatabaseOutage, Defect, EventsKnown, Poison, SchemaMoved
from connector.events import Event
from connector.mirror import database, ledger, schema, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.losses import Loss
from connector.mirror.offsets import Offset
from connector.mirror.sink import CAREFUL_BATCHES, Sink
from connector.stream import positions
from tests import strategies
from tests.conftest import MakeConfig
from tests.strategies import MINUTE, NOON, Mirror

DEADLINE_SECONDS = 30


@pytest.fixture
def configured(make_config: MakeConfig, database_url: str) -> Config:
    return make_config({"database.url": database_url})


@pytest.fixture
def mirror(configured: Config) -> Iterator[Mirror]:
    with strategies.mirror(configured, copied=True) as found:
        yield found


@pytest.fixture
def on_postgresql(make_config: MakeConfig, postgres: Any) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": postgres.new_database()}), copied=True) as found:
        yield found


def picked(mirror: Mirror, delivery: str, *, at: int = NOON, number: str = "1", **more: Any) -> Event:
    return mirror.event("OrderPicked", {"OrderNumber": number}, delivery=delivery, at=at, **more)


def offsets(mirror: Mirror) -> list[tuple[int, int, int]]:
    rows = mirror.rows("consumer_offsets")
    return [(row["partition"], row["next_offset"], row["records_lost"]) for row in rows]


# --- Once ----------------------------------------------------------------------------------------


def test_a_chunk_that_comes_again_changes_nothing(mirror: Mirror) -> None:
    chunk = mirror.chunk([picked(mirror, "a"), picked(mirror, "b")])
    first = mirror.sink.write([chunk])
    before = mirror.content()
    again = mirror.sink.write([chunk])
    assert (first.new, first.positions) == ({"orders": 2}, {("t", 0): 2})
    assert (again.new, again.known, again.positions) == ({}, {}, {("t", 0): 2})
    assert mirror.content() == before


def test_the_same_event_at_another_offset_is_known_and_changes_nothing(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    before = mirror.content()
    written = mirror.write(picked(mirror, "a"), picked(mirror, "a"))
    assert (written.new, written.known) == ({}, {"orders": 2})
    assert mirror.content() == before
    assert offsets(mirror) == [(0, 3, 0)]


def test_of_a_chunk_that_overlaps_only_what_lies_above_is_written(mirror: Mirror) -> None:
    mirror.sink.write([mirror.chunk([picked(mirror, "a"), picked(mirror, "b")])])
    # What lies below the offset is dropped unread, even if it were another event.
    overlapping = [picked(mirror, "x"), picked(mirror, "b"), picked(mirror, "c")]
    written = mirror.sink.write([mirror.chunk(overlapping)])
    assert (written.new, written.known) == ({"orders": 1}, {})
    assert sorted(row["event_id"] for row in mirror.rows("notifications")) == ["a:0", "b:0", "c:0"]
    assert mirror.row("orders")["picked_count"] == 3


def test_a_chunk_below_the_offset_is_dropped_and_the_offset_told(mirror: Mirror) -> None:
    mirror.sink.write([mirror.chunk([picked(mirror, name) for name in "abc"])])
    written = mirror.sink.write([mirror.chunk([picked(mirror, "x")], first=1)])
    assert written.positions == {("t", 0): 3}
    assert verify.count(mirror.engine) == 3


def test_a_hole_is_reported_and_nothing_behind_it_written(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    behind = mirror.chunk([picked(mirror, "c")], first=5)
    beside = mirror.chunk([picked(mirror, "d")], partition=1)
    written = mirror.sink.write([behind, beside])
    assert written.gaps == {("t", 0): 1}
    assert written.positions == {("t", 1): 1}
    assert offsets(mirror) == [(0, 1, 0), (1, 1, 0)]
    assert mirror.row("orders")["picked_count"] == 2


def test_records_that_kafka_no_longer_holds_are_counted_as_lost_and_it_goes_on(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    mirror.now = NOON + 200 * 24 * 60 * MINUTE  # the event before it is found however long ago it came
    following = picked(mirror, "b", received=NOON + MINUTE)
    written = mirror.sink.write([mirror.chunk([following], asked=1, first=10)])
    assert (written.lost, written.gaps) == ({("t", 0): Loss(1, 10, NOON, NOON + MINUTE)}, {})
    assert offsets(mirror) == [(0, 11, 9)]
    assert mirror.row("mirror_status", family="unrouted")["records_lost"] == 0
    # Lost again, and added up.
    mirror.sink.write([mirror.chunk([picked(mirror, "c")], asked=11, first=12)])
    assert offsets(mirror) == [(0, 13, 10)]
    assert [
        (row["first_offset"], row["next_offset"], row["records"]) for row in mirror.rows("_mirror_losses")
    ] == [
        (1, 10, 9),
        (11, 12, 1),
    ]
    assert mirror.row("mirror_status", family="(unknown)")["records_lost"] == 10  # of no family's topic


def test_a_log_of_which_nothing_is_left_moves_the_offset_and_counts_the_loss(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    empty = Chunk("t", 0, asked=1, first=10, next_offset=10, topic_id="A")
    assert mirror.sink.write([empty]).lost == {("t", 0): Loss(1, 10, NOON, NOON)}
    assert mirror.sink.write([empty]).lost == {}
    assert offsets(mirror) == [(0, 10, 9)]


def test_a_loss_comes_after_the_event_before_it_whatever_the_ledger_holds_behind_it(mirror: Mirror) -> None:
    """Somebody put the offset back, and meanwhile Kafka has dropped the records."""
    mirror.write(picked(mirror, "a"))
    mirror.write(picked(mirror, "b", received=NOON + MINUTE))
    mirror.sink.reset_position(("t", 0), 1)
    written = mirror.sink.write([Chunk("t", 0, asked=1, first=5, next_offset=5)])
    assert written.lost == {("t", 0): Loss(1, 5, NOON, NOON)}


def test_a_chunk_of_a_former_topic_of_that_name_is_refused(mirror: Mirror) -> None:
    """A worker that was frozen while the topic was re-created: another one reads the new topic."""
    a, b = mirror.chunk([picked(mirror, "a")]), mirror.chunk([picked(mirror, "b")], first=1)
    mirror.sink.write([replace(a, topic_id="A")])
    mirror.sink.reset_position(("t", 0), 0, "B")
    written = mirror.sink.write([replace(b, topic_id="A")])
    assert (written.gaps, written.lost, written.positions) == ({("t", 0): 0}, {}, {})
    assert mirror.sink.offsets([("t", 0)]) == {("t", 0): Offset(0, "B")}
    # Even where its offsets touch those of the new topic.
    assert mirror.sink.write([replace(a, topic_id="A")]).gaps == {("t", 0): 0}
    assert verify.count(mirror.engine) == 1


def test_an_id_that_is_not_known_is_taken_from_the_first_chunk_and_kept(mirror: Mirror) -> None:
    mirror.sink.write([mirror.chunk([picked(mirror, "a")])])
    for number, topic_id in enumerate((None, "A", None), 1):
        mirror.sink.write([replace(mirror.chunk([picked(mirror, "b")], first=number), topic_id=topic_id)])
    assert mirror.sink.offsets([("t", 0)]) == {("t", 0): Offset(4, "A")}


def test_a_partition_is_noted_once_and_an_unknown_id_with_it(mirror: Mirror) -> None:
    mirror.sink.write([mirror.chunk([picked(mirror, "a")])])
    mirror.sink.record({("t", 0): Offset(0, "A"), ("t", 1): Offset(7, None)})
    mirror.sink.record({("t", 0): Offset(0, "B"), ("t", 1): Offset(9, "A")})
    assert mirror.sink.offsets([("t", 0), ("t", 1)]) == {("t", 0): Offset(1, "A"), ("t", 1): Offset(7, "A")}


def test_a_partition_that_was_added_to_a_known_topic_is_the_mirrors_from_its_first_record_on(
    mirror: Mirror,
) -> None:
    """Of a topic that is new to the mirror, what was there before is no loss."""
    mirror.sink.record({("t", 0): Offset(7, "A")})
    starts = {("t", 0): Offset(9, "A"), ("t", 1): Offset(20, "A"), ("u", 0): Offset(5, "B")}
    assert positions.note(mirror.sink, starts) == {
        ("t", 0): Offset(7, "A"),
        ("t", 1): Offset(0, "A"),
        ("u", 0): Offset(5, "B"),
    }


def test_a_partition_that_is_new_starts_where_it_was_asked_from(mirror: Mirror) -> None:
    written = mirror.sink.write([mirror.chunk([picked(mirror, "a")], asked=7, first=7)])
    assert (written.gaps, written.lost) == ({}, {})
    assert mirror.sink.positions([("t", 0), ("t", 1)]) == {("t", 0): 8}


def test_offsets_without_events_move_the_position(mirror: Mirror) -> None:
    mirror.sink.write([Chunk("t", 0, 0, 0, 5)])
    assert mirror.sink.positions([("t", 0)]) == {("t", 0): 5}


def test_a_position_can_be_reset_for_another_log(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    mirror.sink.reset_position(("t", 0), 0)
    assert offsets(mirror) == [(0, 0, 0)]


def test_a_copy_of_a_lower_attempt_that_comes_later_takes_the_place_of_the_higher(mirror: Mirror) -> None:
    late = mirror.event(
        "BalanceChanged",
        {"ProductNumber": "1", "Warehouse": "N", "Balance": 1},
        delivery="a",
        attempt=1,
        at=NOON,
    )
    early = replace_copy(late, attempt=2, received_at=NOON + MINUTE, occurred_at=NOON + 5 * MINUTE)
    between = mirror.event(
        "BalanceChanged",
        {"ProductNumber": "1", "Warehouse": "N", "Balance": 2},
        delivery="b",
        at=NOON + MINUTE,
    )
    mirror.write(early, between)
    assert mirror.row("stock_balances")["balance"] == 1
    mirror.write(late)
    found = mirror.row("stock_balances")
    assert (found["balance"], found["last_event_id"], found["event_count"]) == (2, "b:0", 2)
    assert [row["attempt"] for row in mirror.rows("notifications")] == [1, 1]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def replace_copy(event: Event, **changes: Any) -> Event:
    return Event(**({name: getattr(event, name) for name in Event.__struct_fields__} | changes))


def test_a_better_copy_finds_events_that_came_before_their_action_had_an_entity(mirror: Mirror) -> None:
    unrouted = replace_copy(picked(mirror, "a"), entity_key=None, family="unrouted")
    second = picked(mirror, "b", attempt=2)
    mirror.write(unrouted, second)
    mirror.write(replace_copy(second, attempt=1, occurred_at=NOON - MINUTE))
    assert mirror.row("orders")["picked_count"] == 2
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_snapshot_has_nothing_of_a_delivery_in_the_ledger_and_is_read_from_it_as_it_was(
    mirror: Mirror,
) -> None:
    record = mirror.snapshot("1", {"orderHeader": {"orderNumber": "1"}})
    gone = mirror.snapshot("2", {"orderHeader": {"orderNumber": "2"}}, gone=True, at=NOON + MINUTE)
    by_hook = picked(mirror, "a")
    mirror.write(record, by_hook, gone)
    mirror.write(record, gone)
    found = {row["event_id"]: row for row in mirror.rows("notifications")}
    assert found.keys() == {"a:0", f"orders/1@{NOON}", f"orders/2@{NOON + MINUTE}"}
    of_delivery = ("delivery_id", "notification_index", "hook", "attempt")
    assert [found[record.event_id][name] for name in of_delivery] == [None] * 4
    assert [found["a:0"][name] for name in of_delivery] == ["a", 0, "xtnd", 1]
    assert (found[gone.event_id]["source"], found[gone.event_id]["action"]) == ("/sources/xtnd", "OrderGone")
    sorts = [events.Sort("orders", of_source=True), events.Sort("OrderPicked")]
    with database.transaction(mirror.engine) as connection:
        stored = ledger.stored(connection, [one.identity for one in (record, by_hook, gone)])
        paged = list(ledger.of_sorts(connection, sorts))
    assert {identity: plain(event) for identity, event in stored.items()} == {
        one.identity: plain(one) for one in (record, by_hook, gone)
    }
    assert len(paged) == 3
    assert verify.differences(mirror.engine, mirror.mapping) == []


def plain(event: Event) -> Event:
    """Without PostgreSQL's spelling of JSON."""
    return replace_copy(event, details=events.compact(event.details), properties=event.properties.strip())


# --- All or nothing ------------------------------------------------------------------------------


def test_a_statement_that_fails_takes_everything_of_its_transaction_back(mirror: Mirror) -> None:
    mirror.write(picked(mirror, "a"))
    before = (mirror.content(), offsets(mirror))
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE _orders RENAME TO elsewhere")
    with pytest.raises(Defect):
        mirror.write(
            mirror.event("ProductCreated", {"ProductNumber": "1"}, delivery="p"), picked(mirror, "b")
        )
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO _orders")
    assert (mirror.content(), offsets(mirror)) == before


def test_an_event_that_the_database_refuses_is_poison_and_leaves_nothing_behind(mirror: Mirror) -> None:
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_of_each ON _orders (order_type)")
    good = mirror.event("OrderCreated", {"OrderNumber": "1", "OrderType": "Web"}, delivery="a")
    bad = mirror.event("OrderCreated", {"OrderNumber": "2", "OrderType": "Web"}, delivery="b")
    with pytest.raises(Poison) as caught:
        mirror.write(good, bad)
    assert caught.value.reason == "database-refused"
    assert verify.count(mirror.engine) == 0
    assert offsets(mirror) == []
    assert mirror.rows("orders") == []
    mirror.write(good)
    assert len(mirror.rows("orders")) == 1


def test_a_value_that_postgresql_alone_refuses_is_poison_and_leaves_nothing_behind(
    on_postgresql: Mirror,
) -> None:
    mirror = on_postgresql
    good = picked(mirror, "a")
    bad = replace_copy(picked(mirror, "b"), details=b'{"OrderNumber":"1","x":1e200000}')
    chunk = mirror.chunk([good])
    first = chunk.items[0]
    item = structs.replace(first, ledger_event=structs.replace(first.ledger_event, event=bad, offset=1))
    with pytest.raises(Poison, match="PostgreSQL refused the value"):
        mirror.sink.write([replace(chunk, items=[*chunk.items, item], next_offset=2)])
    assert (verify.count(mirror.engine), offsets(mirror)) == (0, [])


def test_history_whose_events_were_taken_out_of_the_ledger_is_written_over(mirror: Mirror) -> None:
    said = mirror.event("BalanceChanged", {"ProductNumber": "P", "Warehouse": "W", "Balance": 1})
    mirror.write(said)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DELETE FROM _notifications")
        connection.exec_driver_sql("UPDATE _stock_balance_history SET quantity = 7")
    assert mirror.write(said).new == {"balances": 1}
    (row,) = mirror.rows("stock_balance_history")
    assert int(row["quantity"]) == 1


def test_dead_letters_go_in_with_the_offset_and_once(mirror: Mirror) -> None:
    row = {
        "dead_letter_id": "d1", "stage": "worker", "reason": "r", "error": "e.", "hook": None, "action": None,
        "event_id": None, "payload": b"\x00\xff", "context": "{}", "kafka_topic": "t", "kafka_partition": 0,
        "kafka_offset": 0, "parked_at": "2024-01-01T00:00:00.000000Z", "state": "parked",
        "state_at": "2024-01-01T00:00:00.000000Z",
    }  # fmt: skip
    mirror.sink.write([Chunk("dead", 0, 0, 0, 2, letters=[Letter(0, row), Letter(1, row)])])
    mirror.sink.write(
        [Chunk("dead", 0, 0, 0, 3, letters=[Letter(0, row | {"dead_letter_id": "old"}), Letter(2, row)])]
    )
    (found,) = mirror.rows("_dead_letters")
    assert (found["dead_letter_id"], bytes(found["payload"])) == ("d1", b"\x00\xff")
    assert mirror.sink.positions([("dead", 0)]) == {("dead", 0): 3}


def test_a_worker_with_another_mapping_than_the_schema_is_stopped_before_it_writes(mirror: Mirror) -> None:
    stranger = Sink(mirror.engine, mirror.mapping, "0" * 32, lambda: NOON)
    with pytest.raises(SchemaMoved):
        stranger.write([mirror.chunk([picked(mirror, "a")])])
    assert verify.count(mirror.engine) == 0


# --- Several workers -----------------------------------------------------------------------------


def test_two_workers_that_write_the_same_rows_at_once_end_right(on_postgresql: Mirror) -> None:
    mirror = on_postgresql
    sinks = [
        Sink(mirror.engine, mirror.mapping, schema.fingerprint(mirror.mapping), lambda: NOON)
        for _ in range(2)
    ]

    def work(partition: int) -> None:
        for batch in range(25):
            said = [
                mirror.event(
                    "PurchaseDelivered",
                    # Rows of one order in both directions, so that locks are wanted crosswise.
                    [{"OrderNumber": "1", "Warehouse": name} for name in ("NS" if partition else "SN")],
                    delivery=f"d{partition}-{batch}-{place}",
                    at=NOON + batch,
                )
                for place in range(4)
            ]
            sinks[partition].write([mirror.chunk(said, partition=partition, first=batch * 4)])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, partition) for partition in range(2)]:
            done.result(DEADLINE_SECONDS)
    assert mirror.row("purchases", warehouse="N")["delivery_count"] == 200
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_the_late_write_of_a_zombie_is_dropped(on_postgresql: Mirror) -> None:
    """Both want the same offsets; the second waits for the first and then finds them taken."""
    mirror = on_postgresql
    mirror.write(picked(mirror, "a"))
    holds, goes_on = threading.Event(), threading.Event()
    heir = _PausingSink(mirror, holds, goes_on)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(heir.write, [mirror.chunk([picked(mirror, "b"), picked(mirror, "c")], first=1)])
        assert holds.wait(DEADLINE_SECONDS)
        zombie = pool.submit(mirror.sink.write, [mirror.chunk([picked(mirror, "b")], first=1)])
        _wait_until_blocked(mirror)
        goes_on.set()
        assert first.result(DEADLINE_SECONDS).new == {"orders": 2}
        late = zombie.result(DEADLINE_SECONDS)
    assert (late.new, late.known, late.positions) == ({}, {}, {("t", 0): 3})
    assert mirror.row("orders")["picked_count"] == 3


def test_an_event_that_two_workers_write_at_once_is_counted_once(on_postgresql: Mirror) -> None:
    """The worker that comes second is refused by the ledger's key, and looks into the ledger."""
    mirror = on_postgresql
    mirror.write(picked(mirror, "a"))
    same, late = picked(mirror, "b"), _LateSink(mirror)
    with late.overtaken_by(mirror, [same]) as second:
        written = second.result(DEADLINE_SECONDS)
    assert (written.new, written.known) == ({}, {"orders": 1})
    assert mirror.row("orders")["picked_count"] == 2
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_an_event_that_another_worker_writes_after_the_look_is_tried_again(on_postgresql: Mirror) -> None:
    mirror = on_postgresql
    known = picked(mirror, "a")
    mirror.write(known)
    same, late = picked(mirror, "b"), _LateSink(mirror)
    late.goes_on.set()
    late.write([mirror.chunk([known], partition=2)])  # from now on it looks first
    with late.overtaken_by(mirror, [same]) as second, pytest.raises(EventsKnown):
        second.result(DEADLINE_SECONDS)
    written = late.write([mirror.chunk([same], partition=1)])
    assert (written.new, written.known) == ({}, {"orders": 1})
    assert mirror.row("orders")["picked_count"] == 2


def test_a_storm_of_known_events_is_refused_once_and_then_looked_up_first(mirror: Mirror) -> None:
    """A refusal costs a batch its transaction, so that each must not bring another."""
    wanted = [[picked(mirror, f"{batch}-{n}") for n in range(3)] for batch in range(5)]
    for number, batch in enumerate(wanted):
        mirror.sink.write([mirror.chunk(batch, first=3 * number)])
    begun: list[Any] = []
    event.listen(mirror.engine, "rollback", begun.append)
    for number, batch in enumerate(wanted):
        fresh = picked(mirror, f"fresh-{number}")
        written = mirror.sink.write([mirror.chunk([*batch, fresh], partition=1, first=4 * number)])
        assert (written.new, written.known) == ({"orders": 1}, {"orders": 3})
    assert len(begun) == 1
    assert mirror.row("orders")["picked_count"] == 20
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_after_known_events_the_ledger_is_looked_into_until_they_stop(mirror: Mirror) -> None:
    looks: list[str] = []

    @event.listens_for(mirror.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        looks.extend(["look"] * statement.startswith("WITH asked"))

    mirror.write(picked(mirror, "a"))
    assert looks == []
    mirror.sink.write([mirror.chunk([picked(mirror, "a")], partition=1)])
    for number in range(CAREFUL_BATCHES + 5):
        mirror.sink.write([mirror.chunk([picked(mirror, f"b{number}")], partition=2, first=number)])
    assert len(looks) == 1 + CAREFUL_BATCHES


@pytest.mark.parametrize(("synced", "setting"), [(True, "on"), (False, "off")])
def test_only_the_transaction_of_a_batch_commits_before_the_disk_has_it(
    on_postgresql: Mirror, synced: bool, setting: str
) -> None:
    mirror, seen = on_postgresql, []
    fingerprint = schema.fingerprint(mirror.mapping)
    sink = Sink(mirror.engine, mirror.mapping, fingerprint, lambda: NOON, synced=synced)

    @event.listens_for(mirror.engine, "commit")
    def _note(connection: Any) -> None:
        seen.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())

    sink.write([mirror.chunk([picked(mirror, "a")])])
    assert sink.positions([("t", 0)]) == {("t", 0): 1}
    assert seen == [setting, "on"]


def test_a_batch_waits_for_postgresql_five_times(on_postgresql: Mirror, tmp_path: Path) -> None:
    """For BEGIN, the schema's lock, offsets and fingerprint, all that it writes, and COMMIT."""
    mirror = on_postgresql
    mirror.write(picked(mirror, "a"))
    chunk = mirror.chunk([picked(mirror, "b"), picked(mirror, "c")], first=1)
    traced: list[Any] = []
    with (tmp_path / "trace").open("w") as trace:

        @event.listens_for(mirror.engine, "begin")
        def _begin(connection: Any) -> None:
            traced.append(connection.connection.driver_connection.pgconn)
            traced[0].trace(trace.fileno())

        mirror.sink.write([chunk])
        traced[0].untrace()  # which writes what is in its buffer
    assert (tmp_path / "trace").read_text().count("ReadyForQuery") == 5


def test_a_refusal_that_a_later_statement_of_the_batch_sees_leaves_nothing_in_the_log(
    on_postgresql: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = on_postgresql
    mirror.write(picked(mirror, "a"))
    sent: list[str] = []

    @event.listens_for(mirror.engine, "before_cursor_execute")
    def _answered(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement.partition(" (")[0])
        if sent[-2:] == ["INSERT INTO _notifications", 'INSERT INTO "_orders" AS stored'] and len(sent) < 9:
            socket = connection.connection.driver_connection.pgconn.socket
            assert select.select([socket], [], [], DEADLINE_SECONDS)[0]

    written = mirror.sink.write([mirror.chunk([picked(mirror, "a"), picked(mirror, "b")], partition=1)])
    assert (written.new, written.known) == ({"orders": 1}, {"orders": 1})
    assert sent[6].startswith("SELECT pg_advisory"), sent  # the merge saw the refusal
    assert caplog.records == []


def test_a_session_that_ends_within_a_batch_is_an_outage_and_the_batch_can_come_again(
    on_postgresql: Mirror,
) -> None:
    mirror = on_postgresql
    mirror.write(picked(mirror, "a"))
    ended: list[Any] = []

    @event.listens_for(mirror.engine, "before_cursor_execute")
    def _end(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO _notifications") and not ended:
            ended.append(connection.connection.driver_connection.info.backend_pid)
            with mirror.engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({ended[0]}, 5000)")

    chunk = mirror.chunk([picked(mirror, "b")], first=1)
    with pytest.raises(DatabaseOutage):
        mirror.sink.write([chunk])
    assert mirror.sink.write([chunk]).new == {"orders": 1}
    assert mirror.row("orders")["picked_count"] == 2


class _LateSink(Sink):
    """Stops before its insert into the ledger until it is let go on."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(mirror.engine, mirror.mapping, schema.fingerprint(mirror.mapping), lambda: NOON)
        self.looked, self.goes_on = threading.Event(), threading.Event()
        self._writer = 0
        event.listen(mirror.engine, "before_cursor_execute", self._before)

    def write(self, *given: Any) -> Any:
        self._writer = threading.get_ident()
        return super().write(*given)

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if threading.get_ident() == self._writer and statement.startswith("INSERT INTO _notifications"):
            self.looked.set()
            assert self.goes_on.wait(DEADLINE_SECONDS)

    @contextmanager
    def overtaken_by(self, mirror: Mirror, events: list[Event]) -> Iterator[Any]:
        """The write of events by this one, which stops half-way while the mirror's own writes them."""
        self.looked.clear()
        self.goes_on.clear()
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(self.write, [mirror.chunk(events, partition=1)])
            assert self.looked.wait(DEADLINE_SECONDS)
            mirror.write(*events)
            self.goes_on.set()
            yield second


class _PausingSink(Sink):
    """Stops with the offsets locked until it is told to go on."""

    def __init__(self, mirror: Mirror, holds: threading.Event, goes_on: threading.Event) -> None:
        super().__init__(mirror.engine, mirror.mapping, schema.fingerprint(mirror.mapping), lambda: NOON)
        self._holds, self._goes_on = holds, goes_on

    def _lock_offsets(self, connection: Any, chunks: Any) -> Any:
        held = super()._lock_offsets(connection, chunks)
        self._holds.set()
        assert self._goes_on.wait(DEADLINE_SECONDS)
        return held


def _wait_until_blocked(mirror: Mirror) -> None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    assert _within(lambda: bool(strategies.select(mirror.engine, waiting)))


def _within(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    return any(condition() or pause.wait(0.05) for _ in range(DEADLINE_SECONDS * 20))
