"""The gateway as a process: start, stop, readiness, and a Kafka that freezes, dies and comes back."""

import json
import os
import re
import signal
import stat
import tempfile
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector import config as configuration
from connector import events
from connector.config import Config
from connector.kafka import topics
from connector.local.ports import free_port
from tests import gateways, processes
from tests.gateways import KafkaLog, Wire, delivery, head, notification, post, signed, until
from tests.pauses import awake
from tests.processes import Connector

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests"


@pytest.fixture(scope="module")
def overrides(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "kafka.bootstrap_servers": kafka_bootstrap,
        "topics.prefix": (own := f"process{uuid.uuid4().hex[:8]}."),
        "worker.group": own,
        "topics.partitions": 2,
        "hooks.xtnd.secrets": [SECRET],
        "hooks.xtnd.secret_files": [],
        "gateway.ack_timeout_seconds": 1,
    }


@pytest.fixture(scope="module")
def config(overrides: dict[str, Any]) -> Config:
    made = configuration.load(ROOT / "config", {}, overrides)
    assert topics.ensure(made) == []
    return made


@contextmanager
def process(overrides: dict[str, Any], **more: Any) -> Iterator[tuple[Connector, int, int]]:
    """A gateway process with its public and its admin port."""
    ports = {"gateway.port": free_port(), "gateway.admin_port": free_port(), "gateway.host": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder:
        spool = {"gateway.spool_path": f"{folder}/spool.db"}
        yield from _process(spool | overrides | ports, more, Path(folder, "log"))


def _process(
    overrides: dict[str, Any], more: dict[str, Any], log: Path
) -> Iterator[tuple[Connector, int, int]]:
    chosen = overrides | {f"gateway.{key}": value for key, value in more.items()}
    gateway = Connector([json.dumps(chosen)], program=processes.gateway, cwd=ROOT, env=os.environ, stdout=log)
    try:
        yield gateway, chosen["gateway.port"], chosen["gateway.admin_port"]
    finally:
        gateway.kill()
        gateway.wait(10)


def admin(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page of the admin port; (0, "") while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def up(port: int) -> None:
    until(lambda: admin(port, "/healthz")[0] == 200, "the gateway lives")


def ready(port: int) -> None:
    def is_ready() -> bool:
        status, told = admin(port, "/readyz")
        return status == 200 and "warnings" not in json.loads(told)

    until(is_ready, "the gateway is ready and reaches Kafka")


def test_sigterm_answers_what_is_under_way_and_ends(config: Config, overrides: dict[str, Any]) -> None:
    log = KafkaLog(config)
    body = delivery(notification("9"))
    with process(overrides) as (gateway, port, admin_port):
        ready(admin_port)
        with Wire(port) as idle, Wire(port) as slow, ThreadPoolExecutor(20) as pool:
            slow.send(head("POST", gateways.PATH, signed(body, SECRET)) + body[:5])
            answers = [pool.submit(post, port, body, SECRET) for _ in range(20)]
            answers[0].result()
            began = awake()
            gateway.send_signal(signal.SIGTERM)
            gateway.wait(60)
            errors = gateway.stdout.read_text()
            assert idle.closed()
            assert slow.answer().status == 503
        assert awake() - began < 10
        accepted = sum(1 for answer in answers if not answer.exception() and answer.result().status == 202)
    assert gateway.returncode == 0
    told = [json.loads(line)["event"] for line in errors.splitlines()]
    assert told.count("gateway listening") == 1
    assert SECRET not in errors
    assert accepted >= 1
    assert len(log.since()) >= accepted
    log.close()


def test_a_port_in_use_is_named_with_its_cure(overrides: dict[str, Any], tmp_path: Path) -> None:
    with process(overrides) as (_, port, admin_port):
        up(admin_port)
        for taken, setting, option in (
            ({"gateway.port": port}, "gateway.port", "--port"),
            ({"gateway.admin_port": admin_port}, "gateway.admin_port", "--admin-port"),
        ):
            chosen = {"gateway.port": free_port(), "gateway.admin_port": free_port()} | overrides | taken
            chosen |= {"gateway.spool_path": str(tmp_path / "spool.db")}
            settings = json.dumps(chosen | {"gateway.host": "127.0.0.1"})
            second = processes.run([settings], program=processes.gateway, cwd=ROOT, env=os.environ)
            assert second.returncode != 0
            assert setting in second.stderr
            assert option in second.stderr
            assert "Traceback" not in second.stderr


def test_the_admin_port_tells_health_readiness_and_metrics(config: Config, overrides: dict[str, Any]) -> None:
    with process(overrides) as (_, port, admin_port):
        ready(admin_port)
        assert post(port, delivery(notification()), SECRET).status == 202
        assert json.loads(admin(admin_port, "/readyz")[1]) == {
            "status": "ready",
            "ready": True,
            "failures": {},
        }
        page = admin(admin_port, "/metrics")[1]
        assert 'xtnd_gateway_answers_total{hook="xtnd",status="202"} 1.0' in page
        assert 'xtnd_gateway_events_accepted_total{family="orders"} 1.0' in page
        assert 'xtnd_up{part="kafka"} 1.0' in page
        assert post(port, b"", SECRET, path="/metrics").status == 404


@pytest.mark.usefixtures("config")  # a topic that is missing would be trouble too
def test_metrics_say_that_kafka_is_away_although_nobody_asks_for_readiness(
    kafka: Any, overrides: dict[str, Any]
) -> None:
    with process(overrides) as (_, _, admin_port):
        up(admin_port)
        page = admin(admin_port, "/metrics")[1]
        assert re.search(r'^xtnd_up\{part="intake"\} [01]', page, re.MULTILINE)
        assert re.search(r'^xtnd_up\{part="kafka"\} [01]', page, re.MULTILINE)
        well, away = ('xtnd_up{part="kafka"} 1.0', 'xtnd_up{part="kafka"} 0.0')
        until(lambda: well in admin(admin_port, "/metrics")[1], "Kafka is measured")
        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            until(lambda: away in admin(admin_port, "/metrics")[1], "Kafka is found away")
        finally:
            os.kill(kafka.pid, signal.SIGCONT)
        until(lambda: well in admin(admin_port, "/metrics")[1], "Kafka is found again")


def test_a_gateway_starts_with_its_own_counters_at_0_and_no_workers_metrics(
    config: Config, overrides: dict[str, Any]
) -> None:
    with process(overrides) as (_, _, admin_port):
        up(admin_port)
        page = admin(admin_port, "/metrics")[1]
    for status in (202, 401, 503):
        assert f'xtnd_gateway_answers_total{{hook="xtnd",status="{status}"}} 0.0' in page
    for family in (*config.topics.families, "unrouted"):
        assert f'xtnd_gateway_events_accepted_total{{family="{family}"}} 0.0' in page
    assert 'xtnd_dead_letters_total{reason="key-missing",stage="gateway"} 0.0' in page
    assert "xtnd_worker" not in page


def test_the_admin_port_answers_to_addresses_and_listed_names_only(overrides: dict[str, Any]) -> None:
    with process(overrides, admin_hosts=["gateway.internal"]) as (_, _, admin_port):
        up(admin_port)
        for host, status in (("gateway.internal:8081", 200), ("10.0.0.1", 200), ("evil.example", 421)):
            asked = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            assert gateways.request(admin_port, asked).status == status


def test_the_spool_is_of_one_user_only_also_where_it_was_open_before(
    kafka: Any, overrides: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(0o755)
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        with process(overrides | {"gateway.spool_path": str(folder / "spool.db")}) as (_, port, admin_port):
            up(admin_port)
            assert post(port, delivery(notification()), SECRET).status == 202
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes["spool.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_it_starts_without_kafka_takes_deliveries_and_drains_them(
    kafka: Any, config: Config, overrides: dict[str, Any]
) -> None:
    log = KafkaLog(config)
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        with process(overrides) as (_, port, admin_port):
            up(admin_port)
            began = awake()
            for number in range(20):
                assert post(port, delivery(notification(str(number))), SECRET).status == 202
            assert awake() - began < 3

            def degraded_by_kafka() -> bool:
                status, body = admin(admin_port, "/readyz")
                report = json.loads(body)
                kafka_trouble = report.get("warnings", {}).get("kafka", "")
                return status == 200 and report["status"] == "degraded" and "does not answer" in kafka_trouble

            until(degraded_by_kafka, "the gateway is degraded, and still ready")
            assert 'xtnd_degraded{part="kafka"} 1.0' in admin(admin_port, "/metrics")[1]
            assert "xtnd_gateway_spool_deliveries 20.0" in admin(admin_port, "/metrics")[1]
            os.kill(kafka.pid, signal.SIGCONT)
            drained = "xtnd_gateway_spool_deliveries 0.0"
            until(lambda: drained in admin(admin_port, "/metrics")[1], "the spool is drained")
            keys = {record.key for record in log.since()}
            assert {str(number).encode() for number in range(20)} <= keys
    finally:
        os.kill(kafka.pid, signal.SIGCONT)


def test_what_was_spooled_is_drained_by_the_next_process_after_kill_9(
    kafka: Any, config: Config, overrides: dict[str, Any], tmp_path: Path
) -> None:
    log = KafkaLog(config)
    spool = {"gateway.spool_path": str(tmp_path / "spool.db")}
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        with process(overrides | spool) as (gateway, port, admin_port):
            up(admin_port)
            for number in range(20):
                assert post(port, delivery(notification(f"k{number}")), SECRET).status == 202
            gateway.kill()
            gateway.wait()
        os.kill(kafka.pid, signal.SIGCONT)
        with process(overrides | spool) as (_, port, admin_port):
            up(admin_port)
            drained = "xtnd_gateway_spool_drained_total 20.0"
            until(lambda: drained in admin(admin_port, "/metrics")[1], "the spool is drained")
            assert {f"k{number}".encode() for number in range(20)} <= {record.key for record in log.since()}
    finally:
        os.kill(kafka.pid, signal.SIGCONT)


def test_what_was_spooled_follows_a_changed_prefix_and_a_renamed_topic(
    config: Config, overrides: dict[str, Any], tmp_path: Path
) -> None:
    """The former topics are still there and would take it, but no worker reads them any more."""
    spool = {"gateway.spool_path": str(tmp_path / "spool.db")}
    away = {"kafka.bootstrap_servers": f"127.0.0.1:{free_port()}"}
    changed = overrides | {
        "topics.prefix": f"changed{uuid.uuid4().hex[:8]}.",
        "topics.families.orders.topic": "sales-orders",
    }
    today = configuration.load(ROOT / "config", {}, changed)
    assert topics.ensure(today) == []
    former, log = KafkaLog(config), KafkaLog(today)
    good, bad, strange = notification("r1"), notification(""), notification("r2", "Strange")
    with process(overrides | spool | away) as (_, port, admin_port):
        up(admin_port)
        for one in ([good], [bad], [strange], [good, bad, strange]):
            assert post(port, delivery(*one), SECRET).status == 202
    with process(changed | spool) as (_, port, admin_port):
        up(admin_port)
        empty = "xtnd_gateway_spool_deliveries 0.0"
        until(lambda: empty in admin(admin_port, "/metrics")[1], "the spool is drained")
    landed = sorted(record.topic.removeprefix(today.topics.prefix) for record in log.since())
    assert landed == ["dead-letters", "dead-letters", "sales-orders", "sales-orders", "unrouted", "unrouted"]
    assert former.since() == []


def test_with_the_spool_full_and_kafka_away_nothing_is_accepted(
    kafka: Any, overrides: dict[str, Any]
) -> None:
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        with process(overrides, spool_max_bytes=1_048_576) as (_, port, admin_port):
            up(admin_port)
            big = delivery(*[notification("x" * 200) for _ in range(400)])
            statuses = [post(port, big, SECRET).status for _ in range(4)]
            assert statuses[0] == 202
            assert statuses[-1] == 503
            assert 202 not in statuses[statuses.index(503) :]
    finally:
        os.kill(kafka.pid, signal.SIGCONT)


def hammer(port: int, stop: threading.Event) -> tuple[list[str], list[float]]:
    """Post until told to stop; return the Ids that were accepted, and how long each answer took."""
    accepted, seconds = [], []
    while not stop.is_set():
        delivery_id = uuid.uuid4().hex
        began = awake()
        answer = post(port, delivery(notification(delivery_id[:4]), delivery_id=delivery_id), SECRET)
        seconds.append(awake() - began)
        assert answer.status in (202, 503)
        if answer.status == 202:
            accepted.append(delivery_id)
    return accepted, seconds


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_an_outage_of_kafka_loses_nothing_that_was_accepted(kafka: Any, config: Config, fault: str) -> None:
    log = KafkaLog(config)
    stop = threading.Event()
    with gateways.running(config) as port, ThreadPoolExecutor(8) as pool:
        until(lambda: post(port, delivery(notification()), SECRET).status == 202, "Kafka is reached")
        posts = [pool.submit(hammer, port, stop) for _ in range(8)]
        try:
            if fault == "frozen":
                os.kill(kafka.pid, signal.SIGSTOP)
            else:
                kafka.kill()
            until(lambda: post(port, delivery(notification()), SECRET).status == 503, "the outage is felt")
            if fault == "frozen":
                os.kill(kafka.pid, signal.SIGCONT)
            else:
                kafka.start()
                kafka.wait_ready(60)
            until(
                lambda: post(port, delivery(notification()), SECRET).status == 202,
                "it goes on by itself",
                seconds=30,
            )
        finally:
            if fault == "frozen":
                os.kill(kafka.pid, signal.SIGCONT)
            stop.set()
        results = [post.result() for post in posts]
    accepted = {delivery_id for ids, _ in results for delivery_id in ids}
    landed = {events.decode(record.value).delivery_id for record in log.since()}
    assert accepted
    assert accepted <= landed
    assert max(second for _, seconds in results for second in seconds) < 3
    log.close()
