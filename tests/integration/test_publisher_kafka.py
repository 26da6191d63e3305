"""The publisher against a real Apache Kafka: far, slow, broken in part, and away."""

import asyncio
import logging
import math
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from string import Template
from typing import Any

import psutil
import pytest
import uvloop
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from connector.errors import ConnectorError, KafkaOutage, RecordRefused
from connector.kafka import lanes
from connector.kafka import partitions as partitioning
from connector.kafka import publisher as publishing
from connector.kafka.publisher import Publisher
from connector.kafka.record import Record
from connector.kafka.topics import admin_client
from connector.local.broker import KafkaBroker, new_cluster_id
from connector.local.ports import free_port
from tests import servers
from tests.conftest import MakeConfig
from tests.gateways import until
from tests.pauses import awake
from tests.proxy import Proxy

pytestmark = pytest.mark.timeout(180)

PARTITIONS = 6
# Everything that comes by the listener FAR is sent on to the proxy's address.
FAR = """
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port,FAR://127.0.0.1:{far}
advertised.listeners=PLAINTEXT://127.0.0.1:$port,FAR://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT
auto.create.topics.enable=true
"""
NEVER_LOGGED = ("Unclosed", "was destroyed but it is pending", "never retrieved")
PRODUCE, METADATA = 0, 3
# Long enough for a pause of the machine, where it is not the timeout that is looked at.
PATIENT: dict[str, object] = {"gateway.ack_timeout_seconds": 20.0}
# The same where deliveries to a broken topic take that long to fail.
UNHURRIED_SECONDS = 6.0
UNHURRIED: dict[str, object] = {"gateway.ack_timeout_seconds": UNHURRIED_SECONDS}
# What one topic's trouble may cost another, pauses of the machine not counted; a request that Kafka holds
# back for the sake of one costs all of them the whole timeout.
MOST_GAP_SECONDS = 1.5


