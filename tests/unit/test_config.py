# ruff: noqa: E501 - pieces of YAML and of messages stand in one line each
"""YAML and environment → one frozen, validated Config, or every fault with file, line and cure."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import config
from connector.config import Config, scalars, secret_text
from connector.errors import ConfigError
from connector.kafka.routes import Routes
from connector.mirror.mapping import Mapping

FOLDER = Path(__file__).parent.parent.parent / "config"
SHIPPED = {name: (FOLDER / name).read_text(encoding="utf-8") for name in config.FILES}
VARIABLES = {"XTND_WEBHOOK_SECRET": "s3cret-of-the-hook"}


def parsed(
    *changes: tuple[str, str, str],
    variables: dict[str, str] | None = None,
    overrides: dict[str, object] | None = None,
) -> Config:
    """The shipped configuration with pieces of text replaced: (file, from, to)."""
    texts = dict(SHIPPED)
    for name, old, new in changes:
        assert old in texts[name], f"{old!r} is not in {name}"
        texts[name] = texts[name].replace(old, new, 1)
    return config.parse(texts, VARIABLES | (variables or {}), overrides)


def refused(*changes: tuple[str, str, str], **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(*changes, **options)
    return str(caught.value)


def line_of(name: str, text: str) -> int:
    return SHIPPED[name][: SHIPPED[name].index(text)].count("\n") + 1


# --- The shipped files are exactly the contract --------------------------------------------------

AT = "occurred_at"
ORDER_ACTIONS = (
    "OrderCreated",
    "OrderReserved",
    "PickingStarted",
    "OrderPicked",
    "OrderDeliveryDataChanged",
    "OrderCancelled",
)
FAMILIES = {
    "orders": {
        name: ((name == "PickingStarted" and "Order.OrderNumber") or "OrderNumber",) for name in ORDER_ACTIONS
    },
    "purchases": dict.fromkeys(
        ("PurchaseCreated", "PurchasePartiallyDelivered", "PurchaseDelivered", "PurchaseCancelled"),
        ("OrderNumber",),
    ),
    "balances": dict.fromkeys(("BalanceChanged", "AvailableBalanceChanged"), ("ProductNumber", "Warehouse")),
    "products": {
        "ProductCreated": ("ProductNumber",),
        "ProductChanged": ("ProductNumber",),
        "PriceListWebHook": ("PriceListName",),
    },
    "customers": {"CustomerCreated": ("CustomerNumber",), "CustomerChanged": ("CustomerNumber",)},
    "offers": {"OfferCreated": ("OfferNumber",), "OfferChanged": ("OfferNumber",)},
    "invoices": {
        "CustomerInvoiceCreated": ("InvoiceNumber",),
        "CustomerInvoiceChanged": ("InvoiceNumber",),
    },
}

# Table → (key, {column: (rule, actions it is limited to or None for all, type)}), as the contract has them.
DELIVERIES = {"PurchasePartiallyDelivered", "PurchaseDelivered"}


def _thing(key: str, created: str, changed: str) -> tuple[list[str], dict[str, Any]]:
    return [key], {
        "created_at": ("earliest", {created}, "timestamp"),
        "changed_at": ("latest", {changed}, "timestamp"),
        "change_count": ("count", {changed}, "integer"),
    }


TABLES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "orders": (
        ["order_number"],
        {
            "order_type": ("latest", None, "text"),
            "status": ("latest", set(ORDER_ACTIONS) - {"OrderDeliveryDataChanged"}, "text"),
            "warehouse": ("latest", {"PickingStarted"}, "text"),
            "created_at": ("earliest", {"OrderCreated"}, "timestamp"),
            "reserved_at": ("earliest", {"OrderReserved"}, "timestamp"),
            "last_reserved_at": ("latest", {"OrderReserved"}, "timestamp"),
            "reserved_count": ("count", {"OrderReserved"}, "integer"),
            "picking_started_at": ("earliest", {"PickingStarted"}, "timestamp"),
            "picked_at": ("earliest", {"OrderPicked"}, "timestamp"),
            "last_picked_at": ("latest", {"OrderPicked"}, "timestamp"),
            "picked_count": ("count", {"OrderPicked"}, "integer"),
            "delivery_data_changed_at": ("latest", {"OrderDeliveryDataChanged"}, "timestamp"),
            "delivery_data_change_count": ("count", {"OrderDeliveryDataChanged"}, "integer"),
            "cancelled_at": ("earliest", {"OrderCancelled"}, "timestamp"),
        },
    ),
    "order_picking_rows": (
        ["order_number", "position", "sub_position"],
        {
            "product_number": ("latest", None, "text"),
            "quantity": ("latest", None, "numeric"),
            "warehouse": ("latest", None, "text"),
            "picking_started_at": ("earliest", None, "timestamp"),
        },
    ),
    "purchases": (
        ["order_number", "warehouse"],
        {
            "status": ("latest", None, "text"),
            "created_at": ("earliest", {"PurchaseCreated"}, "timestamp"),
            "first_delivered_at": ("earliest", DELIVERIES, "timestamp"),
            "last_delivered_at": ("latest", DELIVERIES, "timestamp"),
            "delivery_count": ("count", DELIVERIES, "integer"),
            "delivered_at": ("latest", {"PurchaseDelivered"}, "timestamp"),
            "cancelled_at": ("earliest", {"PurchaseCancelled"}, "timestamp"),
        },
    ),
    "stock_balances": (
        ["product_number", "warehouse"],
        {
            "balance": ("latest", {"BalanceChanged"}, "numeric"),
            "balance_event_name": ("latest", {"BalanceChanged"}, "text"),
            "balance_event_type": ("latest", {"BalanceChanged"}, "text"),
            "balance_as_of": ("latest", {"BalanceChanged"}, "timestamp"),
            "available_balance": ("latest", {"AvailableBalanceChanged"}, "numeric"),
            "available_balance_as_of": ("latest", {"AvailableBalanceChanged"}, "timestamp"),
        },
    ),
    "products": _thing("product_number", "ProductCreated", "ProductChanged"),
    "price_lists": (
        ["price_list_name"],
        {"updated_at": ("latest", None, "timestamp"), "update_count": ("count", None, "integer")},
    ),
    "customers": _thing("customer_number", "CustomerCreated", "CustomerChanged"),
    "offers": _thing("offer_number", "OfferCreated", "OfferChanged"),
    "invoices": _thing("invoice_number", "CustomerInvoiceCreated", "CustomerInvoiceChanged"),
    "stock_balance_history": (
        ["event_id", "row_index", "source"],
        {
            "product_number": (None, None, "text"),
            "warehouse": (None, None, "text"),
            "measure": (None, None, "text"),
            "quantity": (None, None, "numeric"),
            "event_name": (None, None, "text"),
            "event_type": (None, None, "text"),
            "occurred_at": (None, None, "timestamp"),
        },
    ),
    "purchase_delivery_rows": (
        ["event_id", "row_index", "source"],
        {
            "order_number": (None, None, "text"),
            "warehouse": (None, None, "text"),
            "position": (None, None, "text"),
            "product_number": (None, None, "text"),
            "quantity": (None, None, "numeric"),
            "unit": (None, None, "text"),
            "occurred_at": (None, None, "timestamp"),
        },
    ),
}


def test_the_shipped_tables_are_exactly_those_of_the_contract() -> None:
    shipped = parsed()
    compiled = Mapping(shipped)
    found = {}
    of_hooks = [name for name, table in shipped.tables.items() if table.actions]
    for table in map(compiled.table, of_hooks):
        written = shipped.tables[table.name].columns
        found[table.name] = (
            [name for name, _ in table.shown_key],
            {
                column.name: (
                    written[column.name].rule,
                    _limited(shipped, table.name, column.name),
                    column.type,
                )
                for column in table.columns
            },
        )
    assert found == TABLES
    assert [list(table[1]) for table in found.values()] == [list(table[1]) for table in TABLES.values()]


def _limited(shipped: Config, table: str, name: str) -> set[str] | None:
    """The actions that a column is limited to, or None when it takes all of its table's."""
    column, actions = shipped.tables[table].columns[name], set(shipped.tables[table].actions)
    limited = set(column.on or column.by_action or actions)
    return None if limited == actions else limited


