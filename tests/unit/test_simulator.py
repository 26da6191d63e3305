"""The simulator without a network: wire bytes, the shop, traffic, the journal."""

import json
import re
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from connector import clocks, events
from connector.errors import StartupError
from connector.simulator import SimulateOptions, journal, options, sender, verify, wire
from connector.simulator.shop import Shop
from connector.simulator.stock import Stock, StockLocation
from connector.simulator.tally import Tally
from connector.simulator.traffic import traffic

DATA = Path(__file__).parents[1] / "data"
MANIFEST = json.loads((DATA / "manifest.json").read_text("utf-8"))
ACTIONS = {entry["file"].split("/")[1].split(".")[0] for entry in MANIFEST["deliveries"]} - {"several"}

SEEDS = st.integers(min_value=0, max_value=2**32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.decimals(-1000, 1000, places=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def run(seed: int, count: int) -> list[wire.ShopDelivery]:
    return list(islice(Shop(seed).deliveries(), count))


def told(deliveries: list[wire.ShopDelivery]):
    return [notification for delivery in deliveries for notification in delivery.notifications]


# --- The wire ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", MANIFEST["deliveries"], ids=lambda entry: entry["file"].split("/")[1])
def test_rendering_the_content_of_a_real_delivery_gives_its_bytes_and_its_signature(entry):
    body = (DATA / entry["file"]).read_bytes()
    content = events.exact_json.decode(body)
    delivery = wire.ShopDelivery(
        delivery_id=content["Id"],
        properties=content["Properties"],
        notifications=tuple(content["Notifications"]),
    )
    assert wire.render(delivery, content["Attempt"]) == body
    headers = wire.headers(body, MANIFEST["secret"])
    assert headers == {
        "Content-Type": "application/json; charset=utf-8",
        "ms-signature": entry["ms-signature"],
    }


@given(details=st.dictionaries(st.text(), JSON, max_size=4), attempt=st.integers(1, 3))
@settings(deadline=None)
def test_whatever_is_rendered_is_read_back_the_same(details, attempt):
    notification = {"Action": "A", "Details": details or {"": 0}}
    delivery = wire.ShopDelivery(delivery_id="0" * 32, properties={}, notifications=(notification,))
    body = wire.render(delivery, attempt)
    read = events.parse_delivery(body)
    assert (read.delivery_id, read.attempt) == (delivery.delivery_id, attempt)
    assert events.parse_notification(read.notifications[0]).data == notification["Details"]
    assert body.startswith(b"{\r\n  ")
    assert body.endswith(b"\r\n}")
    assert body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n")


def test_each_attempt_has_other_bytes_but_for_one_line_the_same():
    delivery = run(1, 1)[0]
    first, second = wire.render(delivery, 1).split(b"\r\n"), wire.render(delivery, 2).split(b"\r\n")
    assert [(a, b) for a, b in zip(first, second, strict=True) if a != b] == [
        (b'  "Attempt": 1,', b'  "Attempt": 2,'),
    ]


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("5324", "5_324"), ("1200.5", "1_200,5"), ("7", "7"), ("1234567.125", "1_234_567,125"), ("3.0", "3")],
)
@pytest.mark.parametrize("blank", wire.BLANKS)
def test_quantities_are_printed_as_for_people(quantity, text, blank):
    assert wire.printed_number(Decimal(quantity), blank) == text.replace("_", blank)


# --- The shop ------------------------------------------------------------------------------------


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_seed_decides_everything_and_a_short_run_is_the_start_of_a_longer_one(seed):
    long = [wire.render(delivery, 1) for delivery in run(seed, 400)]
    assert [wire.render(delivery, 1) for delivery in run(seed, 150)] == long[:150]
    assert run(seed + 1, 1) != run(seed, 1)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_all_actions_occur_in_the_first_thousand_deliveries(seed):
    assert {notification["Action"] for notification in told(run(seed, 1000))} == ACTIONS
    assert len(ACTIONS) == 21


