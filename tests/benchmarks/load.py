"""A load generator that leaves the machine to what is measured: signed deliveries over raw sockets.

It runs as a process of its own (``fire``). All requests are rendered and signed before the first is
sent; then one ``epoll`` loop writes a connection's next request when its answer came, and looks at
nothing of an answer but the status line.

On the two cores of the documentation's machine that is about 50 µs of processor a delivery, most of it
in the kernel, where the gateway's floor takes 150: a quarter to a third of a core beside the floor, less
than a tenth of one beside the gateway with acks. Each figure in ``data/bench.json`` has its own share.
"""

import gc
import math
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import msgspec

from connector.gateway.signature import sign
from connector.simulator import wire
from tests.conftest import ROOT, SECRET

PATH = "/webhooks/xtnd"
KEYS = 5000
ACCEPTED = 202
QUIET_SECONDS = 30.0
TIMEOUT_SECONDS = 600
LEAD_NANOSECONDS = 100_000_000  # from the plan to the first delivery of it
BRACE = ord("}")
PROPERTIES = {"NotificationId": "3b3fd4a6-36d5-46fe-8a3f-e73532529db3"}


class Job(msgspec.Struct, frozen=True):
    """What to send. Deliveries are numbered from ``first``; the number is also the delivery's Id.

    With ``per_second`` each delivery has its moment, and what the gateway keeps waiting waits here with
    its clock running. Without, a connection's next delivery follows its answer (as many under way as
    ``connections``). Connections are spread evenly over ``ports``.
    """

    ports: tuple[int, ...]
    count: int
    first: int
    connections: int = 64
    per_second: float | None = None


class Result(msgspec.Struct, dict=True):
    """What came of it, delivery by delivery, in nanoseconds of the machine's monotonic clock.

    ``due`` is when a delivery should have been sent, which without a pace is when it was.
    """

    due: list[int]
    answered: list[int]
    statuses: list[int]
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """From the first delivery to the last answer."""
        return (max(self.answered) - self.due[0]) / 1e9

    @property
    def per_second(self) -> float:
        """Accepted deliveries a second."""
        return self.statuses.count(ACCEPTED) / self.seconds

    @property
    def refused(self) -> dict[int, int]:
        """How many were answered otherwise than with 202, by status."""
        return {status: many for status, many in Counter(self.statuses).items() if status != ACCEPTED}

    @cached_property
    def answer_ms(self) -> list[float]:
        """How long the accepted deliveries' answers took, sorted."""
        taken = zip(self.due, self.answered, self.statuses, strict=True)
        return sorted((done - due) / 1e6 for due, done, status in taken if status == ACCEPTED)


def delivery_id(number: int) -> str:
    """The Id of a numbered delivery; Ids sort as their numbers do."""
    return f"{number:032x}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def fire(job: Job) -> Result:
    """Run a generator process to its end. Only 429 may be answered beside 202: else nothing was measured."""
    command = [sys.executable, "-m", "tests.benchmarks.load", msgspec.json.encode(job).decode()]
    told = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True, timeout=TIMEOUT_SECONDS)
    result = msgspec.json.decode(told.stdout, type=Result)
    if result.refused:
        print(f"REFUSED: {result.refused} of {job.count} deliveries to ports {job.ports}")
    assert set(result.refused) <= {429}, result.refused
    return result


# --- In the generator's process ------------------------------------------------------------------


def request(number: int) -> bytes:
    """The bytes of one signed delivery, as XTND writes it."""
    balance = wire.notification(
        "BalanceChanged",
        ProductNumber=f"P{number % KEYS}",
        Warehouse="YX",
        Balance=number,
        EventName="ItemChangeST",
        EventType="BalanceAdjustment",
    )
    delivery = wire.ShopDelivery(
        delivery_id=delivery_id(number), properties=PROPERTIES, notifications=(balance,)
    )
    body = wire.render(delivery, attempt=1)
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {wire.CONTENT_TYPE}\r\n"
        f"{wire.SIGNATURE_HEADER}: {sign(body, SECRET)}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def run(job: Job) -> Result:
    """Send everything and wait for every answer."""
    requests = [request(number) for number in range(job.first, job.first + job.count)]
    gc.disable()
    began = time.process_time()
    due, answered, statuses = _exchange(job, requests)
    return Result(due, answered, statuses, time.process_time() - began)


def _exchange(job: Job, requests: Sequence[bytes]) -> tuple[list[int], list[int], list[int]]:
    count, clock = job.count, time.perf_counter_ns
    poller = select.epoll()
    sockets: dict[int, socket.socket] = {}
    idle: list[int] = []
    carried: dict[int, int] = {}  # by connection, the delivery that is under way on it
    partial: dict[int, bytes] = {}
    answered, statuses = [0] * count, [0] * count
    pace = 1e9 / job.per_second if job.per_second else 0.0
    start = clock() + (LEAD_NANOSECONDS if pace else 0)
    due = [start + round(number * pace) for number in range(count)]
    sent = done = 0
    while done < count:
        room = job.connections - len(sockets)
        while sent < count and (idle or room) and due[sent] <= (now := clock()):
            if not idle:  # opened when needed: one that asks nothing in time is sent away
                opened = _connect(job.ports[len(sockets) % len(job.ports)])
                poller.register(opened, select.EPOLLIN)
                sockets[opened.fileno()] = opened
                idle.append(opened.fileno())
                room -= 1
            connection = idle.pop()
            carried[connection], partial[connection] = sent, b""
            if not pace:
                due[sent] = now
            sockets[connection].send(requests[sent])
            sent += 1
        # select, because epoll waits for whole milliseconds only.
        free = sent < count and (idle or room)
        pause = max(0.0, (due[sent] - clock()) / 1e9) if free else QUIET_SECONDS
        select.select([poller], [], [], pause)
        ready = poller.poll(0)
        assert ready or free, f"no answer for {QUIET_SECONDS:g} s"
        for connection, _ in ready:
            data = partial[connection] + sockets[connection].recv(65536)
            assert data, f"a connection was closed; answered by then: {Counter(statuses[:sent])}"
            partial[connection] = data
            if data[-1] == BRACE:  # an answer's body is one JSON object
                answered[carried[connection]] = clock()
                statuses[carried[connection]] = int(data[9:12])
                idle.append(connection)
                done += 1
    return due, answered, statuses


def _connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=Job))))
