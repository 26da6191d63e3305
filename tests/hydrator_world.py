"""A world for the hydrator in virtual time: a shop's truth, its API, hooks, the store and Kafka, by seed.

Every clock of the world but a hydrator's own shows the loop's time. The store keeps the contract of
``connector.hydrator.ports`` in dicts; the API counts its minutes and notes each request above its limit.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec

from connector.config.source_models import SourceSettings
from connector.errors import DatabaseOutage, KafkaOutage
from connector.events import DeadLetter, Event
from connector.hydrator.hydrator import Hydrator
from connector.hydrator.ports import Answer, ApiOutage, Due, Leased, Slots

FAMILY, BUCKET = "orders", "CustomerOrders"
START = 1_790_000_000  # seconds since the epoch at the loop's 0
MICRO = 1_000_000
DEADLOCK = "Transaction was deadlocked on lock resources. Rerun the transaction."
HTML = Answer(200, {"content-type": "text/html"}, b"<!DOCTYPE html><html>maintenance</html>")
REFUSED = Answer(400, {}, b'{"message": "Invalid order"}')
LIES = ("-1", "999999999999999999999", "soon", "", "1e3", "٣", "0x10", "12.5")


def sources(**changes: Any) -> SourceSettings:
    """What ``sources.yaml`` says of orders."""
    order = {
        "entity": "Order",
        "wanted_on": ["OrderPicked"],
        "get": "CustomerOrders/{orderNumber}",
        "key": {"orderNumber": "orderHeader.orderNumber"},
        "settle_seconds": 2,
        "gone_after_seconds": 20,
        **changes.pop("order", {}),
    }
    settings = {
        "base_url": "https://api.example/v1",
        "login": {"header": "ExtendBasicAuthorization", "user": "shopuser", "password": "pass#word"},
        "timeout_seconds": 20,
        "rate": {
            "requests_per_minute": 300,
            "limit_header": "x-ratelimit-limit",
            "remaining_header": "x-ratelimit-remaining",
            "reset_header": "x-ratelimit-reset",
        },
        "response_actions": [
            {"status": [400], "body": ["deadlocked", "timeout expired"], "action": "retry"},
            {"status": [400], "body": ["There is no row at position 0"], "action": "gone"},
            {"status": [404], "action": "gone"},
            {"status": [401, 403], "action": "refuse"},
        ],
        "entities": {FAMILY: order},
    }
    return SourceSettings.model_validate({**settings, **changes})


@dataclass
class Work:
    """What the store knows of a key."""

    wanted_at: int = 0
    noted_at: float = 0.0
    live_at: int = 0
    fetched_at: int = 0
    published_at: int = 0
    done_at: int = 0
    stamp: int = 0
    leased: bool = False
    holder: object = None
    leased_until: float = -1.0
    not_before: float = -1.0
    look_at: float | None = None
    background: bool = False
    trouble: str = ""
    tries: int = 0

    @property
    def waited_seconds(self) -> float:
        """Since its hook was noted and its newest snapshot asked for, in whole milliseconds."""
        waited = _now() - max(self.noted_at, self.published_at / MICRO - START)
        return max(int(waited * 1000) / 1000, 0.0)

    @property
    def open(self) -> bool:
        """Whether it is wanted and not fetched, leased or not."""
        if not self.leased:
            return self.wanted_at > self.fetched_at
        return self.wanted_at > self.done_at or self.fetched_at > self.published_at


class MemoryStore:
    """The store, in dicts, and the fold of the mirror.

    A lazy one finds at once only what is wanted later than the newest snapshot, and the rest of what is due
    twice a minute, as a store may that looks things up by an index.
    """

    def __init__(self, *, lazy: bool = False) -> None:
        self.works: dict[str, Work] = defaultdict(Work)
        self.away = False
        self._lazy = lazy
        self._looked_at = 0.0

    def want(self, key: str, at: int) -> None:
        work = self.works[key]
        work.wanted_at = max(work.wanted_at, at)
        work.noted_at = _now()

    def fold(self, event: Event) -> None:
        work = self.works[str(event.entity_key)]
        work.fetched_at = max(work.fetched_at, event.occurred_at)

    def due(self) -> list[str]:
        """Keys that may be leased now, the oldest want first."""
        now = _now()
        lazy = self._lazy and now < self._looked_at + 30
        if not lazy:
            self._looked_at = now
        found = [
            key
            for key, work in self.works.items()
            if work.leased_until <= now
            and work.not_before <= now
            and (
                (work.open and not (lazy and work.wanted_at <= work.fetched_at))
                or work.background
                or (work.look_at is not None and work.look_at <= now)
            )
        ]
        return sorted(found, key=lambda key: self.works[key].wanted_at)

    def settled(self) -> bool:
        return not any(
            work.open or work.background or work.look_at is not None or work.leased_until > _now()
            for work in self.works.values()
        )

    def handle(self) -> "Handle":
        return Handle(self)


@dataclass(eq=False)
class Handle:
    """One hydrator's way to the store; a dead one reaches nothing any more."""

    store: MemoryStore
    dead: bool = False
    frozen_until: float = -1.0

    async def thaw(self) -> None:
        """Wait while the process stands still, as one does that is stopped or has no processor time."""
        await asyncio.sleep(max(self.frozen_until - _now(), 0))

    async def _reach(self) -> None:
        await asyncio.sleep(0.002)
        await self.thaw()
        if self.dead:
            await asyncio.Event().wait()
        if self.store.away:
            raise DatabaseOutage("the database is away")

    async def lease(self, slots: Mapping[str, Slots], seconds: float) -> Leased:
        await self._reach()
        store, found = self.store, []
        live, background = slots[FAMILY]
        for key in store.due():
            work = store.works[key]
            look = work.look_at is not None and work.look_at <= _now()
            behind = not (look or work.open)
            if (background if behind else live) <= 0:
                continue
            live, background = live - (not behind), background - behind
            work.holder, work.leased, work.leased_until = self, True, _now() + seconds
            work.stamp = max(work.stamp, work.wanted_at, work.fetched_at, work.published_at) + 1
            found.append(
                Due(
                    family=FAMILY,
                    key=key,
                    wanted_at=work.wanted_at,
                    after=work.stamp,
                    background=behind,
                    look=look and not work.open,
                    trouble=work.trouble,
                    tries=work.tries,
                    waited_seconds=work.waited_seconds,
                )
            )
        return Leased(
            found, len({id(one.holder) for one in store.works.values() if one.leased_until > _now()})
        )

    def _own(self, due: Due) -> Work | None:
        work = self.store.works[due.key]
        return work if work.holder is self and work.stamp == due.after else None

    async def mark(self, due: Due, at: int, again_after_seconds: float | None) -> None:
        await self._reach()
        assert at > due.after >= due.wanted_at, "a snapshot is older than what asked for it"
        if (work := self._own(due)) is not None:
            work.published_at = max(work.published_at, at)
            self._end(work, due)
            if again_after_seconds is not None:
                work.look_at = _now() + again_after_seconds

    async def give_up(self, due: Due) -> None:
        await self._reach()
        if (work := self._own(due)) is not None:
            self._end(work, due)

    def _end(self, work: Work, due: Due) -> None:
        work.done_at = max(work.done_at, due.wanted_at)
        work.holder, work.leased_until, work.look_at, work.background = None, -1.0, None, False
        work.trouble, work.tries = "", 0

    async def back_off(self, due: Due, seconds: float, trouble: str, tries: int) -> None:
        await self._reach()
        if (work := self._own(due)) is not None:
            work.holder, work.leased_until, work.not_before = None, -1.0, _now() + seconds
            work.trouble, work.tries = trouble, tries

    async def release(self, dues: Iterable[Due]) -> None:
        await self._reach()
        for due in dues:
            if (work := self._own(due)) is not None:
                work.holder, work.leased_until = None, -1.0


