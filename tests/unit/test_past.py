"""The history of a simulated shop: its calendar, the dates of its events, and its records' dates."""

from collections import Counter, defaultdict
from functools import partial
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import events
from connector.config import HookSettings
from connector.simulator import calendar, past
from connector.simulator.past import Happened, ShopClock
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
UNTIL = events.from_iso("2026-11-27T16:00:00Z")


def instant(text: str) -> int:
    return events.from_iso(f"{text}:00Z")


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 2**52), st.integers(0, 99))
@settings(max_examples=40)
def test_instants_are_in_order_and_within_their_days(count: int, days: int, until: int, seed: int) -> None:
    until += 60 * DAY
    found = calendar.instants(count, days, until, seed)
    assert len(found) == count
    assert found == sorted(found)
    assert until - days * DAY <= found[0]
    assert found[-1] <= until
    assert found == calendar.instants(count, days, until, seed)


def test_a_week_has_its_rhythm_a_year_its_seasons_and_a_shop_grows() -> None:
    busy = partial(calendar.busyness, until=UNTIL)
    monday, sunday, night = map(instant, ("2026-03-02T09:00", "2026-03-01T09:00", "2026-03-02T02:00"))
    assert busy(monday) > 5 * busy(sunday)
    assert busy(monday) > 10 * busy(night)
    december, july = busy(instant("2026-12-07T09:00")), busy(instant("2026-07-06T09:00"))
    assert december > 1.5 * july * (1 + calendar.GROWTH) ** 0.42
    later = busy(monday + 364 * DAY)  # a Monday again
    assert later / busy(monday) == pytest.approx(1 + calendar.GROWTH, rel=0.02)


class Past:
    """Some days of a shop with its records."""

    def __init__(self, days: int, seed: int = 1, until: int = UNTIL) -> None:
        clock = ShopClock()
        self.records = ShopRecords(seed, clock=clock)
        self.shop = Shop(seed, self.records)
        self.happened, self.after = past.play(self.shop, clock, days, until, seed)


@pytest.fixture(scope="module")
def played() -> Past:
    return Past(30)


def ids(happened: list[Happened]) -> list[str]:
    return [one.delivery.delivery_id for one in happened]


def test_a_history_is_the_same_shop_as_without_one_and_goes_on_as_that(played: Past) -> None:
    again, other = Past(30), Past(3, seed=2)
    after = [one.delivery_id for one in islice(again.after, 50)]
    both = [one.delivery_id for one in islice(Shop(1).deliveries(), len(played.happened) + 50)]
    assert ids(played.happened) + after == both
    assert again.happened == played.happened
    assert ids(other.happened) != ids(played.happened)[: len(other.happened)]


def test_each_delivery_is_later_than_the_one_before_and_none_lies_in_the_future(played: Past) -> None:
    assert all(one.at < two.at for one, two in pairwise(played.happened))
    assert UNTIL - 30 * DAY - past.MARGIN <= played.happened[0].at < UNTIL - 29 * DAY
    posted = past.posts(played.happened, HookSettings(), seed=1)
    assert all(one.received_at <= two.received_at for one, two in pairwise(posted))
    assert posted[-1].received_at <= UNTIL


def test_what_is_late_is_dated_back_to_when_it_happened(played: Past) -> None:
    posted = past.posts(played.happened, HookSettings(), seed=1)
    at = {one.delivery.delivery_id: one.at for one in played.happened}
    schedule = HookSettings().retry_schedule_seconds
    for one in posted:
        assert events.occurred_at(one.received_at, one.attempt, schedule) - at[one.delivery.delivery_id] in (
            0,
            *(SECOND * pause for pause in range(1, 121)),
        )
    firsts = {one.delivery.delivery_id: one for one in reversed(posted)}
    assert firsts.keys() == at.keys()
    for name, one in firsts.items():
        assert events.occurred_at(one.received_at, one.attempt, schedule) == at[name]
    attempts = Counter(one.attempt for one in firsts.values())
    assert attempts[1] > 0.9 * len(at)
    assert attempts[2] > attempts[3] > 0
    assert 0.01 * len(at) < len(posted) - len(at) < 0.04 * len(at)
    out_of_order = [one.delivery.delivery_id for one in posted] != ids(played.happened)
    assert out_of_order


def test_a_withheld_delivery_never_arrives_and_its_record_is_true_all_the_same(played: Past) -> None:
    posted = past.posts(played.happened, HookSettings(), seed=1, withheld=0.2)
    missing = set(ids(played.happened)) - {one.delivery.delivery_id for one in posted}
    assert 0.15 < len(missing) / len(played.happened) < 0.25
    assert len(played.records.family("orders")) > 100


def test_no_order_is_picked_before_it_was_created_and_its_record_has_the_dates_of_its_hooks(
    played: Past,
) -> None:
    hooks = defaultdict(list)
    for at, delivery in played.happened:
        for one in delivery.notifications:
            details = one["Details"]
            if isinstance(details, dict) and (number := details.get("Order", details).get("OrderNumber")):
                hooks[number].append((at, one["Action"]))
    orders = {number: some for number, some in hooks.items() if not number.startswith("RP-")}
    assert len(orders) == len(played.records.family("orders")) > 100
    for number, some in orders.items():
        actions = [action for _, action in some]
        assert actions[0] == "OrderCreated"
        assert actions.count("OrderCreated") == 1
        picks, starts = actions.count("OrderPicked"), actions.count("PickingStarted")
        assert picks <= starts
        record = played.records.family("orders")[number]
        # A step's notifications leave one after the other, a second apart.
        assert 0 <= some[0][0] - record.created_at <= 10 * SECOND
        assert record.state is not None
        assert record.state.changed_at <= some[-1][0]