def test_the_shipped_statuses_are_those_of_the_contract() -> None:
    tables = parsed().tables
    assert tables["orders"].columns["status"].by_action == {
        "OrderCreated": "created",
        "OrderReserved": "reserved",
        "PickingStarted": "picking",
        "OrderPicked": "picked",
        "OrderCancelled": "cancelled",
    }
    assert tables["purchases"].columns["status"].by_action == {
        "PurchaseCreated": "created",
        "PurchasePartiallyDelivered": "partially_delivered",
        "PurchaseDelivered": "delivered",
        "PurchaseCancelled": "cancelled",
    }


def test_the_shipped_families_topics_and_entity_keys_are_those_of_the_contract() -> None:
    shipped = parsed()
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for family, action, route in shipped.actions():
        found.setdefault(family, {})[action] = route.paths
    assert found == FAMILIES
    assert sum(map(len, found.values())) == 21
    routes = Routes(shipped)
    assert routes.event_topics() == {name: f"xtnd.{name}" for name in [*FAMILIES, "unrouted"]}
    assert routes.dead_letter_topic == "xtnd.dead-letters"
    assert shipped.hooks["xtnd"].retry_schedule_seconds == (0, 60, 300)
    assert (shipped.views["stock_movements"].kind, shipped.views["stock_movements"].of) == (
        "movements",
        "stock_balance_history",
    )


def test_every_shipped_table_and_column_is_described() -> None:
    shipped = parsed()
    for name, table in shipped.tables.items():
        assert table.description, name
        for column, written in (table.key | table.columns).items():
            assert written.description, f"{name}.{column}"


# --- Variables -----------------------------------------------------------------------------------


def test_a_variable_stands_for_its_value_and_a_default_for_one_that_is_not_set() -> None:
    assert parsed().kafka.bootstrap_servers == "127.0.0.1:9092"
    assert parsed(variables={"KAFKA_BOOTSTRAP_SERVERS": "k:1,l:2"}).kafka.servers == ["k:1", "l:2"]
    assert parsed(variables={"KAFKA_BOOTSTRAP_SERVERS": ""}).kafka.servers == ["127.0.0.1:9092"]


def test_a_variable_where_a_number_is_wanted_is_a_number() -> None:
    changed = ("connector.yaml", "port: 8080 ", "port: ${PORT:-8090} ")
    assert parsed(changed).gateway.port == 8090
    assert parsed(changed, variables={"PORT": "9999"}).gateway.port == 9999


def test_two_dollars_are_one_and_start_no_variable() -> None:
    assert parsed(("connector.yaml", "group: xtnd-connector", "group: $${GROUP}")).worker.group == "${GROUP}"


def test_a_variable_that_is_not_set_is_named_with_its_line_and_cure() -> None:
    line = line_of("connector.yaml", "max_batch_events")
    said = refused(("connector.yaml", "max_batch_events: 2000", "max_batch_events: ${BATCH}"))
    assert said.startswith(
        f"connector.yaml:{line}: the variable BATCH is not set. Set it, or write ${{BATCH:-default}}"
    )


@pytest.mark.parametrize(
    "secret", ["12345678901234567890", "0123", "1e5", "0x1F", "true", "2020-99-99", "1_000"]
)
def test_a_secret_is_text_whatever_it_looks_like(secret: str) -> None:
    found = parsed(variables={"XTND_WEBHOOK_SECRET": secret})
    assert [one.get_secret_value() for one in found.hooks["xtnd"].secrets] == [secret]


def test_several_secrets_are_listed_and_empty_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    found = parsed(
        variables={
            "XTND_WEBHOOK_FORMER_SECRET": "former",
            "XTND_WEBHOOK_SECRET_FILE": str(tmp_path / "secret"),
        }
    )
    told = [one.get_secret_value() for one in found.hooks["xtnd"].secrets]
    assert told == ["s3cret-of-the-hook", "former", "from a file"]


def secrets_of(found: Config, hook: str = "xtnd") -> list[str]:
    return [one.get_secret_value() for one in found.hooks[hook].secrets]


@pytest.mark.parametrize("secret", ["plain", "12345", "with: colon and blanks", "p\u00e5ss"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_secret_is_taken_without_a_byte_order_mark_and_without_line_ends_behind(
    tmp_path: Path, secret: str, end: str, mark: str
) -> None:
    (tmp_path / "secret").write_bytes((mark + secret + end).encode())
    for variables in (
        {"XTND_WEBHOOK_SECRET": mark + secret + end},
        {"XTND_WEBHOOK_SECRET": "", "XTND_WEBHOOK_SECRET_FILE": f"{tmp_path / 'secret'}{end}"},
    ):
        found = parsed(variables=variables)
        assert secrets_of(found) == [secret]
        assert found.warnings == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_a_secret_file_of_a_windows_editor_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "secret").write_bytes("a s\u00e9cret\r\n".replace(" ", "-").encode(encoding))
    found = parsed(
        variables={"XTND_WEBHOOK_SECRET": "", "XTND_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")}
    )
    assert secrets_of(found) == ["a-s\u00e9cret"]


def test_a_secret_in_quotes_or_in_a_yaml_block_is_cleaned_too() -> None:
    quoted = ("connector.yaml", "      - ${XTND_WEBHOOK_SECRET:-}\n", '      - "${XTND_WEBHOOK_SECRET}"\n')
    assert secrets_of(parsed(quoted, variables={"XTND_WEBHOOK_SECRET": "quoted\r\n"})) == ["quoted"]
    block = ("connector.yaml", "      - ${XTND_WEBHOOK_SECRET:-}\n", "      - |\n        in a block\n")
    assert secrets_of(parsed(block)) == ["in a block"]


ODD = {
    " hunter2": "a blank or line end at its start or end",
    "hunter2\t": "a blank or line end at its start or end",
    "hunter2\n ": "a blank or line end at its start or end",
    "hun\tter2": "a tab or an unusual blank inside",
    "hun\u00a0ter2": "a tab or an unusual blank inside",
    "hun\nter2": "a line end inside",
    "hun\u200bter2": "an invisible character",
}


