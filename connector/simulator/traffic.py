"""The order in which deliveries leave: some delayed behind newer ones, some sent again, some never sent.

Withheld: never sent, as when XTND gave up after its three attempts. Delayed: half of them travel as a first
attempt that was slow; half as attempt 2, as after a first one that never arrived, so that the mirror must
sort them in behind what it already has. Sent again: half with the same bytes, as the queue-backed sender
does, half as the next attempt.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Literal, NamedTuple

from connector.simulator.chance import Chance
from connector.simulator.wire import ShopDelivery

SendingKind = Literal["first", "late", "duplicate", "retry", "withheld"]
LAST_ATTEMPT = 3
# How many newer deliveries may overtake one that is delayed, or pass before a duplicate.
REACH = 200


class Sending(NamedTuple):
    """One delivery on its way out, with the attempt (1 to 3) that it starts at."""

    delivery: ShopDelivery
    attempt: int = 1
    kind: SendingKind = "first"


def traffic(
    deliveries: Iterable[ShopDelivery],
    *,
    disorder: float = 0.0,
    duplicates: float = 0.0,
    withheld: float = 0.0,
    seed: int = 1,
) -> Iterator[Sending]:
    """Yield sendings for all deliveries; the shares lie from 0 to 1. Deterministic for a seed."""
    chance = Chance(f"withheld {seed}")
    # Its own dice, so that the shares do not change what happens in the shop.
    dice = Random(f"traffic {seed}")  # noqa: S311 - a reproducible play, no secret
    waiting: list[tuple[int, int, Sending]] = []
    serial = count()  # sendings due at one time leave in the order in which they were put off
    now = 0

    def later(sending: Sending) -> None:
        heappush(waiting, (now + dice.randint(1, REACH), next(serial), sending))

    def leave(sending: Sending) -> Iterator[Sending]:
        yield sending
        if sending.kind != "duplicate" and dice.random() < duplicates:
            attempt = min(sending.attempt + dice.randint(0, 1), LAST_ATTEMPT)
            later(Sending(sending.delivery, attempt, "duplicate"))

    for now, delivery in enumerate(deliveries, start=1):
        if chance.hit(withheld, delivery.delivery_id):
            yield Sending(delivery, kind="withheld")
        elif dice.random() < disorder:
            later(Sending(delivery, dice.randint(1, 2), "late"))
        else:
            yield from leave(Sending(delivery))
        while waiting and waiting[0][0] <= now:
            yield from leave(heappop(waiting)[2])
    while waiting:
        yield from leave(heappop(waiting)[2])
