"""The gateway beside its floor, at several numbers of senders and processes, and with Kafka far away."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.local.broker import KafkaBroker
from connector.local.ports import free_port
from tests.benchmarks.load import Job, Result, fire, percentile
from tests.benchmarks.report import RUNS, Figure, Report, scaled
from tests.benchmarks.stage import Part, Stage, stage
from tests.proxy import Proxy
from tests.servers import kafka_broker

pytestmark = pytest.mark.timeout(3600)

WITH_ACKS = "with acks"
SPOOLED = "xtnd_gateway_spool_stored_total"
CONNECTIONS = 64
# What the documentation's table asks for, on two cores with broker and generator beside the gateway.
TARGETS = {"": ">= 10000", "p99": "< 12", "processor": "<= 65"}
# The gateway with acks gets 200,000 deliveries in all: its memory is looked at early and at the end.
EARLY = scaled(20_000)
ACKED = scaled(180_000) // RUNS
OTHERS = scaled(30_000)
FAR_SECONDS = 0.05
FAR_PER_SECOND = 1000
# Everything that comes by the listener FAR is told to go on by the proxy.
FAR = """
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port,FAR://127.0.0.1:{far}
advertised.listeners=PLAINTEXT://127.0.0.1:$port,FAR://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT
"""


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaBroker) -> Iterator[Stage]:
    with stage(tmp_path, kafka.bootstrap_servers) as made:
        yield made


class Sender:
    """Fires deliveries at gateways; each has a number of its own."""

    def __init__(self) -> None:
        self._next = 0

    def fire(
        self, *ports: int, count: int, connections: int = CONNECTIONS, per_second: float | None = None
    ) -> Result:
        first, self._next = self._next, self._next + count
        return fire(
            Job(ports=ports, count=count, first=first, connections=connections, per_second=per_second)
        )


def test_gateway(bench: Report, place: Stage) -> None:
    """In turns: the floor, one gateway with acks, and two of them on half of the connections each."""
    floor, one, other = place.floor(), place.gateway(), place.gateway()
    sender = Sender()
    for cold, count in ((floor, OTHERS), (other, OTHERS), (one, EARLY)):
        sender.fire(cold.port, count=count)
    early = one.megabytes()
    for _ in range(RUNS):
        bare = measured(bench, "floor", sender, floor, count=OTHERS)
        acked = measured(bench, WITH_ACKS, sender, one, count=ACKED, targets=TARGETS)
        pair = measured(bench, "two gateways", sender, one, other, count=OTHERS)
    bench.ratio("gateway", "with acks / floor", acked, bare)
    bench.ratio("gateway", "two gateways / one", pair, acked)
    late, peak = one.megabytes(), one.peak_megabytes()
    print(f"memory: {early:.0f} MB after {EARLY:,} deliveries, {late:.0f} MB at the end, {peak=:.0f} MB")
    bench.add("gateway", "peak memory", peak, "MB", target="< 100", deliveries=EARLY + ACKED * RUNS)
    bench.add("gateway", "memory growth", late - early, "MB", since=EARLY)
    # What Kafka was too slow for would have been answered from the spool.
    assert one.metric(SPOOLED) == other.metric(SPOOLED) == 0


def test_senders(bench: Report, place: Stage) -> None:
    """Few senders have a request to Kafka for few deliveries; many wait for each other."""
    gateway, sender = place.gateway(), Sender()
    sender.fire(gateway.port, count=EARLY)
    for _ in range(RUNS):
        for connections in (16, 256):
            measured(bench, f"{connections} senders", sender, gateway, count=OTHERS, connections=connections)
    assert gateway.metric(SPOOLED) == 0


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_on_one_port(bench: Report, place: Stage, processes: int) -> None:
    """The kernel spreads connections, not deliveries: the share of each process says how evenly."""
    port = free_port()
    gateways = [place.gateway("--reuse-port", port=port) for _ in range(processes)]
    sender = Sender()
    sender.fire(port, count=EARLY)
    name = f"{processes} processes on one port"
    for _ in range(RUNS):
        before = [gateway.accepted() for gateway in gateways]
        measured(bench, name, sender, *gateways, count=OTHERS)
        shares = [
            (gateway.accepted() - former) / OTHERS for gateway, former in zip(gateways, before, strict=True)
        ]
        bench.add("gateway", f"{name}: least share", min(shares) * processes, "x an even share")
        bench.add("gateway", f"{name}: greatest share", max(shares) * processes, "x an even share")


def test_far_kafka(bench: Report, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A steady pace with Kafka at a round trip of 50 ms: the rate, and what waits meanwhile."""
    far, near = free_port(), free_port()
    settings = FAR.format(far=far, proxy=near)
    with kafka_broker(tmp_path_factory, settings=settings) as broker, Proxy(far, near) as proxy:
        proxy.round_trip_seconds = FAR_SECONDS
        with stage(tmp_path, f"127.0.0.1:{near}", topics_by=broker.bootstrap_servers) as place:
            gateway, sender = place.gateway(), Sender()
            sender.fire(gateway.port, count=EARLY, per_second=FAR_PER_SECOND)
            early = gateway.megabytes()
            for _ in range(RUNS):
                measured(bench, "far Kafka", sender, gateway, count=scaled(20_000), per_second=FAR_PER_SECOND)
            bench.add("gateway", "far Kafka: memory growth", gateway.megabytes() - early, "MB", since=EARLY)
            bench.add("gateway", "far Kafka: spooled", gateway.metric(SPOOLED), "deliveries", target="< 1")


def measured(
    bench: Report,
    name: str,
    sender: Sender,
    *gateways: Part,
    targets: dict[str, str] | None = None,
    **job: Any,
) -> Figure:
    """Fire once, and add rate, answer times and processor time; gives the figure of the rate."""
    targets = targets or {}
    cpu = sum(gateway.cpu_seconds() for gateway in gateways)
    result = sender.fire(*dict.fromkeys(gateway.port for gateway in gateways), **job)
    cpu = sum(gateway.cpu_seconds() for gateway in gateways) - cpu
    generator = result.cpu_seconds / result.seconds
    p50, p99 = percentile(result.answer_ms, 0.5), percentile(result.answer_ms, 0.99)
    micros = cpu * 1e6 / len(result.answer_ms)
    print(
        f"{name}: {result.per_second:,.0f} deliveries/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {micros:.1f} µs "
        f"of processor each, refused {result.refused or 'none'}, the generator took {generator:.2f} cores"
    )
    facts: dict[str, Any] = {"refused": result.refused, "generator_cores": generator, "cores": os.cpu_count()}
    rate = bench.add(
        "gateway", name, result.per_second, "deliveries/s", target=targets.get("", ""), **facts, **job
    )
    bench.add("gateway", f"{name}: p50", p50, "ms")
    bench.add("gateway", f"{name}: p99", p99, "ms", target=targets.get("p99", ""))
    bench.add("gateway", f"{name}: processor", micros, "µs/delivery", target=targets.get("processor", ""))
    return rate
