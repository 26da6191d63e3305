"""A mirror of years, and what each command takes that works on all of it.

The events are those of the simulated shop, all actions, as evenly over so many months as if it had always
been open. They are written by the worker's own ``Sink``, without Kafka and in larger transactions, so that
the rows are those that a worker writes. ``python -m tests.benchmarks.years FOLDER EVENTS`` does it all in a
folder that it leaves behind, and prints each figure once it is known (``bench_years.py`` is the small form).
"""

import os
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import event

from connector import clocks, config, events
from connector.config import Config
from connector.events import Event
from connector.kafka.routes import Routes
from connector.mirror import database, schema
from connector.mirror.chunks import Chunk
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapping import Mapping
from connector.mirror.rows import Item
from connector.mirror.sink import Sink
from connector.simulator import wire
from connector.simulator.shop import Shop
from tests.benchmarks.processes import peak_mb
from tests.conftest import ROOT, SECRET
from tests.servers import postgres_server

MONTHS, KEPT = 40, 3  # of which a tenth stays in the ledger: with this month nearly four
MONTH = 30 * 86_400_000_000  # microseconds
PARTITIONS = 12
BATCH = 20_000  # events of a transaction
POLL_SECONDS = 0.05
# What PostgreSQL is given, as docs/production.md says.
POSTGRES = ("shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=15min")


@dataclass(frozen=True)
class Step:
    """What one command took: seconds, seconds of its own processor, peak memory in MB; what it printed."""

    name: str
    seconds: float
    processor: float
    peak_mb: float
    output: str


