"""Orders with as many rows as wished, and an API that answers for any order's number.

The order is one of the simulated shop's, so its fields are filled as XTND fills them.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import yaml
from aiohttp import web

from connector.config import Config
from connector.events import Event, snapshot
from connector.hydrator.record import Records
from connector.simulator.api import ApiOptions, SimulatedApi
from connector.simulator.api.rate import Bucket
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests.conftest import ROOT

NUMBER = "the-order-number"
WINDOW_SECONDS = 60.0
_encoder = msgspec.json.Encoder(decimal_format="number")


@cache  # the simulated API dates an order by the clock: made again, it would have changed
def body(rows: int) -> bytes:
    """An order with so many rows, as the API writes it, with ``NUMBER`` for its number."""
    records = ShopRecords(1)
    for _ in islice(Shop(1, records).deliveries(), 300):
        pass
    truth = SimulatedApi(records, 1, ApiOptions()).truth().items()
    found: Any = max(
        (order for (family, _), order in truth if family == "orders" and order),
        key=lambda order: len(order["orderRows"]),
    )
    found["orderHeader"]["orderNumber"] = NUMBER
    some = found["orderRows"]
    found["orderRows"] = [some[n % len(some)] | {"position": 10 * (n + 1)} for n in range(rows)]
    return _encoder.encode(found)


def snapshots(count: int, *, keys: int, rows: int, since: int, config: Config) -> Iterator[Event]:
    """Fetches of so many orders in turns, a millisecond apart, each with the body of the one before.

    ``since`` is the instant of the first, in microseconds since the epoch.
    """
    assert config.sources is not None
    entity = config.sources.entities["orders"]
    records = Records("orders", entity, config.sources.exclude)
    answer = body(rows)
    for number in range(count):
        key, at = f"{number % keys}", since + 1_000 * number
        yield snapshot(
            source=config.sources.name,
            family="orders",
            entity=entity.entity,
            key=key,
            at=at,
            received_at=at + 1,
            body=records.kept(answer.replace(NUMBER.encode(), key.encode())),
        )


def only_source(config_dir: Path) -> None:
    """Leave only orders in ``sources.yaml``, and no list of them, so that no sweep asks for any."""
    data = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())
    fetched = data["sources"]["entities"]["orders"]
    del fetched["list"]
    data["sources"]["entities"] = {"orders": fetched}
    (config_dir / "sources.yaml").write_text(yaml.safe_dump(data))


def login_at(url: str) -> dict[str, str]:
    """Variables that name the API of records, with a login."""
    return {"XTND_API_URL": url, "XTND_API_USER": "user", "XTND_API_PASSWORD": "password"}


class OrdersApi:
    """Answers each order's number ``seconds`` later, within its limit of ``per_minute`` requests."""

    def __init__(self, *, per_minute: int, seconds: float, rows: int) -> None:
        self._bucket = Bucket(per_minute, WINDOW_SECONDS)
        self._limit = per_minute
        self._seconds = seconds
        self._body = body(rows)
        self.url = ""
        # When requests were accepted, on the monotonic clock.
        self.accepted: list[float] = []

    @property
    def refused(self) -> int:
        """How many requests were beyond the limit."""
        return self._bucket.refused

    def used(self, *, after: float = 0.0) -> float:
        """How much of the limit was used on average, from so many seconds after the first request on."""
        some = [at for at in self.accepted if at >= self.accepted[0] + after]
        return (len(some) - 1) / (some[-1] - some[0]) * WINDOW_SECONDS / self._limit

    def most(self) -> float:
        """The most requests of any minute, as a share of the limit."""
        found = first = 0
        for number, at in enumerate(self.accepted):
            while self.accepted[first] <= at - WINDOW_SECONDS:
                first += 1
            found = max(found, number + 1 - first)
        return found / self._limit

    @contextmanager
    def serving(self) -> Iterator["OrdersApi"]:
        """Serve in a thread while the block runs."""
        loop, opened = asyncio.new_event_loop(), threading.Event()
        task = loop.create_task(self._serve(opened))

        def run() -> None:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)

        thread = threading.Thread(target=run, name="api")
        thread.start()
        try:
            assert opened.wait(30)
            yield self
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join(30)
            loop.close()

    async def _serve(self, opened: threading.Event) -> None:
        app = web.Application()
        app.router.add_get("/api/CustomerOrders/{number}", self._respond)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
            opened.set()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        accepted = self._bucket.accept(time.time())
        headers = self._bucket.headers()
        if not accepted:
            return web.Response(status=429, headers=headers)
        self.accepted.append(time.monotonic())
        await asyncio.sleep(self._seconds)
        order = self._body.replace(NUMBER.encode(), request.match_info["number"].encode())
        return web.Response(body=order, headers=headers, content_type="application/json")
