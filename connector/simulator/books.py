"""What the shop knows: its products and stock, its number series, and its dice.

All chance comes from one ``random.Random`` that is given, so a seed decides everything.
"""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from connector.simulator.stock import Stock, StockLocation
from connector.simulator.wire import BLANKS, plain_number, printed_number

WAREHOUSES = ("YX", "ADR-1", "B-1", "BA", "APAK-M", "MALMÖ")
PRICE_LISTS = ("B2B-EUR", "B2C-SEK", "Återförsäljare 2024", "Großhandel")
ORDER_TYPES = ("NormalOrder", "NormalOrder", "NormalOrder", "DirectDelivery", "CreditOrder")
# Product numbers are text: with dashes, letters, and zeros in front that must not get lost.
NUMBER_SHAPES = ("{}", "{}-001", "{}A9AA", "00{}")
# Unit → smallest step of a quantity.
UNITS = {"ST": Decimal(1), "M": Decimal("0.5"), "KG": Decimal("0.125")}


class Product(NamedTuple):
    """A product, the unit that it is counted in, and the three warehouses that hold it."""

    number: str
    unit: str
    warehouses: tuple[str, ...]


class OrderRow(NamedTuple):
    """A row of an order or a purchase; ``quantity`` in the product's unit."""

    position: int
    product: Product
    place: StockLocation
    quantity: Decimal

    @property
    def json_quantity(self) -> int | Decimal:
        return plain_number(self.quantity)


class Series:
    """A number series such as ``OFF-212423``: each next number is new."""

    def __init__(self, shape: str, first: int) -> None:
        self._shape = shape
        self._first = first
        self._count = 0

    def take(self) -> str:
        self._count += 1
        return self._shape.format(self._first + self._count)

    def known(self, dice: Random) -> str:
        """One of the numbers given so far; the first one is given when there is none."""
        if not self._count:
            return self.take()
        return self._shape.format(self._first + dice.randint(1, self._count))


class Bag:
    """Draws without putting back and refills when empty, so that each thing soon has its turn."""

    def __init__(self, things: Sequence[str], dice: Random) -> None:
        self._things = things
        self._dice = dice
        self._left: list[str] = []

    def draw(self) -> str:
        if not self._left:
            self._left = self._dice.sample(self._things, len(self._things))
        return self._left.pop()


class Books:
    """The state that the lives of orders, purchases and the rest share."""

    def __init__(self, dice: Random, stock: Stock) -> None:
        self.dice = dice
        self.stock = stock
        self.products: list[Product] = []
        self.orders = Series("{}", 3_339_000)
        self.purchases = Series("RP-{}", 70_002_000)
        self.customers = Series("{}", 603_000)
        self.offers = Series("OFF-{}", 212_000)
        self.invoices = Series("{}", 1_000_000)
        self.order_fates = Bag(["through"] * 6 + ["changed"] * 2 + ["cancelled", "cut short"], dice)
        self.purchase_fates = Bag(["full"] * 3 + ["in parts"] * 4 + ["cancelled"], dice)

    def new_product(self) -> Product:
        count = len(self.products)
        number = NUMBER_SHAPES[count % len(NUMBER_SHAPES)].format(4000 + count)
        unit = self.dice.choice(("ST", "ST", "ST", "M", "KG"))
        product = Product(number, unit, tuple(self.dice.sample(WAREHOUSES, 3)))
        self.products.append(product)
        return product

    def place(self, product: Product) -> StockLocation:
        """One of the warehouses that hold the product."""
        return StockLocation(product.number, self.dice.choice(product.warehouses))

    def quantity(self, product: Product, most: int) -> Decimal:
        """Draw a quantity of up to ``most`` steps of the product's unit."""
        return UNITS[product.unit] * self.dice.randint(1, most)

    def order_type(self) -> str:
        return self.dice.choice(ORDER_TYPES)

    def purchase_rows(self, warehouse: str) -> list[OrderRow]:
        """Rows of a purchase: now and then thousands of units."""
        most = self.dice.choice((40, 40, 9000))
        return [
            OrderRow(
                10 * index, product, StockLocation(product.number, warehouse), self.quantity(product, most)
            )
            for index, product in enumerate(self.some_products(3), start=1)
        ]

    def some_products(self, most: int) -> list[Product]:
        """One to ``most`` different products."""
        count = min(self.dice.randint(1, most), len(self.products))
        return self.dice.sample(self.products, count)

    def number(self, quantity: Decimal) -> Any:
        """Write a quantity as XTND does in rows: mostly text for people, at times a JSON number."""
        if self.dice.random() < 0.2:  # noqa: PLR2004 - a share, named by the docstring
            return plain_number(quantity)
        return printed_number(quantity, self.dice.choice(BLANKS))
