"""Peers: other programs that mirror the same backlog from Kafka into PostgreSQL.

One does the same work (``quix_mirror.py``). The others get what is best for them: one flat JSON object per
event with just the columns of their table, and one table with the last balance per product and warehouse,
upserted by its primary key, where the connector reads whole CloudEvents and writes ledger, history and state.

``version`` counts the events of a key. So the sum over the table tells how many events went into it,
in whatever order a program takes the partitions and however many of a key it folds into one.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from sqlalchemy import URL, make_url

from connector.events import Event, iso
from connector.local.processes import Child
from tests.benchmarks.processes import Carried, Processes
from tests.servers import PostgresServer

TABLE = "stock_balances"
KEYS = ("product_number", "warehouse")
CREATE = f"""
    CREATE TABLE {TABLE} (
        product_number text, warehouse text, balance bigint NOT NULL, balance_as_of timestamptz NOT NULL,
        event_id text NOT NULL, version bigint NOT NULL, PRIMARY KEY ({", ".join(KEYS)})
    )"""
POLL_SECONDS = 0.05
LONGEST_SECONDS = 300.0


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


class Filled:
    """The tables that a peer fills, in an empty database of its own.

    ``applied`` is a query for the number of events that went into them.
    """

    def __init__(self, database_url: str, create: str = "", applied: str = "") -> None:
        self.url: URL = make_url(database_url)
        self._applied = applied
        self._connection = psycopg.connect(
            host=self.url.host,
            port=self.url.port,
            user=self.url.username,
            dbname=self.url.database,
            autocommit=True,
        )
        if create:
            self._connection.execute(create)  # type: ignore[arg-type]

    def applied(self) -> int:
        """How many events went into the rows."""
        return int(self.rows(self._applied)[0][0])

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return self._connection.execute(select).fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()


class Table(Filled):
    """The one table with the last event of each key."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url, CREATE, f"SELECT coalesce(sum(version), 0) FROM {TABLE}")

    def last(self) -> dict[tuple[str, ...], str]:
        """The last event of each key."""
        return {row[:-1]: row[-1] for row in self.rows(f"SELECT {', '.join(KEYS)}, event_id FROM {TABLE}")}


def carry(
    program: Child, backlog: PeerBacklog, table: Table, server: PostgresServer, *, killed: str = ""
) -> Carried:
    """``measure`` a peer that writes one table, and check the table. ``killed`` in the log is a failure."""
    result = measure(program, backlog.events, table, server, killed=killed)
    assert table.last() == backlog.last
    table.close()
    return result


def measure(
    program: Child, events: int, tables: Filled, server: PostgresServer, *, killed: str = ""
) -> Carried:
    """Let a peer carry a backlog that was there before it into its tables.

    The tables are asked every 50 ms. As in ``backlog.py`` the time runs from the answer that shows the
    first events to the answer that shows all, and the events between the two count: start-up and
    joining the group are not measured, nor how large a batch is.
    """
    program.start()
    try:
        first, end = _watch(program, events, tables, server, killed)
    finally:
        program.stop(10)
    assert end.applied == events, f"{end} of {events}: {program.last_lines(40)}"
    carried = end.applied - first.applied
    return Carried(
        carried / (end.at - first.at),
        (end.own_seconds - first.own_seconds) / carried * 1e6,
        (end.database_seconds - first.database_seconds) / carried * 1e6,
        end.peak_mb,
    )


@dataclass(frozen=True)
class _Sample:
    at: float
    applied: int
    own_seconds: float
    database_seconds: float
    peak_mb: float


def _watch(
    program: Child, events: int, tables: Filled, server: PostgresServer, killed: str
) -> tuple[_Sample, _Sample]:
    """The sample that shows the first events, and the one that shows all or is the last there is."""
    first = None
    for sample in _samples(program, tables, server):
        if first is None and sample.applied:
            first = sample
        if sample.applied >= events:
            break
        assert not killed or killed not in program.last_lines(200), program.last_lines(200)
    assert first is not None, f"nothing came: {program.last_lines(40)}"
    return first, sample


def _samples(program: Child, tables: Filled, server: PostgresServer) -> Iterator[_Sample]:
    """What is seen every 50 ms while the program runs."""
    end, peak, database = time.monotonic() + LONGEST_SECONDS, 0.0, Processes(server.pid)
    while (began := time.monotonic()) < end and program.pid is not None:
        own = Processes(program.pid)
        peak = max(peak, own.memory_mb())
        yield _Sample(time.monotonic(), tables.applied(), own.cpu_seconds(), database.cpu_seconds(), peak)
        time.sleep(max(0.0, began + POLL_SECONDS - time.monotonic()))