@dataclass
class Faults:
    """What goes wrong until the world is quiet. Shares are of requests."""

    limit: int = 300
    headers: str = "honest"  # honest, none, lying, no-date
    lag_seconds: float = 0.0
    slow_share: float = 0.0
    error_share: float = 0.0
    storm: tuple[float, float] = (-1.0, -1.0)
    retry_after: str | None = None
    away: tuple[float, float] = (-1.0, -1.0)
    html: tuple[float, float] = (-1.0, -1.0)
    database_away: tuple[float, float] = (-1.0, -1.0)
    kafka_away: tuple[float, float] = (-1.0, -1.0)
    ack_lost_share: float = 0.0
    worker_lag: float = 0.2


@dataclass
class Skew:
    """A hydrator's clock: how far it is from the world's, and by how much it drifts each second."""

    seconds: float = 0.0
    drift: float = 0.0

    def now(self) -> int:
        now = _now()
        return int((START + now + self.seconds + self.drift * now) * MICRO)


@dataclass
class Request:
    """What the API noted of one request."""

    key: str
    sent: float
    arrived: float = -1.0
    answered: bool = False


@dataclass
class World:
    """The shop and its API."""

    chance: random.Random
    faults: Faults = field(default_factory=Faults)
    quiet_at: float = 60.0
    store: MemoryStore = field(default_factory=MemoryStore)
    # key → (instant, version or None for a record that is deleted), by time.
    truth: dict[str, list[tuple[float, int | None]]] = field(default_factory=lambda: defaultdict(list))
    poisoned: frozenset[str] = frozenset()
    requests: list[Request] = field(default_factory=list)
    above_limit: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    # key → when the gateway had a hook of it.
    hooks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    # key → process of each request that is under way, and whether it is overdue.
    in_flight: dict[str, list[tuple[object, bool]]] = field(default_factory=lambda: defaultdict(list))
    doubled: list[str] = field(default_factory=list)
    # When a 429 said to wait for five seconds.
    asked_to_wait: list[float] = field(default_factory=list)
    minutes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    phase: float = 0.0
    # Answers instead of the API, where it gives an answer.
    script: Callable[[str], Answer | None] = lambda _: None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- The shop ---

    def change(self, key: str, *, deleted: bool = False, gateway: float = 0.05, worker: float = 0.2) -> None:
        """Change a record now; its hook is received and then folded that much later."""
        versions = self.truth[key]
        versions.append((_now(), None if deleted else len(versions) + 1))
        self.spawn(self._hook(key, gateway, worker))

    async def _hook(self, key: str, gateway: float, worker: float) -> None:
        await asyncio.sleep(gateway)
        self.hooks[key].append(_now())
        occurred_at = self.wall()
        await asyncio.sleep(worker)
        self.store.want(key, occurred_at)

    def wall(self) -> int:
        """Wall time of all but hydrators, in microseconds."""
        return int((START + _now()) * MICRO)

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    # --- The API ---

    def version(self, key: str, at: float) -> int | None:
        found = None
        for since, version in self.truth[key]:
            if since <= at:
                found = version
        return found

    async def serve(self, path: str, process: object, *, overdue: bool) -> Answer:
        """Serve one request, and note when there are two for one key at a time.

        No other process knows of an ``overdue`` one, whose process stood still when it was about to leave.
        """
        key, one = path.rpartition("/")[2], (process, overdue)
        others = self.in_flight[key]
        if any(other == process or not (overdue or late) for other, late in others):
            self.doubled.append(key)
        others.append(one)
        try:
            return await self._answer(key)
        finally:
            others.remove(one)

    async def _answer(self, key: str) -> Answer:
        """Answer as the faults have it."""
        request = Request(key, _now())
        self.requests.append(request)
        faults, chance = self.faults, self.chance
        calm = _now() >= self.quiet_at
        await asyncio.sleep(chance.uniform(0.01, 0.1))
        now = request.arrived = _now()
        headers = self._count(now)
        storm = not calm and _within(now, faults.storm)
        if headers is None or storm:
            if faults.retry_after == "5":
                self.asked_to_wait.append(now)
            return Answer(429, self._headers(now, limited=True), b"busy" if storm else b"limit")
        if not calm and _within(now, faults.away):
            await asyncio.sleep(chance.choice((0.0, 1.0, 20.0)))
            raise ApiOutage("no connection")
        html = not calm and _within(now, faults.html)
        fixed = self.script(key) or (HTML if html else REFUSED if key in self.poisoned else None)
        if fixed is not None:
            return fixed._replace(headers={**headers, **fixed.headers})
        lag = 0.0 if now > self.quiet_at + faults.lag_seconds else chance.uniform(0, faults.lag_seconds)
        version = self.version(key, now - lag)
        slow = chance.random() < faults.slow_share
        await asyncio.sleep(chance.uniform(5, 19) if slow and not calm else chance.uniform(0.02, 0.3))
        if not calm and chance.random() < faults.error_share:
            return self._failure(key, headers)
        request.answered = True
        if version is not None:
            return Answer(200, headers, body_of(key, version))
        status, body = (404, b"") if chance.random() < 0.5 else (400, b"There is no row at position 0.")
        return Answer(status, headers, body)

    def _failure(self, key: str, headers: Mapping[str, str]) -> Answer:
        kind = self.chance.randrange(10)
        if kind == 0:
            raise ApiOutage("timed out")
        return (
            Answer(500, headers, b"oops"),
            Answer(400, headers, DEADLOCK.encode()),
            Answer(502, headers, b"<html>Bad gateway</html>"),
            HTML._replace(headers=headers),
            Answer(200, headers, b""),
            Answer(200, headers, body_of("another", 7)),
            Answer(302, {**headers, "location": "https://elsewhere/"}, b""),
            Answer(200, headers, body_of(key, 99)[:-5]),
            Answer(204, headers, b""),
            Answer(503, {**headers, "retry-after": "0"}, b""),
        )[kind]

    def _count(self, now: float) -> dict[str, str] | None:
        minute = int((now + self.phase) // 60)
        self.minutes[minute] += 1
        if self.minutes[minute] > self.faults.limit:
            self.above_limit.append(now)
            return None
        return self._headers(now)

    def _headers(self, now: float, *, limited: bool = False) -> dict[str, str]:
        minute = int((now + self.phase) // 60)
        faults, chance = self.faults, self.chance
        left = max(faults.limit - self.minutes[minute], 0)
        reset = START + (minute + 1) * 60 - self.phase
        found = {
            "x-ratelimit-limit": str(faults.limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(int(reset)),
            "date": formatdate(START + now, usegmt=True),
        }
        if faults.headers == "none":
            found = {}
        elif faults.headers == "no-date":
            del found["date"]
        elif faults.headers == "lying":
            for name in ("x-ratelimit-remaining", "x-ratelimit-reset"):
                if chance.random() < 0.5:
                    found[name] = chance.choice((*LIES, str(int(reset) - 7200), str(int(reset) + 10**6)))
            if chance.random() < 0.3:
                found["x-ratelimit-limit"] = chance.choice(LIES)
        if limited and faults.retry_after is not None:
            found["retry-after"] = faults.retry_after
        return found


def body_of(key: str, version: int) -> bytes:
    return json.dumps({"orderHeader": {"orderNumber": key, "total": version}, "orderRows": []}).encode()


@dataclass
class Process:
    """One hydrator that runs, with its clock, until it is killed."""

    world: World
    settings: SourceSettings
    skew: Skew
    seed: int
    killed: bool = False
    # Die after so many snapshots are on Kafka, before the last one is marked.
    dies_after: int | None = None

    def __post_init__(self) -> None:
        self.handle = self.world.store.handle()
        self._published = 0
        self.hydrator = Hydrator(
            self.settings,
            transport=self,
            store=self.handle,
            publisher=self,
            steady=_now,
            now=self.skew.now,
            chance=random.Random(self.seed),
        )
        self.task = asyncio.get_running_loop().create_task(self.hydrator.run())

    def kill(self) -> None:
        """End as kill -9 does: nothing is released, noted or waited for."""
        self.killed = self.handle.dead = True
        self.task.cancel()

    def freeze(self, seconds: float) -> None:
        """Stand still for so long; then go on as if nothing had happened."""
        self.handle.frozen_until = _now() + seconds

    async def get(self, path: str) -> Answer:
        # A request that was sent reaches the API, though nobody may wait for its answer any more.
        overdue = self.handle.frozen_until > _now()
        await self.handle.thaw()
        try:
            serving = asyncio.get_running_loop().create_task(
                self.world.serve(path, id(self), overdue=overdue)
            )
            serving.add_done_callback(lambda task: task.cancelled() or task.exception())
            async with asyncio.timeout(self.settings.timeout_seconds):
                answer = await asyncio.shield(serving)
        except TimeoutError:
            raise ApiOutage("no answer in time") from None
        await self.handle.thaw()
        return answer

    async def publish(self, event: Event) -> None:
        world, faults = self.world, self.world.faults
        await self.handle.thaw()
        await asyncio.sleep(world.chance.uniform(0.001, 0.05))
        if self.killed:
            await asyncio.Event().wait()
        calm = _now() >= world.quiet_at
        if not calm and _within(_now(), faults.kafka_away):
            raise KafkaOutage("Kafka is away")
        world.events.append(event)
        world.spawn(self._fold(event))
        if not calm and world.chance.random() < faults.ack_lost_share:
            raise KafkaOutage("not acknowledged in time")
        self._published += 1
        if self._published == self.dies_after:
            self.kill()
            await asyncio.Event().wait()

    async def _fold(self, event: Event) -> None:
        await asyncio.sleep(self.world.chance.uniform(0.01, self.world.faults.worker_lag))
        self.world.store.fold(event)

    async def park(self, letter: DeadLetter) -> None:
        await asyncio.sleep(0.01)
        self.world.letters.append(letter)


def mirrored(world: World) -> dict[str, int | None]:
    """Key → version that the greatest snapshot has; None where it is gone."""
    found = {}
    for key in world.truth:
        snapshots = [event for event in world.events if event.entity_key == key]
        if snapshots:
            newest = max(snapshots, key=lambda event: event.version)
            body = msgspec.json.decode(newest.details)
            found[key] = None if newest.action.endswith("Gone") else body["orderHeader"]["total"]
    return found


def _now() -> float:
    return asyncio.get_running_loop().time()


def _within(now: float, span: tuple[float, float]) -> bool:
    return span[0] <= now < span[1]
