"""Peers: other programs that mirror the same backlog from Kafka into a table of PostgreSQL.

They get what is best for them: one flat JSON object per event with just the columns of their table, and
one table with the last balance per product and warehouse, upserted by its primary key. The connector
reads whole CloudEvents and writes ledger, history and state.

``version`` counts the events of a key. So the sum over the table tells how many events went into it,
in whatever order a program takes the partitions and however many of a key it folds into one.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from sqlalchemy import URL, make_url

from connector.events import Event, iso
from connector.local.processes import Child

TABLE = "stock_balances"
KEYS = ("product_number", "warehouse")
CREATE = f"""
    CREATE TABLE {TABLE} (
        product_number text, warehouse text, balance bigint NOT NULL, balance_as_of timestamptz NOT NULL,
        event_id text NOT NULL, version bigint NOT NULL, PRIMARY KEY ({", ".join(KEYS)})
    )"""
POLL_SECONDS = 0.05
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Result:
    """What one run measured; CPU and memory are of all processes of the peer, without the servers."""

    rate: float
    cpu_seconds_per_million: float
    peak_rss_mb: float


@dataclass
class PeerBacklog:
    """A topic with the events, flat; ``last`` is what a table must hold in the end."""

    bootstrap: str
    topic: str
    events: int = 0
    last: dict[tuple[str, ...], str] = field(default_factory=dict)

    def write(self, events: Iterable[Event], *, partitions: int) -> "PeerBacklog":
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics([NewTopic(self.topic, partitions, 1)])
        admin.close()
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=20, compression_type="lz4"
        )
        versions: Counter[tuple[str, ...]] = Counter()
        for event in events:
            row = _flat(event)
            key = tuple(row[name] for name in KEYS)
            versions[key] += 1
            self.last[key] = row["event_id"]
            producer.send(
                self.topic,
                key=json.dumps({name: row[name] for name in KEYS}).encode(),
                value=json.dumps({**row, "version": versions[key]}).encode(),
            )
        producer.flush(timeout=300)
        producer.close(timeout=30)
        self.events = versions.total()
        return self


def _flat(event: Event) -> dict[str, Any]:
    details = json.loads(event.details)
    return {
        "product_number": details["ProductNumber"],
        "warehouse": details["Warehouse"],
        "balance": details["Balance"],
        "balance_as_of": iso(event.occurred_at),
        "event_id": event.event_id,
    }


class Table:
    """The table that a peer fills, in an empty database of its own."""

    def __init__(self, database_url: str) -> None:
        self.url: URL = make_url(database_url)
        self._connection = psycopg.connect(
            host=self.url.host,
            port=self.url.port,
            user=self.url.username,
            dbname=self.url.database,
            autocommit=True,
        )
        self._connection.execute(CREATE)

    def applied(self) -> int:
        """How many events went into the rows."""
        return int(self._rows(f"SELECT coalesce(sum(version), 0) FROM {TABLE}")[0][0])

    def last(self) -> dict[tuple[str, ...], str]:
        """The last event of each key."""
        return {row[:-1]: row[-1] for row in self._rows(f"SELECT {', '.join(KEYS)}, event_id FROM {TABLE}")}

    def close(self) -> None:
        self._connection.close()

    def _rows(self, select: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(select).fetchall()  # type: ignore[arg-type]


def carry(program: Child, backlog: PeerBacklog, table: Table, *, killed: str = "") -> Result:
    """Let a peer carry a backlog that was there before it into the table, and check the table.

    The table is asked every 50 ms. As in ``backlog.py`` the time runs from the answer that shows the
    first events to the answer that shows all, and the events between the two count: start-up and
    joining the group are not measured, nor how large a batch is. ``killed`` in the log is a failure.
    """
    program.start()
    try:
        first, end = _watch(program, backlog.events, table, killed)
    finally:
        program.stop(10)
    assert end.applied == backlog.events, f"{end} of {backlog.events}: {program.last_lines(40)}"
    assert table.last() == backlog.last
    table.close()
    carried = end.applied - first.applied
    return Result(
        carried / (end.at - first.at),
        (end.cpu_seconds - first.cpu_seconds) / carried * 1e6,
        end.peak_rss_mb,
    )


@dataclass(frozen=True)
class _Sample:
    at: float
    applied: int
    cpu_seconds: float
    peak_rss_mb: float


def _watch(program: Child, events: int, table: Table, killed: str) -> tuple[_Sample, _Sample]:
    """The sample that shows the first events, and the one that shows all or is the last there is."""
    first = None
    for sample in _samples(program, table):
        if first is None and sample.applied:
            first = sample
        if sample.applied >= events:
            break
        assert not killed or killed not in program.last_lines(200), program.last_lines(200)
    assert first is not None, f"nothing came: {program.last_lines(40)}"
    return first, sample


def _samples(program: Child, table: Table) -> Iterator[_Sample]:
    """What is seen every 50 ms while the program runs."""
    end, peak = time.monotonic() + LONGEST_SECONDS, 0.0
    while (began := time.monotonic()) < end and program.pid is not None:
        root = psutil.Process(program.pid)
        processes = [root, *root.children(recursive=True)]
        cpu_seconds = sum(sum(process.cpu_times()[:2]) for process in processes)
        peak = max(peak, sum(process.memory_info().rss for process in processes) / 2**20)
        yield _Sample(time.monotonic(), table.applied(), cpu_seconds, peak)
        time.sleep(max(0.0, began + POLL_SECONDS - time.monotonic()))