def test_ids_are_new_each_time_and_properties_always_the_same():
    deliveries = run(3, 5000)
    ids = {delivery.delivery_id for delivery in deliveries}
    assert len(ids) == 5000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
    assert len({delivery.properties["NotificationId"] for delivery in deliveries}) == 1
    assert any(len(delivery.notifications) > 1 for delivery in deliveries)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_reported_balances_are_what_the_movements_make(seed):
    """Picks take what PickingStarted said, counts and purchases move the rest, never below zero."""
    shop = Shop(seed)
    balance: dict[StockLocation, Decimal] = {}
    available: dict[StockLocation, Decimal] = {}
    needed = defaultdict(Counter)
    for notification in told(list(islice(shop.deliveries(), 3000))):
        action, details = notification["Action"], notification["Details"]
        if action == "PickingStarted":
            row = details["Order"]["Row"]
            place = StockLocation(row["ProductNumber"], details["Order"]["Warehouse"])
            needed[place][Decimal(row["Unit"]["Quantity"])] += 1
        if action == "AvailableBalanceChanged":
            available[StockLocation(details["ProductNumber"], details["Warehouse"])] = details[
                "AvailableBalance"
            ]
        if action == "BalanceChanged":
            place = StockLocation(details["ProductNumber"], details["Warehouse"])
            change = details["Balance"] - balance.get(place, Decimal(0))
            balance[place] = details["Balance"]
            assert details["Balance"] >= 0
            if details["EventType"] == "OrderPicking":
                needed[place][-change] -= 1
                assert needed[place][-change] >= 0
            if details["EventType"] == "PurchaseDelivery":
                assert change > 0
    assert balance
    assert available


def test_the_last_reported_balances_are_those_on_the_books():
    shop = Shop(5)
    steps = shop._steps()
    last: dict[tuple[str, StockLocation], Decimal] = {}
    for notification in (told for _ in range(3000) for told in next(steps)):
        details = notification["Details"]
        for name in ("Balance", "AvailableBalance"):
            if name in details:
                last[name, StockLocation(details["ProductNumber"], details["Warehouse"])] = details[name]
    stock: Stock = shop.books.stock
    assert last == {
        key: stock.balance(key[1]) if key[0] == "Balance" else stock.available(key[1]) for key in last
    }
    assert any(isinstance(value, Decimal) for value in last.values())


def test_purchase_rows_come_with_quantities_as_text_with_every_kind_of_blank():
    quantities = [
        row["Quantity"]
        for notification in told(run(2, 20_000))
        if isinstance(notification["Details"], list)
        for row in notification["Details"]
    ]
    text = [quantity for quantity in quantities if isinstance(quantity, str)]
    assert all(any(re.fullmatch(rf"\d{blank}\d{{3}}(,\d+)?", one) for one in text) for blank in wire.BLANKS)
    assert any("," in one for one in text)
    assert len(text) < len(quantities)


def test_the_life_of_an_order_is_reported_in_its_order():
    lives = defaultdict(list)
    for notification in told(run(4, 10_000)):
        details = notification["Details"]
        if notification["Action"].startswith(("Order", "Picking")):
            lives[events.value_at(details, ["Order", "OrderNumber"]) or details["OrderNumber"]].append(
                notification["Action"]
            )
    letters = {"OrderCreated": "c", "OrderReserved": "r", "OrderDeliveryDataChanged": "d"}
    letters |= {"PickingStarted": "s", "OrderPicked": "p", "OrderCancelled": "x"}
    told_lives = {"".join(letters[action] for action in life) for life in lives.values()}
    assert all(re.fullmatch(r"c(x?|r{1,2}d?(sp)*(s|x)?)", life) for life in told_lives), told_lives
    assert {"cx", "crrdspsp", "crsp"} <= told_lives


# --- Traffic -------------------------------------------------------------------------------------