@dataclass
class Site:
    """A broker, and the proxy before the listener that the publisher uses."""

    broker: KafkaBroker
    proxy: Proxy
    make_config: MakeConfig

    def config(self, **overrides: object) -> Any:
        servers = overrides.pop("servers", f"127.0.0.1:{self.proxy.port}")
        return self.make_config(overrides, KAFKA_BOOTSTRAP_SERVERS=str(servers))

    @contextmanager
    def admin(self) -> Iterator[Any]:
        near = self.make_config(KAFKA_BOOTSTRAP_SERVERS=self.broker.bootstrap_servers)
        with admin_client(near.kafka, timeout_seconds=60) as client:
            yield client

    def create(
        self,
        *names: str,
        partitions: int = PARTITIONS,
        replicas: dict[int, list[int]] | None = None,
        **settings: str,
    ) -> None:
        configs = {name.replace("_", "."): value for name, value in settings.items()}
        options: dict[str, Any] = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        if replicas:
            options = {"assignments": replicas, "configs": configs}
        with self.admin() as client:
            client.create_topics({name: dict(options) for name in names}, wait_for_metadata=True)

    def delete(self, name: str) -> None:
        with self.admin() as client:
            client.delete_topics([name])

    def change(self, name: str, **settings: str) -> None:
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        with self.admin() as client:
            client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])

    def in_sync(self, name: str) -> set[int]:
        """Brokers that have every record of a topic; none while the admin client asks one that is away."""
        try:
            with self.admin() as client:
                [topic] = client.describe_topics([name])
        except KafkaOutage:
            return set()
        return {broker for partition in topic["partitions"] for broker in partition["isr_nodes"]}

    def topics(self) -> set[str]:
        with self.admin() as client:
            return set(client.list_topics())

    def values(self, topic: str) -> Counter[bytes]:
        """How often each value stands on a topic."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap_servers, group_id=None)
        try:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            consumer.assign(places)
            ends = consumer.end_offsets(places)
            consumer.seek_to_beginning()
            found: Counter[bytes] = Counter()
            deadline = time.monotonic() + 60
            while any(consumer.position(place) < ends[place] for place in places):
                assert time.monotonic() < deadline, f"{topic} cannot be read"
                for records in consumer.poll(200).values():
                    found.update(record.value for record in records)
            return found
        finally:
            consumer.close()


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaBroker, Proxy]]:
    far, near = free_port(), free_port()
    settings = FAR.format(far=far, proxy=near)
    with servers.kafka_broker(tmp_path_factory, settings=settings) as broker, Proxy(far, near) as proxy:
        yield broker, proxy


@pytest.fixture
def site(behind_proxy: tuple[KafkaBroker, Proxy], make_config: MakeConfig) -> Iterator[Site]:
    broker, proxy = behind_proxy
    yield Site(broker, proxy, make_config)
    proxy.round_trip_seconds = proxy.first_answer_seconds = 0.0
    proxy.frozen = proxy.swallowing = False
    proxy.listen()


@dataclass
class Load:
    """Deliveries at a steady rate, and what became of each."""

    publisher: Publisher
    topics: list[str]
    rate: float
    keys: int = 200
    size: int = 400
    acknowledged: dict[str, set[bytes]] = field(default_factory=dict)
    # Instants (``awake``) at which each topic's deliveries were acknowledged, and how long they took.
    instants: dict[str, list[float]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    failed: list[tuple[float, str, ConnectorError]] = field(default_factory=list)
    # When each value was refused, which may be on Kafka nevertheless.
    refused_at: dict[bytes, float] = field(default_factory=dict)
    most_held: int = 0
    sent: int = 0

    async def run(self, over: Callable[[], bool], *, seconds: float = 150) -> "Load":
        """Send until the condition holds, then wait for every answer."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not over():
            assert loop.time() - begin < seconds, f"the load's end did not come within {seconds:g} s"
            while self.sent < (loop.time() - begin) * self.rate:
                self.one()
            self.most_held = max(self.most_held, self.publisher._accumulator.pending_bytes)
            await asyncio.sleep(0.002)
        await wait_for(lambda: len(self.took) == self.sent, "every delivery has its answer")
        return self

    def one(self) -> None:
        topic = self.topics[self.sent % len(self.topics)]
        value = b"%s-%d-" % (topic.encode(), self.sent)
        record = Record(topic, b"%d" % (self.sent % self.keys), value.ljust(self.size, b"x"), [], "orders")
        self.sent += 1
        begin = awake()

        def done(error: ConnectorError | None) -> None:
            now = awake()
            self.took.append(now - begin)
            if error is None:
                self.acknowledged.setdefault(topic, set()).add(record.value)
                self.instants.setdefault(topic, []).append(now)
            else:
                self.failed.append((now, topic, error))
                self.refused_at[record.value] = now

        try:
            self.publisher.submit([record], done)
        except ConnectorError as error:
            done(error)

    def acknowledged_since(self, topic: str, instant: float) -> bool:
        return self.instants.get(topic, [0.0])[-1] > instant

    def longest_gap(self, topic: str, *, before: float = math.inf) -> float:
        """Seconds between two acknowledgements in a row, at most."""
        instants = [instant for instant in self.instants[topic] if instant < before]
        return max(after - before for before, after in pairwise(instants))

    def percentile(self, share: float) -> float:
        return sorted(self.took)[int(len(self.took) * share)]


async def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


def play(
    config: Any, topics: list[str], act: Callable[[Publisher], Awaitable[None]], *, close_seconds: float = 3
) -> None:
    """Run ``act`` with a publisher on a loop as the gateway's; nothing is left of it afterwards."""

    async def both() -> None:
        mine = asyncio.current_task()
        publisher = Publisher(config, topics)
        publisher.start()
        try:
            await act(publisher)
        finally:
            begin = awake()
            await publisher.close(close_seconds)
            assert awake() - begin < close_seconds + 1
        assert not publisher.died.is_set()
        await wait_for(lambda: asyncio.all_tasks() == {mine}, "no task is left")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both())


async def up(publisher: Publisher) -> None:
    await wait_for(lambda: publisher.trouble() is None, "there is a producer")


def sent_for(load: Load, count: int) -> Callable[[], bool]:
    return lambda: load.sent >= count


@pytest.fixture(autouse=True)
def nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING):
        yield
    for record in caplog.records:
        assert not any(words in record.getMessage() for words in NEVER_LOGGED), record.getMessage()


