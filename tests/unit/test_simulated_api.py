"""The simulated API without a network: records, truth, lists, limits, and each quirk."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.events import exact_json
from connector.simulator import wire
from connector.simulator.api import ApiAnswer, ApiOptions, Quirk, SimulatedApi
from connector.simulator.api.bodies import SINGLES, shapes
from connector.simulator.api.listings import LISTS
from connector.simulator.records import ShopRecords, stockholm
from connector.simulator.shop import Shop

START = 1_795_000_000_000_000  # microseconds, in November 2026
SECOND = 1_000_000
ROOT = "/RESTAPI/v1_0/demo"
LOGIN = {"extendbasicauthorization": "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg=="}
FAMILY_PATHS = {
    "orders": "CustomerOrders",
    "purchases": "PurchaseOrders",
    "products": "Products",
    "customers": "Customers",
    "offers": "Offers",
    "invoices": "CustomerInvoices",
    "returns": "ReturnOrders",
}


class Play:
    """A shop, its API, and a clock that is a second further on with each delivery."""

    def __init__(self, seed: int = 1, *, deleted: float = 0.0, silent_prices: bool = False, **options: Any):
        self.now = START
        records = ShopRecords(seed, clock=lambda: self.now, deleted=deleted)
        self.shop = Shop(seed, records, silent_prices=silent_prices)
        self.records = records
        options = {"rate": 1_000_000} | options
        self.service = SimulatedApi(records, seed, ApiOptions(**options))
        self._deliveries = self.shop.deliveries()

    def deliveries(self, count: int) -> Iterator[wire.ShopDelivery]:
        for delivery in islice(self._deliveries, count):
            self.now += SECOND
            yield delivery

    def play(self, count: int) -> list[wire.ShopDelivery]:
        return list(self.deliveries(count))

    def ask(self, path: str, **more: str) -> ApiAnswer:
        return self.service.answer("GET", f"{ROOT}/{path}", LOGIN | more)

    def get(self, path: str) -> Any:
        answer = self.ask(path)
        assert answer.status == 200, answer
        return exact_json.decode(answer.body)

    def single(self, family: str, key: str) -> ApiAnswer:
        if family == "balances":
            product, warehouse = key.split("|")
            return self.ask(f"ProductAvailability?productNumber={product}&warehouse={warehouse}")
        return self.ask(f"{FAMILY_PATHS[family]}/{key}")

    def pages(self, resource: str, query: str = "") -> list[dict[str, Any]]:
        """All rows of a list, page by page until an empty one."""
        listing, rows = LISTS[resource], []
        for page in range(1000):
            number = f"pageOffset={page}" if listing.data is None else f"pageNumber={page + 1}"
            found = self.get(f"{resource}?{number}&{query}")
            found = found if listing.data is None else found[listing.data]
            if not found:
                return rows
            rows += found
        raise AssertionError("the list never ends")


def leaves(tree: Any, value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value of an answer with its type in the tree; the names must be those of the tree."""
    if isinstance(tree, dict) and value is not None:
        assert list(tree) == list(value), path
        for name, leaf in tree.items():
            yield from leaves(leaf, value[name], f"{path}.{name}")
    elif isinstance(tree, list):
        for item in value:
            yield from leaves(tree[0], item, f"{path}[]")
    elif isinstance(tree, str):
        yield path, tree, value


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).replace(tzinfo=None).isoformat()


# --- Records and truth ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 7])
def test_every_answer_has_all_fields_of_its_shape_with_values_of_their_types(seed: int) -> None:
    play = Play(seed)
    play.play(1500)
    families = set()
    # The hooks give balances with decimals, so the answers do too.
    decimal = {".physicalBalance", ".availableBalanceNow"}
    for (family, key), body in play.service.truth().items():
        families.add(family)
        tree = shapes()[SINGLES[family][0]]
        tree = tree["productAvailabilityList"][0] if family == "balances" else tree
        for path, leaf, value in leaves(tree, body):
            kind, _, allowed = leaf.partition(": ")
            if value is None or path in decimal:
                continue
            if kind == "date-time":
                assert datetime.fromisoformat(value).utcoffset(), (family, key, path, value)
            elif kind in {"text", "uuid"}:
                assert isinstance(value, str), (family, path, value)
                assert not allowed or value in allowed.split(" | "), (family, path, value)
            else:
                expected = {"integer": int, "boolean": bool}.get(kind)
                assert expected is None or isinstance(value, expected), (family, path, value)
    assert families == set(SINGLES)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None)
