"""What ``connector check`` says of the API, asked over real HTTP."""

import asyncio
from typing import Any

import pytest

from connector import config
from connector.commands import api_checkup
from connector.commands.checkup import CheckResult
from connector.hydrator.resource_proof import first_page
from connector.simulator.api import ApiOptions, SimulatedApi, serving
from connector.simulator.records import ShopRecords
from tests.conftest import MakeConfig

LOGIN = {"sources.login.user": "simulator", "sources.login.password": "simulator"}
RESOURCES = (
    *("CustomerOrders", "PurchaseOrders", "Products", "Customers", "Offers", "CustomerInvoices"),
    "ProductAvailability",
)


def checked(make_config: MakeConfig, overrides: dict[str, Any], **options: Any) -> list[CheckResult]:
    """The results for an API of an empty shop."""
    service = SimulatedApi(ShopRecords(1), 1, ApiOptions(**options))

    async def run() -> list[CheckResult]:
        async with asyncio.timeout(60), serving(service) as url:
            settings = make_config({"sources.base_url": url} | overrides)
            return await asyncio.to_thread(lambda: list(api_checkup.results(settings)))

    return asyncio.run(run())


def test_each_resource_that_the_login_may_read_is_named_with_its_limit(make_config: MakeConfig) -> None:
    found = checked(make_config, LOGIN, rate=300)
    assert [(one.what, one.fault) for one in found] == [
        ("API at 127.0.0.1", None),
        *((f"API at 127.0.0.1: {name} may be read, 300 requests a minute", None) for name in RESOURCES),
    ]


def test_a_login_that_is_refused_is_a_fault_of_each_resource_with_its_fix_and_without_the_login(
    make_config: MakeConfig,
) -> None:
    found = checked(make_config, LOGIN | {"sources.login.password": "hunter2"})
    assert [one.what for one in found[1:]] == [f"API at 127.0.0.1: {name}" for name in RESOURCES]
    for one in found[1:]:
        assert one.fault == "it answers 401: the login may not read it"
        assert "read access" in one.cure
        assert not one.warns
    assert "hunter2" not in str(found)


def test_an_api_that_is_away_is_one_fault(make_config: MakeConfig) -> None:
    (found,) = api_checkup.results(make_config({"sources.base_url": "http://127.0.0.1:1"} | LOGIN))
    assert found.fault is not None
    assert "There is no connection to 127.0.0.1:1" in found.fault


@pytest.mark.parametrize("overrides", [{}, {"sources.base_url": "http://127.0.0.1:1"}])
def test_nothing_is_asked_without_an_address_or_a_login(
    make_config: MakeConfig, overrides: dict[str, object]
) -> None:
    assert list(api_checkup.results(make_config(overrides))) == []


def test_a_request_of_the_check_asks_for_next_to_nothing(make_config: MakeConfig) -> None:
    settings: config.Config = make_config({"sources.base_url": "http://127.0.0.1:1"})
    assert settings.sources is not None
    asked = {family: first_page(one) for family, one in settings.sources.entities.items()}
    assert asked["orders"].startswith("CustomerOrders?pageOffset=0&pageCount=1&modifiedDateFrom=20")
    assert asked["offers"] == "Offers?pageNumber=1"
