"""The whole way as processes, a load on it, and the judgement after a fault is over."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Self

import aiohttp
import psutil

from connector.gateway.signature import sign
from connector.local.ports import free_port
from connector.mirror import database, verify
from connector.mirror.mapping import Mapping
from tests.conftest import SECRET
from tests.faults.report import Line
from tests.pauses import awake
from tests.processes import Connector
from tests.workers import Sections, World, until

DRAIN_SECONDS = 90.0
ANSWER_SECONDS = 15.0
AGAIN = 1000
AT_ONCE = 16
PRODUCTS = 50
SAMPLE_SECONDS = 0.2
MEBIBYTE = 2**20
MAX_RSS = 400 * MEBIBYTE
# From the middle to the end of a fault; holding what cannot be handled would cost several times this.
MAX_GROWTH = 8 * MEBIBYTE
MAX_FILES = 1500
SESSION_SECONDS = 2
CLOSED = 0
Bodies = Callable[[int, str], bytes]


class Outcome(NamedTuple):
    """One delivery and how it was answered; status 0 is a connection refused or cut."""

    delivery_id: str
    body: bytes
    began: float
    seconds: float
    status: int

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


def balance_body(number: int, delivery_id: str, *, padding: int = 0, **changes: Any) -> bytes:
    """A delivery of one stock balance, whose value is its number."""
    details = {"ProductNumber": f"P{number % PRODUCTS}", "Warehouse": "1", "Balance": number} | changes
    whole = {
        "Id": delivery_id,
        "Attempt": 1,
        "Properties": {"padding": "x" * padding} if padding else {},
        "Notifications": [{"Action": "BalanceChanged", "Details": details}],
    }
    return json.dumps(whole).encode()


class Load:
    """Posts unique deliveries at a steady rate from a thread of its own; nothing is tried again."""

    def __init__(
        self,
        stack: "Stack",
        per_second: float,
        body: Bodies = balance_body,
        secrets: tuple[str, ...] = (SECRET,),
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._stack = stack
        self._pause = 1 / per_second
        self._body = body
        self._secrets = secrets
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join(60)
        self._stack.outcomes += self.outcomes

    def count(self, status: int) -> int:
        return sum(outcome.status == status for outcome in list(self.outcomes))

    def accepted_since(self, moment: float) -> bool:
        """Whether a delivery that was posted after this was accepted."""
        return any(one.accepted and one.began > moment for one in reversed(list(self.outcomes)))

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            in_flight: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            while not self._over.is_set():
                task = asyncio.create_task(self._post(session))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)
                due = max(due + self._pause, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*in_flight)

    async def _post(self, session: aiohttp.ClientSession) -> None:
        number = self._stack.next_number()
        delivery_id = uuid.uuid4().hex
        body = self._body(number, delivery_id)
        secret = self._secrets[number % len(self._secrets)]
        began, began_awake = time.monotonic(), awake()
        status = await answer(session, self._stack.url, body, secret)
        self.outcomes.append(Outcome(delivery_id, body, began, awake() - began_awake, status))


async def answer(session: aiohttp.ClientSession, url: str, body: bytes, secret: str) -> int:
    """Post a delivery once; gives the status."""
    headers = {"Content-Type": "application/json", "ms-signature": sign(body, secret)}
    try:
        async with session.post(url, data=body, headers=headers) as given:
            await given.read()
            return given.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return CLOSED


class GatewayProcess:
    """``connector gateway`` as a process."""

    def __init__(self, stack: "Stack", wrapper: list[str], environ: dict[str, str]) -> None:
        self.admin_port = free_port()
        self.wrapped = bool(wrapper)
        self.log = stack.folder / "gateway.log"
        command = ["gateway", "--config", str(stack.config_dir)]
        command += ["--port", str(stack.port), "--admin-port", str(self.admin_port)]
        whole = {**os.environ, **stack.environ, **environ}
        self.process: Connector | subprocess.Popen[bytes]
        if wrapper:
            with self.log.open("ab") as log:
                whole_command = [*wrapper, sys.executable, "-m", "connector", *command]
                self.process = subprocess.Popen(whole_command, stderr=log, stdout=log, env=whole)
        else:
            self.process = Connector(command, stdout=self.log, env=whole)

    def page(self, name: str) -> str:
        """A page of the admin port; empty while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/{name}", timeout=5) as answered:
                return str(answered.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())  # not ready, with what is wrong
        except OSError:
            return ""

    def metric(self, name: str) -> float:
        lines = [line for line in self.page("metrics").splitlines() if line.split(" ")[0] == name]
        return float(lines[0].split(" ")[1]) if lines else -1.0

    def wait_up(self) -> "GatewayProcess":
        until(lambda: bool(self.page("healthz")), what=f"the gateway lives: {self.log}")
        return self

    def wait_kafka(self) -> "GatewayProcess":
        """Wait until it is ready and reaches Kafka."""
        until(lambda: '"failures":{}}' in self.page("readyz").replace(" ", ""), what="gateway has Kafka")
        return self

    def pids(self) -> list[int]:
        """The gateway's process; strace, where there is one, is its parent."""
        if self.wrapped:
            with contextlib.suppress(psutil.NoSuchProcess):
                return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]
        return [self.process.pid]

    def kill(self) -> None:
        for pid in self.pids() if self.process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