# --- Far -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("round_trip", [0.1, 0.3])
def test_a_far_kafka_acknowledges_everything_once_within_the_ack_timeout(
    site: Site, round_trip: float
) -> None:
    """A quarter of a second for a topic's metadata is never enough from 0.1 s on, at 0.06 s by chance."""
    topics = [f"far-{round_trip}-{number}" for number in range(3)]
    site.create(*topics)
    site.proxy.round_trip_seconds = round_trip
    shipped = site.config().gateway.ack_timeout_seconds

    async def act(publisher: Publisher) -> None:
        begin = time.monotonic()
        await up(publisher)
        came_up = time.monotonic() - begin
        load = Load(publisher, topics, rate=500)
        await load.run(sent_for(load, 1500))
        print(f"round trip {round_trip}: up after {came_up:.2f} s, p90 {load.percentile(0.9):.3f}", end=", ")
        print(f"p99 {load.percentile(0.99):.3f} s, {load.most_held} bytes held")
        assert load.failed == []
        assert load.percentile(0.9) < shipped
        assert load.most_held < 4_000_000
        for topic in topics:
            assert site.values(topic) == dict.fromkeys(load.acknowledged[topic], 1)

    play(site.config(**PATIENT), topics, act)


def test_a_far_kafka_keeps_the_rate_of_a_single_partition(site: Site) -> None:
    site.create("far-single", partitions=1)
    site.proxy.round_trip_seconds = 0.3
    shipped = site.config().gateway.ack_timeout_seconds

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, ["far-single"], rate=500, size=800)
        await load.run(sent_for(load, 2000))
        print(f"single partition: p90 {load.percentile(0.9):.3f}, p99 {load.percentile(0.99):.3f} s")
        assert load.failed == []
        assert load.percentile(0.9) < shipped

    play(site.config(**PATIENT), ["far-single"], act)


def test_a_first_answer_that_takes_seconds_is_waited_for(site: Site) -> None:
    site.create("slow-start")
    site.proxy.first_answer_seconds = 5.0

    async def act(publisher: Publisher) -> None:
        begin = time.monotonic()
        await up(publisher)
        print(f"first answers of 5 s: up after {time.monotonic() - begin:.1f} s")
        load = Load(publisher, ["slow-start"], rate=200)
        await load.run(sent_for(load, 200))
        assert load.failed == []

    play(site.config(**PATIENT), ["slow-start"], act)


def test_a_kafka_whose_first_answers_take_seconds_is_found_to_answer(site: Site) -> None:
    """A probe on a connection of its own never got its answer in time: degraded, as long as it ran."""
    site.create("slow-probe")
    site.proxy.first_answer_seconds = 3.0

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        await wait_until_answers(publisher, 1.0)
        connections = site.proxy.connections
        for _ in range(5):
            assert await publisher.answers(1.0)
        assert site.proxy.connections == connections
        site.proxy.frozen = True
        assert not await publisher.answers(0.2)
        assert not await publisher.answers(0.2)
        site.proxy.frozen = False
        await wait_until_answers(publisher, 1.0)
        site.proxy.refuse()
        assert not await publisher.answers(1.0)
        site.proxy.first_answer_seconds = 0
        await asyncio.to_thread(site.proxy.listen)
        await wait_until_answers(publisher, 1.0)

    play(site.config(), ["slow-probe"], act)


async def wait_until_answers(publisher: Publisher, seconds: float) -> None:
    async with asyncio.timeout(60):
        while not await publisher.answers(seconds):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.05)


def test_servers_that_refuse_or_swallow_do_not_keep_the_one_that_answers(site: Site) -> None:
    site.create("bootstrap")
    with Proxy(1, free_port()) as first, Proxy(1, free_port()) as second:
        first.swallowing = second.swallowing = True
        dead = [f"127.0.0.1:{port}" for port in (free_port(), first.port, free_port(), second.port)]
        servers = ",".join([*dead, f"127.0.0.1:{site.proxy.port}"])

        async def act(publisher: Publisher) -> None:
            begin = time.monotonic()
            await up(publisher)
            print(f"two swallow, two refuse: up after {time.monotonic() - begin:.1f} s")
            load = Load(publisher, ["bootstrap"], rate=200)
            await load.run(sent_for(load, 100))
            assert load.failed == []

        play(site.config(servers=servers, **PATIENT), ["bootstrap"], act)


def test_a_server_that_appears_later_is_found(site: Site) -> None:
    site.create("appears")
    site.proxy.refuse()

    async def act(publisher: Publisher) -> None:
        await wait_for(lambda: "refused" in (publisher.trouble() or ""), "it was tried")
        with pytest.raises(KafkaOutage, match="does not answer"):
            await publisher.publish([Record("appears", b"1", b"1", [], "orders")])
        await asyncio.to_thread(site.proxy.listen)
        await up(publisher)
        await publisher.publish([Record("appears", b"1", b"1", [], "orders")])

    play(site.config(), ["appears"], act)


# --- Broken in part ------------------------------------------------------------------------------