@pytest.mark.parametrize("secret", ODD)
@pytest.mark.parametrize("place", ["variable", "file"])
def test_an_odd_secret_is_kept_and_named_without_any_part_of_it(
    tmp_path: Path, secret: str, place: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(secret.encode())
    variables = {
        "variable": {"XTND_WEBHOOK_SECRET": secret},
        "file": {"XTND_WEBHOOK_SECRET": "", "XTND_WEBHOOK_SECRET_FILE": str(file)},
    }[place]
    found = parsed(variables=variables)
    assert secrets_of(found) == [secret]
    (odd,) = found.warnings
    assert "hook 'xtnd'" in odd.what
    assert ODD[secret] in odd.what
    assert (str(file) if place == "file" else "the variable XTND_WEBHOOK_SECRET") in odd.what
    assert "ter2" not in str(odd)
    assert re.match(r"connector\.yaml:\d+$", odd.where)


def test_a_secret_file_that_is_no_text_is_refused_without_any_byte_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter\xe52")
    said = refused(variables={"XTND_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")})
    assert "it is not UTF-8 text" in said
    assert "e5" not in said.replace(str(tmp_path), "")


def test_the_other_credentials_are_cleaned_and_looked_at_in_the_same_way() -> None:
    sasl = ("connector.yaml", "  # sasl_password: ${KAFKA_PASSWORD}", "  sasl_password: ${KAFKA_PASSWORD}")
    found = parsed(
        sasl, variables={"KAFKA_PASSWORD": "12345\r\n", "DATABASE_URL": "\ufeffpostgresql://u:p@h/d\n"}
    )
    assert found.kafka.sasl_password is not None
    assert found.kafka.sasl_password.get_secret_value() == "12345"
    assert found.database.url.get_secret_value() == "postgresql://u:p@h/d"
    assert found.warnings == ()
    (odd,) = parsed(sasl, variables={"KAFKA_PASSWORD": "hunter2 "}).warnings
    assert "kafka.sasl_password, from the variable KAFKA_PASSWORD, has a blank" in odd.what
    assert "hunter2" not in str(odd)


def test_any_variable_is_taken_without_line_ends_behind() -> None:
    found = parsed(variables={"KAFKA_SECURITY_PROTOCOL": "SSL\r\n", "XTND_DATA_DIR": "/var/lib/xtnd\n"})
    assert found.kafka.security_protocol == "SSL"
    assert found.gateway.spool_path == "/var/lib/xtnd/spool.db"


@given(st.text(max_size=20))
def test_a_secret_never_ends_in_a_line_end_and_loses_nothing_else(text: str) -> None:
    cleaned = secret_text.without_accidents(text)
    assert not cleaned.endswith(("\r", "\n"))
    assert text.removeprefix("\ufeff").startswith(cleaned)
    assert set(text.removeprefix("\ufeff")[len(cleaned) :]) <= set("\r\n")


def test_a_secret_file_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path) -> None:
    said = refused(variables={"XTND_WEBHOOK_SECRET_FILE": str(tmp_path / "none")})
    assert re.match(r"connector\.yaml:\d+: the secret file .*none cannot be read: No such file", said)


def test_a_date_is_the_text_that_it_is_written_as() -> None:
    assert (
        parsed(("connector.yaml", "group: xtnd-connector", "group: 2024-01-31")).worker.group == "2024-01-31"
    )


# Plain scalars: what YAML 1.2 reads, and what connector 0.1 read where that was something else.
SCALARS: dict[str, tuple[Any, Any]] = {
    "0777": (777, 511),
    "-010": (-10, -8),
    "12:30:45": ("12:30:45", 45045),
    "1_000": ("1_000", 1000),
    "0b11": ("0b11", 3),
    "0x_f": ("0x_f", 15),
    "0o17": (15, "0o17"),
    "09": (9, "09"),
    "0x1F": (31, 31),
    "+5": (5, 5),
    "yes": ("yes", "yes"),
    "off": ("off", "off"),
    "NO": ("NO", "NO"),
    "2024-01-31": ("2024-01-31", "2024-01-31"),
    "=": ("=", ...),
    "1.2.3": ("1.2.3", "1.2.3"),
    "0x": ("0x", "0x"),
    "1e": ("1e", "1e"),
    "\u0663": ("\u0663", "\u0663"),
}


@pytest.mark.parametrize("written", SCALARS)
def test_a_constant_is_read_by_yaml_1_2_and_named_where_connector_0_1_read_another_value(
    written: str,
) -> None:
    value, former = SCALARS[written]
    found = parsed(column(f"{{rule: latest, constant: {written}}}"))
    assert repr(found.tables["products"].columns["changed_at"].constant) == repr(value)
    if former in (..., value):
        assert found.warnings == ()
        return
    (warning,) = found.warnings
    assert re.match(
        r"tables\.yaml:\d+: 'tables\.products\.columns\.changed_at\.constant' is the ", str(warning)
    )
    assert f"{value!r} by YAML 1.2, and connector 0.1 took it for the" in warning.what
    assert warning.what.endswith(repr(former))


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e3", 1000), (".5", 0.5), ("1.", 1), ("2", 2), ("0o17", 15), ("${SECONDS:-1e1}", 10)],
)
def test_a_setting_is_a_number_in_every_way_that_yaml_1_2_writes_one(written: str, value: float) -> None:
    changed = ("connector.yaml", "ack_timeout_seconds: 2 ", f"ack_timeout_seconds: {written} ")
    assert parsed(changed).gateway.ack_timeout_seconds == value


@pytest.mark.parametrize("written", ["True", "TRUE", "true"])
def test_a_boolean_is_written_in_the_three_ways_of_yaml_1_2(written: str) -> None:
    changed = ("connector.yaml", "  port: 8080 ", f"  reuse_port: {written}\n  port: 8080 ")
    assert parsed(changed).gateway.reuse_port is True


@given(st.text(max_size=12) | st.from_regex(r"[-+]?[0-9_.:]{1,6}(?:[eE][-+]?[0-9]{1,3})?", fullmatch=True))
def test_every_scalar_has_the_value_that_its_json_spelling_has(text: str) -> None:
    """YAML 1.2 reads all of JSON: a plain scalar that is a JSON number is that number."""
    found = scalars.value(scalars.tag(text), text)
    try:
        as_json = json.loads(text, parse_constant=int)  # Infinity is no JSON
    except ValueError:
        return
    if isinstance(as_json, int | float) and not isinstance(as_json, bool):
        assert found == as_json


def test_a_change_of_meaning_is_named_without_the_value_where_a_secret_may_stand() -> None:
    found = parsed(
        ("connector.yaml", "spool_path: ${XTND_DATA_DIR:-data}/spool.db", "spool_max_bytes: 02000000"),
        ("connector.yaml", "  spool_max_bytes: 1073741824\n", ""),
    )
    assert found.gateway.spool_max_bytes == 2_000_000
    (warning,) = found.warnings
    assert "'gateway.spool_max_bytes' is a number by YAML 1.2" in warning.what
    assert "2000000" not in warning.what
    assert parsed(variables={"XTND_WEBHOOK_SECRET": "0777"}).warnings == ()


