"""The sender against a small HTTP server whose answers are scripted."""

import asyncio
import io
import json
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from rich.console import Console
from yarl import URL

from connector.errors import StartupError
from connector.gateway.signature import sign
from connector.simulator import FileSender, SimulateOptions, journal, run_simulation, simulate, verify
from connector.simulator.shop import Shop

SECRET = "0123456789ABCDEF" * 4
DEADLINE_SECONDS = 30
HANG = -1
DROP = -2
FULL = Path("/dev/full")
FILES = Path(__file__).parents[1] / "data"

Script = Callable[[str, int, int], int]
"""(delivery Id, attempt, how often this Id came before) → status to answer, HANG or DROP."""


@dataclass
class Receiver:
    """A callback URL that keeps every request and answers by script."""

    script: Script = lambda *_: 202
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    attempts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    now: int = 0
    most: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/xtnd?tenant=a%20b"

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self._answer(request)
        finally:
            self.now -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert str(request.rel_url) == "/webhooks/xtnd?tenant=a%20b"
        content = json.loads(body)
        delivery, attempt = content["Id"], content["Attempt"]
        status = self.script(delivery, attempt, len(self.attempts[delivery]))
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.attempts[delivery].append(attempt)
        if status == HANG:
            await asyncio.Event().wait()
        if status == DROP:
            request.transport.abort()
        return web.Response(status=max(status, 200), text="", headers={"Location": "/elsewhere"})


