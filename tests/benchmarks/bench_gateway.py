"""The gateway beside its floor: what is left of the server's speed once Kafka acknowledges each delivery."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.local.broker import KafkaBroker
from tests.benchmarks.load import Job, Result, fire, percentile
from tests.benchmarks.report import RUNS, Figure, Report, scaled
from tests.benchmarks.stage import Part, Stage, stage

pytestmark = pytest.mark.timeout(3600)

WITH_ACKS = "with acks"
SPOOLED = "xtnd_gateway_spool_stored_total"
CONNECTIONS = 64
# The gateway with acks gets 200,000 deliveries in all: its memory is looked at early and at the end.
EARLY = scaled(20_000)
ACKED = scaled(180_000) // RUNS
OTHERS = scaled(30_000)


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaBroker) -> Iterator[Stage]:
    with stage(tmp_path, kafka.bootstrap_servers) as made:
        yield made


class Sender:
    """Fires deliveries with ever new numbers at gateways."""

    def __init__(self) -> None:
        self._next = 0

    def fire(self, *gateways: Part, count: int) -> Result:
        first, self._next = self._next, self._next + count
        ports = tuple(gateway.port for gateway in gateways)
        return fire(Job(ports=ports, count=count, first=first, connections=CONNECTIONS))


def test_gateway(bench: Report, place: Stage) -> None:
    """In turns: the floor, one gateway with acks, and two of them on half of the connections each."""
    floor, one, other = place.floor(), place.gateway(), place.gateway()
    sender = Sender()
    for cold, count in ((floor, OTHERS), (other, OTHERS), (one, EARLY)):
        sender.fire(cold, count=count)
    early = one.megabytes()
    for _ in range(RUNS):
        bare = measured(bench, "floor", sender, floor, count=OTHERS)
        acked = measured(bench, WITH_ACKS, sender, one, count=ACKED)
        pair = measured(bench, "two gateways", sender, one, other, count=OTHERS)
    bench.ratio("gateway", "with acks / floor", acked, bare, target=">= 0.5")
    bench.ratio("gateway", "two gateways / one", pair, acked, target=">= 1.6")
    late, peak = one.megabytes(), one.peak_megabytes()
    print(f"memory: {early:.0f} MB after {EARLY:,} deliveries, {late:.0f} MB at the end, {peak=:.0f} MB")
    bench.add("gateway", "peak memory", peak, "MB", target="< 150", deliveries=EARLY + ACKED * RUNS)
    bench.add("gateway", "memory growth", late - early, "MB", since=EARLY)
    # What Kafka was too slow for would have been answered from the spool.
    assert one.metric(SPOOLED) == other.metric(SPOOLED) == 0


def measured(bench: Report, name: str, sender: Sender, *gateways: Part, count: int) -> Figure:
    """Fire once, and add rate, answer times and processor time; gives the figure of the rate."""
    cpu = sum(gateway.cpu_seconds() for gateway in gateways)
    result = sender.fire(*gateways, count=count)
    cpu = sum(gateway.cpu_seconds() for gateway in gateways) - cpu
    generator = result.cpu_seconds / result.seconds
    p50, p99 = percentile(result.answer_ms, 0.5), percentile(result.answer_ms, 0.99)
    micros = cpu * 1e6 / len(result.answer_ms)
    print(
        f"{name}: {result.per_second:,.0f} deliveries/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {micros:.0f} µs "
        f"of processor each, refused {result.refused or 'none'}, the generator took {generator:.2f} cores"
    )
    facts: dict[str, Any] = {"refused": result.refused, "generator_cores": generator, "cores": os.cpu_count()}
    facts |= {"connections": CONNECTIONS, "deliveries": count}
    rate = bench.add("gateway", name, result.per_second, "deliveries/s", **facts)
    bench.add("gateway", f"{name}: p50", p50, "ms")
    bench.add("gateway", f"{name}: p99", p99, "ms", target="< 50" if name == WITH_ACKS else "")
    bench.add("gateway", f"{name}: processor", micros, "µs/delivery")
    return rate
