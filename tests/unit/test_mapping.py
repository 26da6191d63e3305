"""tables.yaml compiled: how columns are joined and stored, and which entities a row belongs to."""

import pytest

from connector import config
from connector.mirror import dialects, schema, shown, values
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables
from tests.conftest import ROOT, SECRET
from tests.strategies import Maker

TEXTS = {name: (ROOT / "config" / name).read_text() for name in config.FILES}


def compiled(old: str = "", new: str = "") -> Mapping:
    texts = {**TEXTS, "tables.yaml": TEXTS["tables.yaml"].replace(old, new, 1)}
    return Mapping(config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET}))


shipped = compiled()


@pytest.mark.parametrize(
    ("table", "key", "entities"),
    [
        ("orders", ("007",), {"007"}),
        ("order_picking_rows", ("7", "10", "0"), {"7"}),
        ("purchases", ("RP", "N"), {"RP"}),
        ("stock_balances", ("1", "N"), {"1|N"}),
    ],
)
def test_a_row_tells_the_entity_keys_of_its_events(
    table: str, key: tuple[str, ...], entities: set[str]
) -> None:
    assert shipped.table(table).entity_keys([key]) == entities


def test_a_row_whose_key_is_not_the_entity_tells_none() -> None:
    by_name = compiled("offer_number: {path: OfferNumber", "offer_name: {path: OfferName")
    assert by_name.table("offers").entities is None


def test_an_instant_needs_no_version_beside_it_and_a_value_does() -> None:
    merges = {
        column.name: (column.merge, column.version) for column in shipped.table("stock_balances").columns
    }
    assert merges["balance"] == ("newest", "balance__version")
    assert merges["balance_as_of"] == ("max", None)
    products = {column.name: column.merge for column in shipped.table("products").columns}
    assert products == {"created_at": "min", "changed_at": "max", "change_count": "count"}


def test_the_key_of_a_history_starts_with_the_instant_which_readers_do_not_see() -> None:
    stored = Tables(shipped).metadata.tables["_stock_balance_history"].primary_key
    assert [column.name for column in stored] == ["event__version", "event_id", "row_index", "source"]
    views = shown.of_tables(Tables(shipped), dialects.named("sqlite"), {})
    (select,) = [view.select for view in views if view.name == "stock_balance_history"]
    assert "row_index" in select
    assert "event__version" not in select


def test_a_value_that_several_columns_hold_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(value: object) -> str | None:
        read.append(value)
        return text(value)

    text = values.limited_text(1024)
    monkeypatch.setattr(values, "limited_text", lambda _most: counted)
    maker = Maker(config.parse(TEXTS, {"XTND_WEBHOOK_SECRET": SECRET}))
    event = maker.event("BalanceChanged", {"ProductNumber": "P", "Warehouse": "W", "Balance": 5})
    read.clear()
    said = {one.table.name: one for one in maker.mapping.contributions(event)}
    assert [value for value in read if value in "PW"] == ["P", "W"]
    assert said["stock_balances"].key == ("P", "W")
    assert said["stock_balance_history"].cells[:2] == ("P", "W")


def test_a_description_changes_no_rule_and_everything_else_does() -> None:
    before = schema.fingerprint(shipped)
    assert schema.fingerprint(compiled("When it was last updated.", "Another word.")) == before
    assert schema.fingerprint(compiled("updated_at: {rule: latest", "updated_at: {rule: earliest")) != before
    assert schema.fingerprint(compiled("path: PriceListName", "path: Name")) != before
    assert schema.fingerprint(compiled("requires: [quantity]", "requires: []")) != before


def test_a_table_that_does_not_exist_is_no_table() -> None:
    with pytest.raises(KeyError):
        shipped.table("nowhere")


def test_a_table_whose_arrays_were_never_accepted_is_not_filled_again_for_them() -> None:
    assert "through arrays" not in shipped.table("order_picking_rows").written
    elsewhere = compiled("each: Order.Row\n", "each: Shipment.Row\n").table("order_picking_rows")
    assert "through arrays" in elsewhere.written
