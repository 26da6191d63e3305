"""Poison is isolated: only the offenders are parked, each with its origin, and neighbours go on."""

import json
from pathlib import Path

from connector import events
from tests import workers
from tests.workers import World, balance, balances, next_number, until

QUANTITY_TEXT = b'{"ProductNumber": "P9", "Warehouse": "1", "Balance": "many"}'

REFUSED = b'{"ProductNumber": "NO", "Warehouse": "1", "Balance": 1}'
REQUESTS, NOTIFICATIONS = 14, 10
LONG_KEY = json.dumps({"ProductNumber": "x" * 20_000, "Warehouse": "1", "Balance": 1}).encode()


def poison(world: World) -> dict[int, tuple[str, bytes]]:
    """Put every kind of poison between good neighbours of partition 0: reason and value by offset."""
    put: dict[int, tuple[str, bytes]] = {}

    def add(reason: str, value: bytes | None) -> None:
        world.send(balances(3), partition=0)
        put[world.send_raw(value)] = (reason, value or b"")

    def event(**changes: object) -> bytes:
        return events.encode(balance(next_number(), **changes))  # type: ignore[arg-type]

    add("not-an-event", b"\xff\xfe\x00 no JSON at all")
    add("null-record", None)
    add("not-an-event", json.dumps({"foreign": True}).encode())
    add("foreign-event", event().replace(b'"deliveryindex":0', b'"deliveryindex":7'))
    add("", event(details=QUANTITY_TEXT))
    add("", event(details=b'{"ProductNumber": "P\\u0000", "Warehouse": "1", "Balance": 1}'))
    add("", event(details=b'{"ProductNumber": {"no": "text"}, "Warehouse": "1", "Balance": 1}'))
    add("text-too-long", event(details=LONG_KEY))
    world.send(balances(3), partition=0)
    return put


def test_only_the_offenders_are_parked_with_their_origin(
    kafka_bootstrap: str, database_url: str, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, database_url) as world:
        put = poison(world)
        worker = world.worker().wait_ready()
        world.wait_caught_up()
        until(lambda: len(parked(world)) == len(put), what="dead letters in the mirror")
        for offset, reason, payload, topic, partition, error in parked(world):
            wanted, value = put[offset]
            assert reason == wanted or (reason and not wanted)
            assert bytes(payload) == value
            assert (topic, partition) == (world.topic, 0)
            assert error
        assert worker.metric("xtnd_dead_letters_total", stage="worker") == len(put)
        world.assert_sound()


def test_what_only_the_database_refuses_is_parked_alone(
    kafka_bootstrap: str, postgres: object, tmp_path: Path
) -> None:
    """A constraint that somebody added: the batch is split until the offenders stand alone."""
    url = postgres.new_database()  # type: ignore[attr-defined]
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        worker = world.worker("slow-database@1=1").wait_ready()
        with world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE _stock_balances ADD CHECK (product_number <> 'NO')")
        offsets = []
        for _ in range(2):
            world.send(balances(50), partition=0)
            offsets.append(world.send_raw(events.encode(balance(next_number(), details=REFUSED))))
            world.send(balances(50), partition=0)
        world.wait_caught_up()
        until(lambda: [row[0] for row in parked(world)] == offsets, what="the offenders parked")
        assert {row[1] for row in parked(world)} == {"database-refused"}
        assert worker.metric("xtnd_dead_letters_total", reason="database-refused") == 2
        world.assert_sound()


def test_no_number_of_bad_events_stops_a_worker(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Fourteen small signed requests to one hook, among the good events of the others."""
    url = f"sqlite:///{tmp_path}/mirror.db"
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        for number in range(REQUESTS):
            world.send(balances(1), partition=0)
            world.deliver(bad_delivery(number))
        worker = world.worker().wait_ready()
        world.wait_caught_up()
        until(lambda: len(parked(world)) == REQUESTS * NOTIFICATIONS, what="dead letters in the mirror")
        assert {row[1] for row in parked(world)} == {"not-a-number"}
        until(lambda: "dead_letters" in worker.warnings(), what="degraded")
        assert worker.metric("xtnd_degraded", part="dead_letters") == 1
        assert worker.metric("xtnd_worker_dead_letter_share") > 0.9
        assert worker.said_event("many events cannot be mirrored")
        world.send(balances(20))
        world.wait_caught_up()
        assert not worker.ended()
        world.assert_sound()


def test_a_dead_letter_topic_that_takes_nothing_stops_no_worker(kafka_bootstrap: str, tmp_path: Path) -> None:
    """The mirror keeps the letters by itself."""
    url = f"sqlite:///{tmp_path}/mirror.db"
    with workers.world(tmp_path, kafka_bootstrap, url) as world:
        worker = world.worker().wait_ready()
        world.admin.delete_topics([world.routes.dead_letter_topic])
        offset = world.send_raw(b"no event")
        world.send(balances(20), partition=0)
        until(
            lambda: [row[:3] for row in parked(world)] == [(offset, "not-an-event", b"no event")],
            60,
            what="kept",
        )
        until(lambda: len(world.ledger_ids()) == 20, what="the events behind it")
        assert not worker.ended()


def bad_delivery(number: int) -> bytes:
    """A body in which no balance is a number."""
    details = {"ProductNumber": "P1", "Warehouse": "1", "Balance": "many"}
    notification = {"Action": "BalanceChanged", "Details": details}
    return json.dumps(
        {
            "Id": f"{number:032x}",
            "Attempt": 1,
            "Properties": {},
            "Notifications": [notification] * NOTIFICATIONS,
        }
    ).encode()


def parked(world: World) -> list[tuple[int, str, bytes, str, int, str]]:
    columns = "kafka_offset, reason, payload, kafka_topic, kafka_partition, error"
    statement = f"SELECT {columns} FROM _dead_letters ORDER BY kafka_offset"
    return world.rows(statement)  # type: ignore[return-value]
