"""Whole answers: what a record's facts do not say is filled in along the tree of ``shapes.json``.

A filled value depends on seed, family, key and the place in the tree alone, so that a record answers the same
each time. With each revision of the record a part of its filled values is drawn again; null is among them.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any
from uuid import UUID

import msgspec

from connector.simulator.assortment import CITIES, COMPANIES, FIRST_NAMES, LAST_NAMES, STREETS
from connector.simulator.books import UNITS, WAREHOUSES
from connector.simulator.chance import Chance
from connector.simulator.records import RecordState, ShopRecord, stockholm

Body = dict[str, Any]

# Family → path of the resource in the shapes, and where a record has its date of creation and of change.
SINGLES: dict[str, tuple[str, str, str]] = {
    "orders": ("CustomerOrders/{orderNumber}", "orderHeader.orderDate", ""),
    "purchases": ("PurchaseOrders/{purchaseNumber}", "header.createDate", ""),
    "products": (
        "Products/{productNumber}",
        "productData.productDates.createdDate",
        "productData.productDates.changedDate",
    ),
    "customers": ("Customers/{customerNumber}", "createDate", "changeDate"),
    "offers": ("Offers/{offerNumber}", "offerHeader.offerDate", "offerHeader.changeDate"),
    "invoices": ("CustomerInvoices/{invoiceNumber}", "invoiceHeader.createDate", "invoiceHeader.changeDate"),
    "returns": ("ReturnOrders/{returnNumber}", "header.createDate", ""),
    "balances": ("ProductAvailability", "", "changeDate"),
}
# A revision draws the values of one of so many groups again.
GROUPS = 6
# Per cent of the values that are null, and of those that people rarely fill in.
NULL, MOSTLY_NULL = 15, 80
RARE = ("name2", "address2", "address3", "state", "doorcode", "deliverydescription")
DAY, MINUTE = 86_400_000_000, 60_000_000  # microseconds
# What a field holds, by the end of its name in lowercase; the first that fits.
WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("email", ("order@butik.example", "asa.oberg@kund.example", "inkop@foretag.example")),
    ("phone", ("+46 40 123 45 67", "+47 22 12 34 56", "070-123 45 67")),
    ("phonenumber", ("+46 8 123 45 67", "+45 33 12 34 56")),
    ("currency", ("SEK", "EUR")),
    ("unit", tuple(UNITS)),
    ("warehouse", WAREHOUSES),
    ("city", tuple(city for city, _, _ in CITIES)),
    ("postalcode", tuple(code for _, code, _ in CITIES)),
    ("countrycode", ("SE", "DK", "NO", "DE")),
    ("country", ("SE", "DK", "NO", "DE")),
    ("countryoforigin", ("SE", "CN", "DE", "PL")),
    ("firstname", FIRST_NAMES),
    ("lastname", LAST_NAMES),
    ("name", COMPANIES),
    ("address1", tuple(f"{street} {number}" for number, street in enumerate(STREETS, start=3))),
    ("url", ("https://butik.example/a?b=1&c=å", "https://butik.example/b")),
    ("link", ("https://butik.example/faktura.pdf",)),
    ("notes", ("Ring före leverans", 'Märk lådan "ömtåligt"', "Rad 1\nRad 2", "")),
    ("deliverymethod", ("PostNord MyPack", "DHL SimulatedApi Point", "Hämtas")),
    ("paymentterms", ("30 dagar netto", "10 dagar 2 %", "Förskott")),
    ("saleschannel", ("Webb", "Butik", "Telefon")),
    ("forwarder", ("PostNord", "DHL", "Bring")),
)


@cache
def shapes() -> Mapping[str, Any]:
    """Path of a resource → tree of its answer: field → type as text, a tree, or a list of one of these."""
    text = resources.files(__package__).joinpath("shapes.json").read_bytes()
    decoded: dict[str, Any] = msgspec.json.decode(text)
    return decoded


class Bodies:
    """The answers of one shop."""

    def __init__(self, seed: int) -> None:
        self._chance = Chance(f"bodies {seed}")
        # Path in a tree → the group of values that it is drawn with.
        self._groups: dict[str, int] = {}

    def body(self, record: ShopRecord, state: RecordState) -> Body:
        """The whole answer of one record; for balances its row of the list."""
        path, created, changed = SINGLES[record.family]
        tree = shapes()[path]
        if record.family == "balances":
            (tree,) = tree["productAvailabilityList"]
        body: Body = self.filled(record, state, tree, state.facts)
        for place, at in ((created, record.created_at), (changed, state.changed_at)):
            if place:
                *parents, last = place.split(".")
                inner = body
                for parent in parents:
                    inner = inner[parent]
                inner[last] = stockholm(at)
        return body

    def filled(self, record: ShopRecord, state: RecordState, tree: Any, facts: Any) -> Any:
        """The ``facts`` with whatever the tree has besides."""

        def draw(path: str) -> int:
            if (group := self._groups.get(path)) is None:
                group = self._groups[path] = self._chance.number(GROUPS, "group", path)
            times = (state.revision + group) // GROUPS
            return self._chance.number(2**64, record.family, record.key, path, times)

        return _Filling(draw, record.created_at).value(tree, facts, "")


class _Missing:
    """Stands for what the facts do not say; None is a fact."""


class _Filling:
    """One answer on its way through the tree; ``draw`` gives each path a number of 64 bits."""

    def __init__(self, draw: Callable[[str], int], created_at: int) -> None:
        self._draw = draw
        self._created_at = created_at

    def value(self, tree: Any, facts: Any, path: str) -> Any:
        if facts is None or not isinstance(tree, dict | list):
            return self._leaf(tree, path) if facts is _Missing else facts
        if isinstance(tree, dict):
            known = {} if facts is _Missing else facts
            return {
                name: self.value(leaf, known.get(name, _Missing), f"{path}.{name}")
                for name, leaf in tree.items()
            }
        items = [_Missing] * (self._draw(path) % 3) if facts is _Missing else facts
        # A row's position tells it from its neighbours, so that it stays as it is when another one leaves.
        return [
            self.value(
                tree[0], item, f"{path}[{item.get('position', at) if isinstance(item, Mapping) else at}]"
            )
            for at, item in enumerate(items)
        ]

    def _leaf(self, kind: str, path: str) -> Any:
        drawn, percent = divmod(self._draw(path), 100)
        kind, _, allowed = kind.partition(": ")
        spelt = path.rpartition(".")[2].partition("[")[0]
        name = spelt.strip().lower()
        if kind == "boolean":
            return drawn % 2 == 1
        if percent < (MOSTLY_NULL if name.startswith(RARE) else NULL) and not path.endswith("]"):
            return None
        if allowed:
            choices = allowed.split(" | ")
            return choices[drawn % len(choices)]
        value: Any
        match kind:
            case "integer":
                value = drawn % 60
            case "number":
                value = drawn % 26 if name.endswith("percent") else Decimal(drawn % 100_000) / 100
            case "date-time":
                # Whole minutes around the creation of the record.
                minutes = drawn % (40 * 1440) - 10 * 1440
                value = stockholm(self._created_at // DAY * DAY + minutes * MINUTE)
            case "uuid":
                value = str(UUID(int=drawn))
            case _:
                value = self._text(spelt, drawn)
        return value

    @staticmethod
    def _text(spelt: str, drawn: int) -> str:
        name = spelt.strip().lower()
        for ending, words in WORDS:
            if name.endswith(ending):
                return words[drawn % len(words)]
        number = drawn % 100_000
        if name.endswith(("number", "id", "code", "gln", "ean")):
            return str(number)
        words_of_name = re.sub(r"(?=[A-Z])", " ", spelt).lower().capitalize()
        return f"{words_of_name} {number % 100}"
