"""The embedded broker keeps what it acknowledged and leaves nothing behind."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import InvalidReplicationFactorError, KafkaError

from connector.errors import StartupError
from connector.local import kafka_jars
from connector.local.broker import Broker, KafkaBroker, NoidaBroker, broker_answers, new_cluster_id
from connector.local.ports import free_port
from connector.local.stopping import wait_until
from tests.servers import NO_KAFKA, START_SECONDS, kafka_broker

TOPIC = "kept"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with kafka_broker(tmp_path_factory) as broker:
        create_topic(broker, TOPIC)
        yield broker


def create_topic(broker: Broker, name: str) -> None:
    """Make a topic as soon as the controller counts the broker, which answers a little earlier."""

    def made() -> bool:
        with contextlib.suppress(InvalidReplicationFactorError):
            admin.create_topics([NewTopic(name, 1, 1)])
            return True
        return False

    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)) as admin:
        assert wait_until(made, timeout_seconds=60)


def produce(broker: Broker, topic: str, count: int) -> None:
    """Send records as the gateway does and wait for the acknowledgement of each."""
    settings = {"acks": "all", "enable_idempotence": True, "compression_type": "lz4"}
    with contextlib.closing(
        KafkaProducer(bootstrap_servers=broker.bootstrap_servers, **settings)
    ) as producer:
        for sent in [producer.send(topic, key=b"k", value=b"%d" % n) for n in range(count)]:
            sent.get(timeout=60)


def stored(broker: Broker, topic: str) -> int:
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, request_timeout_ms=15000)
    with contextlib.closing(consumer):
        return consumer.end_offsets([partition])[partition]


def test_a_cluster_id_is_never_read_as_an_option() -> None:
    assert not any(new_cluster_id().startswith("-") for _ in range(2000))


def test_acknowledged_records_survive_a_crash(kafka: KafkaBroker) -> None:
    before = stored(kafka, TOPIC)
    address = kafka.bootstrap_servers
    produce(kafka, TOPIC, 2000)
    kafka.kill()
    assert not broker_answers(address)
    kafka.start()
    kafka.wait_ready(START_SECONDS)
    assert kafka.bootstrap_servers == address
    assert stored(kafka, TOPIC) == before + 2000


def test_a_stop_leaves_no_process_and_a_new_start_has_the_data(kafka: KafkaBroker) -> None:
    produce(kafka, TOPIC, 10)
    kept = stored(kafka, TOPIC)
    pid = kafka.pid
    assert pid is not None
    kafka.stop(10)
    assert not psutil.pid_exists(pid)
    assert kafka.pid is None
    again = KafkaBroker(kafka.data_dir, heap="384m")
    assert again.bootstrap_servers == kafka.bootstrap_servers
    kafka.start()
    kafka.wait_ready(START_SECONDS)
    assert stored(kafka, TOPIC) == kept


def test_topics_are_never_made_by_a_send(kafka: KafkaBroker) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_block_ms=1500)
    with contextlib.closing(producer), pytest.raises(KafkaError):
        producer.send("not-there", b"x").get(timeout=5)


def test_it_listens_on_the_loopback_address_only(kafka: KafkaBroker) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(kafka.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == 2
    assert all(address.removeprefix("::ffff:") == "127.0.0.1" for address in listening)


def test_the_broker_dies_with_a_killed_parent(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the kernel's parent death signal is Linux's; run this on Linux")
    if not kafka_jars.kafka_is_possible():
        pytest.skip(NO_KAFKA)
    script = (
        "import sys; from pathlib import Path; from connector.local.broker import KafkaBroker\n"
        "broker = KafkaBroker(Path(sys.argv[1])); broker.start(); broker.wait_ready(90)\n"
        "print(broker.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    broker_pid = int(parent.stdout.readline())
    assert psutil.pid_exists(broker_pid)
    parent.kill()
    parent.communicate(timeout=60)
    assert wait_until(lambda: not running(broker_pid), timeout_seconds=60)


def running(pid: int) -> bool:
    """A zombie that nobody reaps (a container without init) has ended, too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ports_that_were_taken_meanwhile_are_replaced(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 (this test only)

    ports = {"port": free_port(), "controller_port": free_port()}
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "ports.json").write_text(json.dumps(ports))
    assert KafkaBroker(tmp_path).bootstrap_servers == f"127.0.0.1:{ports['port']}"
    with socket.create_server(("127.0.0.1", ports["port"])):
        assert KafkaBroker(tmp_path).bootstrap_servers != f"127.0.0.1:{ports['port']}"


