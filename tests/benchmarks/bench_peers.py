"""The backlog of balances by this connector and by other programs, in turns, each at its best settings.

The others write one table; ours writes ledger, history and state.
"""

from pathlib import Path

import pytest

from connector import events
from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.backlog import Backlog
from tests.benchmarks.peers import PeerBacklog, connect, quix
from tests.benchmarks.report import RUNS, Figure, Report, scaled
from tests.servers import PostgresServer

GROUP = "sink beside peers"
TARGETS = {quix: ">= 2", connect: ">= 1.5"}


@pytest.mark.timeout(7_200)
def test_backlog_beside_peers(
    balances: Backlog, kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report
) -> None:
    topics = {
        peer: PeerBacklog(
            kafka.bootstrap_servers, f"{peer.__name__.rpartition('.')[2]}-{tmp_path.name}"
        ).write(
            (events.decode(one.value) for one in backlog.balances(scaled(backlog.EVENTS))),
            partitions=peer.PARTITIONS,
        )
        for peer in TARGETS
    }
    theirs: dict[str, Figure] = {}
    for _ in range(RUNS):
        sample = balances.carry(postgres.new_database())
        ours = bench.add(GROUP, "this connector", sample.rate, "events/s", target=">= 30000")
        bench.add(GROUP, "this connector: CPU", sample.cpu_seconds_per_million, "s per million")
        bench.add(GROUP, "this connector: peak memory", sample.peak_mb, "MB", target="< 250")
        for peer, waiting in topics.items():
            result = peer.run(waiting, postgres.new_database(), tmp_path)
            theirs[peer.NAME] = bench.add(GROUP, peer.NAME, result.rate, "events/s", events=waiting.events)
            bench.add(GROUP, f"{peer.NAME}: CPU", result.cpu_seconds_per_million, "s per million")
            bench.add(GROUP, f"{peer.NAME}: peak memory", result.peak_rss_mb, "MB")
    for peer, target in TARGETS.items():
        bench.ratio(GROUP, f"this connector / {peer.NAME}", ours, theirs[peer.NAME], target=target)
