"""``connector dead-letters`` on real databases and a real Kafka, through the real commands."""

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from typer.testing import CliRunner

from connector import clocks, events, logs, replay
from connector import config as configuration
from connector.commands import dead_letters
from connector.commands.dead_letters_view import LettersConsole
from connector.config import Config
from connector.config.scalars import Loader
from connector.errors import KafkaOutage, StartupError
from connector.events import DeadLetter
from connector.gateway.records import Record
from connector.kafka import tool, topics
from connector.local.ports import free_port
from connector.local.stopping import wait_until
from connector.mirror import database, schema, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.hydration import DueKeys
from connector.mirror.letters import DISCARDED, PARKED, REPLAYED, Filter, Letters, StoredLetter
from connector.mirror.mapping import Mapping
from connector.mirror.rules import FINGERPRINT
from connector.mirror.sink import Sink
from connector.stream import decode
from tests import copies, processes
from tests.conftest import ROOT, MakeConfig, tables_of_hooks
from tests.processes import Connector
from tests.sources import with_sources
from tests.unit.test_replay import RECEIVED_AT, WRONG_KEY, body, created, given_up, letter_of, receive

DEADLINE_SECONDS = 60.0
MINUTE = 60_000_000
RESERVED = {"Action": "OrderReserved", "Details": {"OrderNumber": "8684", "OrderType": "NormalOrder"}}
WRONG_MAPPING = {"tables.orders.key.order_number.path": "OrderNr"}