def test_a_broker_that_cannot_start_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    if not kafka_jars.kafka_is_possible():
        pytest.skip(NO_KAFKA)
    broker = KafkaBroker(tmp_path, heap="1x")
    broker.start()
    with pytest.raises(StartupError, match=r"(?s)ended while starting.*1x"):
        broker.wait_ready(30)


def test_other_jars_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good.jar").write_bytes(b"")
    (tmp_path / "bad.jar").write_bytes(b"other")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(StartupError, match=r"bad\.jar, gone\.jar"):
        kafka_jars.verify(tmp_path, f"{empty}  good.jar\n{empty}  bad.jar\n{empty}  gone.jar\n")


def test_jars_are_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kafka_jars.kafka_is_possible() or shutil.which("mvn") is None:
        pytest.skip(NO_KAFKA)
    monkeypatch.setenv("XTND_CACHE_DIR", str(tmp_path))
    folder = kafka_jars.KafkaJars().resolve()
    assert (folder / f"kafka_2.13-{kafka_jars.KAFKA_VERSION}.jar").exists()
    monkeypatch.setenv("PATH", "")  # no mvn any more
    assert kafka_jars.KafkaJars().resolve() == folder
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, f"{folder.name}.lock"}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of two pinned jars, and an environment without Maven."""
    monkeypatch.setenv("XTND_CACHE_DIR", str(tmp_path))
    folder = kafka_jars.cache_folder()
    folder.mkdir(parents=True)
    pinned = tmp_path / "checksums"
    lines = []
    for name in ("kafka.jar", "slf4j.jar"):
        (folder / name).write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    pinned.write_text("".join(lines))
    monkeypatch.setattr(kafka_jars, "CHECKSUMS", pinned)
    monkeypatch.setenv("PATH", "")
    return folder


def spoil_bytes(folder: Path) -> str:
    (folder / "kafka.jar").write_bytes(b"other")
    return "kafka.jar"


def remove_one(folder: Path) -> str:
    (folder / "slf4j.jar").unlink()
    return "slf4j.jar"


def add_one(folder: Path) -> str:
    (folder / "more.JAR").write_bytes(b"more")  # java takes it from the folder too
    return "more.JAR"


SPOILS = [spoil_bytes, remove_one, add_one]


@pytest.mark.parametrize("spoil", SPOILS)
def test_cached_jars_that_are_not_the_pinned_ones_are_refused_at_each_start_without_maven(
    cached: Path, spoil: Callable[[Path], str]
) -> None:
    assert kafka_jars.KafkaJars().resolve() == cached
    name = spoil(cached)
    with pytest.raises(StartupError, match=name) as refused:
        kafka_jars.KafkaJars().resolve()
    assert f"rm -r {cached}" in refused.value.cure


@pytest.mark.parametrize("spoil", SPOILS)
def test_cached_jars_that_are_not_the_pinned_ones_are_fetched_again(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], str]
) -> None:
    good = shutil.copytree(cached, tmp_path / "good")
    spoil(cached)
    monkeypatch.setattr(shutil, "which", lambda _name: "mvn")
    monkeypatch.setattr(
        kafka_jars.KafkaJars, "run_maven", lambda _self, _project, jars: shutil.copytree(good, jars)
    )
    assert kafka_jars.KafkaJars().resolve() == cached
    assert kafka_jars.foreign_jars(cached) == []


def test_the_stand_in_broker_serves_a_first_look(tmp_path: Path) -> None:
    broker = NoidaBroker(tmp_path)
    broker.start()
    try:
        broker.wait_ready(30)
        create_topic(broker, TOPIC)
        produce(broker, TOPIC, 100)
        broker.stop()
        broker.start()
        broker.wait_ready(30)
        assert stored(broker, TOPIC) == 100
    finally:
        broker.stop()
