"""Tables of records in tables.yaml: what cannot be read from records is refused, with file, line and fix."""

import re

import pytest

from connector import events
from connector.mirror import mapped
from connector.mirror.mapping import Mapping
from tests.unit.test_config import CUSTOMERS, parsed, refused

HEADER = """  order_heads:
    kind: snapshot
    of: orders
    key:
      order_number: {path: orderHeader.orderNumber}
    columns:
      total: {path: orderHeader.total, type: numeric}
"""
ROWS = """  order_lines:
    kind: snapshot
    of: orders
    parent: order_heads
    each: orderRows
    key:
      order_number: {path: orderHeader.orderNumber}
      row_number: {path: orderRows.rowNumber}
    columns:
      quantity: {path: orderRows.quantity, type: numeric}
"""


def table(text: str) -> tuple[str, str, str]:
    return ("tables.yaml", CUSTOMERS, text + CUSTOMERS)


def test_a_table_stands_before_those_that_hang_on_it_wherever_it_is_written() -> None:
    names = [one.name for one in Mapping(parsed(table(ROWS + HEADER))).tables]
    assert names.index("order_heads") < names.index("order_lines")


def test_dates_of_records_without_an_offset_are_of_the_tables_time_zone_else_stockholms() -> None:
    dated = HEADER.replace("total, type: numeric", "madeAt, type: timestamp")
    for zone, hour in (("", 8), ("Asia/Tokyo", 1)):
        written = f"    time_zone: {zone}\n    of:" if zone else "    of:"
        mapping = Mapping(parsed(table(dated.replace("    of:", written))))
        one = next(found for found in mapping.tables if found.name == "order_heads")
        source = next(iter(one.row_specs.values())).cells[0]
        assert isinstance(source, mapped.Path)
        assert source.reader("2024-05-01T10:00:00") == events.from_iso(f"2024-05-01T0{hour}:00:00Z")
        # Another reading has the column filled again.
        assert (zone or "Europe/Stockholm") in one.columns[0].written


REFUSED = {
    "a time zone that is none": (
        HEADER.replace("    of:", "    time_zone: Europe/Stokholm\n    of:"),
        "'Europe/Stokholm' is no time zone; write one such as Europe/Stockholm",
    ),
    "a time zone for another kind": (
        HEADER.replace("kind: snapshot", "kind: history\n    actions: [OrderCreated]\n    time_zone: UTC"),
        "a history table has no time_zone. Remove it, or write kind: snapshot.",
    ),
    "no family": (
        HEADER.replace("    of: orders\n", ""),
        "no family is named. Name it with of, as in of: orders.",
    ),
    "an unknown family": (
        HEADER.replace("of: orders", "of: order"),
        "the family 'order' is not in topics.yaml. Did you mean 'orders'?",
    ),
    "actions": (
        HEADER.replace("    of:", "    actions: [OrderCreated]\n    of:"),
        "a snapshot table takes records, which have no action of a hook. Remove actions",
    ),
    "no key": (
        re.sub(r"    key:\n.*\n", "", HEADER),
        "the snapshot table 'order_heads' has no key",
    ),
    "a rule": (
        HEADER.replace("type: numeric", "type: numeric, rule: latest"),
        "a snapshot row holds its own event's values, so no rule or on",
    ),
    "a constant": (
        HEADER.replace("path: orderHeader.total, type: numeric", "constant: 1"),
        "a value of a record comes from a path, here it is constant. Write path: and where it stands.",
    ),
    "a field of the event": (
        HEADER.replace("{path: orderHeader.orderNumber}", "{event: event_id}"),
        "a value of a record comes from a path, here it is event",
    ),
    "a path per action": (
        HEADER.replace("path: orderHeader.total", "path: {OrderCreated: total}"),
        "a value of a record comes from a path, here it is several",
    ),
    "rows without a table of their records": (
        HEADER.replace("    key:", "    each: orderRows\n    key:"),
        "the rows of orderRows go with a record, and no table of the records is named. Name it with parent.",
    ),
    "a parent without rows": (
        HEADER + ROWS.replace("    each: orderRows\n", ""),
        "it has the rows of order_heads's records, and does not say which",
    ),
    "a parent of another kind": (
        HEADER + ROWS.replace("parent: order_heads", "parent: orders"),
        "'orders' is no snapshot table of the family 'orders' without a parent. Did you mean",
    ),
    "a parent of another family": (
        HEADER + ROWS.replace("of: orders", "of: offers"),
        "'order_heads' is no snapshot table of the family 'offers' without a parent",
    ),
    "itself as its parent": (
        ROWS.replace("parent: order_heads", "parent: order_lines"),
        "'order_lines' is no snapshot table",
    ),
    "another key than its parent's": (
        HEADER + ROWS.replace("order_number: {path", "number: {path"),
        "the key does not start with that of order_heads: order_number (orderHeader.orderNumber)",
    ),
    "a key that is read from elsewhere": (
        HEADER + ROWS.replace("orderHeader.orderNumber", "orderRows.orderNumber"),
        "the key does not start with that of order_heads",
    ),
    "rows that nothing tells apart": (
        HEADER + ROWS.replace("      row_number: {path: orderRows.rowNumber}\n", ""),
        "the key is that of a record, and does not tell its rows apart",
    ),
    "an index on what only the parent has": (
        HEADER + ROWS + "    indexes: [[gone_at]]\n",
        "no column 'gone_at' to index: order_heads has it, for all rows of a record",
    ),
    "a column with a name of the connector's own": (
        HEADER.replace("total:", "fetched_at:"),
        "the column 'fetched_at' exists already",
    ),
    "a family for another kind": (
        HEADER.replace("kind: snapshot", "kind: history\n    actions: [OrderCreated]"),
        "a history table has no of. Remove it, or write kind: snapshot.",
    ),
    "another kind without actions": (
        HEADER.replace("kind: snapshot", "kind: state").replace("    of: orders\n", ""),
        "the table takes no action. List at least one with actions.",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_records_do_not_have_is_refused_with_line_and_fix(text: str, said: str) -> None:
    found = refused(table(text))
    assert said in found, found
    assert re.match(r"tables\.yaml:\d+: ", found), found