# --- What is refused, where, and with which cure --------------------------------------------------

CUSTOMERS = "  customers:\n    description: One row per customer"
PRODUCTS_KEY = "product_number: {path: ProductNumber, description: XTND's product number.}\n    columns:\n      created_at"
CHANGED = (
    "changed_at: {rule: latest, on: [ProductChanged], event: occurred_at, description: When it last changed.}"
)


def column(written: str) -> tuple[str, str, str]:
    return ("tables.yaml", CHANGED, f"changed_at: {written}")


def key(written: str) -> tuple[str, str, str]:
    return (
        "tables.yaml",
        PRODUCTS_KEY,
        PRODUCTS_KEY.replace("{path: ProductNumber, description: XTND's product number.}", written),
    )


REFUSED = {
    "an unknown key": (
        ("connector.yaml", "ack_timeout_seconds", "ack_timeout"),
        r"connector\.yaml:\d+: unknown key 'gateway\.ack_timeout'\. Did you mean 'ack_timeout_seconds'\?",
    ),
    "an unknown top-level key": (
        ("connector.yaml", "worker:", "workers:"),
        r"connector\.yaml:\d+: unknown key 'workers'\. Did you mean 'worker'\?",
    ),
    "an unknown key of a column": (
        column("{rul: latest, event: occurred_at}"),
        r"tables\.yaml:\d+: unknown key 'tables\.products\.columns\.changed_at\.rul'\. Did you mean 'rule'\?",
    ),
    "a wrong type": (
        ("connector.yaml", "max_body_bytes: 1048576", "max_body_bytes: lots"),
        r"connector\.yaml:\d+: 'gateway\.max_body_bytes': Input should be a valid integer",
    ),
    "a number as text": (
        ("connector.yaml", "port: 8080 ", 'port: "8080" '),
        r"connector\.yaml:\d+: 'gateway\.port': Input should be a valid integer",
    ),
    "a value out of range": (
        ("topics.yaml", "partitions: 12", "partitions: 0"),
        r"topics\.yaml:\d+: 'topics\.partitions': Input should be greater than or equal to 1",
    ),
    "a duplicate key": (
        ("connector.yaml", "worker:\n", "worker:\n  group: a\n"),
        r"connector\.yaml:\d+: 'group' stands twice",
    ),
    "a key of another file": (
        ("topics.yaml", "topics:", "worker:\n  group: a\ntopics:"),
        r"'worker' stands in another file too",
    ),
    "invalid YAML": (
        ("tables.yaml", "actions: [PriceListWebHook]", "actions: [PriceListWebHook"),
        r"tables\.yaml:\d+: not valid YAML",
    ),
    "a character that YAML has no place for": (
        ("tables.yaml", "One row per offer.", "One\x07row"),
        r"tables\.yaml:\d+: not valid YAML: a character",
    ),
    "a file without keys": (
        ("tables.yaml", SHIPPED["tables.yaml"], ""),
        r"tables\.yaml:1: the file must hold keys",
    ),
    "an anchor that holds itself": (
        ("tables.yaml", "actions: [PriceListWebHook]", "actions: &a [*a]"),
        r"tables\.yaml:1: nested too deep, or an anchor that holds itself",
    ),
    "a binary value": (
        ("connector.yaml", "group: xtnd-connector", "group: !!binary aGVq"),
        r"connector\.yaml:\d+: the value cannot be read",
    ),
    "not a number": (
        ("connector.yaml", "ack_timeout_seconds: 2", "ack_timeout_seconds: .nan"),
        r"connector\.yaml:\d+: the value cannot be read",
    ),
    "a key of several words": (
        ("tables.yaml", "actions: [PriceListWebHook]", "? [a, b]\n    : c"),
        r"tables\.yaml:\d+: a key must be text",
    ),
    "a merge key of YAML 1.1": (
        ("tables.yaml", "actions: [PriceListWebHook]", "<<: {actions: [PriceListWebHook]}"),
        r"tables\.yaml:\d+: << merges keys in YAML 1\.1 only.*Write the keys out",
    ),
    "a tag on a collection": (
        ("tables.yaml", "actions: [PriceListWebHook]", "actions: !!set {PriceListWebHook}"),
        r"tables\.yaml:\d+: a tag has no meaning here",
    ),
    "anchors that come to a great many values": (
        (
            "connector.yaml",
            "hooks:\n",
            "x: [&a [1, 1, 1, 1, 1, 1, 1, 1], "
            + ", ".join(
                f"&{b} [{', '.join([f'*{a}'] * 8)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)
            )
            + "]\nhooks:\n",
        ),
        r"connector\.yaml:\d+: the file comes to more than 100000 values",
    ),
    "a tab": (
        ("connector.yaml", "worker:\n  group", "worker:\n\tgroup"),
        r"connector\.yaml:\d+: not valid YAML: a tab stands here\. Write blanks",
    ),
    "a line end of YAML 1.1": (
        ("tables.yaml", "One row per offer.", "One row\u2028per offer."),
        r"tables\.yaml:\d+: U\+2028 ends a line in YAML 1\.1 and not in 1\.2",
    ),
    "half of a UTF-16 pair": (
        column('{rule: latest, constant: "\\ud800"}'),
        r"tables\.yaml:\d+: half of a UTF-16 pair",
    ),
    "U+0000 in a description": (
        ("tables.yaml", "description: One row per offer.", 'description: "One\\0row"'),
        r"tables\.yaml:\d+: U\+0000 stands in the text",
    ),
    "a number that is none": (
        column("{rule: latest, constant: !!int 0b11}"),
        r"tables\.yaml:\d+: the value cannot be read",
    ),
    "an action in two families": (
        ("topics.yaml", "OfferCreated: {key: OfferNumber}", "OrderCreated: {key: OfferNumber}"),
        r"topics\.yaml:\d+: the action 'OrderCreated' is in two families, 'orders' and 'offers'",
    ),
    "two families in one topic": (
        ("topics.yaml", "    offers:\n", "    offers:\n      topic: orders\n"),
        r"the topic name 'orders' is used more than once",
    ),
    "a family in the dead-letter topic": (
        ("topics.yaml", "    offers:\n", "    offers:\n      topic: dead-letters\n"),
        r"topics\.yaml:\d+: the topic name 'dead-letters' is used more than once",
    ),
    "a family that is called as what no family claims": (
        ("topics.yaml", "    offers:\n", "    unrouted:\n      topic: mine\n"),
        r"topics\.yaml:\d+: the family 'unrouted' is that of actions which no other claims",
    ),
    "dead letters in the topic of unrouted actions": (
        ("topics.yaml", "dead_letters: dead-letters", "dead_letters: unrouted"),
        r"topics\.yaml:\d+: the topic name 'unrouted' is used more than once",
    ),
    "two topics that Kafka takes for one": (
        (
            "topics.yaml",
            "    offers:\n",
            "    more:\n      topic: a_b\n      actions: {More: {key: X}}\n    offers:\n      topic: a.b\n",
        ),
        r"topics\.yaml:\d+: the topic name 'a\.b' is the same to Kafka as 'a_b'",
    ),
    "a topic of Kafka's own": (
        ("topics.yaml", "prefix: xtnd.", "prefix: __"),
        r"the topic name '__orders' is of those that Kafka keeps for itself",
    ),
    "a former prefix that is that of today": (
        ("topics.yaml", "prefix: xtnd.", "prefix: xtnd.\n  former_prefixes: [xtnd.]"),
        r"topics\.yaml:\d+: 'xtnd\.' is the prefix of today",
    ),
    "retention that keeps nothing": (
        ("topics.yaml", "retention_hours: 168", "retention_hours: 0"),
        r"topics\.yaml:\d+: a retention of 0 hours",
    ),
    "a time of more milliseconds than Kafka and PostgreSQL count": (
        ("connector.yaml", "watchdog_seconds: 120", "watchdog_seconds: 3000000"),
        r"connector\.yaml:\d+: 'worker\.watchdog_seconds': Input should be less than or equal to 2000000",
    ),
    "a time of no millisecond": (
        ("connector.yaml", "watchdog_seconds: 120", "watchdog_seconds: 0.0001"),
        r"connector\.yaml:\d+: 'worker\.watchdog_seconds': Input should be greater than or equal to 0\.001",
    ),
    "more replicas in sync than there are": (
        ("topics.yaml", "min_insync_replicas: ${KAFKA_MIN_INSYNC_REPLICAS:-1}", "min_insync_replicas: 2"),
        r"topics\.yaml:\d+: min_insync_replicas is above replication_factor",
    ),
    "a server without a port": (
        ("connector.yaml", "${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}", "localhost"),
        r"connector\.yaml:\d+: 'localhost' is no list of servers",
    ),
    "SASL without credentials": (
        ("connector.yaml", "${KAFKA_SECURITY_PROTOCOL:-PLAINTEXT}", "SASL_SSL"),
        r"connector\.yaml:\d+: SASL_SSL needs credentials",
    ),
    "an action that no family claims": (
        ("tables.yaml", "actions: [PriceListWebHook]", "actions: [PriceListWebhook]"),
        r"tables\.yaml:\d+: the action 'PriceListWebhook' is in no family of topics\.yaml\. Did you mean 'PriceListWebHook'\?",
    ),
    "a state table without a key": (
        (
            "tables.yaml",
            "    key:\n      customer_number: {path: CustomerNumber, description: XTND's customer number.}\n",
            "",
        ),
        r"tables\.yaml:\d+: the state table 'customers' has no key",
    ),
    "a history table with a key": (
        ("tables.yaml", "    kind: history\n", "    kind: history\n    key: {a: {path: A}}\n"),
        r"tables\.yaml:\d+: a history table's key is always event_id, row_index, source",
    ),
    "a table of the connector's own": (
        ("tables.yaml", "  customers:", "  notifications:"),
        r"the table name 'notifications' is the connector's own",
    ),
    "a column of the connector's own": (
        ("tables.yaml", f"      {CHANGED}", "      as_of: {rule: count}"),
        r"tables\.yaml:\d+: the column 'as_of' exists already",
    ),
    "a column that is a key too": (
        ("tables.yaml", f"      {CHANGED}", "      product_number: {rule: count}"),
        r"the column 'product_number' exists already",
    ),
    "a column name that PostgreSQL would cut": (
        ("tables.yaml", f"      {CHANGED}", f"      {'a' * 55}: {{rule: count}}"),
        r"tables\.yaml:\d+: the column name 'a+' is longer than 54 letters",
    ),
    "a column name that needs quoting": (
        ("tables.yaml", f"      {CHANGED}", "      Changed-At: {rule: count}"),
        r"tables\.yaml:\d+: .*should match pattern",
    ),
    "a constant that is too long": (
        column(f"{{rule: latest, constant: {'x' * 251}}}"),
        r"tables\.yaml:\d+: the constant is longer than 250 letters",
    ),
    "no source": (column("{rule: latest, type: text}"), r"a value comes from one place, here it is none"),
    "two sources": (
        column("{rule: latest, type: text, path: A, constant: b}"),
        r"tables\.yaml:\d+: a value comes from one place, here it is path and constant\. Give exactly one",
    ),
    "a count with a value": (column("{rule: count, path: A}"), r"a count takes no value\. Remove path"),
    "a count that is no integer": (column("{rule: count, type: text}"), r"a count is an integer, not text"),
    "a column without a rule": (column("{event: occurred_at}"), r"the column has no rule"),
    "a path without a type": (column("{rule: latest, path: A}"), r"a value from a path needs a type"),
    "an integer that is no count": (
        column("{rule: latest, type: integer, path: A}"),
        r"only a count is an integer\. Write type: numeric",
    ),
    "an instant as text": (
        column("{rule: latest, type: text, event: occurred_at}"),
        r"occurred_at is a timestamp, not text",
    ),
    "an event field as a number": (
        column("{rule: latest, type: numeric, event: hook}"),
        r"hook is text, not numeric",
    ),
    "a constant of another type": (
        column("{rule: latest, type: numeric, constant: abc}"),
        r"'abc' is text, not numeric\. Write type: text",
    ),
    "constants of two types": (
        column("{rule: latest, by_action: {ProductCreated: 1, ProductChanged: b}}"),
        r"tables\.yaml:\d+: the values are text and numbers mixed",
    ),
    "a constant that no column holds": (
        column('{rule: latest, constant: "a\\0b"}'),
        r"U\+0000 stands in the text",
    ),
    "a constant of too many digits": (
        column(f"{{rule: latest, constant: {'9' * 61}}}"),
        r"the value cannot be read",
    ),
    "an action that does not feed the table": (
        column("{rule: count, on: [ProductCreate]}"),
        r"the action 'ProductCreate' does not feed this table\. Did you mean 'ProductCreated'\?",
    ),
    "no action to be on": (column("{rule: count, on: []}"), r"tables\.yaml:\d+: .*at least 1 item"),
    "a path of no keys": (column("{rule: latest, type: text, path: []}"), r"path is empty"),
    "a path with a blank": (column("{rule: latest, type: text, path: A B}"), r"tables\.yaml:\d+:"),
    "an unknown rule": (
        column("{rule: newest, event: occurred_at}"),
        r"Input should be 'latest', 'earliest'",
    ),
    "an unknown event field": (
        column("{rule: latest, event: received_at}"),
        r"Input should be 'occurred_at'",
    ),
    "a key without a value for an action": (
        key("{path: {ProductCreated: ProductNumber}}"),
        r"tables\.yaml:\d+: the key has no value for ProductChanged\. A key needs one for every action",
    ),
    "a key of no actions": (key("{by_action: {}}"), r"by_action is empty"),
    "a key that is an instant": (key("{event: occurred_at}"), r"a key is text, and occurred_at is not"),
    "an empty key": (key('{constant: " "}'), r"the key is empty"),
    "a history column with a rule": (
        ("tables.yaml", "unit: {type: text", "unit: {rule: latest, type: text"),
        r"a history row holds its own event's values, so no rule or on",
    ),
    "an index on no column": (
        ("tables.yaml", "- [warehouse]", "- [warehous]"),
        r"tables\.yaml:\d+: no column 'warehous' to index\. Did you mean 'warehouse'\?",
    ),
    "an index of nothing": (("tables.yaml", "- [warehouse]", "- []"), r"an index names columns"),
    "an index twice": (
        ("tables.yaml", "- [warehouse]", "- [warehouse]\n      - [warehouse]"),
        r"the index \['warehouse'\] stands twice",
    ),
    "a requirement of no column": (
        ("tables.yaml", "requires: [quantity]", "requires: [quantities]"),
        r"no column 'quantities' to require\. Did you mean 'quantity'\?",
    ),
    "a view of no history": (
        ("tables.yaml", "of: stock_balance_history", "of: stock_balances"),
        r"tables\.yaml:\d+: 'stock_balances' is no history table\. Did you mean 'stock_balance_history'\?",
    ),
    "a view of no number": (("tables.yaml", "value: quantity", "value: measure"), r"'measure' is no number"),
    "a view of nothing": (
        ("tables.yaml", "    kind: lead_times\n    of: orders\n", "    kind: lead_times\n"),
        r"tables\.yaml:\d+: the view has neither of nor select. Name a table with of, or write a select\.",
    ),
    "a view of a kind with a select": (
        ("tables.yaml", "lead_times\n    of: orders\n", "lead_times\n    of: orders\n    select: SELECT 1\n"),
        r"tables\.yaml:\d+: a view with a select of its own has no of\. Remove one of them\.",
    ),
    "a select for one database": (
        ("tables.yaml", "      sqlite: |", "      sqlit: |"),
        r"(?s)unknown key 'sqlit'\. Did you mean 'sqlite'\?.*there is no SELECT for sqlite",
    ),
    "lead times without steps": (
        ("tables.yaml", "    steps: [created_at, reserved_at, picking_started_at, picked_at]\n", ""),
        r"tables\.yaml:\d+: lead_times needs steps\. Name columns of orders with steps\.",
    ),
    "lead times of one step": (
        (
            "tables.yaml",
            "steps: [created_at, reserved_at, picking_started_at, picked_at]",
            "steps: [created_at]",
        ),
        r"there is no time between one step",
    ),
    "lead times of what is no instant": (
        ("tables.yaml", "steps: [created_at, reserved_at,", "steps: [created_at, reserved_count,"),
        r"'reserved_count' is no instant",
    ),
    "lead times of one name": (
        ("tables.yaml", "steps: [created_at, reserved_at,", "steps: [created_at, created_at,"),
        r"the view would have two columns 'created_at'",
    ),
    "days without an index": (
        ("tables.yaml", "      - [product_number, warehouse, measure, occurred_at]\n", "      - [measure]\n"),
        r"has no index \[product_number, warehouse, measure, occurred_at\].* to the indexes of stock_balance_history",
    ),
    "movements with steps": (
        ("tables.yaml", "    value: quantity\n", "    value: quantity\n    steps: [occurred_at]\n"),
        r"movements has no steps\. Remove it\.",
    ),
    "a view of no record": (
        ("tables.yaml", "    record: order_details\n", ""),
        r"tables\.yaml:\d+: full needs record\. Name a snapshot table with record\.",
    ),
    "a view of what is no record": (
        ("tables.yaml", "    record: order_details\n", "    record: order_rows\n"),
        r"'order_rows' is no snapshot table without a parent\. Did you mean 'order_details'\?",
    ),
    "a view of a record of other entities": (
        ("tables.yaml", "    record: order_details\n", "    record: stock_levels\n"),
        r"the key of stock_levels has more parts than that of orders\. Name a table of the same entities\.",
    ),
    "a view of records with steps": (
        (
            "tables.yaml",
            "    record: order_details\n",
            "    record: order_details\n    steps: [created_at]\n",
        ),
        r"full has no steps\. Remove it\.",
    ),
    "a view of no column": (
        ("tables.yaml", "per: [product_number,", "per: [product_numbr,"),
        r"has no column 'product_numbr'\. Did you mean 'product_number'\?",
    ),
    **{
        f"a table called {name}": (
            ("tables.yaml", "  customers:", f"  {name}:"),
            rf"tables\.yaml:\d+: the table name '{name}' is .*{said}.* Choose another name",
        )
        for name, said in {
            "sqlite_orders": "SQLite's",
            "pg_class": "PostgreSQL's",
            "ix_orders": "those of indexes",
            "orders_pkey": "primary keys",
            "json_each": "a function of SQLite",
            "pragma_x": "SQLite's",
            "orders__version": "connector's own",
        }.items()
    },
    "a view called sqlite_moves": (
        ("tables.yaml", "  stock_movements:", "  sqlite_moves:"),
        r"tables\.yaml:\d+: the view name 'sqlite_moves' is not free: .*SQLite's",
    ),
    **{
        f"a column called {name}": (
            ("tables.yaml", f"      {CHANGED}", f"      {name}: {{rule: count}}"),
            rf"tables\.yaml:\d+: each table of PostgreSQL has a column '{name}'.* Rename it",
        )
        for name in ("xmin", "xmax", "cmin", "cmax", "ctid", "tableoid")
    },
    "an index that names a column twice": (
        ("tables.yaml", "- [warehouse]", "- [warehouse, warehouse]"),
        r"tables\.yaml:\d+: the index \['warehouse', 'warehouse'\] names a column twice",
    ),
    "an index of more columns than PostgreSQL takes": (
        ("tables.yaml", "- [warehouse]", f"- [{', '.join(f'c{n}' for n in range(33))}]"),
        r"tables\.yaml:\d+: the index has 33 columns, and PostgreSQL takes up to 32",
    ),
    "more columns than a row of PostgreSQL holds": (
        ("tables.yaml", f"      {CHANGED}", "".join(f"      c{n}: {{rule: count}}\n" for n in range(150))),
        r"tables\.yaml:\d+: the table has 153 columns, and a row of PostgreSQL surely holds 150",
    ),
    "topic names that Kafka takes for one": (
        (
            "topics.yaml",
            "    offers:\n",
            "    more: {topic: dead_letters, actions: {More: {key: Number}}}\n    offers:\n      topic: dead.letters\n",
        ),
        r"topics\.yaml:\d+: the topic name 'dead\.letters' is the same to Kafka as 'dead_letters'",
    ),
    "a view with a table's name": (
        ("tables.yaml", "  stock_movements:", "  orders:"),
        r"the name 'orders' is taken by a table",
    ),
    "a view without an instant to order by": (
        (
            "tables.yaml",
            "      occurred_at: {event: occurred_at, description: Best estimate of when it happened.}\n    requires: [quantity]\n    indexes:\n      - [product_number, warehouse, measure, occurred_at]",
            "    requires: [quantity]",
        ),
        r"no column with event: occurred_at to order it by",
    ),
    "a view of a history that has its columns": (
        ("tables.yaml", "event_name: {type: text, path: EventName", "delta: {type: text, path: EventName"),
        r"the view would have two columns 'delta'",
    ),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_with_file_line_and_cure(change: tuple[str, str, str], said: str) -> None:
    found = refused(change)
    assert re.search(said, found), found
    assert re.match(r"(connector|topics|tables)\.yaml:\d+: ", found), found


def test_a_topic_name_has_as_many_letters_as_kafka_takes_with_its_prefix() -> None:
    prefix = {"topics.prefix": "p" * 100}
    fits = ("topics.yaml", "dead_letters: dead-letters", f"dead_letters: {'d' * 149}")
    assert len(parsed(fits, overrides=prefix).topics.dead_letter_topic) == 249
    over = ("topics.yaml", "dead_letters: dead-letters", f"dead_letters: {'d' * 150}")
    line = line_of("topics.yaml", "dead_letters: dead-letters")
    said = refused(over, overrides=prefix)
    assert said.startswith(f"topics.yaml:{line}: the topic name 'p")
    assert "has 250 letters, and Kafka takes 249. Shorten it" in said


@pytest.mark.parametrize(
    ("prefix", "name"), [("", "."), ("", ".."), ("_", "_consumer_offsets"), ("__", "transaction_state")]
)
def test_a_topic_that_is_kafkas_own_is_refused(prefix: str, name: str) -> None:
    said = refused(
        ("topics.yaml", "unrouted: unrouted", f"unrouted: '{name}'"), overrides={"topics.prefix": prefix}
    )
    assert f"Kafka has no topic {prefix + name!r} for others. Choose another name" in said


def test_every_fault_is_told_at_once() -> None:
    said = refused(
        column("{rule: count, path: A}"), ("topics.yaml", "retention_hours: 168", "retention_hours: 0")
    )
    assert {line.split(":")[0] for line in said.splitlines()} == {"topics.yaml", "tables.yaml"}


def test_a_missing_key_is_named() -> None:
    said = refused(("connector.yaml", "database:\n  url: ${DATABASE_URL:-sqlite:///data/mirror.db}", ""))
    assert "'database' is missing" in said


def test_a_file_that_is_missing_is_named_with_the_option_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"connector\.yaml: cannot be read: No such file.*--config"):
        config.load(tmp_path, {})


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    for name, text in SHIPPED.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "topics.yaml").write_bytes(b"topics: \xff")
    with pytest.raises(ConfigError, match=r"topics\.yaml: cannot be read"):
        config.load(tmp_path, VARIABLES)


