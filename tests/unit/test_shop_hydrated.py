"""Shop, simulated API and hydrator together, in virtual time: what is fetched becomes what is true."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from itertools import islice
from typing import Any

from connector import config
from connector.events import DeadLetter, Event, exact_json
from connector.hydrator.hydrator import Hydrator
from connector.hydrator.ports import Answer, Due, Leased, OversizedAnswer, Slots, Trouble
from connector.kafka.routes import Routes
from connector.simulator import wire
from connector.simulator.api import ApiOptions, Quirk, SimulatedApi
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests import virtual_time
from tests.configurations import SHIPPED
from tests.hydrator_world import FAMILY, START, Handle, MemoryStore

MICRO = 1_000_000
VARIABLES = {
    "XTND_API_URL": "http://127.0.0.1:1/RESTAPI/v1_0/demo",
    "XTND_API_USER": "simulator",
    "XTND_API_PASSWORD": "simulator",
    "XTND_WEBHOOK_SECRET": "0" * 64,
}
# Virtual ones.
LONGEST_SECONDS = 20_000.0


class Fetching:
    """A hydrator with the shipped sources on the API of a shop; a store of one family per family."""

    def __init__(self, options: ApiOptions) -> None:
        self.config = config.parse(SHIPPED, VARIABLES, with_login=True)
        assert self.config.sources is not None
        self.sources = self.config.sources
        self.records = ShopRecords(1, clock=self.now)
        self.shop = Shop(1, self.records)
        self.api = SimulatedApi(self.records, 1, options)
        self.events: list[Event] = []
        self.letters: list[DeadLetter] = []
        self.asked: set[tuple[str, str]] = set()
        self._stores = {family: MemoryStore() for family in self.sources.entities}
        self._handles: dict[str, Handle] = {family: store.handle() for family, store in self._stores.items()}
        self._headers = {name.lower(): value for name, value in self.sources.request_headers.items()}
        self._routes = Routes(self.config)
        self._chance = random.Random(1)
        self._largest = self.sources.max_body_bytes

    @staticmethod
    def now() -> int:
        return int((START + asyncio.get_running_loop().time()) * MICRO)

    def hook(self, delivery: wire.ShopDelivery) -> None:
        for one in delivery.notifications:
            route = self._routes.route(one["Action"])
            entity = self.sources.entities[route.family]
            if one["Action"] in entity.wanted_on:
                key = self._routes.entity_key(route, one["Details"])
                self.asked.add((route.family, key))
                self._stores[route.family].want(key, self.now())

    async def play(self, count: int, *, interval: float) -> None:
        """Send hooks, then wait until nothing is due."""
        hydrator = Hydrator(
            self.sources,
            transport=self,
            store=self,
            publisher=self,
            steady=asyncio.get_running_loop().time,
            now=self.now,
            chance=self._chance,
        )
        task = asyncio.get_running_loop().create_task(hydrator.run())
        for delivery in islice(self.shop.deliveries(), count):
            await asyncio.sleep(interval)
            self.hook(delivery)
        # No hook reports a deletion, but one may come after it.
        for family in set(self.sources.entities) - {"balances"}:
            key = min(key for one, key in self.asked if one == family)
            self.records.delete(family, key)
            self._stores[family].want(key, self.now())
        async with asyncio.timeout(LONGEST_SECONDS):
            while not all(store.settled() for store in self._stores.values()):
                assert not task.done(), task.exception()
                await asyncio.sleep(1.0)
        task.cancel()

    # --- Transport and publisher ---

    async def get(self, path: str) -> Answer:
        answer = self.api.answer("GET", f"/RESTAPI/v1_0/demo/{path}", self._headers)
        date = formatdate(self.now() / MICRO, usegmt=True)
        await asyncio.sleep(answer.delay_seconds + self._chance.uniform(0.01, 0.1))
        if len(answer.body) > self._largest:
            raise OversizedAnswer("too large")
        return Answer(answer.status, {**answer.headers, "date": date}, answer.body)

    async def publish(self, event: Event) -> None:
        await asyncio.sleep(0.01)
        self.events.append(event)
        self._stores[event.family].fold(event)

    async def park(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    # --- Store ---

    async def lease(self, slots: Mapping[str, Slots], seconds: float) -> Leased:
        found: list[Due] = []
        for family, free in slots.items():
            leased = await self._handles[family].lease({FAMILY: free}, seconds)
            found += [due._replace(family=family) for due in leased.dues]
        return Leased(found)

    async def mark(self, due: Due, at: int, again_after_seconds: float | None) -> None:
        await self._handles[due.family].mark(due, at, again_after_seconds)

    async def back_off(self, due: Due, seconds: float, trouble: Trouble, tries: int) -> None:
        await self._handles[due.family].back_off(due, seconds, trouble, tries)

    async def give_up(self, due: Due) -> None:
        await self._handles[due.family].give_up(due)

    async def release(self, dues: Iterable[Due]) -> None:
        for due in dues:
            await self._handles[due.family].release([due])

    # --- What came of it ---

    def fetched(self) -> dict[tuple[str, str], Event]:
        """Family and key → the newest snapshot."""
        found: dict[tuple[str, str], Event] = {}
        for event in sorted(self.events, key=lambda event: event.version):
            found[event.family, str(event.entity_key)] = event
        return found

    def without_excluded(self, body: Any) -> Any:
        """A body less what never leaves the process."""
        for dotted in self.sources.exclude:
            level, *names = [body, *dotted.split(".")]
            self._remove(level, names)
        return body

    def _remove(self, level: Any, names: list[str]) -> None:
        if isinstance(level, list):
            for item in level:
                self._remove(item, names)
        elif isinstance(level, dict) and len(names) == 1:
            level.pop(names[0], None)
        elif isinstance(level, dict):
            self._remove(level.get(names[0]), names[1:])


EVERY_QUIRK = frozenset(set(Quirk) - {Quirk.HUGE_BODIES, Quirk.LYING_HEADERS, Quirk.SILENT_PRICES})


def test_the_newest_snapshot_of_each_entity_is_its_record_in_the_shop() -> None:
    """In spite of every quirk that a fetch can meet, and with a deleted one of each family."""
    options = ApiOptions(quirks=EVERY_QUIRK, share=0.05, former_seconds=50.0, rate=60)

    async def play() -> Fetching:
        fetching = Fetching(options)
        await fetching.play(200, interval=0.25)
        return fetching

    fetching = virtual_time.run(play())
    truth, fetched = fetching.api.truth(), fetching.fetched()
    assert not fetching.letters
    assert {family for family, _ in fetching.asked} == set(fetching.sources.entities)
    assert set(fetched) == fetching.asked
    gone = {place for place, event in fetched.items() if event.action.endswith("Gone")}
    assert {family for family, _ in gone} == set(fetching.sources.entities) - {"balances"}
    assert all(truth[place] is None for place in gone)
    there = [place for place in fetched if truth[place] is not None]
    bodies = {place: exact_json.decode(fetched[place].details) for place in there}
    assert bodies == {place: fetching.without_excluded(truth[place]) for place in there}
    assert sum(bucket.accepted for bucket in fetching.api.buckets.values()) > 2 * len(fetched)
    assert not sum(bucket.refused for bucket in fetching.api.buckets.values())
