"""Names, prices and customers of the shop: what its records say beyond what happened."""

from decimal import Decimal
from typing import Any, NamedTuple

from connector.simulator.chance import Chance

THINGS = ("Skruv", "Arbetshandske", "Kaffe", "Lampa", "Slang", "Färg", "Tröja", "Låda", "Kabel", "Filter")
KINDS = ("liten", "stor", "blå", "röd", "förzinkad", "ekologisk", "vattentät", "extra lång")
FIRST_NAMES = ("Åsa", "Erik", "Ingrid", "Jürgen", "Zoë", "Mats", "Søren", "Linnéa")
LAST_NAMES = ("Öberg", "Lindström", "Müller", "Nygård", "Andersson", "Hansen", "Björk")
COMPANIES = ("Bygg", "Handel", "El & VVS", "Café", "Måleri", "Sport")
# City, postal code, country.
CITIES = (
    ("Malmö", "211 20", "SE"),
    ("Göteborg", "411 03", "SE"),
    ("Umeå", "903 26", "SE"),
    ("København", "1050", "DK"),
    ("Tromsø", "9008", "NO"),
    ("Köln", "50667", "DE"),
)
STREETS = ("Storgatan", "Kungsgatan", "Hamnvägen", "Åvägen", "Industrigatan")
CENT = Decimal("0.01")
EURO = Decimal("11.45")  # kronor
VAT_PERCENT = (25, 25, 25, 12, 6)


class Customer(NamedTuple):
    """What other records repeat of a customer."""

    number: str
    name: str
    city: str
    postal_code: str
    country: str
    currency: str

    def address(self, street: str, name: str = "name1") -> dict[str, Any]:
        """The address with the keys that orders use; ``name`` is the key that its name has there."""
        return {
            name: self.name,
            "address1": street,
            "postalCode": self.postal_code,
            "city": self.city,
            "countryCode": self.country,
        }


class Assortment:
    """Answers by number alone, so that an order knows its customer's name without a look at any record."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def product_name(self, number: str) -> str:
        thing = self._chance.choice(THINGS, "thing", number)
        return f"{thing} {self._chance.choice(KINDS, 'kind', number)} {number}"

    def price(self, product: str, currency: str = "SEK") -> Decimal:
        """Price of one unit, to the cent."""
        kronor = Decimal(self._chance.number(200_000, "price", product) + 100) / 100
        return kronor.quantize(CENT) if currency == "SEK" else (kronor / EURO).quantize(CENT)

    def vat_percent(self, product: str) -> int:
        return self._chance.choice(VAT_PERCENT, "vat", product)

    def customer(self, number: str) -> Customer:
        last = self._chance.choice(LAST_NAMES, "last", number)
        name = f"{self._chance.choice(FIRST_NAMES, 'first', number)} {last}"
        if self._chance.hit(0.5, "company", number):
            name = f"{last}s {self._chance.choice(COMPANIES, 'trade', number)} AB"
        city, postal_code, country = self._chance.choice(CITIES, "city", number)
        return Customer(number, name, city, postal_code, country, "EUR" if country in {"DE", "DK"} else "SEK")

    def street(self, *question: object) -> str:
        street = self._chance.choice(STREETS, "street", *question)
        return f"{street} {self._chance.number(90, 'house', *question) + 1}"

    def sales(self, product: str, quantity: object, unit: str, currency: str) -> dict[str, Any]:
        """Quantity and price as rows of orders and offers have them."""
        return {
            "quantity": quantity,
            "unit": unit,
            "unitPrice": self.price(product, currency),
            "vatPercent": self.vat_percent(product),
            "currency": currency,
        }