class Shop:
    """One mirror with its own topics: configurations as folders, commands and workers as processes."""

    def __init__(self, folder: Path, database_url: str, kafka: str) -> None:
        self.folder = folder
        self.prefix = f"t{os.getpid()}-{folder.name}."
        self.environment = {
            "PATH": os.environ["PATH"],
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": database_url,
        }
        self.good = self.write("good")
        self.config = self.read(self.good)
        self.engine = database.connect(self.config.database, connections=3)
        self.mapping = Mapping(self.config)
        self.letters = Letters(self.engine)
        self.workers: list[Connector] = []

    def write(self, name: str, overrides: dict[str, object] | None = None) -> Path:
        """A configuration folder: the shipped YAML with other values by dotted name."""
        folder = self.folder / name
        folder.mkdir()
        wanted = {"topics.prefix": self.prefix, "topics.partitions": 2, "worker.group": self.prefix}
        for file in configuration.FILES:
            text = (ROOT / "config" / file).read_text()
            text = tables_of_hooks(text) if file == "tables.yaml" else text
            data = yaml.load(text, Loader)
            for dotted, value in (wanted | (overrides or {})).items():
                *parents, last = dotted.split(".")
                place = data
                for part in parents:
                    place = place.get(part, {})
                if place and parents[0] in data:
                    place[last] = value
            (folder / file).write_text(yaml.safe_dump(data, sort_keys=False))
        return folder

    def read(self, folder: Path) -> Config:
        return configuration.load(folder, self.environment, with_secrets=False)

    def make_tables(self) -> None:
        copies.fill(self.config)

    def command(self, *arguments: str, config: Path | None = None, columns: int = 120) -> Any:
        """``connector dead-letters …``: what it printed and its exit code."""
        options = ["--config", str(config or self.good), "--data-dir", str(self.folder / "data")]
        environment = self.environment | {"COLUMNS": str(columns)}
        return processes.run(
            ["dead-letters", *arguments, *options], env=environment, timeout=DEADLINE_SECONDS
        )

    def asked(self, *arguments: str) -> Any:
        """What a command says with ``--json``, run in this process: quick, for many looks."""
        options = ["--json", "--config", str(self.good), "--data-dir", str(self.folder / "data")]
        with mock.patch.object(logs, "configure"):  # the other tests' logs stay as they are
            done = CliRunner().invoke(dead_letters.app, [*arguments, *options], env=self.environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def told(self, *arguments: str, code: int = 0, **options: Any) -> Any:
        """What a command says with ``--json``."""
        done = self.command(*arguments, "--json", **options)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def publish(self, records: Sequence[Record]) -> None:
        topics.ensure(self.config)
        with tool.publishing(self.config) as publish:
            publish(records)

    def start_worker(self, folder: Path | None = None) -> Connector:
        command = ["worker", "--config", str(folder or self.good), "--admin-port", str(free_port())]
        self.workers.append(Connector(command, env=self.environment, stdout=self.folder / "worker.log"))
        return self.workers[-1]

    def stop_worker(self) -> None:
        worker = self.workers.pop()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        assert wait_until(condition, timeout_seconds=DEADLINE_SECONDS), (
            f"{what}; the worker wrote:\n{(self.folder / 'worker.log').read_text()[-3000:]}"
        )

    def wait_for_tables(self) -> None:
        self.wait(
            lambda: self.are_made() and schema.state(self.engine, self.mapping) is None,
            "no tables as the mapping says",
        )

    def are_made(self) -> bool:
        """Whether tables of this mapping were made: a look that costs next to nothing."""
        with suppress(Exception), database.transaction(self.engine) as connection:
            made = connection.exec_driver_sql(FINGERPRINT).scalar()
            return bool(made == schema.fingerprint(self.mapping))
        return False

    def wait_for_letters(self, count: int, state: str = PARKED) -> list[StoredLetter]:
        self.wait_for_tables()
        wanted = Filter(state=state)
        self.wait(lambda: self.letters.count(wanted) == count, f"not {count} letters {state}")
        return self.letters.load(self.letters.ids(wanted))

    def wait_for_events(self, *event_ids: str) -> None:
        wanted = [(event_id, "/webhooks/xtnd") for event_id in event_ids]
        self.wait(lambda: not verify.missing(self.engine, wanted), f"not all of {event_ids}")

    def rows(self) -> dict[str, Any]:
        """Every mapped table, the ledger's size and the letters, as they stand."""
        with database.transaction(self.engine) as connection:
            held: dict[str, Any] = {
                table.name: verify.actual(table, connection) for table in self.mapping.tables
            }
        return held | {
            "events": verify.count(self.engine),
            "letters": self.letters.load(self.letters.ids(Filter(state=None))),
        }

    def ends(self) -> dict[Any, int]:
        """The end of every partition of every topic."""
        consumer = KafkaConsumer(bootstrap_servers=self.config.kafka.servers)
        try:
            wanted = [
                TopicPartition(plan.name, partition)
                for plan in topics.plans(self.config)
                for partition in range(plan.partitions)
            ]
            return dict(consumer.end_offsets(wanted))
        finally:
            consumer.close()

    def assert_as_if_in_time(self, *bodies: bytes) -> None:
        """The mirror is what these bodies make when the gateway takes them in time."""
        assert verify.differences(self.engine, self.mapping) == []
        said = [events.decode(record.value) for raw in bodies for record in receive(self.config, raw)]
        with database.transaction(self.engine) as connection:
            for table in self.mapping.tables:
                assert verify.actual(table, connection) == verify.expected(table, said)

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.engine.dispose()


@pytest.fixture
def shop(tmp_path: Path, database_url: str, kafka_bootstrap: str) -> Iterator[Shop]:
    shop = Shop(tmp_path, database_url, kafka_bootstrap)
    yield shop
    shop.end()


@pytest.fixture
def offline(tmp_path: Path, database_url: str) -> Iterator[Shop]:
    """A mirror with tables, and no Kafka at its address."""
    shop = Shop(tmp_path, database_url, f"127.0.0.1:{free_port()}")
    shop.make_tables()
    yield shop
    shop.end()


def park(shop: Shop, *raws: bytes, at: int = RECEIVED_AT, wrong: Config | None = None) -> list[str]:
    """Write letters of the gateway into the mirror as the worker's agent does; gives their ids."""
    bad = wrong or shop.read(shop.folder / "wrong")
    ids = []
    for raw in raws:
        for record in receive(bad, raw):
            write_letter(shop, record, at)
            ids.append(letter_of(record).dead_letter_id)
    return ids


def write_letter(shop: Shop, record: Record | DeadLetter, at: int) -> None:
    letter = letter_of(record) if isinstance(record, Record) else record
    row = decode.LetterRow(letter, _Origin, at).values() | {
        "parked_at": events.iso(at),
        "state_at": events.iso(at),
    }
    sink = Sink(shop.engine, shop.mapping, schema.fingerprint(shop.mapping), clocks.now)
    ((_, position),) = sink.positions([("letters", 0)]).items() or ((("letters", 0), 0),)
    chunk = Chunk("letters", 0, position, position, position + 1, letters=[Letter(position, row)])
    sink.write([chunk])


class _Origin:
    topic, partition, offset = "letters", 0, 0


def state_of(shop: Shop, letter_id: str) -> tuple[str, str, str]:
    (stored,) = shop.letters.load([letter_id])
    return (stored.state, stored.letter.parked_at, stored.state_at)


def mark(shop: Shop, letter_id: str, state: str, at: int) -> None:
    with shop.letters.change([letter_id], state, at) as changed:
        assert changed == {letter_id}


# --- The whole way -------------------------------------------------------------------------------


def test_a_cured_letter_comes_in_as_if_it_had_come_in_time(shop: Shop) -> None:
    wrong = shop.read(shop.write("wrong", WRONG_KEY))
    early, late = (
        body(created()),
        body(RESERVED).replace(b'"d1"', b'"d2"').replace(b'"Attempt":2', b'"Attempt":1'),
    )
    shop.publish([*receive(wrong, early), *receive(shop.config, late)])
    shop.start_worker()
    (stored,) = shop.wait_for_letters(1)
    shop.wait_for_events("d2:0")
    prefix = stored.id[:6]
    before, ends = shop.rows(), shop.ends()

    told = shop.told("replay", prefix, "--dry-run")
    assert told["would_publish"][0]["records"][0]["topic"] == shop.config.topics.topic_of_family["orders"]
    orders = next(change for change in told["changes"] if change["table"] == "orders")
    assert (orders["key"], orders["row"]) == ({"order_number": "8684"}, "changed")
    instant = events.iso(RECEIVED_AT - MINUTE)
    assert orders["columns"] == {
        "created_at": {"before": None, "after": instant},
        "first_seen_at": {"before": events.iso(RECEIVED_AT), "after": instant},
        "event_count": {"before": 1, "after": 2},
    }
    printed = shop.command("replay", prefix, "--dry-run", columns=80)
    assert f"created_at     -                            →  {instant}" in printed.stdout
    assert (shop.rows(), shop.ends()) == (before, ends)

    told = shop.told("replay", prefix)
    assert [one["id"] for one in told["replayed"]] == [stored.id]
    shop.wait_for_events("d1:0")
    shop.assert_as_if_in_time(early, late)
    (done,) = shop.wait_for_letters(1, REPLAYED)
    assert done.mirrored

    again = shop.told("replay", stored.id, code=1)
    assert again["refused"] == [{"id": stored.id, "state": "replayed"}]
    assert shop.told("replay", "--all") == {"replayed": [], "still_parked": [], "refused": []}
    shop.assert_as_if_in_time(early, late)


def test_a_cured_mapping_brings_in_what_the_worker_parked(shop: Shop) -> None:
    wrong = shop.write("wrong", WRONG_MAPPING)
    raw = body(created(), RESERVED)
    shop.publish(receive(shop.config, raw))
    shop.start_worker(wrong)
    shop.wait(lambda: schema.state(shop.engine, Mapping(shop.read(wrong))) is None, "no tables")
    shop.wait(lambda: shop.letters.count(Filter(stage="worker")) == 2, "not 2 letters")

    told = shop.told("replay", "--stage", "worker", code=1, config=wrong)
    assert {one["reason"] for one in told["still_parked"]} == {"key-missing"}
    assert shop.letters.count(Filter()) == 2
    printed = shop.command("replay", "--all", "--dry-run")
    assert printed.returncode == 1
    assert "start the worker with this configuration first" in printed.stderr

    shop.stop_worker()
    shop.start_worker()
    shop.wait_for_tables()
    told = shop.told("replay", "--reason", "key-missing")
    assert len(told["replayed"]) == 2
    shop.wait_for_events("d1:0", "d1:1")
    shop.assert_as_if_in_time(raw)


def test_one_that_fails_again_is_parked_again_and_a_rebuild_wakes_nothing(shop: Shop) -> None:
    shop.make_tables()
    forbid_orders(shop)
    raw, other = body(created()), body(created("99")).replace(b'"d1"', b'"d2"')
    shop.publish([*receive(shop.config, raw), *receive(shop.config, other)])
    shop.start_worker()
    stored = {one.letter.event_id: one for one in shop.wait_for_letters(2)}
    assert {one.letter.reason for one in stored.values()} == {"database-refused"}
    ours, given_up = stored["d1:0"].id, stored["d2:0"].id

    told = shop.told("replay", ours, "--dry-run", code=1)
    assert [one["reason"] for one in told["would_stay_parked"]] == ["database-refused"]
    assert shop.told("discard", given_up)["discarded"] == [given_up]
    shop.told("replay", ours)
    first = stored["d1:0"].letter.parked_at

    def parked_anew() -> bool:
        state, parked_at, _ = state_of(shop, ours)
        return state == PARKED and parked_at > first

    shop.wait(parked_anew, "not parked again")
    shop.stop_worker()
    allow_orders(shop)
    shop.start_worker()
    shop.told("replay", ours)
    shop.wait_for_events("d1:0")
    shop.stop_worker()

    settled = {one: state_of(shop, one) for one in (ours, given_up)}
    assert [state for state, _, _ in settled.values()] == [REPLAYED, DISCARDED]
    forget_offsets(shop)
    ends = shop.ends()
    shop.start_worker()
    shop.wait(lambda: reread(shop, ends), "the log was not read again")
    shop.wait_for_events("d2:0")  # its record can be mirrored now; its letter stays given up
    assert {one: state_of(shop, one) for one in (ours, given_up)} == settled
    shop.assert_as_if_in_time(raw, other)


@pytest.mark.parametrize("ahead", [60 * MINUTE, -60 * MINUTE], ids=["worker-lags", "worker-leads"])
def test_one_that_fails_again_is_parked_again_whatever_the_clocks_say(shop: Shop, ahead: int) -> None:
    """The machine that replays has its clock an hour before or behind the worker's."""
    shop.make_tables()
    forbid_orders(shop)
    raw = body(created())
    shop.publish(receive(shop.config, raw))
    shop.start_worker()
    (stored,) = shop.wait_for_letters(1)

    def theirs() -> int:
        return time.time_ns() // 1000 + ahead

    for _ in range(2):
        assert replay.Replay(shop.config, clock=theirs).run([stored.id]).complete
        shop.wait(lambda: state_of(shop, stored.id)[0] == PARKED, "not parked again")

    shop.stop_worker()
    allow_orders(shop)
    shop.start_worker()
    assert replay.Replay(shop.config, clock=theirs).run([stored.id]).complete
    shop.wait_for_events("d1:0")
    settled = state_of(shop, stored.id)
    assert settled[0] == REPLAYED
    shop.publish(parked_records(shop))  # late copies of every letter that there was
    ends = shop.ends()
    shop.wait(lambda: reread(shop, ends), "the copies were not read")
    assert state_of(shop, stored.id) == settled
    shop.assert_as_if_in_time(raw)


def parked_records(shop: Shop) -> list[Record]:
    """Everything on the dead-letter topic."""
    topic = shop.config.topics.dead_letter_topic
    consumer = KafkaConsumer(bootstrap_servers=shop.config.kafka.servers)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends, found = consumer.end_offsets(partitions), []
        while any(consumer.position(one) < end for one, end in ends.items()):
            for records in consumer.poll(500).values():
                found += [Record(topic, one.key, one.value, list(one.headers), "", True) for one in records]
        return found
    finally:
        consumer.close()


def forbid_orders(shop: Shop, number: str = "") -> None:
    """A rule that a person put on the table, which no mapping knows of: not this order, or none at all."""
    with database.transaction(shop.engine) as connection:
        if connection.dialect.name == "postgresql":
            rule = f"order_number <> '{number}'" if number else "order_number = ''"
            connection.exec_driver_sql(f"ALTER TABLE _orders ADD CONSTRAINT none CHECK ({rule})")
        else:
            rule = f"WHEN new.order_number = '{number}'" if number else ""
            connection.exec_driver_sql(
                f"CREATE TRIGGER none BEFORE INSERT ON _orders {rule} BEGIN SELECT RAISE(ABORT, 'none'); END"
            )


def allow_orders(shop: Shop) -> None:
    with database.transaction(shop.engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE _orders DROP CONSTRAINT none")
        else:
            connection.exec_driver_sql("DROP TRIGGER none")


def forget_offsets(shop: Shop) -> None:
    """As a person does who wants the whole log read again."""
    with database.transaction(shop.engine) as connection:
        connection.exec_driver_sql("UPDATE _consumer_offsets SET next_offset = 0")


def reread(shop: Shop, ends: dict[Any, int]) -> bool:
    with database.transaction(shop.engine) as connection:
        rows = connection.exec_driver_sql("SELECT topic, partition, next_offset FROM consumer_offsets")
        held = {(row[0], row[1]): row[2] for row in rows}
    return all(held.get((tp.topic, tp.partition), 0) >= end for tp, end in ends.items())


# --- Letters larger than their topic takes -------------------------------------------------------

LIMIT = 1_048_576


def test_a_letter_larger_than_its_topic_takes_is_cut_and_loses_nothing(shop: Shop) -> None:
    wide, narrow = shop.good, shop.write("narrow", {"topics.max_message_bytes": LIMIT})
    raw, after = body(noted()), body(created("9")).replace(b'"d1"', b'"d2"')
    (event,) = receive(shop.config, raw)
    room = LIMIT - 400 - len(event.value)  # the event just fits, its letter does not
    raw = body(noted(room))
    (event,) = receive(shop.config, raw)
    shop.good = narrow
    shop.make_tables()
    forbid_orders(shop, "8684")
    topics.ensure(shop.read(narrow))
    no_event = os.urandom(LIMIT - 400)
    unpacked = bytes(5 * LIMIT)  # small on Kafka, where records are compressed, and only there
    sent = [event.value, no_event, unpacked]
    send_raw(shop, event.topic, *sent)
    shop.publish(receive(shop.config, after))
    shop.start_worker()
    shop.wait_for_events("d2:0")
    stored = sorted(shop.wait_for_letters(3), key=lambda one: one.letter.kafka_offset or 0)
    for offset, (whole, one) in enumerate(zip(sent, stored, strict=True)):
        letter = one.letter
        assert (letter.kafka_topic, letter.kafka_offset) == (event.topic, offset)
        assert len(whole) // 16 < len(letter.payload) < len(whole)
        assert whole.startswith(letter.payload)
        assert letter.context["whole_bytes"] == len(whole)
        assert f"first {len(letter.payload)} of {len(whole)} bytes" in letter.error
        assert "retention_hours" in letter.error
    shown = shop.command("show", stored[0].id).stdout
    assert f"payload, the first {len(stored[0].letter.payload)} of {len(event.value)} bytes:" in shown

    allow_orders(shop)
    told = shop.told("replay", "--all", code=1)
    assert [one["reason"] for one in by_id(told["still_parked"], stored)] == [
        *("record-too-large", "not-an-event", "not-an-event")
    ]
    shop.stop_worker()
    shop.good = wide
    shop.start_worker()
    shop.wait_for_letters(3)
    dry = shop.told("replay", stored[0].id, "--dry-run")
    assert [one["id"] for one in dry["would_publish"]] == [stored[0].id]
    assert [one["id"] for one in shop.told("replay", stored[0].id)["replayed"]] == [stored[0].id]
    shop.wait_for_events("d1:0")
    shop.assert_as_if_in_time(raw, after)


def test_a_letter_whose_whole_record_is_gone_says_so_and_stays_parked(shop: Shop) -> None:
    shop.good = shop.write("narrow", {"topics.max_message_bytes": LIMIT})
    shop.config = shop.read(shop.good)
    topic = shop.config.topics.topic_of_family["orders"]
    topics.ensure(shop.config)
    send_raw(shop, topic, os.urandom(LIMIT - 400), b"next")
    shop.start_worker()
    shop.wait_for_letters(2)
    shop.stop_worker()
    (stored,) = [
        one for one in shop.letters.load(shop.letters.ids(Filter())) if "whole_bytes" in one.letter.context
    ]
    with topics.admin_client(shop.config.kafka) as admin:
        admin.delete_records({TopicPartition(topic, 0): 1})
    told = shop.told("replay", stored.id, code=1)
    assert [one["reason"] for one in told["still_parked"]] == ["record-gone"]
    assert f"{topic}/0/0" in told["still_parked"][0]["error"]


def noted(length: int = 0) -> dict[str, Any]:
    """An order with a note that no codec makes smaller."""
    one = created()
    one["Details"]["Note"] = base64.b64encode(os.urandom(length)).decode()[:length]
    return one


def send_raw(shop: Shop, topic: str, *values: bytes) -> None:
    """Put values on partition 0 as another program could."""
    producer = KafkaProducer(
        bootstrap_servers=shop.config.kafka.servers, compression_type="lz4", max_request_size=16 * LIMIT
    )
    for value in values:
        producer.send(topic, value, b"8684", [events.CONTENT_TYPE], partition=0).get(30)
    producer.close()


def by_id(told: list[dict[str, Any]], stored: list[StoredLetter]) -> list[dict[str, Any]]:
    found = {one["id"]: one for one in told}
    return [found[one.id] for one in stored]


# --- What becomes of a letter that comes again ---------------------------------------------------


@pytest.mark.parametrize(
    ("state", "at", "again_at", "expected"),
    [
        (PARKED, 0, 5, (PARKED, 0, 0)),
        (REPLAYED, 3, 0, (REPLAYED, 0, 3)),
        (REPLAYED, 3, 2, (REPLAYED, 0, 3)),
        (REPLAYED, 3, 3, (REPLAYED, 0, 3)),
        (REPLAYED, 3, 4, (PARKED, 4, 4)),
        (DISCARDED, 3, 4, (DISCARDED, 0, 3)),
    ],
)
def test_only_what_is_parked_after_its_replay_is_parked_again(
    offline: Shop, state: str, at: int, again_at: int, expected: tuple[str, int, int]
) -> None:
    wrong = offline.read(offline.write("wrong", WRONG_KEY))
    (letter_id,) = park(offline, body(created()), wrong=wrong)
    if state != PARKED:
        mark(offline, letter_id, state, RECEIVED_AT + at)
    for _ in range(2):  # the second time is a mere duplicate
        park(offline, body(created()), at=RECEIVED_AT + again_at, wrong=wrong)
        held = state_of(offline, letter_id)
        assert held == (
            expected[0],
            events.iso(RECEIVED_AT + expected[1]),
            events.iso(RECEIVED_AT + expected[2]),
        )


def test_a_letter_that_fails_before_its_replay_is_committed_is_parked_again(offline: Shop) -> None:
    wrong = offline.read(offline.write("wrong", WRONG_KEY))
    (letter_id,) = park(offline, body(created()), wrong=wrong)
    going = threading.Event()

    def fail_again() -> None:
        going.set()
        park(offline, body(created()), at=RECEIVED_AT + 2, wrong=wrong)

    worker = threading.Thread(target=fail_again)
    with offline.letters.change([letter_id], REPLAYED, RECEIVED_AT + 1):
        worker.start()
        assert going.wait(10)
    worker.join(DEADLINE_SECONDS)
    assert state_of(offline, letter_id)[0] == PARKED


def test_letters_stay_parked_when_kafka_does_not_take_them(
    offline: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter_id,) = park(offline, body(created()), wrong=offline.read(offline.write("wrong", WRONG_KEY)))
    monkeypatch.setattr(tool, "READY_SECONDS", 0.2)
    with pytest.raises(KafkaOutage, match="0 dead letters were replayed before that, the others stay parked"):
        replay.Replay(offline.config).run([letter_id])

    def refuse(_records: Sequence[Record]) -> None:
        raise KafkaOutage("not now")

    monkeypatch.setattr(replay, "publishing", lambda _config: nullcontext(refuse))
    with pytest.raises(KafkaOutage, match="not now"):
        replay.Replay(offline.config).run([letter_id])
    assert state_of(offline, letter_id)[0] == PARKED


def test_a_replayed_letter_of_the_hydrator_asks_for_its_record(
    offline: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = given_up("Å/1")
    write_letter(offline, letter, RECEIVED_AT)
    offline.config = with_sources(offline.config)
    offline.mapping = Mapping(offline.config)
    schema.ensure(offline.engine, offline.config, offline.mapping)
    monkeypatch.setattr(replay, "publishing", lambda _config: nullcontext(lambda _records: None))
    (found,) = replay.Replay(offline.config, dry_run=True).preview([letter.dead_letter_id])[0].done
    assert found.asks == ("orders", "Å/1")
    assert state_of(offline, letter.dead_letter_id)[0] == PARKED
    outcome = replay.Replay(offline.config).run([letter.dead_letter_id])
    assert outcome.complete
    LettersConsole().outcome(outcome, None)
    printed = capsys.readouterr().out
    assert "A hydrator asks for these records now. One that fails again is parked again." in printed
    assert "worker" not in printed
    assert state_of(offline, letter.dead_letter_id)[0] == REPLAYED
    due = DueKeys(offline.engine, shop="", hydrator="h").lease({"orders": (5, 5)}, 60)[0]
    assert [(one.family, one.key, one.background) for one in due] == [("orders", "Å/1", True)]
    assert [
        one["reason"] for one in offline.asked("list", "--state", "all", "--stage", "hydrator")["letters"]
    ]


# --- Looking and discarding ----------------------------------------------------------------------


def test_the_list_is_filtered_and_fits_the_terminal(offline: Shop) -> None:
    offline.write("wrong", WRONG_KEY)
    raw = body(created(), {"Action": "OfferCreated", "Details": {}}, {"Details": {}})
    ids = park(offline, raw, b"no JSON \x1b[2J")
    mark(offline, ids[0], DISCARDED, RECEIVED_AT + 1)

    def listed(*arguments: str) -> set[str]:
        return {one["id"] for one in offline.asked("list", *arguments)["letters"]}

    assert listed() == set(ids[1:])
    assert listed("--state", "all") == set(ids)
    assert listed("--state", "discarded") == {ids[0]}
    assert listed("--reason", "not-json") == {ids[3]}
    assert listed("--action", "OfferCreated", "--stage", "gateway", "--hook", "xtnd") == {ids[1]}
    assert listed("--stage", "worker") == listed("--hook", "other") == set()
    assert listed("--since", events.iso(RECEIVED_AT)) == set(ids[1:])
    assert listed("--since", events.iso(RECEIVED_AT + 1)) == set()
    limited = offline.asked("list", "--limit", "1")
    assert (limited["total"], len(limited["letters"])) == (3, 1)
    for columns in (80, 120):
        lines = offline.command("list", columns=columns).stdout.splitlines()
        assert max(map(len, lines)) <= columns
        assert all(sum(line.startswith(letter_id[:12]) for line in lines) == 1 for letter_id in ids[1:])
        assert "3 of 3. Next: connector dead-letters show ID" in lines[-1]
    # A terminal of 20 breaks the lines; no column is left out.
    narrow = offline.command("list", columns=20).stdout
    assert "not-json" in narrow


def test_a_letter_is_shown_as_received_and_never_paints_the_terminal(offline: Shop) -> None:
    offline.write("wrong", WRONG_KEY)
    text, evil = park(offline, body(created("[red]8684[/red]")), b"no JSON \x1b[2J")
    shown = offline.command("show", text[:8], columns=80).stdout
    assert '{"OrderNumber": "[red]8684[/red]"' in shown
    assert max(map(len, shown.split("payload,")[0].splitlines())) <= 80
    assert offline.asked("show", text)["context"]["delivery_id"] == "d1"
    dump = offline.command("show", evil).stdout
    assert "\x1b" not in dump
    assert "6e 6f 20 4a 53 4f 4e 20 1b 5b 32 4a" in dump
    assert offline.asked("show", evil)["payload"] == "no JSON \x1b[2J"


def test_bytes_that_are_no_text_come_as_hex_in_json(offline: Shop) -> None:
    offline.write("wrong", WRONG_KEY)
    (letter_id,) = park(offline, b"\xff\xfe")
    assert offline.asked("show", letter_id)["payload_hex"] == "fffe"


def test_only_what_is_parked_can_be_discarded(offline: Shop) -> None:
    offline.write("wrong", WRONG_KEY)
    first, second = park(offline, body(created(), created()))
    mark(offline, first, REPLAYED, RECEIVED_AT + 1)
    told = offline.told("discard", first, second, second[:8], code=1)
    assert told == {"discarded": [second], "refused": [{"id": first, "state": "replayed"}]}
    assert state_of(offline, first)[0] == REPLAYED
    printed = offline.command("discard", second)
    assert printed.returncode == 1
    assert "refused: it is discarded" in printed.stdout


def test_a_wrong_id_is_answered_with_what_helps(offline: Shop) -> None:
    offline.write("wrong", WRONG_KEY)
    ids = park(offline, *(body(created()).replace(b'"d1"', b'"d%d"' % number) for number in range(20)))
    letter_id = ids[0]
    typo = letter_id[:11] + ("0" if letter_id[11] != "0" else "1")
    wrong = offline.command("show", typo)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert f"did you mean {letter_id[:12]}?" in wrong.stderr
    with pytest.raises(StartupError, match="connector dead-letters list --state all"):
        offline.letters.resolve(["zzz"])
    with pytest.raises(StartupError, match="The ids of 20 dead letters start with"):
        offline.letters.resolve([""])
    for unclear in ([], [letter_id, "--all"], ["--all", "--reason", "x", letter_id]):
        done = CliRunner().invoke(dead_letters.app, ["replay", *unclear])
        assert "It is not clear which letters to replay." in str(done.exception)


def test_a_body_keeps_its_good_notifications_and_parks_the_bad_ones_again(shop: Shop) -> None:
    strict = shop.read(shop.write("strict", {"gateway.max_notifications": 2}))
    strange = {"Action": "OrderCreated", "Details": {"OrderNumber": "1", "OrderType": {}}}
    shop.publish(receive(strict, body(created(), created(None), strange)))
    shop.start_worker()
    shop.wait_for_letters(1)
    would = shop.told("replay", "--reason", "too-many-notifications", "--dry-run", code=1)
    assert [one["reason"] for one in would["would_publish"][0]["records"]] == [None, "key-missing", None]
    assert [(one["event_id"], one["reason"]) for one in would["worker_would_park"]] == [("d1:2", "not-text")]
    shop.told("replay", "--all", code=1)
    shop.wait_for_events("d1:0")
    new_letters = {one.letter.event_id: one.letter.reason for one in shop.wait_for_letters(2)}
    assert new_letters == {"d1:1": "key-missing", "d1:2": "not-text"}
    assert verify.differences(shop.engine, shop.mapping) == []


def test_without_a_mirror_it_says_how_one_comes_about(tmp_path: Path, make_config: MakeConfig) -> None:
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/none.db", "127.0.0.1:1")
    told = shop.command("list")
    assert told.returncode == 1
    assert "This database holds no mirror yet" in told.stderr
    assert "connector worker" in told.stderr