def test_a_topic_that_was_never_created_is_named_and_found_by_itself(site: Site) -> None:
    site.create("there")

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, ["there", "never"], rate=400)
        running = asyncio.create_task(load.run(lambda: len(load.instants.get("never", ())) > 20))
        await wait_for(lambda: len(load.failed) > 200, "its deliveries fail")
        assert publisher.troubles() == [
            "Kafka has no topic never; its events wait in the spool. Fix: connector topics"
        ]
        assert publisher.trouble() is None
        # Twice the time after which it is asked for again.
        await wait_for(lambda: load.sent > 2 * partitioning.MISSING_SECONDS * load.rate, "time passes")
        assert "never" not in await asyncio.to_thread(site.topics)  # the broker would create it
        await asyncio.to_thread(site.create, "never")
        await running
        assert publisher.troubles() == []
        assert {topic for _, topic, _ in load.failed} == {"never"}
        print(f"a topic that never was: the other's longest gap {load.longest_gap('there'):.3f} s")
        assert load.longest_gap("there") < MOST_GAP_SECONDS
        assert site.values("there") == dict.fromkeys(load.acknowledged["there"], 1)

    play(site.config(**UNHURRIED), ["there", "never"], act)


@pytest.mark.parametrize("partitions", [PARTITIONS, 2 * PARTITIONS, 2])
def test_a_topic_that_is_deleted_under_load_stops_alone_until_it_is_created_again(
    site: Site, partitions: int
) -> None:
    stays, goes = f"stays-{partitions}", f"goes-{partitions}"
    site.create(stays, goes)

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, [stays, goes], rate=400)
        created = False
        running = asyncio.create_task(
            load.run(lambda: created and load.instants[goes][-1] > created_at and not publisher.troubles())
        )
        await wait_for(lambda: goes in load.instants, "it is acknowledged")
        await asyncio.to_thread(site.delete, goes)
        await wait_for(lambda: any(goes in trouble for trouble in publisher.troubles()), "it is named")
        await wait_for(lambda: any("no topic" in str(error) for *_, error in load.failed), "it is refused")
        assert goes not in await asyncio.to_thread(site.topics)
        await asyncio.to_thread(site.create, goes, partitions=partitions)
        created, created_at = True, awake()
        await running
        print(
            f"deleted, {partitions} partitions: the other's longest gap {load.longest_gap(stays):.3f} s, ",
            end="",
        )
        print(f"recovered after {load.instants[goes][-1] - created_at:.1f} s")
        assert {topic for _, topic, _ in load.failed} == {goes}
        assert load.longest_gap(stays) < MOST_GAP_SECONDS
        found = site.values(stays)
        assert load.acknowledged[stays] <= found.keys()
        assert max(found.values()) == 1

    play(site.config(**UNHURRIED), [stays, goes], act)


def test_a_topic_created_again_at_once_is_written_to(site: Site) -> None:
    site.create("again", "beside")

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, ["again", "beside"], rate=400)
        moved = 0.0
        running = asyncio.create_task(load.run(lambda: moved and load.acknowledged_since("again", moved + 1)))
        await wait_for(lambda: "again" in load.instants, "it is acknowledged")
        await asyncio.to_thread(site.delete, "again")
        await asyncio.to_thread(site.create, "again", partitions=2)
        moved = awake()
        await running
        assert "beside" not in {topic for _, topic, _ in load.failed}
        assert load.longest_gap("beside") < MOST_GAP_SECONDS
        print(f"created again at once: {len(load.failed)} of {load.sent} failed")

    play(site.config(**UNHURRIED), ["again", "beside"], act)


def test_a_record_above_the_brokers_limit_is_refused_and_its_neighbours_are_acknowledged(site: Site) -> None:
    site.create("small", max_message_bytes="20000")

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        large = {3, 17}
        records = [
            Record("small", b"1", os.urandom(30_000 if number in large else 200), [], "orders")
            for number in range(20)
        ]
        results = await asyncio.gather(
            *[publisher.publish([record]) for record in records], return_exceptions=True
        )
        assert {number for number, result in enumerate(results) if result is not None} == large
        assert all(isinstance(results[number], RecordRefused) for number in large)
        await publisher.publish([Record("small", b"1", b"after", [], "orders")])
        found = site.values("small")
        assert all(found[record.value] == 1 for number, record in enumerate(records) if number not in large)

    play(site.config(**PATIENT), ["small"], act)


