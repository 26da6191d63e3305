"""The shipped tables of records and their views, with what the simulated shop's API answers."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connector import config
from connector.config import Table, view_checks
from connector.events import Event, iso
from connector.mirror import dialects, verify, views
from connector.simulator.api.bodies import SINGLES, shapes
from tests import strategies
from tests.conftest import ROOT, SECRET, MakeConfig
from tests.record_rows import expected, paths_of, plain
from tests.strategies import MINUTE, NOON, Mirror
from tests.unit.test_simulated_api import Play

ENTITIES = {
    "orders": "Order",
    "purchases": "Purchase",
    "products": "Product",
    "customers": "Customer",
    "offers": "Offer",
    "invoices": "Invoice",
    "balances": "Stock",
}
TYPES = {"text": "text", "uuid": "text", "integer": "numeric", "number": "numeric", "date-time": "timestamp"}
exact = msgspec.json.Encoder(decimal_format="number")


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with strategies.mirror(make_config({"database.url": database_url}, records=True), copied=True) as found:
        yield found


def record(mirror: Mirror, family: str, key: str, body: Any, at: int = NOON, **more: Any) -> Event:
    raw = exact.encode(body)
    return mirror.snapshot(key, raw, at=at, family=family, entity=ENTITIES[family], **more)


def shown(mirror: Mirror, name: str, table: Table) -> set[tuple[Any, ...]]:
    types = {column: settings.type for column, settings in table.columns.items()}
    listed = ", ".join(f'"{column}"' for column in table.valued)
    return {
        tuple(plain(types.get(column, "text"), value) for column, value in row.items())
        for row in strategies.select(mirror.engine, f"SELECT {listed} FROM {name}")
    }


def test_every_cell_of_every_record_is_what_the_api_says(mirror: Mirror) -> None:
    play = Play(3)
    play.play(600)
    bodies = {key: body for key, body in play.service.truth().items() if body and key[0] in ENTITIES}
    assert {family for family, _ in bodies} == set(ENTITIES)
    mirror.write(*[record(mirror, family, key, body) for (family, key), body in bodies.items()])
    tables = {name: one for name, one in mirror.config.tables.items() if one.kind == "snapshot"}
    for name, table in tables.items():
        rows = [expected(table, body) for (family, _), body in bodies.items() if family == table.of]
        assert shown(mirror, name, table) == set().union(*rows), name
        assert any(rows), name
    assert len(tables) == 16


def test_every_path_leads_to_a_field_of_its_type(mirror: Mirror) -> None:
    """XTND's own spelling, also where it is wrong."""
    for name, table in mirror.config.tables.items():
        if table.kind != "snapshot":
            continue
        tree = shapes()[SINGLES[str(table.of)][0]]
        if table.of == "balances":
            (tree,) = tree["productAvailabilityList"]
        for column, paths in paths_of(table).items():
            for path in paths:
                field: Any = tree
                for key in path.split("."):
                    field = field[0][key] if isinstance(field, list) else field[key]
                kind = field.partition(":")[0]
                settings = table.columns.get(column)
                type_ = TYPES.get(kind, kind)
                assert type_ == settings.type if settings else type_ in ("text", "numeric"), (
                    f"{name}.{column}"
                )


def test_a_child_without_what_its_table_requires_gives_no_row_and_its_record_counts(mirror: Mirror) -> None:
    body: dict[str, Any] = {"orderHeader": {"orderNumber": "1", "orderStatus": "Created"}, "orderRows": []}
    body["orderHeader"]["shipments"] = [
        {"shipmentNumber": None},
        {"shipmentNumber": " "},
        {"shipmentNumber": "S"},
    ]
    mirror.write(record(mirror, "orders", "1", body))
    assert [row["shipment_number"] for row in mirror.rows("order_shipments")] == ["S"]
    assert mirror.row("order_details", order_number="1")["status"] == "Created"


# --- Views ------------------------------------------------------------------------------------------

ORDER = {"orderHeader": {"orderNumber": "9001", "orderStatus": "Reserved", "customerNumber": "C1"}}


def full(mirror: Mirror, name: str = "orders_full") -> list[dict[str, Any]]:
    return mirror.rows(name)


def test_an_order_is_stale_until_its_record_is_newer_than_its_hooks(mirror: Mirror) -> None:
    hook = {"OrderNumber": "9001"}
    mirror.write(mirror.event("OrderCreated", hook, delivery="a"))
    (row,) = full(mirror)
    assert (row["status"], row["record_status"], row["customer_number"]) == ("created", None, None)
    assert row["is_stale"]
    mirror.write(record(mirror, "orders", "9001", ORDER, at=NOON + 1))
    (row,) = full(mirror)
    assert (row["status"], row["record_status"], row["customer_number"]) == ("created", "Reserved", "C1")
    assert not row["is_stale"]
    mirror.write(mirror.event("OrderPicked", hook, delivery="b", at=NOON + MINUTE))
    (row,) = full(mirror)
    assert (row["status"], row["record_status"], bool(row["is_stale"])) == ("picked", "Reserved", True)
    mirror.write(record(mirror, "orders", "9001", ORDER, at=NOON + 2 * MINUTE, gone=True))
    (row,) = full(mirror)
    assert (strategies.plain("gone_at", row["gone_at"]), bool(row["is_stale"])) == (
        iso(NOON + 2 * MINUTE),
        False,
    )