class Years:
    """A folder with the mirror, its configuration and its archives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mirror = folder / "mirror.db"
        self.url = f"sqlite:///{self.mirror}"
        self._config_dir = folder / "config"
        # Nobody answers there: what the commands say of Kafka is not measured.
        self._environ = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "XTND_WEBHOOK_SECRET": SECRET}
        self._config_dir.mkdir(parents=True, exist_ok=True)
        for name in config.FILES:
            text = (ROOT / "config" / name).read_text(encoding="utf-8")
            if name == "connector.yaml":
                given = yaml.safe_load(text)
                retention = {"months": KEPT, "archive": str(folder / "archive")}
                text = yaml.safe_dump(given | {"mirror": {"retention": retention}})
            (self._config_dir / name).write_text(text, encoding="utf-8")

    def fill(self, count: int, report: Callable[[int], None] = lambda _: None, *, balances: int = 0) -> None:
        """Write so many events into a new mirror; with ``balances`` nothing but changes of so many."""
        settings = config.load(self._config_dir, {**self._environ, "DATABASE_URL": self.url}, {})
        mapping = Mapping(settings)
        engine = database.connect(settings.database)

        @event.listens_for(engine, "connect")
        def _on_connect(connection: Any, _record: object) -> None:
            # Ids are random: with less, pages of the ledger's key are read and written for each event.
            connection.execute("PRAGMA cache_size=-1500000").close()

        schema.ensure(engine, settings, mapping)
        sink = Sink(engine, mapping, schema.fingerprint(mapping), clocks.now)
        coming, ends, done = _events(settings, count, balances), dict[tuple[str, int], int](), 0
        while batch := list(islice(coming, BATCH)):
            chunks: dict[tuple[str, int], list[Item]] = {}
            for topic, partition, one in batch:
                items = chunks.setdefault((topic, partition), [])
                offset = ends.get((topic, partition), 0) + len(items)
                ledger_event = LedgerEvent(one, topic, partition, offset)
                items.append(Item(ledger_event, mapping.contributions(one)))
            given = []
            for tp, items in chunks.items():
                first = ends.get(tp, 0)
                ends[tp] = first + len(items)
                given.append(Chunk(*tp, first, first, ends[tp], items))
            sink.write(given)
            report(done := done + len(batch))
        engine.dispose()

    def run(self, name: str, *words: str) -> Step:
        """Run a command of the connector on the mirror; raises ``AssertionError`` unless it ends with 0."""
        command = [sys.executable, "-m", "connector", *words]
        log = self.folder / (name.replace(" ", "-") + ".log")
        environ = {**os.environ, **self._environ, "DATABASE_URL": self.url, "TMPDIR": str(self.folder)}
        started = time.perf_counter()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--config", str(self._config_dir)],
                cwd=self.folder,  # what restore makes of the spool stands there
                env=environ,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            # Not the peak of its usage: that counts what this process had when it started it.
            peak, ended = 0.0, 0
            while not ended:
                with suppress(OSError, IndexError):  # it is ending
                    peak = peak_mb(process.pid)
                time.sleep(POLL_SECONDS)
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            process.returncode = os.waitstatus_to_exitcode(status)
        output = log.read_text(encoding="utf-8")
        assert process.returncode == 0, output
        seconds = time.perf_counter() - started
        return Step(name, seconds, usage.ru_utime + usage.ru_stime, peak, output)

    def steps(self, target: str) -> Iterator[Step]:
        """Each command, one after another; ``target`` is the URL of an empty database of PostgreSQL."""
        backup, restored = self.folder / "mirror.tar.gz", self.folder / "restored"
        yield self.run("verify", "verify")
        yield self.run("archive", "archive")
        yield self.run("verify of what is archived", "verify")
        yield self.run("verify deep", "verify", "--deep")
        yield self.run("backup", "backup", str(backup))
        yield self.run("restore", "restore", str(backup), "--database-url", f"sqlite:///{restored}/mirror.db")
        yield self.run("copy to PostgreSQL", "copy", "--to", target)

    def sizes(self) -> dict[str, int]:
        """Bytes of what is there."""
        archived = sum(one.stat().st_size for one in (self.folder / "archive").glob("*.parquet"))
        backup = self.folder / "mirror.tar.gz"
        return {
            "mirror": self.mirror.stat().st_size,
            "archives": archived,
            "backup": backup.stat().st_size if backup.exists() else 0,
        }


def _changes(balances: int) -> Iterator[wire.ShopDelivery]:
    dice = random.Random(1)
    while True:
        details = {
            "ProductNumber": f"P{dice.randrange(balances)}",
            "Warehouse": "1",
            "Balance": dice.randrange(1000),
            "EventName": "CustomerOrderPicked",
            "EventType": "Outbound",
        }
        change = {"Action": "BalanceChanged", "Details": details}
        yield wire.ShopDelivery(
            delivery_id=f"{dice.getrandbits(128):032x}", notifications=[change], properties={}
        )


def _events(settings: Config, count: int, balances: int) -> Iterator[tuple[str, int, Event]]:
    """Topic, partition and event, in the order of receipt."""
    routes = Routes(settings)
    at, apart, left = clocks.now() - MONTHS * MONTH, MONTHS * MONTH // count, count
    for delivery in _changes(balances) if balances else Shop(1).deliveries():
        properties = wire.compact(delivery.properties).decode()
        for index, notification in enumerate(delivery.notifications):
            at += apart
            action, details = notification["Action"], wire.compact(notification["Details"])
            route = routes.route(action)
            key = routes.entity_key(route, events.exact_json.decode(details))
            one = Event(
                delivery_id=delivery.delivery_id,
                index=index,
                hook="xtnd",
                attempt=1,
                family=route.family,
                action=action,
                entity_key=key,
                details=details,
                properties=properties,
                received_at=at,
                occurred_at=at,
            )
            yield route.topic, zlib.crc32(one.kafka_key) % PARTITIONS, one
            left -= 1
            if not left:
                return


def main(folder: str, count: str) -> None:
    """Measure it all; a mirror that is in the folder already is taken as it is."""
    years = Years(Path(folder))
    if not years.mirror.exists():
        years.fill(int(count), lambda done: print(f"{done:,} events written", flush=True))
    with postgres_server(settings=POSTGRES) as server:
        for step in years.steps(server.new_database().replace("+psycopg", "")):
            taken = f"{step.seconds:,.1f} s, processor {step.processor:,.1f} s, {step.peak_mb:,.0f} MB"
            print(f"{step.name}: {taken}; {years.sizes()}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