def test_a_hook_without_a_secret_is_refused_unless_it_says_that_it_verifies_nothing() -> None:
    said = refused(variables={"XTND_WEBHOOK_SECRET": ""})
    assert "the hook 'xtnd' has no secret" in said
    assert "XTND_WEBHOOK_SECRET" in said
    off = parsed(
        ("connector.yaml", "    secret_files", "    verify: off\n    secret_files"),
        variables={"XTND_WEBHOOK_SECRET": ""},
    )
    assert off.hooks["xtnd"].verify == "off"


def test_a_hook_may_be_limited_to_families_that_are_there() -> None:
    limited = parsed(overrides={"hooks.xtnd.families": ["orders", "unrouted"]})
    assert limited.hooks["xtnd"].families == ("orders", "unrouted")
    assert parsed().hooks["xtnd"].families is None
    said = refused(
        ("connector.yaml", "    secret_files", "    families: [orders, product]\n    secret_files"),
    )
    line = line_of("connector.yaml", "    secret_files")
    assert said.startswith(f"connector.yaml:{line}: the family 'product' is not in topics.yaml.")
    assert "Did you mean 'products'?" in said
    assert "hooks.xtnd.families" in refused(overrides={"hooks.xtnd.families": []})


def test_an_override_stands_over_the_files_and_is_told_as_the_command_line() -> None:
    assert parsed(overrides={"gateway.port": 1, "worker.group": None}).gateway.port == 1
    assert refused(overrides={"gateway.port": 0}).startswith("command line: 'gateway.port'")


