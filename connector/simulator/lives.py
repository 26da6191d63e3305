"""How orders, purchases and the rest live, step by step.

A life is a generator; each step changes the books and yields the notifications that XTND sends for
it, in true event order. Lives run interleaved, so a life reads the stock again at every step.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from connector.simulator.books import PRICE_LISTS, WAREHOUSES, Books, OrderRow
from connector.simulator.stock import ZERO
from connector.simulator.wire import Notification, notification

Step = list[Notification]
Life = Iterator[Step]


def order(books: Books) -> Life:
    """Create, reserve (once or more), pick each row, invoice; or cancel on the way."""
    fate = books.order_fates.draw()
    head = {"OrderNumber": books.orders.take(), "OrderType": books.order_type()}
    rows = [
        OrderRow(10 * index, product, books.place(product), books.quantity(product, 12))
        for index, product in enumerate(books.some_products(4), start=1)
    ]
    yield [notification("OrderCreated", **head), *_promise(books, rows, 1)]
    if fate == "cancelled":
        yield [notification("OrderCancelled", **head), *_promise(books, rows, -1)]
        return
    # Rows go to the warehouses in one or two rounds, each with a notification.
    for _ in range(min(len(rows), books.dice.randint(1, 2))):
        yield [notification("OrderReserved", **head)]
    if fate == "changed":
        yield [notification("OrderDeliveryDataChanged", **head)]
    picked = rows[: len(rows) // 2] if fate == "cut short" else rows
    for row in picked:
        yield from _pick(books, head, row)
    if fate == "cut short":
        yield [notification("OrderCancelled", **head), *_promise(books, rows[len(picked) :], -1)]
    else:
        yield from invoice(books)


def _promise(books: Books, rows: list[OrderRow], sign: int) -> Step:
    return [sent for row in rows for sent in books.stock.promise(row.place, sign * row.quantity)]


def _pick(books: Books, head: dict[str, str], row: OrderRow) -> Life:
    """Pick a row when enough lies there; else buy goods first."""
    while books.stock.balance(row.place) < row.quantity:
        yield from purchase(books, needed=row)
    yield [_picking_started(head["OrderNumber"], row)]
    while books.stock.balance(row.place) < row.quantity:  # another order was quicker
        yield from purchase(books, needed=row)
    yield [*books.stock.pick(row.place, row.quantity), notification("OrderPicked", **head)]


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


def purchase(books: Books, needed: OrderRow | None = None) -> Life:
    """Create, then receive in parts or in full, or cancel; what is ``needed`` is always received."""
    fate = "full" if needed else books.purchase_fates.draw()
    warehouse = needed.place.warehouse if needed else books.dice.choice(WAREHOUSES)
    head = {"OrderNumber": books.purchases.take(), "Warehouse": warehouse}
    rows = [needed] if needed else books.purchase_rows(warehouse)
    yield [notification("PurchaseCreated", **head)]
    if fate == "cancelled":
        yield [notification("PurchaseCancelled", **head)]
        return
    for _ in range(books.dice.randint(1, 3) if fate == "in parts" else 0):
        part = books.dice.sample(rows, books.dice.randint(1, len(rows)))
        yield [_partly_delivered(books, head, part), *_receive(books, part, Decimal(1))]
    # A needed row brings twice what is missing, so that the shelf does not stay empty.
    yield [notification("PurchaseDelivered", **head), *_receive(books, rows, Decimal(2))]
    if books.dice.random() < 0.1:  # noqa: PLR2004 - one in ten is received again, with more goods
        yield [notification("PurchaseDelivered", **head), *_receive(books, rows[:1], Decimal(1))]


def _receive(books: Books, rows: list[OrderRow], times: Decimal) -> Step:
    return [sent for row in rows for sent in books.stock.receive(row.place, row.quantity * times)]


def _partly_delivered(books: Books, head: dict[str, str], rows: list[OrderRow]) -> Notification:
    """Thin, or with the rows that came in: their sums are what the balances rise by."""
    if books.dice.random() < 0.3:  # noqa: PLR2004 - both forms occur in XTND's documentation
        return notification("PurchasePartiallyDelivered", **head)
    details: list[dict[str, Any]] = [
        {
            "OrderNumber": head["OrderNumber"],
            "ProductNumber": row.product.number,
            "Warehouse": head["Warehouse"],
            "Quantity": books.number(row.quantity),
            "Position": str(row.position),
            "Unit": row.product.unit,
        }
        for row in rows
    ]
    return {"Action": "PurchasePartiallyDelivered", "Details": details}


def product(books: Books) -> Life:
    """Create, put on the shelves, then change now and then."""
    new = books.new_product()
    yield [notification("ProductCreated", ProductNumber=new.number)]
    for warehouse in new.warehouses:
        row = OrderRow(0, new, books.place(new)._replace(warehouse=warehouse), books.quantity(new, 400))
        yield books.stock.count(row.place, row.quantity)
    for _ in range(books.dice.randint(1, 3)):
        yield [notification("ProductChanged", ProductNumber=new.number)]


def stocktaking(books: Books) -> Life:
    """Somebody counts one shelf and finds a little more or less."""
    counted = books.dice.choice(books.products)
    place = books.place(counted)
    change = books.quantity(counted, 9) * books.dice.choice((-1, 1))
    yield books.stock.count(place, max(ZERO, books.stock.balance(place) + change))


def price_list(books: Books) -> Life:
    """Update one of the price lists."""
    yield [notification("PriceListWebHook", PriceListName=books.dice.choice(PRICE_LISTS))]


def customer(books: Books) -> Life:
    """Create a customer, change any."""
    yield [notification("CustomerCreated", CustomerNumber=books.customers.take())]
    yield [notification("CustomerChanged", CustomerNumber=books.customers.known(books.dice))]


def offer(books: Books) -> Life:
    """Create an offer, change any."""
    yield [notification("OfferCreated", OfferNumber=books.offers.take())]
    yield [notification("OfferChanged", OfferNumber=books.offers.known(books.dice))]


def invoice(books: Books) -> Life:
    """Create an invoice, and every other time change any."""
    yield [notification("CustomerInvoiceCreated", InvoiceNumber=books.invoices.take())]
    if books.dice.random() < 0.5:  # noqa: PLR2004 - every other time
        yield [notification("CustomerInvoiceChanged", InvoiceNumber=books.invoices.known(books.dice))]


# What the shop draws from; how often a name stands here is how often it has its turn.
KINDS: dict[str, tuple[int, Callable[[Books], Life]]] = {
    "order": (10, order),
    "purchase": (3, purchase),
    "product": (1, product),
    "stocktaking": (2, stocktaking),
    "price list": (1, price_list),
    "customer": (2, customer),
    "offer": (2, offer),
    "invoice": (1, invoice),
}
