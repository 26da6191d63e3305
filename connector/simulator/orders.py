"""The records of orders and purchases, from the step that opens them to the one that ends them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from connector.simulator.assortment import Assortment
from connector.simulator.books import OrderRow
from connector.simulator.chance import Chance
from connector.simulator.records import ShopRecords, stockholm
from connector.simulator.wire import plain_number

# What the hooks' order types are called in REST.
ORDER_TYPES = {"NormalOrder": "Normal", "DirectDelivery": "Express", "CreditOrder": "RMAOrder"}
FREIGHT = "FRAKT"
FORWARDERS = ("PostNord", "DHL", "Schenker", "Bring")
SUPPLIERS = ("Nordisk Grossist AB", "Werkzeug GmbH", "Fabriken i Ågård AB", "Import & Co")


class Order:
    """One order. Half of them have a freight row, which no warehouse handles."""

    def __init__(
        self, records: ShopRecords, chance: Chance, head: dict[str, str], rows: list[OrderRow], customer: str
    ) -> None:
        self._records, self._chance = records, chance
        self._assortment = Assortment(chance)
        self.number = head["OrderNumber"]
        self.customer = self._assortment.customer(customer)
        street = self._assortment.street(customer)
        self._header: dict[str, Any] = {
            "orderNumber": self.number,
            "orderType": ORDER_TYPES[head["OrderType"]],
            "orderStatus": "Created",
            "customerNumber": customer,
            "deliveryAddress": self.customer.address(street),
            "invoiceAddress": self.customer.address(street, "name"),
            "shipments": [],
            "customerInvoices": [],
        }
        direct = head["OrderType"] == "DirectDelivery"
        self._rows = {row.position: self._row(row, direct=direct) for row in rows}
        if chance.hit(0.5, "freight", self.number):
            self._rows[10 * len(rows) + 10] = self._freight(10 * len(rows) + 10)
        self._save()

    def _row(self, row: OrderRow, *, direct: bool) -> dict[str, Any]:
        product = row.product
        return {
            "position": row.position,
            "subPosition": 0,
            "rowOperation": "Active",
            "orderRowStatus": "Created",
            "product": {
                "productNumber": product.number,
                "productName": self._assortment.product_name(product.number),
            },
            "salesData": self._assortment.sales(
                product.number, row.json_quantity, product.unit, self.customer.currency
            ),
            "supplyMode": "DirectDelivery" if direct else "Warehouse",
            "warehouse": row.place.warehouse,
            "allocationStatus": "NotAllocated",
            "deliveryData": None,
            "shipmentNumber": None,
            "shipDate": None,
            "orderRowId": str(UUID(int=self._chance.number(2**64, "row", self.number, row.position))),
        }

    def _freight(self, position: int) -> dict[str, Any]:
        return {
            "position": position,
            "subPosition": 0,
            "rowOperation": "Active",
            "orderRowStatus": "Created",
            "product": {"productNumber": FREIGHT, "productName": "Frakt"},
            "salesData": self._assortment.sales(FREIGHT, 1, "ST", self.customer.currency),
            "supplyMode": "Freight",
            "warehouse": None,
            "allocationStatus": "NotAllocated",
            "deliveryData": None,
            "shipmentNumber": None,
            "shipDate": None,
            "orderRowId": str(UUID(int=self._chance.number(2**64, "row", self.number, position))),
        }

    @property
    def goods(self) -> list[dict[str, Any]]:
        """The rows that were not annulled, freight included."""
        return [row for row in self._rows.values() if row["orderRowStatus"] != "Annulled"]

    def reserve(self) -> None:
        for position in self._rows:
            self._set_row(position, orderRowStatus="Reserved", allocationStatus="Physical")
        self._save(orderStatus="Reserved")

    def deliver_elsewhere(self) -> None:
        """Another address; the customer fetches the goods there, so that the freight row leaves the order."""
        for position in [at for at, row in self._rows.items() if row["supplyMode"] == "Freight"]:
            del self._rows[position]
        address = self.customer.address(self._assortment.street(self.number, "changed"))
        self._save(revised=True, deliveryAddress=address)

    def pick(self, row: OrderRow) -> None:
        """Pick a row and send it; the order is done with its last one."""
        number = f"S-{self.number}-{row.position}"
        delivered = dict(self._rows[row.position]["salesData"])
        self._set_row(
            row.position,
            orderRowStatus="Picked",
            allocationStatus="Delivered",
            shipmentNumber=number,
            deliveryData=delivered,
            shipDate=stockholm(self._records.clock()),
        )
        shipment = {
            "shipmentNumber": number,
            "createDate": stockholm(self._records.clock()),
            "pickDate": stockholm(self._records.clock()),
            "forwarder": self._chance.choice(FORWARDERS, "forwarder", self.number),
            "numberPackages": 1,
            "packages": [f"{number}-1"],
        }
        freight = [at for at, one in self._rows.items() if one["supplyMode"] == "Freight"]
        left = any(one["orderRowStatus"] != "Picked" for at, one in self._rows.items() if at not in freight)
        for position in () if left else freight:
            self._set_row(position, orderRowStatus="Picked")
        self._save(
            orderStatus="PartiallyDelivered" if left else "Terminated",
            shipments=[*self._header["shipments"], shipment],
        )

    def cancel(self) -> None:
        """Annul what was not picked. In half of the orders these rows leave instead, if another row stays."""
        leave = self._chance.hit(0.5, "leave", self.number)
        for position in [at for at, row in self._rows.items() if row["orderRowStatus"] != "Picked"]:
            if leave and len(self._rows) > 1:
                del self._rows[position]
            else:
                self._set_row(position, orderRowStatus="Annulled", allocationStatus="NotAllocated")
        self._save(orderStatus="Annulled")

    def _set_row(self, position: int, **values: Any) -> None:
        self._rows[position] = self._rows[position] | values

    def _save(self, *, revised: bool = False, **header: Any) -> None:
        self._header = self._header | header
        facts = {"orderHeader": self._header, "orderRows": list(self._rows.values())}
        self._records.change("orders", self.number, facts, revised=revised)


class Purchase:
    """One purchase from a supplier."""

    def __init__(
        self,
        records: ShopRecords,
        chance: Chance,
        head: dict[str, str],
        rows: Iterable[OrderRow],
        *,
        times: int,
    ) -> None:
        """``times``: how often the rows' quantities are bought."""
        self._records = records
        assortment = Assortment(chance)
        self._number = head["OrderNumber"]
        supplier = chance.number(len(SUPPLIERS), "supplier", self._number)
        self._header: dict[str, Any] = {
            "purchaseNumber": self._number,
            "status": "Ordered",
            "warehouse": head["Warehouse"],
            "supplier": {"supplierNumber": f"L{supplier + 1:03}", "supplierName": SUPPLIERS[supplier]},
            "shippedDate": None,
        }
        self._shipments: list[dict[str, Any]] = []
        self._rows = {
            row.position: {
                "position": row.position,
                "subPosition": 0,
                "rowStatus": "Ordered",
                "statusChangeDate": stockholm(records.clock()),
                "productNumber": row.product.number,
                "productName": assortment.product_name(row.product.number),
                "purchaseDataProductUnit": assortment.sales(
                    row.product.number, plain_number(times * row.quantity), row.product.unit, "SEK"
                ),
            }
            for row in rows
        }
        self._save()

    def receive(self, rows: Iterable[OrderRow], *, last: bool) -> None:
        """Goods of these rows come in; with the ``last`` ones the purchase is received."""
        now = stockholm(self._records.clock())
        for row in rows:
            status = "Received" if last else "Ordered"
            changed = {"rowStatus": status, "statusChangeDate": now, "shipDate": now}
            self._rows[row.position] = self._rows[row.position] | changed
        shipment = {
            "shipmentNumber": f"{self._number}-{len(self._shipments) + 1}",
            "createDate": now,
            "shipmentStatus": "DeliveryConfirmed",
        }
        self._shipments = [*self._shipments, shipment]
        self._save(status="Received" if last else "PartiallyReceived", shippedDate=now)

    def cancel(self) -> None:
        cancelled = {"rowStatus": "Cancelled", "statusChangeDate": stockholm(self._records.clock())}
        self._rows = {position: row | cancelled for position, row in self._rows.items()}
        self._save(status="Cancelled")

    def _save(self, **header: Any) -> None:
        self._header = self._header | header
        facts = {
            "header": self._header,
            "rows": list(self._rows.values()),
            "shipments": self._shipments,
        }
        self._records.change("purchases", self._number, facts)