SECOND = """
process.roles=broker
node.id=2
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:$port,FAR://127.0.0.1:{far}
advertised.listeners=PLAINTEXT://127.0.0.1:$port,FAR://127.0.0.1:{far}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT
"""
IDENTITY = "version=1\ncluster.id={cluster}\nnode.id=2\ndirectory.id={directory}\n"


@pytest.fixture
def second(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Another broker of the site's cluster."""
    first = site.broker
    broker = KafkaBroker(tmp_path_factory.mktemp("second"), heap="384m")
    (broker.folder / "log").mkdir(parents=True)
    [cluster] = re.findall("cluster.id=(.*)", (first.folder / "log" / "meta.properties").read_text())
    identity = IDENTITY.format(cluster=cluster, directory=new_cluster_id())
    (broker.folder / "log" / "meta.properties").write_text(identity)
    controller = first._chosen_ports()["controller_port"]
    settings = SECOND.format(controller_port=controller, far=free_port())
    broker.settings = Template(settings).substitute(broker._chosen_ports())
    broker.start()
    try:
        broker.wait_ready(60)
        yield broker
    finally:
        broker.stop()


def test_too_few_replicas_in_sync_stop_their_topic_alone(
    site: Site, second: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "REST_SECONDS", 1.0)
    monkeypatch.setattr(lanes, "LONGEST_REST_SECONDS", 4.0)
    # Lone copies on the first broker; copies on both, all of which have to be in sync.
    site.create("well", replicas={number: [1] for number in range(PARTITIONS)})
    both = {number: [1, 2] for number in range(PARTITIONS)}
    site.create("copied", replicas=both, min_insync_replicas="2")
    second.kill()
    # Until then Kafka holds the whole request back for as long as it hopes for the other copy.
    until(lambda: site.in_sync("copied") == {1}, "the copies are known to be out of sync")

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, ["well", "copied"], rate=400)
        back = 0.0
        running = asyncio.create_task(load.run(lambda: back and load.acknowledged_since("copied", back + 1)))
        await wait_for(lambda: any("copied" in trouble for trouble in publisher.troubles()), "it is named")
        assert publisher.trouble() is None
        named = load.sent
        await wait_for(lambda: load.sent > named + 6 * load.rate, "time passes, it rests and is tried again")
        assert not any("well" in trouble for trouble in publisher.troubles())
        # From here on the first broker waits for the second again, with the whole request.
        starts = awake()
        await asyncio.to_thread(second.start)
        await asyncio.to_thread(second.wait_ready, 60)
        back = awake()
        await running
        assert {topic for at, topic, _ in load.failed if at < starts} == {"copied"}
        gap = load.longest_gap("well", before=starts)
        again = next(at for at in load.instants["copied"] if at > starts) - starts
        print(f"too few replicas: the other's longest gap {gap:.3f} s, recovered after {again:.1f} s", end="")
        print(f", {len(load.failed)} of {load.sent} failed, longest answer {max(load.took):.2f} s")
        assert gap < MOST_GAP_SECONDS
        assert max(load.took) < UNHURRIED_SECONDS + 1
        found = site.values("well")
        # What the first broker held back too long is there and was refused; nothing else is.
        assert load.acknowledged["well"] <= found.keys()
        unanswered = found.keys() - load.acknowledged["well"]
        assert all(load.refused_at[value] >= starts for value in unanswered)
        assert max(found.values()) == 1
        assert load.acknowledged["copied"] <= site.values("copied").keys()

    play(site.config(**UNHURRIED), ["well", "copied"], act)


# --- Away ----------------------------------------------------------------------------------------


def restart(broker: KafkaBroker) -> None:
    broker.kill()
    broker.start()
    broker.wait_ready(60)


@pytest.mark.parametrize("fault", ["frozen", "killed", "cut"])
def test_what_was_acknowledged_is_there_after_the_broker_was_away(site: Site, fault: str) -> None:
    topic = f"away-{fault}"
    site.create(topic)
    ack_timeout = site.config().gateway.ack_timeout_seconds

    async def act(publisher: Publisher) -> None:
        await up(publisher)
        load = Load(publisher, [topic], rate=300)
        over = 0.0
        running = asyncio.create_task(load.run(lambda: over and load.acknowledged_since(topic, over + 0.5)))
        await wait_for(lambda: topic in load.instants, "it is acknowledged")
        if fault == "frozen":
            servers.pause(site.broker.pid)
            frozen_at = load.sent
            await wait_for(lambda: load.sent > frozen_at + 15 * load.rate, "15 s pass")
            servers.resume(site.broker.pid)
        elif fault == "killed":
            await asyncio.to_thread(restart, site.broker)
        else:
            await asyncio.to_thread(site.proxy.cut)
        over = awake()
        await running
        found = await asyncio.to_thread(site.values, topic)
        recovered = next(instant for instant in load.instants[topic] if instant > over) - over
        print(f"{fault}: acknowledges again after {recovered:.2f} s, ", end="")
        print(f"{len(load.failed)} of {load.sent} failed, ", end="")
        print(f"{sum(found.values()) - len(found)} doubled, longest answer {max(load.took):.2f} s")
        assert load.acknowledged[topic] <= found.keys()
        assert max(load.took) < ack_timeout + 1
        assert recovered < 30
        assert publisher.troubles() == []
        assert load.most_held < publishing.MAX_PENDING_BYTES

    play(site.config(), [topic], act)


