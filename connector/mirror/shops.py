"""Tables that tell shops apart: with a column for the shop, which the event's hook decides."""

import json
from dataclasses import replace

from connector.config import SHOP_COLUMN
from connector.mirror.mapped import MappedColumn, MappedTable, Shop, Wanted

DESCRIPTION = "The shop that it is of."


def apart(table: MappedTable, shop: Shop) -> MappedTable:
    """The same table with the shop of each row: first in the key of a state table, last in a history.

    The indexes of a history begin with it, because views read a history shop by shop.
    """
    # A shop of another name is another rule, so that the table is filled again.
    rule = f"shop={json.dumps(shop.of_hook)}"
    column = MappedColumn(SHOP_COLUMN, "text", "plain", DESCRIPTION, written=rule)
    if table.kind == "history":
        return replace(
            table,
            columns=(*table.columns, column),
            indexes=tuple(
                [index if SHOP_COLUMN in index else (SHOP_COLUMN, *index) for index in table.indexes]
            ),
            wanted={action: Wanted((), (*wanted.cells, shop)) for action, wanted in table.wanted.items()},
            versioned=(*table.versioned, False),
            by_shop=True,
        )
    return replace(
        table,
        key=(column, *table.key),
        wanted={action: Wanted((shop, *wanted.key), wanted.cells) for action, wanted in table.wanted.items()},
        entities=None
        if table.entities is None
        else frozenset(tuple([place + 1 for place in places]) for places in table.entities),
        written=f"{table.written} {rule}",
        by_shop=True,
    )
