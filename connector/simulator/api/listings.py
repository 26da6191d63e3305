"""Which lists there are: the filters of each, and what its rows repeat of a record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.simulator.api.bodies import Body
from connector.simulator.assortment import CENT


@dataclass(frozen=True, slots=True)
class ListResource:
    """One list.

    ``data`` names the rows in the answer, whose pages count from 1; without it the answer is the bare array,
    and its pages count from 0. ``row`` makes a row's own fields of a record's body and the row's index; the
    rest is filled. ``rows`` says how many rows a record has. ``changed`` and ``created`` are the names of the
    filters, from and to; ``equal`` are filters that compare a field of the facts.
    """

    family: str
    data: str | None
    row: Callable[[Body, int], Any]
    rows: Callable[[Mapping[str, Any]], int] = lambda _: 1
    changed: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()

    def has_date_filter(self, query: Mapping[str, str]) -> bool:
        """Whether a request for the list says from when or until when."""
        return any(name in query for name in (*self.changed, *self.created))


class ListRows:
    """What a list's row repeats of a record's body; ``index`` is the row's place in the record."""

    @staticmethod
    def total(rows: Iterable[Body]) -> Decimal:
        sales = [row["salesData"] for row in rows]
        return sum((one["quantity"] * one["unitPrice"] for one in sales), Decimal(0)).quantize(CENT)

    @staticmethod
    def order(body: Body, _: int) -> Any:
        header = body["orderHeader"]
        name = header["deliveryAddress"]["name1"]
        return header | {"customerName": name, "totalPrice": ListRows.total(body["orderRows"])}

    @staticmethod
    def purchase(body: Body, _: int) -> Any:
        header = body["header"]
        received = header["status"] == "Received"
        is_open = header["status"] in {"Ordered", "PartiallyReceived"}
        return header | header["supplier"] | {"isOpen": is_open, "isReceived": received}

    @staticmethod
    def customer(body: Body, _: int) -> Any:
        address = body["customerDeliveryAddress"]["address"]
        return body | {
            "deliveryAddress1": address["address1"],
            "deliveryPostalCode": address["postalCode"],
            "deliveryCity": address["city"],
        }

    @staticmethod
    def offer(body: Body, _: int) -> Any:
        header = body["offerHeader"]
        return header | {"customerName": header["deliveryAddress"]["name1"]}

    @staticmethod
    def invoice(body: Body, _: int) -> Any:
        header = body["invoiceHeader"]
        order = header["orders"][0] if header["orders"] else {"orderNumber": None}
        return header | order | {"invoiceStatus": header["customerInvoiceStatus"]}

    @staticmethod
    def product(body: Body, index: int) -> Any:
        data = body["productData"]
        return (
            data
            | data["productGroupsAndCategories"]
            | {
                "productNumber": body["productNumber"],
                "createDate": data["productDates"]["createdDate"],
                "supplyMode": data["productServices"]["supplyMode"],
                "warehouse": body["productWarehouses"][index]["warehouse"],
            }
        )

    @staticmethod
    def price(body: Body, index: int) -> Any:
        unit = body["productPrices"][0]
        row = unit["productPriceListRows"][index]
        known = {"productNumber": body["productNumber"], "salesUnit": unit["salesUnit"]["unit"]}
        return row | known | {"fromQuantity": row["numberSalesUnits"], "listPrice": row["price"]}

    @staticmethod
    def returned(body: Body, _: int) -> Any:
        header = body["header"]
        return header | {
            "isOpen": header["status"] == "Ordered",
            "isReceived": header["status"] == "Received",
        }


LISTS = {
    "CustomerOrders": ListResource(
        "orders", None, ListRows.order, changed=("modifiedDateFrom", "modifiedDateTo")
    ),
    "Products": ListResource(
        "products",
        None,
        ListRows.product,
        rows=lambda facts: len(facts["productWarehouses"]),
        changed=("modifiedDateFrom", "modifiedDateTo"),
    ),
    "ProductAvailability": ListResource(
        "balances",
        "productAvailabilityList",
        lambda body, _: body,
        changed=("modifiedDateFrom",),
        equal=("warehouse", "productNumber"),
    ),
    "ProductPrices": ListResource(
        "products",
        "productPriceItemList",
        ListRows.price,
        rows=lambda facts: len(facts["productPrices"][0]["productPriceListRows"]),
        equal=("productNumber",),
    ),
    "Customers": ListResource("customers", "customerList", ListRows.customer, changed=("changedAfterDate",)),
    "CustomerInvoices": ListResource(
        "invoices", "customerInvoiceList", ListRows.invoice, changed=("changeDateFrom", "changeDateTo")
    ),
    "Offers": ListResource(
        "offers", "offerItemList", ListRows.offer, created=("offerDateFrom", "offerDateTo")
    ),
    "PurchaseOrders": ListResource(
        "purchases",
        "purchaseOrderList",
        ListRows.purchase,
        changed=("changeDateFrom", "changeDateTo"),
        created=("createDateFrom", "createDateTo"),
    ),
    "ReturnOrders": ListResource(
        "returns", "returnOrderList", ListRows.returned, created=("createDateFrom", "createDateTo")
    ),
}