def test_a_seed_decides_every_field_of_every_record(seed: int) -> None:
    plays = [Play(seed, deleted=0.1) for _ in range(2)]
    for play in plays:
        play.play(300)
    assert plays[0].service.truth() == plays[1].service.truth()


def test_single_answers_are_the_truth_and_lists_show_every_record_once() -> None:
    play = Play(deleted=0.1, page_size=7)
    play.play(800)
    for purchase in islice(play.records.family("purchases"), 10):
        play.records.delete("purchases", purchase)
    truth = play.service.truth()
    gone: defaultdict[str, set[tuple[int, bool]]] = defaultdict(set)
    for (family, key), body in truth.items():
        answer = play.single(family, key)
        if family == "balances":
            assert exact_json.decode(answer.body)["productAvailabilityList"] == [body]
        elif body is None:
            gone[family].add((answer.status, b"There is no row at position 0" in answer.body))
        else:
            assert exact_json.decode(answer.body) == body
    assert gone.pop("purchases") == {(404, False), (400, True)}
    assert set().union(*gone.values()) == {(404, False)}
    for family, resource, name in [
        ("orders", "CustomerOrders", "orderNumber"),
        ("purchases", "PurchaseOrders", "purchaseNumber"),
        ("customers", "Customers", "customerNumber"),
        ("offers", "Offers", "offerNumber"),
        ("invoices", "CustomerInvoices", "invoiceNumber"),
        ("returns", "ReturnOrders", "returnNumber"),
    ]:
        there = [key for (one, key), body in truth.items() if one == family and body is not None]
        assert [row[name] for row in play.pages(resource, "pageCount=7")] == there
    shelves = {
        (body["productNumber"], one["warehouse"])
        for (family, _), body in truth.items()
        if family == "products" and body is not None
        for one in body["productWarehouses"]
    }
    rows = play.pages("Products", "pageCount=7")
    assert sorted((row["productNumber"], row["warehouse"]) for row in rows) == sorted(shelves)


def test_a_balance_that_is_not_there_is_an_empty_list() -> None:
    play = Play()
    play.play(50)
    answer = play.get("ProductAvailability?productNumber=4000&warehouse=nowhere")
    assert answer["productAvailabilityList"] == []
    assert answer["paginationInfo"]["totalResources"] == 0


def test_deletions_leave_the_share_of_entities_that_was_asked_for() -> None:
    play = Play(deleted=0.2)
    play.play(3000)
    families = [play.records.family(family) for family in FAMILY_PATHS]
    states = [record.state for family in families for record in family.values()]
    assert states.count(None) / len(states) == pytest.approx(0.2, abs=0.07)


def test_records_agree_with_the_hooks_that_have_left() -> None:
    """But for the newest step, of which some deliveries may not have left yet."""
    play = Play(3)
    status = {
        "OrderCreated": {"Created"},
        "OrderReserved": {"Reserved"},
        "OrderPicked": {"PartiallyDelivered", "Terminated"},
        "OrderCancelled": {"Annulled"},
    }
    last, cancelled, balances = {}, set(), {}
    for delivery in play.deliveries(3000):
        for one in delivery.notifications:
            details = one["Details"]
            if one["Action"] in status:
                last[details["OrderNumber"]] = one["Action"]
            if one["Action"] == "PurchaseCancelled":
                cancelled.add(details["OrderNumber"])
            for name in {"Balance", "AvailableBalance"} & set(map(str, details)):
                balances[details["ProductNumber"], details["Warehouse"], name] = details[name]
    truth = play.service.truth()
    wrong = [
        number
        for number, action in last.items()
        if truth["orders", number]["orderHeader"]["orderStatus"] not in status[action]
    ]
    assert len(wrong) <= 1
    assert {truth["purchases", number]["header"]["status"] for number in cancelled} == {"Cancelled"}
    names = {"Balance": "physicalBalance", "AvailableBalance": "availableBalanceNow"}
    off = [
        place
        for place, value in balances.items()
        if truth["balances", f"{place[0]}|{place[1]}"][names[place[2]]] != value
    ]
    assert len(off) <= 4


