"""Configurations with a source, for tests of what is fetched."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from connector import events
from connector.config import Config
from connector.config.source_models import SourceSettings
from connector.events import Event

ORDERS = {
    "entity": "Order",
    "wanted_on": ("OrderCreated", "OrderReserved", "OrderPicked", "PickingStarted"),
    "get": "CustomerOrders/{orderNumber}",
    "key": {"orderNumber": "orderHeader.orderNumber"},
    "implied": {
        "created_path": "orderHeader.orderDate",
        "actions": {
            "OrderPicked": {"path": "orderRows.orderRowStatus", "texts": ("Picked",)},
            "OrderCancelled": {"path": "orderHeader.orderStatus", "texts": ("Annulled",)},
        },
    },
}
STOCK = {
    "entity": "Stock",
    "wanted_on": ("BalanceChanged",),
    "get": "ProductAvailability?warehouse={warehouse}&productNumber={productNumber}",
    "key": {"productNumber": "productNumber", "warehouse": "warehouse"},
}


def with_sources(config: Config, **changes: Any) -> Config:
    """The configuration with orders and balances that are fetched; ``changes`` are of its source."""
    entities = {"orders": ORDERS, "balances": STOCK}
    given = {"base_url": "http://127.0.0.1:1", "entities": entities} | changes
    return config.model_copy(update={"sources": SourceSettings.model_validate(given)})


def snapshot(
    key: str,
    at: int,
    *,
    family: str = "orders",
    gone: bool = False,
    source: str = "xtnd",
    header: Mapping[str, Any] = MappingProxyType({}),
    rows: Sequence[str] = (),
) -> Event:
    """A record as it was fetched at an instant; an order's ``header``, and the statuses of its ``rows``."""
    entity = {"orders": "Order", "balances": "Stock"}[family]
    product, _, warehouse = key.partition("|")
    record: dict[str, Any] = {"productNumber": product, "warehouse": warehouse or "N"}
    if family == "orders":
        record = {"orderHeader": {"orderNumber": key} | dict(header)}
        if rows:
            record["orderRows"] = [
                {"position": at, "subPosition": 0, "orderRowStatus": status} for at, status in enumerate(rows)
            ]
    return events.snapshot(
        source=source,
        family=family,
        entity=entity,
        key=key,
        at=at,
        received_at=at + 1,
        body=json.dumps(record).encode(),
        gone=gone,
    )
