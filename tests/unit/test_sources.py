"""``sources.yaml`` → where records are fetched, or every fault with file, line and cure."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import config
from connector.config import Config, SourceSettings, source_models
from connector.errors import ConfigError
from connector.mirror.mapping import Mapping
from tests.conftest import ROOT

SHIPPED = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
SOURCES = SHIPPED["sources.yaml"]
SECRET = {"XTND_WEBHOOK_SECRET": "abcdefghijklmnop"}
LOGIN = {"XTND_API_USER": "reader", "XTND_API_PASSWORD": "hunter2"}
ON = SECRET | LOGIN | {"XTND_API_URL": "https://api.example/RESTAPI/v1_0/demo"}


def parsed(
    *changes: tuple[str, str],
    variables: dict[str, str] | None = None,
    with_login: bool = True,
    **overrides: Any,
) -> Config:
    """The shipped configuration with pieces of ``sources.yaml`` replaced."""
    text = SOURCES
    for old, new in changes:
        assert old in text, f"{old!r} is not in sources.yaml"
        text = text.replace(old, new, 1)
    texts = SHIPPED | {"sources.yaml": text}
    return config.parse(texts, ON | (variables or {}), overrides.get("overrides"), with_login=with_login)


def sources(*changes: tuple[str, str], **options: Any) -> SourceSettings:
    found = parsed(*changes, **options).sources
    assert found is not None
    return found


def refused(*changes: tuple[str, str], **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(*changes, **options)
    return str(caught.value)


def test_there_is_no_source_until_its_address_is_set() -> None:
    assert config.parse(SHIPPED, SECRET, with_login=True).sources is None
    assert parsed(variables={"XTND_API_URL": ""}).sources is None
    assert sources().base_url == "https://api.example/RESTAPI/v1_0/demo"


def test_the_shipped_entities_are_those_of_all_families_with_their_lists() -> None:
    found = {
        family: (one.entity, one.get, list(one.key), one.list and one.list.path)
        for family, one in sources().entities.items()
    }
    assert found == {
        "orders": ("Order", "CustomerOrders/{orderNumber}", ["orderNumber"], "CustomerOrders"),
        "purchases": ("Purchase", "PurchaseOrders/{purchaseNumber}", ["purchaseNumber"], "PurchaseOrders"),
        "products": ("Product", "Products/{productNumber}", ["productNumber"], "Products"),
        "customers": ("Customer", "Customers/{customerNumber}", ["customerNumber"], "Customers"),
        "offers": ("Offer", "Offers/{offerNumber}", ["offerNumber"], "Offers"),
        "invoices": ("Invoice", "CustomerInvoices/{invoiceNumber}", ["invoiceNumber"], "CustomerInvoices"),
        "balances": (
            "Stock",
            "ProductAvailability?productNumber={productNumber}&warehouse={warehouse}",
            ["productNumber", "warehouse"],
            "ProductAvailability",
        ),
    }


def test_the_login_stands_in_one_header_and_nowhere_else() -> None:
    found = sources()
    assert found.request_headers == {
        "Accept": "application/json",
        "ExtendBasicAuthorization": "Basic cmVhZGVyOmh1bnRlcjI=",
    }
    for shown in (repr(found), str(found), found.model_dump_json(), repr(parsed())):
        assert not re.search("hunter2|reader|cmVhZGVyOmh1bnRlcjI", shown)


# --- The login -------------------------------------------------------------------------------------


def test_the_login_is_read_from_files_only_by_who_fetches(tmp_path: Path) -> None:
    for name, text in {"user": "reader\r\n", "password": "\ufeffhunter2\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = {f"XTND_API_{name.upper()}_FILE": str(tmp_path / name) for name in ("user", "password")}
    given = {"XTND_API_USER": "", "XTND_API_PASSWORD": "", **files}
    found = sources(variables=given)
    assert found.request_headers["ExtendBasicAuthorization"] == "Basic cmVhZGVyOmh1bnRlcjI="
    other = sources(variables=given | {"XTND_API_USER_FILE": str(tmp_path / "none")}, with_login=False)
    assert "ExtendBasicAuthorization" not in other.request_headers
    message = refused(variables=given | {"XTND_API_USER_FILE": str(tmp_path / "none")})
    assert re.search(r"sources\.yaml:\d+: the secret file .*none cannot be read: No such file", message)


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"XTND_API_USER": ""}, "XTND_API_URL is set, and the login has no user. Set XTND_API_USER and"),
        ({"XTND_API_PASSWORD": ""}, "the login has no password. Set XTND_API_USER and XTND_API_PASSWORD, or"),
        ({"XTND_API_USER": "read:er"}, "the user of the login holds a colon"),
        ({"XTND_API_PASSWORD_FILE": "/run/secrets/p"}, "login.password is given as text and as a file"),
    ],
)
def test_a_login_that_is_not_whole_is_refused_where_it_is_used(variables: dict[str, str], what: str) -> None:
    message = refused(variables=variables)
    assert re.search(rf"sources\.yaml:\d+: .*{what}", message)
    assert "hunter2" not in message
    assert parsed(variables=variables | {"XTND_API_URL": "", "XTND_API_PASSWORD_FILE": ""}).sources is None


def test_a_process_that_fetches_nothing_needs_no_login() -> None:
    without = {"XTND_API_USER": "", "XTND_API_PASSWORD": ""}
    assert sources(variables=without, with_login=False).request_headers == {"Accept": "application/json"}
    bare = ("${XTND_API_PASSWORD:-}", "${PASSWORD_OF_THE_API}")
    assert sources(bare, with_login=False).login is not None
    assert "the variable PASSWORD_OF_THE_API is not set" in refused(bare)


@pytest.mark.parametrize("text", ["0777", "12345", "true", "1e5", "~"])
def test_a_login_and_a_header_are_text_whatever_they_look_like(text: str) -> None:
    token = ("Accept: application/json", "Accept: application/json\n    X-Token: ${TOKEN:-}")
    found = parsed(token, variables={"XTND_API_USER": text, "XTND_API_PASSWORD": text, "TOKEN": text})
    assert found.sources is not None
    assert found.sources.login is not None
    assert found.sources.login.user is not None
    assert found.sources.login.user.get_secret_value() == text
    assert found.sources.request_headers["X-Token"] == text
    assert found.warnings == ()
    assert "X-Token" not in sources(token).request_headers


def test_an_odd_password_is_kept_and_named_without_any_part_of_it() -> None:
    (odd,) = parsed(variables={"XTND_API_PASSWORD": "hunter2 "}).warnings
    assert "sources.login.password, from the variable XTND_API_PASSWORD, has a blank" in odd.what
    assert "hunter2" not in str(odd)


@pytest.mark.parametrize(
    ("url", "warns"),
    [("http://api.example/v1", True), ("http://127.0.0.1:8090/v1", False), ("http://localhost/v1", False)],
)
def test_a_login_that_is_sent_unencrypted_over_a_network_is_a_warning(url: str, warns: bool) -> None:
    found = parsed(variables={"XTND_API_URL": url}).warnings
    assert [one.what for one in found] == [
        "sources.base_url (XTND_API_URL) is http: the login and all records are sent unencrypted"
    ] * warns


@pytest.mark.parametrize(
    "url",
    [
        *(
            "api.example/v1",
            "ftp://api.example",
            "https://",
            "https:///v1",
            "https://h:0/v1",
            "https://h:x/v1",
        ),
        *("https://reader:hunter2@api.example/v1", "https://hunter2@api.example", "https://h/v1?key=hunter2"),
        *(
            "https://h/v1#hunter2",
            "https://h/hunter2 v1",
            "https://[hunter2/v1",
            "https://h/v1?",
            "https://å/v1",
        ),
        *("https://h/../hunter2", "https://h/RESTAPI/./v1", "https://h/%2E%2e/v1"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_text(url: str) -> None:
    message = refused(variables={"XTND_API_URL": url})
    assert re.search(r"sources\.yaml:7: sources\.base_url \(XTND_API_URL\) .*\. (Write|Set) ", message)
    assert "hunter2" not in message


# --- The file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("get", "what"),
    [
        ("{orderNumber}", "starts with a part of the key, so each record would have a limit of its own"),
        ("Orders{orderNumber}", "starts with a part of the key"),
        ("../CustomerOrders/{orderNumber}", "holds a part that is empty, . or .., and leads elsewhere"),
        ("CustomerOrders//{orderNumber}", "holds a part that is empty"),
    ],
)
def test_a_request_names_a_resource_below_the_address(get: str, what: str) -> None:
    message = refused(("get: CustomerOrders/{orderNumber}", f'get: "{get}"'))
    assert what in message
    assert "Write it as in CustomerOrders/{orderNumber}, without / in front." in message


@pytest.mark.parametrize(("name", "written"), [("Order", "Ordr"), ("Stock", "Stok"), ("Offer", "Offert")])
def test_an_entity_that_hooks_and_tables_call_otherwise_is_a_warning(name: str, written: str) -> None:
    assert parsed().warnings == ()
    (warning,) = parsed((f"entity: {name}\n", f"entity: {written}\n")).warnings
    assert re.match(
        r"sources\.yaml:\d+: no action of topics\.yaml, and no table of its records", str(warning)
    )
    assert f"starts with the entity {written!r}. Did you mean {name!r}?" in str(warning)


def test_a_folder_without_the_file_has_no_source_and_an_address_for_it_is_refused(tmp_path: Path) -> None:
    for name, text in SHIPPED.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sources.yaml").unlink()
    assert config.load(tmp_path, SECRET).sources is None
    with pytest.raises(
        ConfigError,
        match=r"sources\.yaml: XTND_API_URL is set, and there is no such file\. Write it as shipped",
    ):
        config.load(tmp_path, ON)


def test_a_source_that_is_off_fits_any_families() -> None:
    """Who has other families and no access to the API need not touch the file."""
    fewer = re.sub(r"(?ms)^    offers:.*?(?=^    invoices:)", "", SHIPPED["topics.yaml"])
    tables = {"tables": {"t": {"actions": ["OrderCreated"], "key": {"n": {"path": "OrderNumber"}}}}}
    texts = SHIPPED | {"topics.yaml": fewer, "tables.yaml": json.dumps(tables)}
    assert config.parse(texts, SECRET).sources is None
    with pytest.raises(ConfigError, match=r"sources\.yaml:\d+: the family 'offers' is not in topics\.yaml"):
        config.parse(texts, ON)


def test_tables_that_tell_shops_apart_have_the_source_name_one() -> None:
    hooks: dict[str, object] = {
        f"hooks.{hook}": {"secrets": ["abcdefghijklmnop"], "shop": shop}
        for hook, shop in {"xtnd": "north", "second": "south"}.items()
    }
    by_shop = hooks | {"mirror.key_by_shop": True}
    shop = ("  # shop: nordic", "  shop: south\n  #")
    assert sources(shop, overrides=by_shop).shop == "south"
    # What was fetched stays that shop's while the source is off.
    off = parsed(shop, overrides=by_shop, variables={"XTND_API_URL": ""})
    assert (off.sources, off.shop_of_source) == (None, ("xtnd", "south"))
    on, was = Mapping(parsed(shop, overrides=by_shop)), Mapping(off)
    # Of the source that is on it says what is asked for which records, and nothing of where and by whom.
    written = json.loads(on.written)
    asked = written.pop("sources")
    assert written == json.loads(was.written)
    assert (set(asked), set(asked["entities"])) == ({"shop", "entities"}, set(WRITTEN["entities"]))
    assert "api.example" not in on.written
    assert on.table("order_rows").written == was.table("order_rows").written
    assert "the source names none. Add shop: and one of north, south." in refused(overrides=by_shop)
    wrong = ("  # shop: nordic", "  shop: soth\n  #")
    assert "no hook is of the shop 'soth'. Did you mean 'south'?" in refused(wrong, overrides=by_shop)
    assert sources(overrides=hooks | {"mirror.key_by_shop": False}).shop is None


def test_a_column_of_what_never_leaves_the_process_is_refused() -> None:
    excluded = (
        "  exclude:\n",
        "  exclude:\n    - orderHeader.deliveryAddress\n    - orderRows.product.productName\n",
    )
    message = refused(excluded)
    for column, path in {
        "delivery_city": "orderHeader.deliveryAddress.city",
        "product_name": "orderRows.product.productName",
    }.items():
        what = f"the column {column!r} reads {path}, which sources.yaml excludes. Remove the column, or"
        assert re.search(rf"tables\.yaml:\d+: {re.escape(what)}", message)
    assert parsed(excluded, variables={"XTND_API_URL": ""}).sources is None


# --- Answers and limits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "reaction"),
    [
        (400, "Transaction was DEADLOCKED on lock resources. Rerun the transaction.", "retry"),
        (400, "Timeout expired. The timeout period elapsed", "retry"),
        (400, "There is no row at position 0.", "gone"),
        (400, "OrderNumber is not valid", None),
        (404, "", "gone"),
        (401, "", "refuse"),
        (403, "deadlocked", "refuse"),
        (422, "", None),
        *((status, "", "retry") for status in (408, 425, 429, 500, 502, 503, 599)),
    ],
)
def test_answers_mean_what_the_shipped_file_says(status: int, body: str, reaction: str | None) -> None:
    assert sources().reaction(status, body) == reaction


def test_a_resource_has_its_own_limit_where_it_is_named() -> None:
    rate = sources(("    # buckets: {CustomerOrders: 600} #", "    buckets: {CustomerOrders: 600} #")).rate
    assert [rate.limit(bucket) for bucket in ("CustomerOrders", "Products")] == [600, 300]
    assert source_models.resource("ProductAvailability?productNumber={n}") == "ProductAvailability"


# --- Any file --------------------------------------------------------------------------------------

OTHERS = {
    "connector.yaml": SHIPPED["connector.yaml"],
    "topics.yaml": SHIPPED["topics.yaml"],
    "tables.yaml": json.dumps(
        {"tables": {"t": {"actions": ["OrderCreated"], "key": {"n": {"path": "OrderNumber"}}}}}
    ),
}
WRITTEN: dict[str, Any] = yaml.safe_load(SOURCES)["sources"]
few = st.sampled_from
families = few(list(WRITTEN["entities"]))
names = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}", fullmatch=True)
dotted = st.lists(
    st.from_regex(r"[^.\s'\"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff][A-Za-z0-9]{0,5}", fullmatch=True),
    min_size=1,
    max_size=3,
).map(".".join)


def loaded(written: dict[str, Any]) -> SourceSettings:
    text = json.dumps({"sources": written}, indent=1, ensure_ascii=False)
    found = config.parse(OTHERS | {"sources.yaml": text}, ON, with_login=True).sources
    assert found is not None
    return found


@st.composite
def listings(draw: Callable[..., Any], parts: list[str]) -> dict[str, Any]:
    page, size, start, end = draw(st.lists(names, min_size=4, max_size=4, unique=True))
    incremental = draw(few([{"start_param": start}, {"start_param": start, "end_param": end}, None]))
    found: dict[str, Any] = {
        "path": draw(st.lists(names, min_size=1, max_size=2).map("/".join)),
        "key": {part: draw(dotted) for part in parts},
        "paginator": {"type": draw(few(["page_number", "page_index"])), "page_param": page},
    }
    if draw(st.booleans()):
        found["paginator"] |= {"size_param": size, "size": draw(st.integers(1, 1000))}
    if incremental:
        found["incremental"] = incremental | {"granularity": draw(few(["second", "day"]))}
    if not incremental or draw(st.booleans()):
        found["full_scan_hours"] = draw(st.floats(0.1, 100))
    return found


@st.composite
def valid(draw: Callable[..., Any]) -> dict[str, Any]:
    """What ``sources`` of a file may hold, for some of the shipped families."""
    written: dict[str, Any] = {"base_url": "https://h/v1", "entities": {}}
    for family in draw(st.lists(families, min_size=1, unique=True)):
        shipped = WRITTEN["entities"][family]
        parts = draw(st.lists(names, min_size=len(shipped["key"]), max_size=len(shipped["key"]), unique=True))
        entity: dict[str, Any] = {
            "entity": shipped["entity"],
            "wanted_on": draw(st.lists(few(shipped["wanted_on"]), unique=True)),
            "get": draw(few(["R/", "A/b?x=1&y="])) + "/".join(f"{{{part}}}" for part in parts),
            "key": {part: draw(dotted) for part in parts},
            "settle_seconds": draw(st.floats(0, 1000)),
        }
        if draw(st.booleans()):
            entity["list"] = draw(listings(parts))
        written["entities"][family] = entity
    if draw(st.booleans()):
        written["response_actions"] = draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "status": st.lists(st.integers(201, 599), min_size=1, max_size=3),
                        "action": few(["retry", "gone", "refuse"]),
                    },
                    optional={"body": st.lists(names, max_size=2)},
                ),
                max_size=3,
            )
        )
    return written


@settings(max_examples=50)
@given(valid())
def test_any_file_of_the_right_shape_is_loaded_as_it_is_written(written: dict[str, Any]) -> None:
    found = loaded(written)
    assert list(found.entities) == list(written["entities"])
    for family, entity in written["entities"].items():
        assert found.entities[family].model_dump(mode="json", exclude_unset=True) == entity


# Where in the shipped file, and what stands there instead. ``*`` is any family; None as value takes it away.
FAULTS: dict[str, tuple[str, list[Any]]] = {
    "no address": ("base_url", ["h", "ftp://h", "https://a:b@h/", "https://h/?q=1"]),
    "no number": ("timeout_seconds", ["5", [], {}, 0, -1, True, 1e9]),
    "a body larger than a message": ("max_body_bytes", [4_194_304, 10**12, 5]),
    "no rate": ("rate.requests_per_minute", [0, -5, 1.5, "many"]),
    "no share": ("rate.background_share", [0, 1.01, "half"]),
    "a bucket without a limit": ("rate.buckets", [{"Products": 0}, [], 7]),
    "a bucket of no record": ("rate.buckets", [{"CustomerOrder": 600}, {"Products/1": 5}]),
    "no header": ("rate.limit_header", ["x y", "", "å", 5]),
    "no header of a login": ("login.header", ["x: y", "", 5]),
    "no value of a header": ("headers.Accept", ["a\nb", "å", " a"]),
    "a header twice": ("headers.accept", ["text/json"]),
    "a header of the request itself": ("headers.Content-Length", ["5"]),
    "a header of what is sent": ("headers.accept-encoding", ["br"]),
    "the header of the login": ("headers.extendbasicauthorization", ["x"]),
    "no status": ("response_actions.0.status", [[], [99], [200], [600], ["404"], 404, "404"]),
    "no action": ("response_actions.0.action", ["ignore", "", None, 5]),
    "no text of a body": ("response_actions.0.body", [[""], "timeout", [5]]),
    "no path to take out": ("exclude.0", ["", "a..b", "a b", 5, "."]),
    "a key to take out": ("exclude.0", ["orderHeader", "orderHeader.orderNumber", "productNumber"]),
    "no entities": ("entities", [{}, [], None]),
    "a family of no name": ("entities.Orders", [WRITTEN["entities"]["orders"] | {"entity": "Other"}]),
    "a family of no topic": ("entities.order", [WRITTEN["entities"]["orders"] | {"entity": "Other"}]),
    "a second entity of a name": ("entities.offers.entity", ["Order"]),
    "no entity": ("entities.*.entity", ["order", "", "Or der", 5, None]),
    "no action of the family": ("entities.*.wanted_on.0", ["OrderMade", "", 5]),
    "an action of another key": ("entities.balances.key", [{"productNumber": "a"}]),
    "no request": (
        "entities.*.get",
        ["/R/{p}", "https://h/R/{p}", "R {p}", "", "R/{p}#x", "R", "R/{Nothing}", 5, None, "R/{", "R/å"],
    ),
    "no key": ("entities.*.key", [{}, None, {"orderNumbers": "a"}, {"order number": "a"}, []]),
    "no time to settle": ("entities.*.settle_seconds", [-1, "2", 1e9]),
    "no second look": ("entities.*.again_after_seconds", [0, -1, "soon"]),
    "no column of a table of hooks": (
        "entities.balances.reported",
        [{"stock_balances.balanc": "a"}, {"stock_levels.physical_balance": "a"}, {"balance": "a"}, []],
    ),
    "no hook to imply": ("entities.orders.implied.actions.OrderMade", [{"path": "a"}]),
    "nothing that implies a hook": ("entities.orders.implied.actions.OrderPicked.path", [".", None, 5]),
    "no date that implies a hook": ("entities.orders.implied.created_path", ["a..b", None, 5]),
    "what implies hooks to take out": ("exclude.0", ["orderHeader.orderDate", "orderRows", "createDate"]),
    "no list": ("entities.*.list", [[], 5, {}]),
    "no path of a list": ("entities.*.list.path", ["/R", "R/{orderNumber}", "", 5, None]),
    "another key of a list": ("entities.*.list.key", [{"other": "a"}, {}, None]),
    "no pages": ("entities.*.list.paginator.type", ["cursor", None, 1]),
    "a size without a parameter": ("entities.customers.list.paginator.size", [100]),
    "a parameter without a size": ("entities.customers.list.paginator.size_param", ["pageSize"]),
    "one name for two parameters": ("entities.customers.list.incremental.start_param", ["pageNumber"]),
    "nothing to read a list by": ("entities.offers.list.full_scan_hours", [None]),
    "no grain": ("entities.purchases.list.incremental.granularity", ["hour", 1]),
    "an unknown setting": ("entities.*.list.incremental_", [{}]),
    "another unknown setting": ("bas_url", ["https://h"]),
}


def line_of(place: list[str | int], tree: dict[str, Any]) -> int:
    """The line of a place in the file that ``loaded`` writes of a tree."""
    marked = copy.deepcopy({"sources": tree})
    put(marked, ["sources", *place], "@here@")
    return json.dumps(marked, indent=1).partition("@here@")[0].count("\n") + 1


def put(tree: Any, place: list[str | int], value: Any) -> None:
    """Write a value at a place, or take away what is there for None."""
    for part in place[:-1]:
        tree = tree[part] if isinstance(tree, list) else tree.setdefault(part, {})
    if value is None:
        del tree[place[-1]]
    else:
        tree[place[-1]] = value


@settings(max_examples=50)
@given(st.data())
def test_any_fault_is_refused_at_its_line_with_what_to_write_instead(data: st.DataObject) -> None:
    dotted_place, values = FAULTS[data.draw(few(list(FAULTS)))]
    place: list[str | int] = [int(part) if part.isdigit() else part for part in dotted_place.split(".")]
    if "*" in place:
        place[place.index("*")] = data.draw(families)
    value = data.draw(few(values))
    written = copy.deepcopy(WRITTEN) | {"base_url": "https://h/v1"}
    put(written, place, value)
    with pytest.raises(ConfigError) as caught:
        loaded(written)
    # What is wrong between two settings is named where one of them stands.
    near = {line_of(place[:length], written) for length in range(len(place) - 1, len(place) + 1)}
    if place[-1] == "get":  # has what the key beside it has
        near |= {
            line_of([*place[:-1], "key", part], written) for part in written["entities"][place[1]]["key"]
        }
    near |= {line_of(place, written) + line for line in range(json.dumps(value, indent=1).count("\n") + 1)}
    lines = {int(one.where.removeprefix("sources.yaml:")) for one in caught.value.findings}
    assert lines & near, f"{place} = {value!r} is on a line of {near}: {caught.value}"
    assert all(one.cure for one in caught.value.findings), str(caught.value)