def test_an_order_has_a_customer_named_and_priced_rows_and_rows_leave_it() -> None:
    play = Play(2)
    rows: dict[str, set[int]] = {}
    left, statuses, nulled = set(), set(), 0
    change = play.records.change

    def watch(family: str, number: str, facts: Any, **more: bool) -> None:
        if family == "orders":
            positions = {row["position"] for row in facts["orderRows"]}
            assert positions
            if rows.setdefault(number, positions) - positions:
                left.add(number)
                statuses.add(facts["orderHeader"]["orderStatus"])
            rows[number] = positions
        change(family, number, facts, **more)

    play.records.change = watch
    play.play(1500)
    truth = play.service.truth()
    assert len(left) > 5
    # Where it is delivered changed, or it was cancelled.
    assert {"Reserved", "Annulled"} <= statuses
    customers = {key for family, key in truth if family == "customers"}
    for (family, _), body in truth.items():
        if family == "orders":
            assert body["orderHeader"]["customerNumber"] in customers
            for row in body["orderRows"]:
                assert row["product"]["productName"]
                assert row["salesData"]["unitPrice"] > 0
    # A change that a hook reports changes other fields too, and some become null.
    number = min(customers)
    tree = shapes()["Customers/{customerNumber}"]
    for _ in range(3):
        before = {path: value for path, _, value in leaves(tree, play.get(f"Customers/{number}"))}
        play.shop._lives._trade.change_customer(number)
        after = {path: value for path, _, value in leaves(tree, play.get(f"Customers/{number}"))}
        changed = {path for path in before if before[path] != after.get(path)}
        assert 5 < len(changed) < len(before) / 2
        nulled += sum(1 for path in changed if after.get(path) is None)
    assert nulled


def test_a_row_stays_as_it_is_when_a_row_before_it_leaves() -> None:
    play = Play()
    play.play(100)
    orders = play.records.family("orders").items()
    number, state = next((key, one.state) for key, one in orders if len(one.state.facts["orderRows"]) > 2)
    before = play.get(f"CustomerOrders/{number}")
    rows = state.facts["orderRows"][1:]
    play.records.change("orders", number, {**state.facts, "orderRows": rows})
    assert play.get(f"CustomerOrders/{number}")["orderRows"] == before["orderRows"][1:]


def test_an_api_changes_nothing_in_the_deliveries_of_a_seed() -> None:
    with_records = [wire.render(one, 1) for one in Play(9, deleted=0.3, silent_prices=True).play(2000)]
    assert with_records == [wire.render(one, 1) for one in islice(Shop(9).deliveries(), 2000)]


def test_a_shop_without_an_api_keeps_no_records() -> None:
    shop = Shop(1)
    assert list(islice(shop.deliveries(), 300))
    assert not any(shop.records.family(family) for family in SINGLES)