def test_an_override_below_a_value_that_is_no_section_is_the_files_fault() -> None:
    said = refused(("connector.yaml", "gateway:", "gateway: 5\nx:"), overrides={"gateway.port": 1})
    assert "'gateway'" in said


@pytest.mark.parametrize(
    "url",
    [
        "sqlite",
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgresql://u:hunter2@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "",
    ],
)
def test_a_database_that_the_mirror_cannot_live_in_is_refused_without_showing_its_url(url: str) -> None:
    said = refused(("connector.yaml", "${DATABASE_URL:-sqlite:///data/mirror.db}", f'"{url}"'))
    assert re.match(r"connector\.yaml:\d+: ", said)
    assert "hunter2" not in said


# --- Secrets are never shown ---------------------------------------------------------------------

PASSWORD = "hunter2-very-secret"
SECRETIVE = [
    ("connector.yaml", "    secrets:\n", f"    secrets: {PASSWORD}\n    x:\n"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- {{{PASSWORD}: 1}}"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- !!timestamp {PASSWORD}"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- *{PASSWORD}"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- !{PASSWORD} x"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- [{PASSWORD}]"),
    ("connector.yaml", "- ${XTND_WEBHOOK_SECRET:-}", f"- '{PASSWORD}"),
    ("connector.yaml", "  url: ${DATABASE_URL:-sqlite:///data/mirror.db}", f"  url: [{PASSWORD}]"),
    ("connector.yaml", "${DATABASE_URL:-sqlite:///data/mirror.db}", f"oracle://u:{PASSWORD}@h/d"),
    ("connector.yaml", "${DATABASE_URL:-sqlite:///data/mirror.db}", PASSWORD),
    ("connector.yaml", "  bootstrap", f"  sasl_password: [{PASSWORD}]\n  bootstrap"),
]


@pytest.mark.parametrize("change", SECRETIVE, ids=str)
def test_no_refusal_shows_a_secret(change: tuple[str, str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(change)
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value.findings)


def test_no_picture_of_a_config_shows_a_secret() -> None:
    found = parsed(
        ("connector.yaml", "  bootstrap", f"  sasl_password: {PASSWORD}\n  bootstrap"),
        variables={"XTND_WEBHOOK_SECRET": PASSWORD, "DATABASE_URL": f"postgresql://u:{PASSWORD}@h/d"},
    )
    assert found.database.url.get_secret_value().endswith("@h/d")
    for picture in (repr(found), str(found), found.model_dump_json(), repr(found.model_dump())):
        assert PASSWORD not in picture


# --- Garbage -------------------------------------------------------------------------------------

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=8),
    st.text(max_size=12),
    st.sampled_from(["${A}", "${A:-1}", "$$", "0x" + "f" * 5000, "1:30", "!!int x", "~", "<<", "é" * 300]),
)
garbage = st.recursive(
    anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(place for name, value in items for place in _places(value, (*at, name)))]


