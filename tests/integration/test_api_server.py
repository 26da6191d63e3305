"""The simulated API over real HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import islice

import aiohttp
import pytest
from yarl import URL

from connector.errors import StartupError
from connector.simulator.api import ApiOptions, Quirk, SimulatedApi, serving
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop

DEADLINE_SECONDS = 60
LOGIN = {"ExtendBasicAuthorization": "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg=="}


def shop_of(deliveries: int = 400) -> Shop:
    shop = Shop(1, ShopRecords(1))
    for _ in islice(shop.deliveries(), deliveries):
        pass
    return shop


def service_of(shop: Shop, **options: object) -> SimulatedApi:
    return SimulatedApi(shop.records, 1, ApiOptions(**options))


def asking(service: SimulatedApi, act: Callable[[aiohttp.ClientSession, str], Awaitable[None]]) -> None:
    """Run ``act`` with a session that has the login while the service listens."""

    async def run() -> None:
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            serving(service) as url,
            aiohttp.ClientSession(headers=LOGIN) as session,
        ):
            await act(session, url)

    asyncio.run(run())


def test_an_order_is_read_by_its_number_with_a_login_and_counts_against_the_limit() -> None:
    shop = shop_of()
    service = service_of(shop, rate=2)
    truth = service.truth()
    number = next(key for family, key in truth if family == "orders")

    async def act(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(f"{url}/CustomerOrders/{number}") as response:
            assert response.status == 200
            assert response.headers["x-ratelimit-limit"] == "2"
            assert response.headers["x-ratelimit-remaining"] == "1"
            order = await response.json()
        assert order["orderHeader"]["orderNumber"] == number
        assert order["orderRows"][0]["product"]["productName"]
        assert "Set-Cookie" not in response.headers
        async with session.get(f"{url}/CustomerOrders", params={"pageCount": "5"}) as response:
            rows = await response.json()
        assert [row["orderNumber"] for row in rows] == [key for family, key in truth if family == "orders"][
            :5
        ]
        async with session.get(f"{url}/CustomerOrders/{number}") as response:
            assert response.status == 429
        # Another resource has a limit of its own.
        async with session.get(f"{url}/Customers/none") as response:
            assert response.status == 404
        async with (
            aiohttp.ClientSession(headers={"Authorization": LOGIN["ExtendBasicAuthorization"]}) as wrong,
            wrong.get(f"{url}/Customers/none") as response,
        ):
            assert response.status == 401

    asking(service, act)
    assert (service.buckets["CustomerOrders"].accepted, service.buckets["CustomerOrders"].refused) == (2, 1)


def test_a_number_with_a_slash_a_blank_and_a_letter_beyond_ascii_is_found_percent_encoded() -> None:
    shop = shop_of(10)
    shop.records.change("customers", "A/1 å+%2F", {"customerNumber": "A/1 å+%2F"})

    async def act(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(URL(f"{url}/Customers/A%2F1%20%C3%A5%2B%252F", encoded=True)) as response:
            assert (await response.json())["customerNumber"] == "A/1 å+%2F"

    asking(service_of(shop), act)


def test_a_late_answer_arrives_after_a_newer_one() -> None:
    shop = shop_of()
    number = next(iter(shop.records.family("customers")))
    quirks = frozenset({Quirk.LATE_ANSWERS})
    service = service_of(shop, quirks=quirks, share=0.5, late_seconds=0.3)

    async def act(session: aiohttp.ClientSession, url: str) -> None:
        async def ask() -> None:
            async with session.get(f"{url}/Customers/{number}") as response:
                arrived.append(json.loads(await response.read())["name"])

        arrived: list[str] = []
        shop.records.change("customers", number, {"customerNumber": number, "name": "old"})
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(ask())
            while not service.buckets or service.buckets["Customers"].accepted < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            shop.records.change("customers", number, {"customerNumber": number, "name": "new"})
            for _ in range(10):
                tasks.create_task(ask())
        assert "old" in arrived[arrived.index("new") :]

    asking(service, act)


def test_a_port_that_is_taken_is_named() -> None:
    async def act(_: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(StartupError, match="cannot listen on port"):
            async with serving(SimulatedApi(ShopRecords(1), 1, ApiOptions()), URL(url).port):
                pass

    asking(service_of(shop_of(1)), act)