def test_nothing_grows_over_many_abandoned_producers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "STALE_SECONDS", -9.5)  # half a second after a batch left
    site.create("cycles")
    process = psutil.Process()

    async def act(publisher: Publisher) -> None:
        async def cycle(number: int) -> None:
            await up(publisher)
            await publisher.publish([Record("cycles", b"1", b"%d" % number, [], "orders")])
            site.proxy.frozen = True
            with pytest.raises(KafkaOutage):
                await publisher.publish([Record("cycles", b"1", b"ghost %d" % number, [], "orders")])
            await wait_for(lambda: publisher.trouble() is not None, "the producer is abandoned")
            site.proxy.frozen = False

        def left() -> tuple[int, int]:
            return len(asyncio.all_tasks()), process.num_fds()

        await cycle(0)
        await up(publisher)
        await wait_for(lambda: not publisher._keeper._abandoned, "it has ended")
        before, memory = left(), process.memory_info().rss
        for number in range(1, 21):
            await cycle(number)
        await up(publisher)
        await wait_for(lambda: not publisher._keeper._abandoned, "all have ended")
        await wait_for(lambda: left() <= before, f"{left()} is no more than {before}")
        grown = process.memory_info().rss - memory
        print(f"20 producers later: {left()} tasks and files after {before}, {grown // 1024} KiB more")
        assert grown < 20_000_000
        found = site.values("cycles")
        assert all(found[b"%d" % number] == 1 for number in range(21))

    play(site.config(**{"gateway.ack_timeout_seconds": 0.3}), ["cycles"], act)


@pytest.mark.parametrize("moment", ["starting", "sending", "idle"])
def test_closing_before_a_frozen_broker_takes_no_longer_than_it_may(site: Site, moment: str) -> None:
    site.create(f"close-{moment}")

    async def act(publisher: Publisher) -> None:
        if moment == "starting":
            site.proxy.frozen = True
            await wait_for(lambda: site.proxy.sent, "a connection is there")
            return
        await up(publisher)
        site.proxy.frozen = True
        if moment == "sending":
            load = Load(publisher, [f"close-{moment}"], rate=500)
            await load.run(sent_for(load, 100))

    play(site.config(), [f"close-{moment}"], act)  # looks at the time, at tasks and at the log


def test_a_producer_is_abandoned_within_two_requests_time_and_leaves_no_task(site: Site) -> None:
    site.create("abandoned")

    async def act(publisher: Publisher) -> None:
        publisher._keeper.request_seconds = 1.0  # for the next producer
        await up(publisher)
        first = publisher._keeper.producer
        assert first is not None
        publisher._keeper.replace(first, "the test wants another", at_once=True)
        await up(publisher)
        producer = publisher._keeper.producer
        assert producer is not None
        await wait_for(lambda: not publisher._keeper._abandoned, "the first has ended")
        site.proxy.frozen = True
        publisher.submit([Record("abandoned", b"1", b"1", [], "orders")], lambda _error: None)
        await wait_for(lambda: publisher._accumulator.in_flight, "it is under way")
        begin = awake()
        publisher._keeper.replace(producer, "the test wants another", at_once=True)
        [task] = publisher._keeper._abandoned
        await asyncio.wait([task])
        print(f"abandoned in {awake() - begin:.2f} s with requests of 1 s")
        assert awake() - begin < 2.5

    play(site.config(), ["abandoned"], act)


def test_the_private_name_that_abandoning_needs_is_still_there(site: Site) -> None:
    async def act(publisher: Publisher) -> None:
        await up(publisher)
        producer = publisher._keeper.producer
        assert producer is not None
        assert isinstance(producer._sender.sender_task, asyncio.Task)

    play(site.config(), [], act)
