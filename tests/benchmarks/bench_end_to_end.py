"""From POST to row: how long after a delivery was due to be sent its event can be seen in PostgreSQL.

The pace is kept whatever the gateway does, and each delivery's clock starts at the moment at which it
was due, so that a pause of the gateway counts against every delivery that it kept waiting.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg
import pytest

from connector.kafka.routes import Routes
from connector.local.broker import KafkaBroker
from connector.local.stopping import wait_until
from tests.benchmarks.load import ACCEPTED, Job, Result, delivery_id, fire, percentile
from tests.benchmarks.report import RUNS, Report, scaled
from tests.benchmarks.stage import Stage, stage
from tests.servers import PostgresServer

pytestmark = pytest.mark.timeout(3600)

RATES = (100, 1000, 3000)
SECONDS = scaled(15, least=2)
WARM_UP = scaled(5000)
CONNECTIONS = 256
POLL_SECONDS = 0.005
DRAIN_SECONDS = 120.0
TARGETS = {(1000, 99): "< 250"}


class Place(NamedTuple):
    """Where the record of an event stands on Kafka."""

    partition: int
    offset: int


class Reader(threading.Thread):
    """Notes when the mirror's offsets moved, looking every few milliseconds.

    A transaction that moves a partition's offset holds the rows of all events below it (``sink.py``), so
    the first look that finds the offset above an event's is the first that could have read its row. That
    is one look at twelve rows, where looking for the rows themselves would slow down what is measured.
    """

    def __init__(self, url: str, topic: str) -> None:
        super().__init__(name="reader", daemon=True)
        self._url = url
        self._topic = topic
        self._over = threading.Event()
        # By partition: the offsets that were seen, and when each was first seen.
        self._offsets: dict[int, list[int]] = {}
        self._seen: dict[int, list[int]] = {}

    def run(self) -> None:
        query = "SELECT partition, next_offset FROM consumer_offsets WHERE topic = %s"
        with psycopg.connect(self._url, autocommit=True) as connection:
            over = False
            while not over:
                over = self._over.wait(POLL_SECONDS)
                rows = connection.execute(query, (self._topic,)).fetchall()
                now = time.perf_counter_ns()
                for partition, next_offset in rows:
                    offsets = self._offsets.setdefault(partition, [])
                    if not offsets or offsets[-1] != next_offset:
                        offsets.append(next_offset)
                        self._seen.setdefault(partition, []).append(now)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """End after a last look."""
        self._over.set()
        self.join()

    def seen(self, place: Place) -> int:
        """When an event's row was first there to be read, in nanoseconds of the monotonic clock."""
        return self._seen[place.partition][bisect_right(self._offsets[place.partition], place.offset)]


class Way:
    """A gateway, a worker and their mirror; deliveries go in at one end and are seen at the other."""

    def __init__(self, place: Stage, url: str) -> None:
        self._url = url.replace("+psycopg", "")
        self._topic = Routes(place.config).topic_of_family["balances"]
        self._worker = place.worker()
        self._gateway = place.gateway()
        self._sent = 0

    def fire(self, per_second: float, count: int) -> tuple[Result, list[float], float]:
        """Send deliveries; gives the answers, the sorted latencies in ms and the rate that was reached."""
        first, self._sent = self._sent, self._sent + count
        job = Job((self._gateway.port,), count, first, connections=CONNECTIONS, per_second=per_second)
        with Reader(self._url, self._topic) as reader:
            result = fire(job)
            numbers = [first + n for n, status in enumerate(result.statuses) if status == ACCEPTED]
            places = self._places(first, self._sent, len(numbers))
        seen = {number: reader.seen(places[delivery_id(number)]) for number in numbers}
        latencies = sorted((seen[number] - result.due[number - first]) / 1e6 for number in numbers)
        return result, latencies, len(numbers) * 1e9 / (max(seen.values()) - result.due[0])

    def _places(self, first: int, end: int, count: int) -> dict[str, Place]:
        """Wait until the ledger holds so many of these deliveries, and read where they stand."""
        bounds = (delivery_id(first), delivery_id(end))
        inside = "FROM notifications WHERE event_id >= %s AND event_id < %s"
        with psycopg.connect(self._url, autocommit=True) as connection:

            def all_there() -> bool:
                return connection.execute(f"SELECT count(*) {inside}", bounds).fetchone() == (count,)

            assert wait_until(all_there, timeout_seconds=DRAIN_SECONDS, pause_seconds=0.5), "rows are missing"
            rows = connection.execute(f"SELECT delivery_id, kafka_partition, kafka_offset {inside}", bounds)
            return {delivery: Place(partition, offset) for delivery, partition, offset in rows}


@pytest.fixture
def way(tmp_path: Path, kafka: KafkaBroker, postgres: PostgresServer) -> Iterator[Way]:
    url = postgres.new_database()
    with stage(tmp_path, kafka.bootstrap_servers, database_url=url) as made:
        yield Way(made, url)


def test_end_to_end(bench: Report, way: Way) -> None:
    """Three paces in turns, one after another on the same processes."""
    way.fire(1000, WARM_UP)
    for _ in range(RUNS):
        for rate in RATES:
            result, latencies, reached = way.fire(rate, rate * SECONDS)
            generator = result.cpu_seconds / result.seconds
            facts: dict[str, Any] = {
                "seconds": SECONDS,
                "refused": result.refused,
                "generator_cores": generator,
            }
            told = []
            for share in (50, 95, 99):
                value = percentile(latencies, share / 100)
                told.append(f"p{share} {value:.0f} ms")
                target = TARGETS.get((rate, share), "")
                bench.add("end to end", f"{rate:,}/s: p{share}", value, "ms", target=target, **facts)
            bench.add("end to end", f"{rate:,}/s: reached", reached, "events/s", **facts)
            print(
                f"{rate:,}/s: {', '.join(told)}; reached {reached:,.0f}/s; "
                f"answered p99 {percentile(result.answer_ms, 0.99):.0f} ms; "
                f"refused {result.refused or 'none'}; the generator took {generator:.2f} cores"
            )
