"""A shop's history: deliveries of days that are over, on Kafka as a gateway would have put them there.

Hooks carry no time, and a gateway stamps its own, so that a history cannot be posted. Its events are
published with the instants that a gateway would have given them, and the shop's records change at the same
instants. Nothing is dated before its cause: out of order is only what XTND sends late. A part arrives at a
later attempt, which the receiver dates back, and a part arrives twice.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from connector import clocks, events
from connector.config import HookSettings
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.kafka.record import Record
from connector.kafka.tool import publishing
from connector.simulator import wire
from connector.simulator.calendar import instants
from connector.simulator.chance import Chance
from connector.simulator.options import PastOptions
from connector.simulator.shop import Shop
from connector.simulator.traffic import LAST_ATTEMPT
from connector.simulator.wire import ShopDelivery

# Steps of the shop in a day, on the average; one gives a delivery or several.
STEPS_A_DAY = 80
SECOND = 1_000_000  # microseconds
# What leaves last is tried for some minutes.
MARGIN = 600 * SECOND
# Shares of the deliveries: taken at a later attempt; taken at the last of these; sent again.
RETRIED, LAST, REPEATED = 0.03, 0.2, 0.02
# Deliveries per wait for Kafka.
PAGE = 2000


class ShopClock:
    """The clock of a shop's records: an instant of its past, or the time."""

    def __init__(self) -> None:
        self.at: int | None = None

    def __call__(self) -> int:
        return clocks.now() if self.at is None else self.at


class Happened(NamedTuple):
    """A delivery, and when the shop made it (microseconds since 1970)."""

    at: int
    delivery: ShopDelivery


class Posted(NamedTuple):
    """One attempt, and when it was received."""

    received_at: int
    attempt: int
    delivery: ShopDelivery


def play(
    shop: Shop, clock: ShopClock, days: int, until: int, seed: int
) -> tuple[list[Happened], Iterator[ShopDelivery]]:
    """Have the shop live through the days before ``until``: what it made, and what it makes from then on."""
    planned = deque(instants(STEPS_A_DAY * days, days, until - MARGIN, seed))
    happened: list[Happened] = []
    deliveries, at = shop.deliveries(), 0
    while True:
        # The records of a step change when its first delivery is drawn.
        clock.at = max(planned[0], at + SECOND) if planned else until
        step = shop.records.steps
        delivery = next(deliveries)
        if shop.records.steps == step:
            at += SECOND
        elif planned:
            planned.popleft()
            at = clock.at
        else:
            return happened, chain([delivery], deliveries)
        happened.append(Happened(at, delivery))


def posts(happened: Iterable[Happened], hook: HookSettings, seed: int, withheld: float = 0.0) -> list[Posted]:
    """The attempts that were received, in the order of receipt; ``withheld`` as for ``traffic``."""
    chance, never = Chance(f"past {seed}"), Chance(f"withheld {seed}")
    schedule = hook.retry_schedule_seconds
    found = []
    for at, delivery in happened:
        name = delivery.delivery_id
        if never.hit(withheld, name):
            continue
        attempt = 1
        if chance.hit(RETRIED, "retried", name):
            attempt = LAST_ATTEMPT if chance.hit(LAST, "last", name) else LAST_ATTEMPT - 1
        received_at = 2 * at - events.occurred_at(at, attempt, schedule)
        found.append(Posted(received_at, attempt, delivery))
        if chance.hit(REPEATED, "repeated", name):
            pause = SECOND * (1 + chance.number(120, "pause", name))
            found.append(Posted(received_at + pause, attempt, delivery))
    return sorted(found, key=lambda one: one.received_at)


def publish(
    posted: Sequence[Posted], past: PastOptions, hook: str, secret: str, report: Callable[[int], None]
) -> None:
    """Put them on Kafka as the gateway would, and wait until Kafka has them; ``report`` gets how many so far.

    Raises ``KafkaOutage``, and ``SignatureRefused`` where the hook has another secret.
    """
    translator, keys = Translator(past.config), signature.Keys.of(hook, past.config.hooks[hook])
    with publishing(past.config) as send:
        for start in range(0, len(posted), PAGE):
            report(start)
            page: list[Record] = []
            for one in posted[start : start + PAGE]:
                body = wire.render(one.delivery, one.attempt)
                header = signature.sign(body, secret).encode()
                page += translator.records(signature.verify([header], body, keys), one.received_at)
            send(page)
