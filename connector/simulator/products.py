"""The records of products, with their prices in each list."""

from decimal import Decimal
from typing import Any

from connector.simulator.assortment import CENT, Assortment
from connector.simulator.books import PRICE_LISTS, Product
from connector.simulator.chance import Chance
from connector.simulator.records import ShopRecords


class Products:
    """Tells ``records`` of new and changed products.

    With ``silent_prices`` the update of a price list also changes the products' records, whose change dates
    stay as they are.
    """

    def __init__(self, records: ShopRecords, chance: Chance, *, silent_prices: bool) -> None:
        self._records = records
        self._chance = chance
        self._assortment = Assortment(chance)
        self._silent_prices = silent_prices

    def create(self, product: Product) -> None:
        number, name = product.number, self._assortment.product_name(product.number)
        cost = (self._assortment.price(number) / 2).quantize(CENT)
        data = {
            "productName": name,
            "productUnit": product.unit,
            "cost": cost,
            "currency": "SEK",
            "enabled": True,
            "annulled": False,
            "annulledBy": None,
            "annulledDate": None,
        }
        supplier = {"supplierAgreement": "Nordisk Grossist AB", "supplierProductName": name, "price": cost}
        facts = {
            "productNumber": number,
            "productData": data,
            "productPrices": self._prices(product.number, product.unit, Decimal(1)),
            "productWarehouses": [{"warehouse": warehouse} for warehouse in product.warehouses],
            "productSuppliers": [supplier],
        }
        self._records.change("products", number, facts)

    def _prices(self, number: str, unit: str, factor: Decimal) -> list[dict[str, Any]]:
        rows = []
        for name in PRICE_LISTS:
            currency = "SEK" if name in {"B2C-SEK", "Återförsäljare 2024"} else "EUR"
            price = (self._assortment.price(number, currency) * factor).quantize(CENT)
            vat = self._assortment.vat_percent(number)
            row = {"priceList": name, "numberSalesUnits": 1, "price": price, "currency": currency}
            rows.append(row | {"vatPercent": vat})
        return [{"salesUnit": {"quantity": 1, "unit": unit}, "productPriceListRows": rows}]

    def change(self, number: str) -> None:
        """Another price and cost; every other time its supplier leaves or comes back."""
        state = self._records.state("products", number)
        if state is None:
            return
        facts, revision = state.facts, state.revision
        factor = Decimal(80 + self._chance.number(60, "factor", number, revision)) / 100
        data = facts["productData"] | {"cost": (facts["productData"]["cost"] * factor).quantize(CENT)}
        data["enabled"] = not self._chance.hit(0.2, "disabled", number, revision)
        suppliers = facts["productSuppliers"]
        if self._chance.hit(0.5, "supplier", number, revision):
            suppliers = [] if suppliers else [{"supplierAgreement": "Import & Co"}]
        prices = self._prices(number, data["productUnit"], factor)
        changed = {"productData": data, "productPrices": prices, "productSuppliers": suppliers}
        self._records.change("products", number, {**facts, **changed}, revised=True)

    def raise_prices(self, name: str) -> None:
        """A tenth more for each price in the list; without ``silent_prices`` nothing."""
        for number in self._records.family("products") if self._silent_prices else ():
            state = self._records.state("products", number)
            if state is not None:
                (prices,) = state.facts["productPrices"]
                rows = [
                    row | {"price": (row["price"] * Decimal("1.1")).quantize(CENT)}
                    if row["priceList"] == name
                    else row
                    for row in prices["productPriceListRows"]
                ]
                changed = {"productPrices": [prices | {"productPriceListRows": rows}]}
                self._records.change("products", number, {**state.facts, **changed}, dated=False)
