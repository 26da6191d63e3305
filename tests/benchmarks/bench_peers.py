"""The backlog of balances by this connector and by other programs, in turns, each at its best settings."""

from pathlib import Path

import pytest

from connector import events
from connector.local.broker import KafkaBroker
from tests.benchmarks import backlog
from tests.benchmarks.backlog import Backlog
from tests.benchmarks.peers import PeerBacklog, connect, quix, quix_mirror
from tests.benchmarks.report import RUNS, Report, Targets, scaled
from tests.servers import PostgresServer

OURS = "this connector"
SAME_WORK, ONE_TABLE = "sink beside the same work", "sink beside peers"
MEMORY = Targets(memory="< 220")

pytestmark = pytest.mark.timeout(7_200)


def test_the_same_work(balances: Backlog, postgres: PostgresServer, tmp_path: Path, bench: Report) -> None:
    """The same records into ledger, history and state by both; at the end the rows are compared."""
    for _ in range(RUNS):
        ours, theirs = postgres.new_database(), postgres.new_database()
        bench.run(SAME_WORK, OURS, balances.carry(ours, server=postgres), targets=MEMORY)
        result = quix_mirror.run(balances, postgres, ours, theirs, tmp_path)
        bench.run(SAME_WORK, quix_mirror.NAME, result)
    bench.versus(SAME_WORK, f"{OURS} / Quix Streams", OURS, quix_mirror.NAME, target=">= 3.5")


def test_one_table(
    balances: Backlog, kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, bench: Report
) -> None:
    """The others write the state alone, and drop all but a key's newest event of a batch before."""
    topics = {
        peer: PeerBacklog(
            kafka.bootstrap_servers, f"{peer.__name__.rpartition('.')[2]}-{tmp_path.name}"
        ).write(
            (events.decode(one.value) for one in backlog.balances(scaled(backlog.EVENTS))),
            partitions=peer.PARTITIONS,
        )
        for peer in (quix, connect)
    }
    for _ in range(RUNS):
        bench.run(ONE_TABLE, OURS, balances.carry(postgres.new_database(), server=postgres), targets=MEMORY)
        for peer, waiting in topics.items():
            bench.run(ONE_TABLE, peer.NAME, peer.run(waiting, postgres, postgres.new_database(), tmp_path))
    for peer in topics:
        bench.versus(ONE_TABLE, f"{OURS} / {peer.NAME}", OURS, peer.NAME)
