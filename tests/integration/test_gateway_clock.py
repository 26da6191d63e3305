"""A gateway whose host's clock is set wrong and right again, on a real Kafka."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connector import events, metrics
from connector.config import Config
from connector.gateway import clock
from connector.gateway.clock import Clock
from connector.kafka import topics
from tests import gateways
from tests.conftest import SECRET, MakeConfig
from tests.gateways import KafkaLog, delivery, post, until

SECOND = 1_000_000_000


class Host:
    """A host whose wall clock is ``error`` seconds wrong, with one gateway on it."""

    def __init__(self, config: Config, folder: Path, error: int) -> None:
        self.error = error
        self.clock = Clock(folder, wall=lambda: time.time_ns() + self.error * SECOND)
        self.log = KafkaLog(config)
        self.port = 0

    def post(self, balance: int) -> None:
        """Post a balance; the answer comes after the acknowledgement."""
        details = {"ProductNumber": "P1", "Warehouse": "1", "Balance": balance}
        body = delivery({"Action": "BalanceChanged", "Details": details})
        until(lambda: post(self.port, body, SECRET).status == 202, "the delivery is accepted")

    def distance(self) -> float:
        """The distance to the broker's clock, as the metric shows it, measured at this moment."""
        self.clock.trouble()
        return float(metrics.clock_distance.labels("broker")._value.get())

    def received(self) -> list[tuple[int, float]]:
        """Balances in event order, and how late each was received, in seconds by a right clock."""
        found = [json.loads(one.value) for one in self.log.since()]
        found.sort(key=lambda event: event["time"])
        now = time.time()
        return [(one["data"]["Balance"], now - events.from_iso(one["receivedat"]) / 1e6) for one in found]


@pytest.fixture
def start(make_config: MakeConfig, kafka_bootstrap: str, tmp_path: Path) -> Iterator[Callable[[int], Host]]:
    """Start a gateway on a host whose clock is so many seconds wrong."""
    config = make_config({"kafka.bootstrap_servers": kafka_bootstrap, "topics.partitions": 1})
    assert topics.ensure(config) == []
    with ExitStack() as stack:

        def make(error: int) -> Host:
            host = Host(config, tmp_path, error)
            stack.callback(host.log.close)
            host.port = stack.enter_context(gateways.running(config, clock=host.clock))
            return host

        yield make


@pytest.mark.parametrize("error", [3600, -600])
def test_the_newest_balance_is_the_one_posted_last_whatever_the_clock_did(
    start: Callable[[int], Host], error: int
) -> None:
    host = start(0)
    host.post(70)
    host.error = error
    host.post(60)
    assert host.distance() == pytest.approx(error, abs=1)
    assert f"{error:+.1f} s" in (host.clock.trouble() or "")
    host.error = 0
    host.post(50)
    host.post(40)
    received = host.received()
    assert [balance for balance, _ in received] == [70, 60, 50, 40]
    assert all(-1 < late < 60 for _, late in received)


def test_a_clock_that_is_set_right_is_followed_from_the_next_acknowledgement_on(
    start: Callable[[int], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each acknowledgement is looked at, also two of one moment.
    monkeypatch.setattr(clock, "OBSERVE_MICROSECONDS", 0)
    host = start(-600)
    host.post(1)
    assert host.distance() == pytest.approx(-600, abs=1)
    host.error = 0
    host.post(2)
    host.post(3)
    received = dict(host.received())
    assert received[1] > 590
    assert received[3] < 60
    assert host.distance() == pytest.approx(0, abs=1)
    headers = {json.loads(one.value)["data"]["Balance"]: dict(one.headers) for one in host.log.since()}
    assert events.CLOCK_DISTANCE not in headers[1]  # nothing was acknowledged before
    assert float(headers[2][events.CLOCK_DISTANCE]) == pytest.approx(-600, abs=1)
    assert float(headers[3][events.CLOCK_DISTANCE]) == pytest.approx(0, abs=1)
