"""The records that change in one step: customers, offers, invoices, returns and balances."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connector.simulator.assortment import CENT, Assortment
from connector.simulator.books import OrderRow, Product
from connector.simulator.chance import Chance
from connector.simulator.orders import Order, Purchase
from connector.simulator.products import Products
from connector.simulator.records import ShopRecords, stockholm
from connector.simulator.stock import Stock, StockLocation
from connector.simulator.wire import plain_number

FIRST_CUSTOMER = 603_001
OFFER_STATUSES = ("Created", "Sent", "Resting", "Accepted")
INVOICE_STATUSES = ("Created", "InvoiceSent", "Paid")
RETURNED = 0.1
"""Share of the delivered orders of which something comes back."""


class Trade:
    """Tells ``records`` what each step of the shop changed; ``silent_prices`` as for ``Products``."""

    def __init__(self, seed: int, records: ShopRecords, *, silent_prices: bool = False) -> None:
        self.records = records
        self._chance = Chance(f"trade {seed}")
        self._assortment = Assortment(self._chance)
        self.products = Products(records, self._chance, silent_prices=silent_prices)

    def order(self, head: dict[str, str], rows: list[OrderRow]) -> Order:
        customer = self._customer("order", head["OrderNumber"])
        return Order(self.records, self._chance, head, rows, customer)

    def purchase(self, head: dict[str, str], rows: list[OrderRow], times: int) -> Purchase:
        return Purchase(self.records, self._chance, head, rows, times=times)

    def _customer(self, *question: object) -> str:
        """One of the customers so far; before there is any, the one who comes first."""
        known = max(1, len(self.records.family("customers")))
        return str(FIRST_CUSTOMER + self._chance.number(known, "customer", *question))

    def customer(self, number: str) -> None:
        """Create the customer."""
        customer = self._assortment.customer(number)
        address = {
            "address1": self._assortment.street(number),
            "postalCode": customer.postal_code,
            "city": customer.city,
            "country": customer.country,
        }
        facts = {
            "customerNumber": number,
            "name": customer.name,
            "customerInvoiceAddress": {"name": customer.name, "address": address},
            "customerDeliveryAddress": {"address": address},
        }
        self.records.change("customers", number, facts)

    def change_customer(self, number: str) -> None:
        """The customer moves within the city; other fields change too."""
        if (state := self.records.state("customers", number)) is not None:
            delivery = state.facts["customerDeliveryAddress"]["address"]
            street = self._assortment.street(number, state.revision)
            moved = {"customerDeliveryAddress": {"address": delivery | {"address1": street}}}
            self.records.change("customers", number, {**state.facts, **moved}, revised=True)

    def offer(self, number: str, products: Sequence[Product]) -> None:
        """Create an offer of some of the products."""
        customer = self._assortment.customer(self._customer("offer", number))
        rows = []
        for index in range(1 + self._chance.number(3, "offer rows", number)):
            product = self._chance.choice(products, "offered", number, index)
            quantity = 1 + self._chance.number(20, "offered quantity", number, index)
            rows.append(
                {
                    "position": 10 * index + 10,
                    "subPosition": 0,
                    "warehouse": product.warehouses[0],
                    "product": {
                        "productNumber": product.number,
                        "productName": self._assortment.product_name(product.number),
                    },
                    "salesData": self._assortment.sales(
                        product.number, quantity, product.unit, customer.currency
                    ),
                }
            )
        header = {
            "offerNumber": number,
            "customerNumber": customer.number,
            "offerStatus": "Created",
            "orderNumber": None,
            "deliveryAddress": customer.address(self._assortment.street(customer.number)),
        }
        self.records.change("offers", number, {"offerHeader": header, "offerRows": rows})

    def change_offer(self, number: str) -> None:
        """The offer goes on to its next status, and loses its last row while it has another."""
        if (state := self.records.state("offers", number)) is not None:
            header = state.facts["offerHeader"]
            status = _next(OFFER_STATUSES, header["offerStatus"])
            rows = state.facts["offerRows"][:-1] or state.facts["offerRows"]
            changed = {"offerHeader": header | {"offerStatus": status}, "offerRows": rows}
            self.records.change("offers", number, changed, revised=True)

    def invoice(self, number: str, order: Order | None) -> None:
        """Create the invoice of an order, or without one that of some service."""
        customer = order.customer.number if order else self._customer("invoice", number)
        currency = self._assortment.customer(customer).currency
        rows = [self._invoice_row(row, order.number) for row in order.goods] if order else []
        if not rows:
            service = {
                "position": 10,
                "product": {"productNumber": "TJANST", "productName": "Tjänst"},
                "salesData": self._assortment.sales("TJANST", 1, "ST", currency),
            }
            rows = [self._invoice_row(service, None)]
        header = {
            "invoiceNumber": number,
            "customerNumber": customer,
            "orders": [{"orderNumber": order.number}] if order else [],
            "customerInvoiceStatus": "Created",
            "invoiceType": "OrderDebit" if order else "CustomDebit",
            "payDate": None,
        }
        self.records.change("invoices", number, {"invoiceHeader": header, "invoiceRows": rows})
        if order and self._chance.hit(RETURNED, "returned", order.number):
            self._return(order)

    @staticmethod
    def _invoice_row(row: dict[str, Any], order: str | None) -> dict[str, Any]:
        sales = row["salesData"]
        total = (Decimal(sales["quantity"]) * sales["unitPrice"]).quantize(CENT)
        vat = (total * sales["vatPercent"] / 100).quantize(CENT)
        return {
            "position": row["position"],
            "subPosition": 0,
            "orderNumber": order,
            "orderRowId": row.get("orderRowId"),
            "product": row["product"],
            "salesData": sales | {"rowSum": total, "rowVat": vat, "rowTotal": total + vat},
        }

    def change_invoice(self, number: str) -> None:
        """The invoice is sent, then paid."""
        if (state := self.records.state("invoices", number)) is not None:
            header = state.facts["invoiceHeader"]
            status = _next(INVOICE_STATUSES, header["customerInvoiceStatus"])
            paid = stockholm(self.records.clock()) if status == "Paid" else None
            changed = {"invoiceHeader": header | {"customerInvoiceStatus": status, "payDate": paid}}
            self.records.change("invoices", number, {**state.facts, **changed}, revised=True)

    def _return(self, order: Order) -> None:
        """The first row comes back; no hook reports that."""
        number, row = f"RET-{order.number}", order.goods[0]
        header = {
            "returnNumber": number,
            "warehouse": row["warehouse"],
            "referenceOrderNumber": order.number,
            "customerNumber": order.customer.number,
            "customerName": order.customer.name,
            "status": "Ordered",
        }
        returned = {
            "position": row["position"],
            "subPosition": 0,
            "rowStatus": "Ordered",
            "productNumber": row["product"]["productNumber"],
            "productName": row["product"]["productName"],
            "salesData": row["salesData"],
            "referenceOrderRowPosition": row["position"],
        }
        self.records.change("returns", number, {"header": header, "rows": [returned]})

    def balance(self, stock: Stock, place: StockLocation) -> None:
        """What lies there, or is available there, is another quantity now."""
        facts = {
            "warehouse": place.warehouse,
            "productNumber": place.product,
            "physicalBalance": plain_number(stock.balance(place)),
            "availableBalanceNow": plain_number(stock.available(place)),
        }
        self.records.change("balances", f"{place.product}|{place.warehouse}", facts, revised=True)


def _next(statuses: Sequence[str], now: str) -> str:
    return statuses[min(statuses.index(now) + 1, len(statuses) - 1)]