def test_a_record_that_no_hook_named_is_in_the_view_too(mirror: Mirror) -> None:
    mirror.write(mirror.event("OrderCreated", {"OrderNumber": "8"}, delivery="a"))
    mirror.write(record(mirror, "orders", "9001", ORDER))
    rows = {row["order_number"]: row for row in full(mirror)}
    assert sorted(rows) == ["8", "9001"]
    assert (rows["9001"]["status"], rows["9001"]["record_status"]) == (None, "Reserved")
    assert not rows["9001"]["is_stale"]


def test_a_purchase_of_two_warehouses_has_its_record_beside_each(mirror: Mirror) -> None:
    for warehouse, delivery in (("YX", "a"), ("N", "b")):
        hook = {"OrderNumber": "RP-1", "Warehouse": warehouse}
        mirror.write(mirror.event("PurchaseCreated", hook, delivery=delivery))
    for number in ("RP-1", "RP-2"):
        body = {"header": {"purchaseNumber": number, "warehouse": "YX", "supplier": {"supplierName": "S"}}}
        mirror.write(record(mirror, "purchases", number, body, at=NOON + 1))
    rows = [
        (row["order_number"], row["warehouse"], row["supplier_name"], bool(row["is_stale"]))
        for row in full(mirror, "purchases_full")
    ]
    assert sorted(rows) == [
        ("RP-1", "N", "S", False),
        ("RP-1", "YX", "S", False),
        ("RP-2", "YX", "S", False),
    ]


def test_every_column_of_the_views_of_records_is_described(mirror: Mirror) -> None:
    dialect = dialects.of(mirror.engine)
    made = {one.name: one for one in views.statements(mirror.config, mirror.mapping, dialect)}
    with mirror.engine.connect() as connection:
        for name, view in mirror.config.views.items():
            if view.kind == "full":
                names = [*connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").keys()]
                assert names == view_checks.columns(view, mirror.config.tables)
                assert names == [*made[name].columns], name


def test_a_record_of_one_shop_is_not_beside_the_order_of_another(
    make_config: MakeConfig, database_url: str
) -> None:
    shops = {"xtnd": "north", "second": "south"}
    hooks = {f"hooks.{hook}": {"secrets": [SECRET], "shop": shop} for hook, shop in shops.items()}
    api = {"sources.base_url": "https://api.example/v1", "sources.shop": "south"}
    overrides = {"database.url": database_url, "mirror.key_by_shop": True} | hooks | api
    with strategies.mirror(make_config(overrides, records=True)) as mirror:
        for hook in shops:
            hook_event = mirror.event("OrderCreated", {"OrderNumber": "9001"}, delivery="a", hook=hook)
            mirror.write(hook_event)
        mirror.write(record(mirror, "orders", "9001", ORDER, at=NOON + 1))
        rows = [
            (row["shop"], row["customer_number"], bool(row["is_stale"])) for row in mirror.rows("orders_full")
        ]
        assert sorted(rows) == [("north", None, True), ("south", "C1", False)]


def test_a_renamed_table_of_records_keeps_its_rows_those_that_go_with_them_and_its_view(
    database_url: str,
) -> None:
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
    renamed = texts["tables.yaml"]
    for former, today in {
        "  order_details:\n": "  order_heads:\n    was: order_details\n",
        "parent: order_details": "parent: order_heads",
        "record: order_details": "record: order_heads",
        "      sales_channel: {": "      channel: {was: sales_channel, ",
    }.items():
        assert former in renamed
        renamed = renamed.replace(former, today)
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": database_url}
    row = {"position": 1, "subPosition": 0}
    body = {"orderHeader": {"orderNumber": "1", "salesChannel": "web"}, "orderRows": [row]}
    with strategies.mirror(config.parse(texts, variables)) as mirror:
        mirror.write(record(mirror, "orders", "1", body))
    with strategies.mirror(config.parse(texts | {"tables.yaml": renamed}, variables)) as mirror:
        assert mirror.row("order_heads")["channel"] == "web"
        assert mirror.row("order_rows")["position"] == "1"
        assert mirror.row("orders_full")["channel"] == "web"
        assert verify.differences(mirror.engine, mirror.mapping) == []