@given(disorder=st.floats(0, 1), duplicates=st.floats(0, 1), seed=SEEDS, count=st.integers(0, 300))
@settings(deadline=None)
def test_every_delivery_leaves_once_and_its_duplicate_follows_it(disorder, duplicates, seed, count):
    deliveries = run(1, count)
    sendings = list(traffic(deliveries, disorder=disorder, duplicates=duplicates, seed=seed))
    originals = [sending for sending in sendings if sending.kind != "duplicate"]
    assert sorted(s.delivery.delivery_id for s in originals) == sorted(d.delivery_id for d in deliveries)
    seen: dict[str, int] = {}
    for sending in sendings:
        first = seen.setdefault(sending.delivery.delivery_id, sending.attempt)
        assert first <= sending.attempt <= 3
        assert (sending.kind == "duplicate") or first == sending.attempt


def test_the_shares_of_late_and_doubled_deliveries_are_as_asked():
    deliveries = run(1, 20_000)
    kinds = Counter(s.kind for s in traffic(deliveries, disorder=0.1, duplicates=0.05))
    assert kinds["late"] == pytest.approx(2000, rel=0.1)
    assert kinds["duplicate"] == pytest.approx(1000, rel=0.1)
    attempts = Counter((s.kind, s.attempt) for s in traffic(deliveries, disorder=0.1, duplicates=0.05))
    assert min(attempts["late", 1], attempts["late", 2]) > 800
    assert min(attempts["duplicate", 1], attempts["duplicate", 2]) > 350


def test_late_deliveries_leave_behind_newer_ones_and_without_disorder_none_does():
    deliveries = run(1, 5000)
    number = {delivery.delivery_id: index for index, delivery in enumerate(deliveries)}
    left = [(number[s.delivery.delivery_id], s.kind) for s in traffic(deliveries, disorder=0.2)]
    newest, overtaken = 0, Counter()
    for index, kind in left:
        overtaken[kind, index < newest] += 1
        newest = max(newest, index)
    assert not overtaken["first", True]
    # One that is due before a newer one has left (all of them held as well) is overtaken by none.
    assert overtaken["late", True] > 20 * overtaken["late", False]
    assert [s.delivery for s in traffic(deliveries)] == deliveries


# --- Journal and verification --------------------------------------------------------------------


def entry(delivery: wire.ShopDelivery, status: int | None, **more) -> journal.JournalEntry:
    fixed = {"sent_at": events.iso(clocks.now()), "attempt": 1, "kind": "first", "latency_ms": 1.5}
    notifications = journal.sent_notifications(delivery)
    fields = {**fixed, "notifications": notifications, **more}
    return journal.JournalEntry(id=delivery.delivery_id, status=status, **fields)


def written(path: Path, *lines: journal.JournalEntry) -> Path:
    with journal.Journal(path) as log:
        for line in lines:
            log.write(line)
    return path


def test_a_journal_tells_what_the_mirror_must_and_may_hold(tmp_path):
    taken, lost, late = run(6, 3)
    retry = {"attempt": 2, "kind": "retry", "notifications": msgspec.UNSET}
    path = written(
        tmp_path / "journal",
        entry(taken, 202),
        entry(lost, 503),
        entry(late, None, error="no answer in time"),
        entry(lost, None, error="x", **retry),
        entry(late, 200, **retry),
    )
    assert journal.acknowledged(path) == {taken.delivery_id, late.delivery_id}
    assert {event.delivery_id for event in verify.must(path)} == {taken.delivery_id, late.delivery_id}
    assert {event.delivery_id for event in verify.may(path)} == {d.delivery_id for d in (taken, lost, late)}
    assert [len(sent.attempts) for sent in journal.read(path).values()] == [1, 2, 2]


