"""The backlog of ``bench_sink.py`` through other programs, each with the best settings that were found."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from connector import events
from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.peers import PeerBacklog, Result, connect, quix
from tests.benchmarks.report import RUNS, Report, scaled
from tests.servers import PostgresServer

EVENTS = 200_000


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("peer", [quix, connect], ids=["quix", "connect"])
def test_backlog(
    peer: ModuleType, kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report
) -> None:
    carry: Callable[..., Result] = peer.run
    records = backlog.balances(scaled(EVENTS))
    waiting = PeerBacklog(kafka.bootstrap_servers, f"peer-{tmp_path.name}").write(
        (events.decode(record.value) for record in records), partitions=peer.PARTITIONS
    )
    for _ in range(RUNS):
        result = carry(waiting, postgres.new_database(), tmp_path)
        bench.add("sink backlog", peer.NAME, result.rate, "events/s", events=waiting.events)
        bench.add("sink backlog", f"{peer.NAME}: CPU", result.cpu_seconds_per_million, "s per million")
        bench.add("sink backlog", f"{peer.NAME}: peak memory", result.peak_rss_mb, "MB")
