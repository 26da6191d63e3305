"""Requests of the shipped ``sources.yaml`` at the simulated API: each family's record is found and read."""

import asyncio
from collections import defaultdict
from itertools import islice
from typing import Any

from connector import events
from connector.config.source_models import SourceSettings
from connector.hydrator.record import Records
from connector.hydrator.transport import open_transport
from connector.hydrator.verdict import Judge, Verdict
from connector.simulator.api import ApiOptions, SimulatedApi, serving
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests.unit.test_sources import LOGIN, sources

KEYS_OF_A_FAMILY = 3


def shipped(url: str, password: str = "simulator") -> SourceSettings:
    login = dict(zip(LOGIN, ("simulator", password), strict=True))
    return sources(variables={"XTND_API_URL": url, **login})


async def verdicts(url: str, keys: list[tuple[str, str]], **login: str) -> dict[tuple[str, str], Verdict]:
    settings = shipped(url, **login)
    judge, found = Judge(settings), {}
    async with asyncio.timeout(60), open_transport(settings) as transport:
        for family, key in keys:
            records = Records(family, settings.entities[family], settings.exclude)
            found[family, key] = judge.verdict(records, key, await transport.get(records.path(key)))
    return found


def without(value: Any, path: list[str]) -> Any:
    if isinstance(value, list):
        return [without(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    first, *rest = path
    return {
        name: without(inner, rest) if name == first else inner
        for name, inner in value.items()
        if rest or name != first
    }


def test_the_record_of_each_family_is_the_shops_less_what_is_excluded() -> None:
    shop = Shop(1, ShopRecords(1))
    for _ in islice(shop.deliveries(), 400):
        pass
    service = SimulatedApi(shop.records, 1, ApiOptions())
    truth = service.truth()
    families = shipped("http://api.example").entities
    of_family = defaultdict(list)
    for (family, key), body in truth.items():
        if body is not None and family in families and len(of_family[family]) < KEYS_OF_A_FAMILY:
            of_family[family].append((family, key))
    keys = [key for some in of_family.values() for key in some]

    async def run() -> dict[tuple[str, str], Verdict]:
        async with serving(service) as url:
            refused = await verdicts(url, keys[:1], password="wrong")
            assert [verdict.kind for verdict in refused.values()] == ["login"]
            nothing = await verdicts(url, [("orders", "A/B å"), ("balances", "none|none")])
            assert [verdict.kind for verdict in nothing.values()] == ["missing", "missing"]
            return await verdicts(url, keys)

    found = asyncio.run(run())
    assert {family for family, _ in found} == set(families)
    for key, verdict in found.items():
        expected: Any = truth[key]
        for path in shipped("http://api.example").exclude:
            expected = without(expected, path.split("."))
        assert (verdict.kind, events.exact_json.decode(verdict.record or b"null")) == ("record", expected), (
            key
        )