def against(receiver: Receiver, act: Callable[[], Awaitable[int]]) -> int:
    """Run ``act`` while the receiver listens on a free port."""

    async def both() -> int:
        app = web.Application()
        app.router.add_post("/webhooks/xtnd", receiver.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.port = runner.addresses[0][1]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await act()
        finally:
            await runner.cleanup()

    return asyncio.run(both())


def play(receiver: Receiver, out: io.StringIO | None = None, **change) -> int:
    console = Console(file=out or io.StringIO(), width=120)

    async def act() -> int:
        given = {"url": receiver.url, "secret": SECRET, "deliveries": 100, "time_scale": 0.0001, **change}
        return await simulate(SimulateOptions(**given), console)

    return against(receiver, act)


def ids(count: int, seed: int = 1) -> list[str]:
    return [delivery.delivery_id for delivery in islice(Shop(seed).deliveries(), count)]


def test_every_delivery_arrives_signed_and_at_most_eight_travel_at_once(tmp_path):
    receiver = Receiver()
    assert play(receiver, deliveries=500, journal=tmp_path / "journal") == 0
    assert sorted(receiver.attempts) == sorted(ids(500))
    assert 1 < receiver.most <= 8
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        assert headers["ms-signature"] == sign(body, SECRET)
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        assert headers["Expect"] == "100-continue"
    assert journal.acknowledged(tmp_path / "journal") == set(receiver.attempts)


@pytest.mark.parametrize("parallel", [1, 3])
def test_parallelism_is_an_option_and_retries_keep_to_it(parallel):
    receiver = Receiver(script=lambda _id, attempt, _before: 500 if attempt < 3 else 202)
    assert play(receiver, parallel=parallel) == 0
    assert receiver.most == parallel
    assert Counter(len(attempts) for attempts in receiver.attempts.values()) == {3: 100}


def test_a_failed_delivery_comes_again_with_the_attempt_in_its_signed_body(tmp_path):
    """500, 503, a redirect, no answer and a broken connection are all tried again."""
    answers = dict(zip(ids(5), (500, 503, 301, HANG, DROP), strict=True))
    receiver = Receiver(script=lambda one, attempt, _before: answers.get(one, 202) if attempt < 3 else 204)
    assert play(receiver, journal=tmp_path / "journal", timeout_seconds=1.5) == 0
    assert {one: receiver.attempts[one] for one in answers} == {one: [1, 2, 3] for one in answers}
    assert all(attempts == [1] for one, attempts in receiver.attempts.items() if one not in answers)
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        assert headers["ms-signature"] == sign(body, SECRET)
    sent = journal.read(tmp_path / "journal")
    outcomes = [[entry.status or entry.error for entry in sent[one].attempts] for one in answers]
    assert outcomes[:4] == [
        [500, 500, 204],
        [503, 503, 204],
        [301, 301, 204],
        ["no answer in time", "no answer in time", 204],
    ]
    assert outcomes[4][0].startswith("ServerDisconnectedError")
    assert [entry.kind for entry in sent[ids(1)[0]].attempts] == ["first", "retry", "retry"]


def test_after_three_attempts_a_delivery_is_given_up_and_the_exit_says_so(tmp_path):
    lost = ids(1)[0]
    receiver = Receiver(script=lambda one, *_: 500 if one == lost else 202)
    out = io.StringIO()
    assert play(receiver, out, journal=tmp_path / "journal") == 1
    assert receiver.attempts[lost] == [1, 2, 3]
    assert lost not in journal.acknowledged(tmp_path / "journal")
    assert {event.delivery_id for event in verify.must(tmp_path / "journal")} == set(ids(100)) - {lost}
    assert re.search(r"given up\s+│ 1 ", out.getvalue())
    assert "202: 99, 500: 3" in out.getvalue()


def test_410_ends_the_attempts_at_once_and_is_shouted_about():
    gone, gone_later = ids(2)
    script = {(gone, 1): 410, (gone_later, 1): 503, (gone_later, 2): 410}
    receiver = Receiver(script=lambda one, attempt, _before: script.get((one, attempt), 202))
    out = io.StringIO()
    assert play(receiver, out) == 1
    assert receiver.attempts[gone] == [1]
    assert receiver.attempts[gone_later] == [1, 2]
    assert out.getvalue().count("The receiver answers 410") == 1


def test_a_redirect_is_not_followed_and_is_shouted_about():
    receiver = Receiver(script=lambda *_: 302)
    out = io.StringIO()
    assert play(receiver, out, deliveries=3) == 1
    assert len(receiver.bodies) == 9
    assert out.getvalue().count("The receiver redirects") == 1


def test_disorder_and_duplicates_reach_the_receiver_and_the_journal_has_a_line_for_each(tmp_path):
    receiver = Receiver()
    assert play(receiver, deliveries=400, disorder=0.2, duplicates=0.2, journal=tmp_path / "journal") == 0
    lines = list(journal.entries(tmp_path / "journal"))
    assert Counter((line.id, line.attempt) for line in lines) == Counter(
        (one, attempt) for one, attempts in receiver.attempts.items() for attempt in attempts
    )
    assert {line.kind for line in lines} == {"first", "late", "duplicate"}
    assert list(receiver.attempts) != ids(400)
    assert len(set(receiver.bodies)) < len(receiver.bodies)
    assert len({event.event_id for event in verify.must(tmp_path / "journal")}) >= 400


def test_a_rate_spreads_the_deliveries_over_time(tmp_path):
    assert play(Receiver(), deliveries=21, rate=100, journal=tmp_path / "journal") == 0
    first, *_, last = sorted(entry.sent_at for entry in journal.entries(tmp_path / "journal"))
    seconds = float(last[17:-1]) - float(first[17:-1])
    assert seconds % 60 >= 0.1


def test_a_shop_that_withholds_every_hook_needs_nobody_to_listen(tmp_path):
    path = tmp_path / "journal"
    options = SimulateOptions(
        url="http://127.0.0.1:1/webhooks/xtnd", secret=SECRET, deliveries=20, withheld=1.0, journal=path
    )
    assert run_simulation(options, Console(file=io.StringIO())) == 0
    assert all(delivery.withheld for delivery in journal.read(path).values())
    assert list(journal.read(path)) == ids(20)


def test_a_burst_does_not_wait_for_the_rate():
    """At this rate it would end after the deadline."""
    assert play(Receiver(), deliveries=41, burst=40, rate=40 / (2 * DEADLINE_SECONDS)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_cleanly_while_retries_wait(tmp_path, number):
    """The pause would be a minute; the run ends at once, with every attempt in the journal."""
    receiver = Receiver(script=lambda _id, _attempt, _before: 503)

    def script(_id: str, _attempt: int, _before: int) -> int:
        if len(receiver.bodies) == 50:
            os.kill(os.getpid(), number)
        return 503

    receiver.script = script
    assert play(receiver, deliveries=100_000, time_scale=1.0, journal=tmp_path / "journal") == 130
    told = Counter(entry.id for entry in journal.entries(tmp_path / "journal"))
    assert told == Counter(one for one, attempts in receiver.attempts.items() for _ in attempts)
    assert 50 < len(told) < 100


def test_the_api_serves_what_the_hooks_named_and_what_was_withheld_until_it_is_stopped(tmp_path):
    receiver, out, path = Receiver(), io.StringIO(), tmp_path / "journal"

    async def act() -> int:
        options = SimulateOptions(
            url=receiver.url,
            secret=SECRET,
            deliveries=400,
            journal=path,
            api_port=0,
            withheld=0.2,
            deleted=0.1,
        )
        run = asyncio.create_task(simulate(options, Console(file=out, width=200)))
        while "All hooks are sent" not in out.getvalue():  # noqa: ASYNC110 - it is written to a console
            await asyncio.sleep(0.01)
        url = re.search(r"The API answers at (\S+)", out.getvalue())[1]
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{URL(url).origin()}/simulator/truth") as answer,
        ):
            lines = [json.loads(line) for line in (await answer.text()).splitlines()]
        truth.update({(line["family"], line["key"]): line["body"] for line in lines})
        os.kill(os.getpid(), signal.SIGTERM)
        return await run

    truth: dict[tuple[str, str], dict | None] = {}
    assert against(receiver, act) == 0
    sent = journal.read(path)
    withheld = {one for one, delivery in sent.items() if delivery.withheld}
    assert sorted(sent) == sorted(ids(400))
    assert 50 < len(withheld) < 110
    assert set(receiver.attempts) == set(sent) - withheld
    assert {event.delivery_id for event in verify.may(path)} == set(receiver.attempts)
    created = {
        json.loads(raw)["Details"]["OrderNumber"]
        for delivery in sent.values()
        for raw in delivery.notifications
        if json.loads(raw)["Action"] == "OrderCreated"
    }
    assert created == {key for family, key in truth if family == "orders"}
    assert None in truth.values()


@pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full, a device that is always full")
def test_a_full_disk_under_the_journal_stops_the_run_and_is_named():
    with pytest.raises(StartupError, match="journal /dev/full cannot be written: No space left"):
        play(Receiver(), deliveries=20_000, journal=FULL)


def test_a_url_where_nothing_listens_is_an_error_with_a_fix(unused_port):
    url = f"http://127.0.0.1:{unused_port}/webhooks/xtnd"
    with pytest.raises(StartupError, match=f"(?s)Cannot connect to {url}.*make up, or connector gateway"):
        run_simulation(SimulateOptions(url=url, secret=SECRET), Console(file=io.StringIO()))
    with pytest.raises(StartupError, match=f"(?s)Cannot connect to {url}.*make up, or connector gateway"):
        FileSender(url, SECRET).send(sorted((FILES / "deliveries").glob("*.json")))


@pytest.fixture
def unused_port() -> int:
    async def port() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        number = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return number

    return asyncio.run(port())


def test_files_are_sent_byte_for_byte_with_one_line_each():
    manifest = json.loads((FILES / "manifest.json").read_text("utf-8"))
    files = [FILES / entry["file"] for entry in manifest["deliveries"]]
    receiver = Receiver(script=lambda one, *_: 401 if one.startswith("c902a6") else 202)
    out = io.StringIO()

    async def act() -> int:
        sender = FileSender(receiver.url, manifest["secret"], console=Console(file=out, width=60))
        return await asyncio.to_thread(sender.send, files)

    assert against(receiver, act) == 1
    assert receiver.bodies == [file.read_bytes() for file in files]
    signatures = [headers["ms-signature"] for headers in receiver.headers]
    assert signatures == [entry["ms-signature"] for entry in manifest["deliveries"]]
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [
        "401" if "several" in str(file) else "202" for file in files
    ]
    assert all(str(file) in line for file, line in zip(files, lines, strict=True))


def test_a_file_that_cannot_be_read_is_named_before_anything_is_sent(tmp_path):
    with pytest.raises(StartupError, match=r"nothing-here\.json cannot be read"):
        FileSender("http://127.0.0.1:9/", SECRET).send([tmp_path / "nothing-here.json"])
