"""The hydrator in virtual time: thousands of drawn schedules, and what must be true after each."""

import asyncio
import itertools
import json
import os
import random
from collections import defaultdict

import pytest

from tests import virtual_time
from tests.hydrator_world import Faults, MemoryStore, Process, Skew, World, mirrored, sources

# Schedules of a run of the tests; XTND_SCHEDULES=5000 tries more.
SCHEDULES = int(os.environ.get("XTND_SCHEDULES", "24"))
FIRST = int(os.environ.get("XTND_FIRST_SCHEDULE", "0"))
# Leases of a killed hydrator, an outage's longest pause, and a record's time until it is believed gone.
LONGEST_SECONDS = 3600.0
# Between two requests of one hydrator for one key.
SHORTEST_SECONDS = 0.4
# Requests in an outage of up to 40 s , from its second second on.
MOST_IN_OUTAGE = 12
SKEWS = (0.0, 0.0, -600.0, 600.0, -0.5, 0.5)


def drawn_faults(chance: random.Random) -> Faults:
    """Some of everything that can go wrong; most schedules have a few of them."""

    def maybe(share: float, value: float) -> float:
        return value if chance.random() < share else 0.0

    def span(share: float) -> tuple[float, float]:
        start = chance.uniform(0, 40)
        return (start, start + chance.uniform(1, 40)) if chance.random() < share else (-1.0, -1.0)

    return Faults(
        limit=chance.choice((10, 30, 60, 300, 300, 3000)),
        headers=chance.choice(("honest", "honest", "none", "lying", "no-date")),
        lag_seconds=chance.choice((0.0, 1.5, 10.0)),
        slow_share=maybe(0.4, 0.3),
        error_share=maybe(0.4, 0.3),
        storm=span(0.3),
        retry_after=chance.choice((None, "0", "5", "5", "5", "-3", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")),
        away=span(0.3),
        html=span(0.2),
        database_away=span(0.2),
        kafka_away=span(0.2),
        ack_lost_share=maybe(0.3, 0.2),
        worker_lag=chance.choice((0.2, 3.0, 30.0)),
    )


class Schedule:
    """One drawn schedule: a shop that changes, faults, and hydrators that are killed or frozen."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.faults = faults = drawn_faults(chance)
        store = MemoryStore(lazy=chance.random() < 0.5)
        self.world = World(chance, faults, store=store, phase=chance.uniform(0, 60))
        self.keys = [f"{3000 + number}" for number in range(chance.choice((1, 2, 5, 40)))]
        self.busy = self.keys[0] if chance.random() < 0.3 else None
        self.world.poisoned = frozenset(key for key in self.keys if chance.random() < 0.03)
        look = faults.lag_seconds + 2 if faults.lag_seconds > 2 or chance.random() < 0.3 else None
        # Without headers, only the configuration knows the limit.
        known = faults.limit if faults.headers in ("none", "lying") else chance.choice((faults.limit, 300))
        rate = sources().rate.model_copy(update={"requests_per_minute": known})
        self.settings = sources(rate=rate, order={"again_after_seconds": look})
        self.next_kill = chance.uniform(1, 60) if chance.random() < 0.5 else self.world.quiet_at
        self.processes: list[Process] = []
        self.restarts = self.freezes = 0

    async def play(self) -> None:
        """From the first hook until all is quiet."""
        world, faults = self.world, self.faults
        self.processes = [self.start() for _ in range(self.chance.choice((1, 1, 2)))]
        while _now() < LONGEST_SECONDS:
            await asyncio.sleep(1.0)
            calm = _now() >= world.quiet_at
            world.store.away = not calm and faults.database_away[0] <= _now() < faults.database_away[1]
            if not calm:
                self.change()
            for number, process in enumerate(self.processes):
                assert process.killed or not process.task.done(), process.task.exception()
                if process.killed:
                    self.processes[number] = self.start()
                    self.restarts += 1
            still = any(process.handle.frozen_until > _now() for process in self.processes)
            if calm and not still and not world.busy and world.store.settled():
                break
        for process in self.processes:
            process.kill()
            assert process.hydrator.refused() is None
        assert world.store.settled(), f"not quiet after {LONGEST_SECONDS:g} s; {faults}"

    def start(self) -> Process:
        chance = self.chance
        skew = Skew(chance.choice(SKEWS), chance.choice((0.0, 0.0, 0.001)))
        dies_after = chance.choice((None, None, 1, 3)) if _now() < self.world.quiet_at else None
        return Process(self.world, self.settings, skew, chance.randrange(10**6), dies_after=dies_after)

    def change(self) -> None:
        """Change some records, and kill a hydrator, or let it stand still, when its time has come."""
        chance = self.chance
        for key in self.keys:
            if key == self.busy or chance.random() < 0.05:
                worker = chance.uniform(0.01, self.faults.worker_lag)
                self.world.change(key, deleted=chance.random() < 0.05, worker=worker)
        if _now() >= self.next_kill:
            victim = chance.choice(self.processes)
            if chance.random() < 0.3:
                victim.freeze(chance.uniform(10, 200))
                self.freezes += 1
            else:
                victim.kill()
            self.next_kill += chance.uniform(2, 60)


def check(schedule: Schedule, about: str) -> None:
    """What must be true once all is quiet."""
    world, several = schedule.world, len(schedule.processes) > 1
    given_up = {letter.context["entity_key"] for letter in world.letters}
    assert given_up <= world.poisoned, about
    truth = {key: versions[-1][1] for key, versions in world.truth.items() if key not in world.poisoned}
    found = {key: version for key, version in mirrored(world).items() if key not in world.poisoned}
    assert found == truth, about
    # Two hydrators that see no headers need a moment to find out that they are two.
    blind = several and schedule.faults.headers in ("none", "lying")
    assert len(world.above_limit) <= (2 if blind else 0), f"{world.above_limit} above the limit; {about}"
    assert not world.doubled, about
    if not several and not schedule.restarts and not schedule.freezes:
        for start, end in (schedule.faults.storm, schedule.faults.away):
            over = min(end, world.quiet_at)  # when all is quiet, no outage goes on
            asked = sum(start + 1 <= request.sent < over for request in world.requests)
            assert asked <= MOST_IN_OUTAGE, f"{asked} requests in an outage; {about}"
        early = [
            (request.sent, asked)
            for request, asked in itertools.product(world.requests, world.asked_to_wait)
            if asked + 0.01 < request.sent < asked + 5
        ]
        assert not early, f"{early[0]} is too early; {about}"
    bodies = defaultdict(set)
    for event in world.events:
        bodies[event.event_id].add(event.details)
        number = json.loads(event.details)["orderHeader"]["orderNumber"]
        assert number == event.entity_key, f"another record's body; {about}"
    assert all(len(found) == 1 for found in bodies.values()), f"one id with two records; {about}"
    sent = defaultdict(list)
    for request in world.requests:
        sent[request.key].append(request.sent)
    for key, hooks in world.hooks.items():
        for hook in hooks:
            settled = hook + schedule.settings.entities["orders"].settle_seconds
            assert any(one >= settled for one in sent[key]), f"{key} after its hook at {hook}; {about}"
        gaps = [after - before for before, after in itertools.pairwise(sent[key])]
        # One that stood still sends what it was about to, though its lease has ended.
        alone = not several and not schedule.freezes
        hot = alone and min(gaps, default=SHORTEST_SECONDS) < SHORTEST_SECONDS
        assert not hot, f"{key} in a hot loop; {about}"


@pytest.mark.parametrize("part", range(4))
def test_after_quiet_the_newest_snapshot_is_the_truth_whatever_happened(part: int) -> None:
    for seed in range(FIRST + part, FIRST + SCHEDULES, 4):
        schedule = Schedule(seed)
        virtual_time.run(schedule.play())
        check(schedule, f"schedule {seed}, {len(schedule.processes)} hydrators: {schedule.faults}")


def _now() -> float:
    return asyncio.get_running_loop().time()
