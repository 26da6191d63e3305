"""How orders, purchases and the rest live, step by step.

A life is a generator; each step changes the books and the records, and yields the notifications that XTND
sends for it, in true event order. Lives run interleaved, so a life reads the stock again at every step.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from connector.simulator.books import PRICE_LISTS, WAREHOUSES, Books, OrderRow
from connector.simulator.orders import Order
from connector.simulator.stock import ZERO
from connector.simulator.trade import Trade
from connector.simulator.wire import Notification, notification

Step = list[Notification]
Life = Iterator[Step]


class Lives:
    """The lives in one shop."""

    def __init__(self, books: Books, trade: Trade) -> None:
        self._books, self._stock, self._dice = books, books.stock, books.dice
        self._trade = trade

    def kinds(self) -> dict[str, tuple[int, Callable[[], Life]]]:
        """What the shop draws from: how often each kind has its turn, and what starts one."""
        return {
            "order": (10, self.order),
            "purchase": (3, self.purchase),
            "product": (1, self.product),
            "stocktaking": (2, self.stocktaking),
            "price list": (1, self.price_list),
            "customer": (2, self.customer),
            "offer": (2, self.offer),
            "invoice": (1, self.invoice),
        }

    def order(self) -> Life:
        """Create, reserve (once or more), pick each row, invoice; or cancel on the way."""
        fate = self._books.order_fates.draw()
        head = {"OrderNumber": self._books.orders.take(), "OrderType": self._books.order_type()}
        rows = [
            OrderRow(10 * index, product, self._books.place(product), self._books.quantity(product, 12))
            for index, product in enumerate(self._books.some_products(4), start=1)
        ]
        order = self._trade.order(head, rows)
        yield [notification("OrderCreated", **head), *self._promise(rows, 1)]
        if fate == "cancelled":
            order.cancel()
            yield [notification("OrderCancelled", **head), *self._promise(rows, -1)]
            return
        # Rows go to the warehouses in one or two rounds, each with a notification.
        for _ in range(min(len(rows), self._dice.randint(1, 2))):
            order.reserve()
            yield [notification("OrderReserved", **head)]
        if fate == "changed":
            order.deliver_elsewhere()
            yield [notification("OrderDeliveryDataChanged", **head)]
        picked = rows[: len(rows) // 2] if fate == "cut short" else rows
        for row in picked:
            yield from self._pick(order, head, row)
        if fate == "cut short":
            order.cancel()
            yield [notification("OrderCancelled", **head), *self._promise(rows[len(picked) :], -1)]
        else:
            yield from self.invoice(order)

    def _promise(self, rows: list[OrderRow], sign: int) -> Step:
        return [sent for row in rows for sent in self._stock.promise(row.place, sign * row.quantity)]

    def _pick(self, order: Order, head: dict[str, str], row: OrderRow) -> Life:
        """Pick a row when enough lies there; else buy goods first."""
        while self._stock.balance(row.place) < row.quantity:
            yield from self.purchase(needed=row)
        yield [self._picking_started(head["OrderNumber"], row)]
        while self._stock.balance(row.place) < row.quantity:  # another order was quicker
            yield from self.purchase(needed=row)
        order.pick(row)
        yield [*self._stock.pick(row.place, row.quantity), notification("OrderPicked", **head)]

    @staticmethod
    def _picking_started(order_number: str, row: OrderRow) -> Notification:
        details = {
            "Position": row.position,
            "SubPosition": 0,
            "ProductNumber": row.product.number,
            "Unit": {"Quantity": row.json_quantity},
        }
        return notification(
            "PickingStarted",
            Order={"OrderNumber": order_number, "Warehouse": row.place.warehouse, "Row": details},
        )

    def purchase(self, needed: OrderRow | None = None) -> Life:
        """Create, then receive in parts or in full, or cancel; what is ``needed`` is always received."""
        fate = "full" if needed else self._books.purchase_fates.draw()
        warehouse = needed.place.warehouse if needed else self._dice.choice(WAREHOUSES)
        head = {"OrderNumber": self._books.purchases.take(), "Warehouse": warehouse}
        rows = [needed] if needed else self._books.purchase_rows(warehouse)
        purchase = self._trade.purchase(head, rows, times=2)
        yield [notification("PurchaseCreated", **head)]
        if fate == "cancelled":
            purchase.cancel()
            yield [notification("PurchaseCancelled", **head)]
            return
        for _ in range(self._dice.randint(1, 3) if fate == "in parts" else 0):
            part = self._dice.sample(rows, self._dice.randint(1, len(rows)))
            purchase.receive(part, last=False)
            yield [self._partly_delivered(head, part), *self._receive(part, Decimal(1))]
        # A needed row brings twice what is missing, so that the shelf does not stay empty.
        purchase.receive(rows, last=True)
        yield [notification("PurchaseDelivered", **head), *self._receive(rows, Decimal(2))]
        if self._dice.random() < 0.1:  # noqa: PLR2004 - one in ten is received again, with more goods
            purchase.receive(rows[:1], last=True)
            yield [notification("PurchaseDelivered", **head), *self._receive(rows[:1], Decimal(1))]

    def _receive(self, rows: list[OrderRow], times: Decimal) -> Step:
        return [sent for row in rows for sent in self._stock.receive(row.place, row.quantity * times)]

    def _partly_delivered(self, head: dict[str, str], rows: list[OrderRow]) -> Notification:
        """Thin, or with the rows that came in: their sums are what the balances rise by."""
        if self._dice.random() < 0.3:  # noqa: PLR2004 - both forms occur in XTND's documentation
            return notification("PurchasePartiallyDelivered", **head)
        details: list[dict[str, Any]] = [
            {
                "OrderNumber": head["OrderNumber"],
                "ProductNumber": row.product.number,
                "Warehouse": head["Warehouse"],
                "Quantity": self._books.number(row.quantity),
                "Position": str(row.position),
                "Unit": row.product.unit,
            }
            for row in rows
        ]
        return {"Action": "PurchasePartiallyDelivered", "Details": details}

    def product(self) -> Life:
        """Create, put on the shelves, then change now and then."""
        new = self._books.new_product()
        self._trade.products.create(new)
        yield [notification("ProductCreated", ProductNumber=new.number)]
        for warehouse in new.warehouses:
            row = OrderRow(
                0, new, self._books.place(new)._replace(warehouse=warehouse), self._books.quantity(new, 400)
            )
            yield self._stock.count(row.place, row.quantity)
        for _ in range(self._dice.randint(1, 3)):
            self._trade.products.change(new.number)
            yield [notification("ProductChanged", ProductNumber=new.number)]

    def stocktaking(self) -> Life:
        """Somebody counts one shelf and finds a little more or less."""
        counted = self._dice.choice(self._books.products)
        place = self._books.place(counted)
        change = self._books.quantity(counted, 9) * self._dice.choice((-1, 1))
        yield self._stock.count(place, max(ZERO, self._stock.balance(place) + change))

    def price_list(self) -> Life:
        """Update one of the price lists."""
        name = self._dice.choice(PRICE_LISTS)
        self._trade.products.raise_prices(name)
        yield [notification("PriceListWebHook", PriceListName=name)]

    def customer(self) -> Life:
        """Create a customer, change any."""
        number = self._books.customers.take()
        self._trade.customer(number)
        yield [notification("CustomerCreated", CustomerNumber=number)]
        number = self._books.customers.known(self._dice)
        self._trade.change_customer(number)
        yield [notification("CustomerChanged", CustomerNumber=number)]

    def offer(self) -> Life:
        """Create an offer, change any."""
        number = self._books.offers.take()
        self._trade.offer(number, self._books.products)
        yield [notification("OfferCreated", OfferNumber=number)]
        number = self._books.offers.known(self._dice)
        self._trade.change_offer(number)
        yield [notification("OfferChanged", OfferNumber=number)]

    def invoice(self, order: Order | None = None) -> Life:
        """Create an invoice, and every other time change any."""
        number = self._books.invoices.take()
        self._trade.invoice(number, order)
        yield [notification("CustomerInvoiceCreated", InvoiceNumber=number)]
        if self._dice.random() < 0.5:  # noqa: PLR2004 - every other time
            number = self._books.invoices.known(self._dice)
            self._trade.change_invoice(number)
            yield [notification("CustomerInvoiceChanged", InvoiceNumber=number)]