class Sampler(threading.Thread):
    """Notes the memory and open files of the processes under test."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        super().__init__(name="sampler", daemon=True)
        self._pids = pids
        self._over = threading.Event()
        self.rss = 0
        self.files = 0
        self._samples: dict[int, list[tuple[float, int]]] = {}

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            for pid in self._pids():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    rss = process.memory_info().rss
                    self._samples.setdefault(pid, []).append((time.monotonic(), rss))
                    self.rss = max(self.rss, rss)
                    self.files = max(self.files, process.num_fds())

    def growth(self, began: float, ended: float) -> float:
        """Bytes by which the process that grew most did so in the second half of a time.

        From the second quarter's median to the last one's: what is warm by then stays, and what a
        collector or allocator does for a moment does not count.
        """
        grown = []
        for samples in list(self._samples.values()):
            inside = [rss for at, rss in list(samples) if began <= at <= ended]
            if quarter := len(inside) // 4:
                grown.append(median(inside[-quarter:]) - median(inside[quarter : 2 * quarter]))
        return max(grown)

    def stop(self) -> None:
        self._over.set()


class Stack(World):
    """Gateway and workers on the given Kafka and database; ``World`` has the workers."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        url: str,
        line: Line,
        sections: Sections,
        worker: dict[str, Any],
    ) -> None:
        self.line = line
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks/xtnd"
        self.spool = folder / "spool" / "spool.db"
        gateway = {"host": "127.0.0.1", "spool_path": str(self.spool), **sections["gateway"]}
        worker = {"session_timeout_seconds": SESSION_SECONDS, **worker}
        super().__init__(folder, bootstrap, url, sections={**sections, "gateway": gateway}, **worker)
        self.outcomes: list[Outcome] = []
        self.gateways: list[GatewayProcess] = []
        self.mapping = Mapping(self.config)
        self._number = 0
        self.sampler = Sampler(self._pids)
        self.sampler.start()

    def _pids(self) -> list[int]:
        gateways = [one.pids() for one in self.gateways if one.process.poll() is None]
        workers = [one.process.pid for one in self.workers if not one.ended()]
        return [*itertools.chain(*gateways), *workers]

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def gateway(self, *wrapper: str, **environ: str) -> GatewayProcess:
        """Start a gateway; ``wrapper`` are words before its command."""
        made = GatewayProcess(self, list(wrapper), environ)
        self.gateways.append(made)
        return made

    def begin(self, failpoints: str = "") -> None:
        """Start one gateway and one worker, and wait until they are ready."""
        self.gateway()
        self.worker(failpoints).wait_ready()
        self.gateways[-1].wait_up().wait_kafka()

    def load(self, per_second: float = 100, **settings: Any) -> Load:
        return Load(self, per_second, **settings)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a lock that the worker's transactions need: on a table, in SQLite on the whole."""
        table = "LOCK TABLE _stock_balances IN ACCESS EXCLUSIVE MODE"
        with self.plain_engine.connect() as connection:
            connection.exec_driver_sql({"sqlite": "BEGIN IMMEDIATE"}.get(connection.dialect.name, table))
            yield
            connection.rollback()

    @contextlib.contextmanager
    def flat_memory(self) -> Iterator[None]:
        """What happens in the block must not let a process grow from its middle to its end."""
        began = time.monotonic()
        yield
        grown = self.sampler.growth(began, time.monotonic())
        most, more = self.sampler.rss / MEBIBYTE, grown / MEBIBYTE
        self.line.notes.append(f"{most:.0f} MiB at most, {more:+.1f} MiB in the second half")
        assert grown < MAX_GROWTH

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Start the gateway again whenever it ends, as a supervisor does."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(0.05):
                if self.gateways[-1].process.poll() is not None and not over.is_set():
                    self.gateway()

        thread = threading.Thread(target=keep, name="keeper")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(10)

    def close(self) -> None:
        self.sampler.stop()
        for one in self.gateways:
            one.kill()
        super().close()

    # --- The judgement ---

    def drained(self) -> bool:
        return not self.gateways or self.gateways[-1].metric("xtnd_gateway_spool_deliveries") == 0

    def settle(self) -> None:
        """Wait until the spool is empty and the mirror is at the end of every log."""
        until(self.drained, DRAIN_SECONDS, what=f"the spool is drained: {self.folder}")
        self.wait_caught_up(DRAIN_SECONDS)

    def accepted(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.accepted]

    def acknowledged(self) -> list[str]:
        """Ids of all events that were acknowledged: by the gateway, or by Kafka to the test itself."""
        return [f"{one.delivery_id}:0" for one in self.accepted()] + [event.event_id for event in self.sent]

    def dump(self, url: str | None = None) -> dict[str, Any]:
        """Every table's rows, and the ledger's ids."""
        engine = database.connect(self.config.database, connections=1) if url is None else _engine(self, url)
        try:
            with database.transaction(engine) as connection:
                rows: dict[str, Any] = {
                    table.name: verify.actual(table, connection) for table in self.mapping.tables
                }
                ids = connection.exec_driver_sql("SELECT event_id FROM notifications")
                rows["notifications"] = Counter(row[0] for row in ids)
            return rows
        finally:
            engine.dispose()

    def post_again(self, held: Container[str]) -> None:
        """Send what is in the ledger once more, byte for byte."""
        self.send([event for event in self.sent if event.event_id in held][-AGAIN:])
        chosen = [one for one in self.accepted() if f"{one.delivery_id}:0" in held][-AGAIN:]

        async def run() -> list[int]:
            waiting = iter(chosen)
            statuses: list[int] = []

            async def one(session: aiohttp.ClientSession) -> None:
                statuses.extend(
                    [await answer(session, self.url, outcome.body, SECRET) for outcome in waiting]
                )

            async with aiohttp.ClientSession() as session:
                await asyncio.gather(*(one(session) for _ in range(AT_ONCE)))
            return statuses

        statuses = asyncio.run(run())
        assert Counter(statuses) == Counter({202: len(chosen)})

    def judge(self, *, told: int = 0, may_refuse: tuple[int, ...] = ()) -> None:
        """Hold everything that was acknowledged against the mirror; fills the line of the table.

        ``told`` events are rightly not there and were reported: parked, or deleted by somebody.
        ``may_refuse`` are the statuses that this fault may cost beside 2xx.
        """
        self.settle()
        acknowledged, line, before = self.acknowledged(), self.line, self.dump()
        held = before["notifications"]
        line.acknowledged += len(acknowledged)
        line.lost = sum(event_id not in held for event_id in acknowledged) - told
        line.longest_answer = max((one.seconds for one in self.outcomes), default=None)
        statuses = Counter(one.status for one in self.outcomes)
        strange = {status for status in statuses if status not in (202, *may_refuse)}
        differing = verify.differences(self.engine, self.mapping)
        self.post_again(held)
        self.settle()
        after = self.dump()
        line.doubled = sum(times > 1 for times in after["notifications"].values()) + sum(
            before[name] != after[name] for name in before
        )
        ahead = {tp: at for tp, at in self.committed().items() if at > self.held().get(tp, 0)}
        assert acknowledged
        assert (line.lost, line.doubled, differing, ahead, strange) == (0, 0, [], {}, set()), statuses
        assert self.sampler.rss < MAX_RSS
        assert self.sampler.files < MAX_FILES
        line.passed = True


def _engine(stack: Stack, url: str) -> Any:
    settings = stack.config.database.model_copy(update={"url": type(stack.config.database.url)(url)})
    return database.connect(settings, connections=1)


def hold(seconds: float) -> None:
    """Let a fault last; the only sleep of these tests."""
    time.sleep(max(0.0, seconds))