DATA = {name: yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)) for name, text in SHIPPED.items()}
PLACES = [(name, place) for name, data in DATA.items() for place in _places(data)]


FASTEST = yaml.CDumper if yaml.__with_libyaml__ else yaml.Dumper


@settings(max_examples=30)
@given(st.sampled_from(PLACES), garbage)
def test_garbage_in_place_of_any_value_raises_nothing_but_a_config_error(place: Any, value: Any) -> None:
    name, location = place
    stream = io.StringIO()
    yaml.dump(_replaced(DATA[name], location, value), stream, FASTEST, allow_unicode=True)
    _parses_or_refuses({**SHIPPED, name: stream.getvalue()})


@settings(max_examples=100)
@given(
    st.integers(0, 400), st.text("[]{}:,-?#&*!|>'\"%@ \n\t\r~<=\ufeffa1\\", max_size=6), st.integers(0, 20)
)
def test_both_parsers_read_the_same_where_the_fast_one_is_asked(at: int, text: str, cut: int) -> None:
    part = SHIPPED["topics.yaml"].partition("\n\n")[2][:400]
    changed = part[:at] + text + part[at + cut :]
    assert _read(scalars.nodes, changed) == _read(lambda one: scalars.Loader(one).get_single_node(), changed)


def _read(nodes: Any, text: str) -> Any:
    try:
        return _seen(nodes(text))
    except yaml.YAMLError as error:
        return str(error)
    except RecursionError:
        return "an anchor that holds itself"