@pytest.mark.parametrize(
    ("utc", "written"),
    [
        ("2026-03-29T00:59:59", "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T01:00:00", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T00:59:59.5", "2026-10-25T02:59:59.500+02:00"),
        ("2026-10-25T01:00:00", "2026-10-25T02:00:00+01:00"),
        ("2024-03-31T01:00:00", "2024-03-31T03:00:00+02:00"),
        ("2027-10-31T01:00:00", "2027-10-31T02:00:00+01:00"),
        ("2026-12-31T23:30:00", "2027-01-01T00:30:00+01:00"),
    ],
)
def test_instants_carry_the_offset_of_stockholm(utc: str, written: str) -> None:
    assert stockholm(round(datetime.fromisoformat(f"{utc}+00:00").timestamp() * SECOND)) == written


# --- Login, limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"{ROOT}/Customers", {}, 401),
        ("GET", f"{ROOT}/Customers", {"authorization": LOGIN["extendbasicauthorization"]}, 401),
        ("GET", f"{ROOT}/Customers", {"extendbasicauthorization": "Basic é"}, 401),
        ("POST", f"{ROOT}/Customers", LOGIN, 405),
        ("GET", "/RESTAPI/v1_0/other/Customers", LOGIN, 404),
        ("GET", f"{ROOT}/Nothing", LOGIN, 404),
        ("GET", f"{ROOT}/Offers/OFF-1", LOGIN, 404),
        ("GET", f"{ROOT}/ProductAvailability/1", LOGIN, 404),
        ("GET", f"{ROOT}/Customers?pageNumber=0", LOGIN, 400),
        ("GET", f"{ROOT}/CustomerOrders?pageOffset=x", LOGIN, 400),
        ("GET", f"{ROOT}/CustomerOrders?modifiedDateFrom=yesterday", LOGIN, 400),
    ],
)
def test_requests_that_are_wrong_are_refused_with_a_message(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = Play().service.answer(method, path, headers)
    assert (answer.status, list(json.loads(answer.body))) == (status, ["Message"])


def test_each_resource_has_a_limit_of_its_own_that_its_headers_tell() -> None:
    play = Play(rate=2, rate_window_seconds=60)
    answers = [play.ask("Customers?pageNumber=1"), *(play.ask(f"Customers/{key}") for key in "ab")]
    assert [answer.status for answer in answers] == [200, 404, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    reset = START // SECOND + 60
    assert {answer.headers["x-ratelimit-reset"] for answer in answers} == {str(reset)}
    assert play.ask("Offers").status == 200
    refused = [play.ask("Customers") for _ in range(40)]
    assert {answer.headers.get("retry-after") for answer in refused} == {None, "60"}
    play.now += 60 * SECOND
    assert play.ask("Customers").status == 200
    bucket = play.service.buckets["Customers"]
    assert (bucket.accepted, bucket.refused) == (3, 41)


# --- Lists ---------------------------------------------------------------------------------------


def test_change_filters_are_utc_without_a_zone_and_find_what_changed_between() -> None:
    play = Play()
    play.play(800)
    low, high = START + 300 * SECOND, START + 500 * SECOND
    for family, resource, name, start, end in [
        ("orders", "CustomerOrders", "orderNumber", "modifiedDateFrom", "modifiedDateTo"),
        ("invoices", "CustomerInvoices", "invoiceNumber", "changeDateFrom", "changeDateTo"),
        ("purchases", "PurchaseOrders", "purchaseNumber", "changeDateFrom", "changeDateTo"),
        ("customers", "Customers", "customerNumber", "changedAfterDate", ""),
    ]:
        query = f"{start}={iso(low)}" + (f"&{end}={iso(high)}" if end else "")
        expected = {
            key
            for key, record in play.records.family(family).items()
            if low <= record.state.changed_at <= (high if end else play.now)
        }
        assert {row[name] for row in play.pages(resource, query)} == expected
        assert expected


def test_rows_of_lists_repeat_their_records() -> None:
    play = Play()
    play.play(300)
    truth = play.service.truth()
    for row in play.pages("CustomerOrders"):
        header = truth["orders", row["orderNumber"]]["orderHeader"]
        assert {name: row[name] for name in row if name in header} == {
            name: header[name] for name in row if name in header
        }
        assert row["customerName"] == header["deliveryAddress"]["name1"]
        assert row["totalPrice"] > 0
    for row in play.pages("ProductAvailability"):
        assert row == truth["balances", f"{row['productNumber']}|{row['warehouse']}"]
    prices = play.pages("ProductPrices", "productNumber=4000")
    (unit,) = truth["products", "4000"]["productPrices"]
    assert [row["price"] for row in prices] == [row["price"] for row in unit["productPriceListRows"]]
    for resource, listing in LISTS.items():
        tree = shapes()[resource] if listing.data is None else shapes()[resource][listing.data][0]
        assert list(play.pages(resource)[0]) == list(tree)


# --- Quirks --------------------------------------------------------------------------------------


def quirky(*quirks: Quirk, played: int = 300, **options: Any) -> Play:
    play = Play(quirks=frozenset(quirks), **options)
    play.play(played)
    return play


def count(play: Play, path: str, fits: Callable[[ApiAnswer], bool]) -> int:
    """How many of 100 answers fit."""
    return sum(bool(fits(play.ask(path))) for _ in range(100))


def test_outages_are_400s_that_pass() -> None:
    play = quirky(Quirk.OUTAGES, played=60)
    bodies = [play.ask("Products/4000") for _ in range(200)]
    texts = {answer.body for answer in bodies if answer.status == 400}
    assert len(texts) == 2
    assert any(b"deadlocked" in text and b"Rerun the transaction" in text for text in texts)
    assert any(b"Timeout expired" in text for text in texts)
    assert 8 < sum(answer.status == 400 for answer in bodies) < 40


def test_a_shrinking_list_has_a_page_less_than_it_says_and_answers_400_there() -> None:
    play = quirky(Quirk.SHRINKING_LISTS, page_size=10)
    infos = [play.get("Customers?pageNumber=1")["paginationInfo"] for _ in range(10)]
    pages = {info["totalPages"] for info in infos}
    assert len(pages) == 2
    assert play.ask(f"Customers?pageNumber={min(pages)}").status == 200
    assert play.ask(f"Customers?pageNumber={max(pages)}").status == 400
    assert quirky(page_size=10).get(f"Customers?pageNumber={max(pages)}")["customerList"] == []


def test_orders_without_a_date_filter_time_out_in_the_end() -> None:
    play = quirky(Quirk.SLOW_LISTS, slow_seconds=99.0)
    answer = play.ask("CustomerOrders")
    assert (answer.status, answer.delay_seconds) == (400, 99.0)
    assert play.ask(f"CustomerOrders?modifiedDateFrom={iso(START)}").delay_seconds == 0.0


def test_a_product_that_hardly_ever_changed_is_found_without_a_filter_only() -> None:
    play = quirky(Quirk.UNCHANGED_PRODUCTS, played=60)
    new = {key for key, record in play.records.family("products").items() if record.changes <= 1}
    filtered = {row["productNumber"] for row in play.pages("Products", f"modifiedDateFrom={iso(START)}")}
    everything = {row["productNumber"] for row in play.pages("Products")}
    assert new
    assert everything - filtered == new


def test_the_filter_of_purchases_forgets_the_time_of_day() -> None:
    play = quirky(Quirk.DAY_FILTER)
    today, tomorrow = iso(play.now)[:10], iso(play.now + 86_400 * SECOND)[:10]
    everything = play.pages("PurchaseOrders")
    window = f"changeDateFrom={iso(play.now)}&changeDateTo="
    assert play.pages("PurchaseOrders", f"{window}{today}T23:59:59") == []
    assert play.pages("PurchaseOrders", f"{window}{tomorrow}T00:00:01") == everything


def test_rows_without_a_change_date_keep_their_other_fields() -> None:
    play = quirky(Quirk.UNDATED_ROWS)
    dated = {resource for resource in LISTS if "changeDate" in play.pages(resource)[0]}
    assert dated == {"ProductAvailability"}
    assert "changeDate" in quirky().pages("CustomerOrders")[0]


def test_cookies_that_are_sent_back_pile_up_until_400() -> None:
    play = quirky(Quirk.COOKIES)
    jar: list[str] = []
    statuses = []
    for _ in range(30):
        answer = play.ask("Customers?pageNumber=99", cookie="; ".join(jar))
        jar.append(answer.headers["set-cookie"].partition(";")[0])
        statuses.append(answer.status)
    assert statuses == [200] * 21 + [400] * 9
    assert play.ask("Customers").status == 200


def test_the_former_record_is_answered_for_a_while_after_a_change() -> None:
    play = quirky(Quirk.FORMER_RECORDS, played=400, former_seconds=10.0)
    play.now += 60 * SECOND
    quiet = play.service.truth()
    number = next(key for (family, key), body in quiet.items() if family == "customers")
    path, trade = f"Customers/{number}", play.shop._lives._trade
    trade.change_customer(number)
    assert play.get(path) == quiet["customers", number]
    play.records.delete("customers", number)
    changed = play.get(path)
    assert changed != quiet["customers", number]
    trade.customer("999")
    assert play.ask("Customers/999").status == 404
    play.now += 11 * SECOND
    assert play.ask(path).status == 404
    assert play.ask("Customers/999").status == 200


def test_a_late_answer_holds_what_was_true_when_it_was_asked_for() -> None:
    play = quirky(Quirk.LATE_ANSWERS, share=0.5, late_seconds=4.0)
    number = next(iter(play.records.family("customers")))
    late = next(one for one in iter(lambda: play.ask(f"Customers/{number}"), None) if one.delay_seconds)
    play.shop._lives._trade.change_customer(number)
    newer = next(one for one in iter(lambda: play.ask(f"Customers/{number}"), None) if not one.delay_seconds)
    assert late.delay_seconds == 4.0
    assert late.body != newer.body


def test_rows_of_a_moving_list_go_to_its_end_when_they_change() -> None:
    play = quirky(Quirk.MOVING_ROWS)
    first = play.pages("Customers")[0]["customerNumber"]
    play.now += SECOND
    play.shop._lives._trade.change_customer(first)
    assert play.pages("Customers")[-1]["customerNumber"] == first


def test_a_silent_price_list_changes_products_but_not_their_change_dates() -> None:
    play = Play(silent_prices=True)
    play.play(100)
    before = play.service.truth()["products", "4000"]
    play.now += SECOND
    play.shop._lives._trade.products.raise_prices("B2C-SEK")
    after = play.service.truth()["products", "4000"]
    assert after["productPrices"] != before["productPrices"]
    assert after["productData"] == before["productData"]


@pytest.mark.parametrize(
    ("quirk", "fits"),
    [
        (Quirk.HTML, lambda answer: answer.headers["content-type"].startswith("text/html")),
        (Quirk.EMPTY_BODIES, lambda answer: answer.status == 200 and not answer.body),
        (Quirk.REDIRECTS, lambda answer: answer.status == 302 and answer.headers["location"]),
        (Quirk.OTHER_RECORDS, lambda answer: b'"4000"' not in answer.body[:40]),
        (Quirk.LYING_HEADERS, lambda answer: answer.headers["x-ratelimit-limit"] != "1000000"),
    ],
)
def test_a_broken_answer_meets_one_request_in_ten(quirk: Quirk, fits: Callable[[ApiAnswer], bool]) -> None:
    assert 2 <= count(quirky(quirk, played=60), "Products/4000", fits) <= 25
    assert count(quirky(played=60), "Products/4000", fits) == 0


def test_a_huge_body_is_50_mebibytes() -> None:
    assert len(quirky(Quirk.HUGE_BODIES, played=20, share=1.0).ask("Products/4000").body) > 50 * 2**20


def test_429_may_ask_for_no_pause_at_all() -> None:
    play = quirky(Quirk.RETRY_AFTER_ZERO, rate=1)
    assert [play.ask("Customers").headers.get("retry-after") for _ in range(3)] == [None, "0", "0"]


def test_pages_come_twice_or_without_end() -> None:
    play = quirky(Quirk.REPEATED_PAGES, page_size=3, share=1.0)
    first, second = (play.get(f"Customers?pageNumber={page}")["customerList"] for page in (1, 2))
    assert first == second
    play = quirky(Quirk.ENDLESS_LISTS, page_size=3)
    assert play.get("Customers?pageNumber=999999")["customerList"]
    assert play.get("Customers?pageNumber=7")["paginationInfo"]["totalPages"] == 1_000_000
    assert play.get("CustomerOrders?pageOffset=999999&modifiedDateFrom=2020-01-01")


def test_practical_stands_for_the_seven_that_users_report() -> None:
    assert len(ApiOptions(quirks=frozenset({Quirk.PRACTICAL})).all_quirks) == 8