def test_expected_events_are_those_that_the_gateway_reads_in_the_body(tmp_path):
    odd = wire.ShopDelivery(
        delivery_id="a" * 32,
        properties={},
        notifications=(wire.notification("Odd", Text="\u2028\u0085 ö \u00a0\n", Number=Decimal("1.50")),),
    )
    deliveries = [*run(7, 500), odd]
    path = written(tmp_path / "journal", *(entry(delivery, 202) for delivery in deliveries))
    read = [
        verify.ExpectedEvent(delivery.delivery_id, "", index, notification.action, notification.details)
        for delivery in deliveries
        for index, raw in enumerate(events.parse_delivery(wire.render(delivery, 1)).notifications)
        for notification in [events.parse_notification(raw)]
    ]
    assert list(verify.must(path)) == read
    assert read[-1].event_id == "a" * 32 + ":0"


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("http://127.0.0.1:8080/webhooks/xtnd", "/webhooks/xtnd"),
        ("https://shop.example/behind/webhooks/a-1?x=/webhooks/b", "/webhooks/a-1"),
        ("http://127.0.0.1/webhooks/", ""),
        ("http://127.0.0.1/elsewhere", ""),
    ],
)
def test_a_journal_tells_by_which_hook_its_events_must_be_found(tmp_path, url, source):
    assert sender.source_of(URL(url)) == source
    (delivery,) = run(8, 1)
    path = written(tmp_path / "journal", entry(delivery, 202, source=source))
    assert {event.source for event in verify.must(path)} == {source}


def test_a_torn_last_line_is_left_out_and_a_broken_one_is_named(tmp_path):
    first, second = run(8, 2)
    path = written(tmp_path / "journal", entry(first, 202), entry(second, 202))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert journal.acknowledged(path) == {first.delivery_id}
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(StartupError, match="journal:1 is no line of a journal"):
        journal.acknowledged(path)


def test_a_journal_in_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(StartupError, match="nowhere"), journal.Journal(tmp_path / "nowhere" / "journal"):
        pass


@given(st.lists(st.floats(0.01, 100_000), min_size=1, max_size=200))
@settings(deadline=None)
def test_percentiles_are_right_to_two_percent(latencies):
    tally = Tally()
    for latency in latencies:
        tally.attempt(entry(run(1, 1)[0], 202, latency_ms=latency))
    for share in (0.5, 0.99, 1.0):
        exact = sorted(latencies)[max(0, -(-int(share * 100) * len(latencies) // 100) - 1)]
        assert tally.percentile(share) == pytest.approx(exact, rel=0.021)
    assert tally.max_ms == max(latencies)


# --- Options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret": ""}, "XTND_WEBHOOK_SECRET"),
        ({"url": "localhost:8080"}, "callback URL"),
        ({"url": "http://[::1"}, "no URL"),
        ({"url": "http://127.0.0.1:99999/"}, "no URL"),
        ({"disorder": 1.5}, "--disorder"),
        ({"duplicates": -0.1}, "--duplicates"),
        ({"deliveries": 0}, "--deliveries"),
        ({"parallel": 0}, "--parallel"),
        ({"time_scale": -1.0}, "--time-scale"),
        ({"rate": -1.0}, "--rate"),
    ],
)
def test_options_that_cannot_work_are_refused_with_their_cure(change, words):
    given = {"url": "http://127.0.0.1:8080/webhooks/xtnd", "secret": "s", **change}
    with pytest.raises(StartupError, match=words):
        SimulateOptions(**given).check()


def test_the_secret_is_not_printed_with_the_options():
    assert "hush" not in repr(SimulateOptions(url="http://a/", secret="hush"))


def test_the_api_has_the_login_of_the_environment_and_does_not_print_it(monkeypatch):
    assert options.api_options([], 300).user == "simulator"
    monkeypatch.setenv("XTND_API_USER", "reader")
    monkeypatch.setenv("XTND_API_PASSWORD", "hush")
    api = options.api_options(["outages", "cookies"], 60)
    assert (api.user, api.password, api.rate, sorted(api.all_quirks)) == (
        "reader",
        "hush",
        60,
        ["cookies", "outages"],
    )
    assert "hush" not in repr(SimulateOptions(url="http://a/", secret="s", api=api))


def test_a_quirk_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(StartupError, match=r"no quirk 'outage'.*") as refused:
        options.api_options(["outage"], 300)
    assert "shrinking-lists" in str(refused.value)
