"""The shop's stock: what lies in each warehouse, what of it is promised, and what XTND says of it.

Both balances are absolute values. Available is physical minus promised; it may fall below zero when
more is ordered than lies there, the physical balance may not.
"""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from connector.simulator.wire import Notification, notification, plain_number

ZERO = Decimal(0)


class StockLocation(NamedTuple):
    """One product in one warehouse."""

    product: str
    warehouse: str


class Cause(NamedTuple):
    """EventName and EventType of a BalanceChanged."""

    name: str
    kind: str


# The first pair stands in XTND's documentation; the others are made up in its manner.
COUNTED = Cause("ItemChangeST", "BalanceAdjustment")
PICKED = Cause("ItemChangePI", "OrderPicking")
RECEIVED = Cause("ItemChangePU", "PurchaseDelivery")


class Stock:
    """Balances per place; every change returns the notifications that XTND sends for it.

    ``report`` is called with each place whose balances are other ones now.
    """

    def __init__(self, report: Callable[["Stock", StockLocation], None]) -> None:
        self._report = report
        self._balance: defaultdict[StockLocation, Decimal] = defaultdict(Decimal)
        self._promised: defaultdict[StockLocation, Decimal] = defaultdict(Decimal)

    def balance(self, place: StockLocation) -> Decimal:
        return self._balance[place]

    def available(self, place: StockLocation) -> Decimal:
        return self._balance[place] - self._promised[place]

    def promise(self, place: StockLocation, quantity: Decimal) -> list[Notification]:
        """Promise it to an order: less is available. A negative quantity takes the promise back."""
        self._promised[place] += quantity
        return [self._available_changed(place)]

    def pick(self, place: StockLocation, quantity: Decimal) -> list[Notification]:
        """Take what was promised from the shelf; available stays. ``ValueError`` if it is not there."""
        if self._balance[place] < quantity:
            raise ValueError(f"{quantity} of {place} cannot be picked, {self._balance[place]} are there")
        self._promised[place] -= quantity
        return [self._move(place, -quantity, PICKED)]

    def receive(self, place: StockLocation, quantity: Decimal) -> list[Notification]:
        """Goods come in: both balances rise."""
        return [self._move(place, quantity, RECEIVED), self._available_changed(place)]

    def count(self, place: StockLocation, found: Decimal) -> list[Notification]:
        """Stocktaking finds ``found`` units on the shelf."""
        return [self._move(place, found - self._balance[place], COUNTED), self._available_changed(place)]

    def _move(self, place: StockLocation, change: Decimal, cause: Cause) -> Notification:
        self._balance[place] += change
        self._report(self, place)
        return notification(
            "BalanceChanged",
            ProductNumber=place.product,
            Warehouse=place.warehouse,
            Balance=plain_number(self._balance[place]),
            EventName=cause.name,
            EventType=cause.kind,
        )

    def _available_changed(self, place: StockLocation) -> Notification:
        self._report(self, place)
        return notification(
            "AvailableBalanceChanged",
            ProductNumber=place.product,
            Warehouse=place.warehouse,
            AvailableBalance=plain_number(self.available(place)),
        )