def _seen(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return [_seen(one) for one in node]
    if not isinstance(node, yaml.Node):
        return node
    return (node.tag, node.start_mark.line, getattr(node, "style", ""), _seen(node.value))


@settings(max_examples=25)
@given(st.sampled_from(sorted(SHIPPED)), st.integers(0, 5000), st.text(max_size=10), st.integers(0, 20))
def test_a_damaged_file_raises_nothing_but_a_config_error(name: str, at: int, text: str, cut: int) -> None:
    whole = SHIPPED[name]
    _parses_or_refuses({**SHIPPED, name: whole[:at] + text + whole[at + cut :]})


def _parses_or_refuses(texts: dict[str, str]) -> None:
    try:
        found = config.parse(texts, VARIABLES, {"database.url": "sqlite:///x.db", "gateway.port": 1})
    except ConfigError:
        return
    # What is not refused can be compiled.
    Mapping(found)
    Routes(found)


def _replaced(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    first, *rest = place
    if isinstance(data, dict):
        return {**data, first: _replaced(data[first], tuple(rest), value)}
    return [*data[:first], _replaced(data[first], tuple(rest), value), *data[first + 1 :]]


# --- What works and is probably not meant ---

HOOK = "hooks:\n  xtnd:\n"


@pytest.mark.parametrize(
    "value",
    ["{per_minute: 100, share: 0.2}", "{per_minute: 0, share: 1}", "{}", "null", "{share: much}", "7"],
)
def test_the_former_limit_of_dead_letters_is_accepted_with_a_warning(value: str) -> None:
    limit = ("connector.yaml", "worker:\n", f"worker:\n  dead_letter_limit: {value}\n")
    (warning,) = parsed(limit).warnings
    assert "worker.dead_letter_limit has no effect" in warning.what
    assert (
        warning.where == f"connector.yaml:{SHIPPED['connector.yaml'].split('worker:')[0].count(chr(10)) + 2}"
    )


def test_hooks_that_write_the_same_tables_are_a_warning_that_names_them() -> None:
    other = "  second: {secrets: [abcdefghijklmnop]}\n"
    (warning,) = parsed(("connector.yaml", HOOK, f"hooks:\n{other}  xtnd:\n")).warnings
    assert "the hooks 'second' and 'xtnd' write the same tables (orders, order_picking_rows" in warning.what
    assert "stock_balance_history" not in warning.what
    assert "hooks.<name>.shop" in warning.cure
    decided = ("connector.yaml", "database:\n", "mirror: {key_by_shop: false}\ndatabase:\n")
    assert parsed(("connector.yaml", HOOK, f"hooks:\n{other}  xtnd:\n"), decided).warnings == ()


def test_hooks_are_no_warning_where_their_families_or_keys_part_them() -> None:
    hook = "  second: {secrets: [abcdefghijklmnop], families: [FAMILIES]}\n"

    def both(families: str) -> tuple[str, str, str]:
        return ("connector.yaml", HOOK, f"hooks:\n{hook.replace('FAMILIES', families)}  xtnd:\n")

    assert parsed(both("unrouted")).warnings == ()
    (warning,) = parsed(both("offers")).warnings
    assert "(offers)" in warning.what
    key = ("tables.yaml", "offer_number: {path:", "shop: {event: hook}\n      offer_number: {path:")
    assert parsed(both("offers"), key).warnings == ()


# --- Shops ---


def shops(**named: str) -> dict[str, object]:
    """Settings for hooks of these shops, "" for a hook that names none."""
    return {
        f"hooks.{hook}": {"secrets": ["abcdefghijklmnop"]} | ({"shop": shop} if shop else {})
        for hook, shop in named.items()
    }


@pytest.mark.parametrize(("second", "shown"), [("south", "(south)"), ("", "(which names no shop)")])
def test_several_shops_without_a_decision_are_refused_with_the_names_of_their_hooks(
    second: str, shown: str
) -> None:
    two = shops(xtnd="north", second=second)
    message = refused(overrides=two)
    assert f"the hooks 'xtnd' (north) and 'second' {shown} are of several shops" in message
    assert "mirror: {key_by_shop: true}" in message
    assert parsed(overrides=two | {"mirror.key_by_shop": False}).shops is None


def test_hooks_of_one_shop_need_no_decision() -> None:
    assert parsed(overrides=shops(xtnd="north", second="north")).warnings == ()
    assert parsed(overrides=shops(xtnd="north")).shops is None


def test_tables_that_are_keyed_by_shop_have_every_hook_name_one() -> None:
    message = refused(overrides=shops(xtnd="north", second="") | {"mirror.key_by_shop": True})
    assert "the hook 'second' names no shop" in message
    both = parsed(overrides=shops(xtnd="north", second="south") | {"mirror.key_by_shop": True})
    assert both.shops == {"xtnd": "north", "second": "south"}


def test_a_column_of_the_users_own_with_the_shops_name_is_refused_only_where_there_is_one() -> None:
    key = ("tables.yaml", "offer_number: {path:", "shop: {event: hook}\n      offer_number: {path:")
    assert parsed(key, overrides=shops(xtnd="north")).shops is None
    message = refused(key, overrides=shops(xtnd="north") | {"mirror.key_by_shop": True})
    assert "the column 'shop' exists already" in message
    index = ("tables.yaml", "      - [as_of]", "      - [shop, as_of]")
    assert parsed(index, overrides=shops(xtnd="north") | {"mirror.key_by_shop": True}).shops
    assert "no column 'shop' to index" in refused(index)


@pytest.mark.parametrize("shop", ["it's", "a'b", "", " a", "a ", "ä", "n" * 65, "a%s"])
def test_a_shop_has_a_name_that_sql_reads_as_text(shop: str) -> None:
    assert "hooks.xtnd.shop" in refused(overrides={"hooks.xtnd.shop": shop})


@given(st.from_regex(config.yaml_types.ShopPattern, fullmatch=True))
def test_any_name_of_a_shop_stands_in_a_view_as_it_is(shop: str) -> None:
    view = config.View(select="SELECT hook{shop_of_hook}, '{a}'{shop} FROM notifications;")
    assert view.text("sqlite") == "SELECT hook, '{a}' FROM notifications"
    case = f"CASE hook WHEN 'xtnd' THEN '{shop}' ELSE hook END AS shop"
    assert view.text("sqlite", {"xtnd": shop}) == f"SELECT hook, {case}, '{{a}}', shop FROM notifications"
