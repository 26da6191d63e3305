"""A seeded XTND shop that never closes: its deliveries, in true event order.

Two shops with one seed dispatch the same deliveries with the same Ids, indefinitely; a shorter run is
the start of a longer one. So running a seed twice against one mirror changes nothing there.
"""

from collections.abc import Iterator
from random import Random
from uuid import UUID

from connector.simulator import lives
from connector.simulator.books import Bag, Books
from connector.simulator.records import ShopRecords
from connector.simulator.stock import Stock
from connector.simulator.trade import Trade
from connector.simulator.wire import Notification, ShopDelivery

# How many products the shop opens with, and how many lives run side by side.
OPENING_PRODUCTS = 6
LIVES = 24
# Share of a step's notifications that travel in one delivery instead of one delivery each.
TOGETHER = 0.3


class Shop:
    """The shop of one seed; ``books`` say what is true in it after the last delivery taken.

    ``records`` get what is true of each entity; without them that is not kept.
    """

    def __init__(self, seed: int, records: ShopRecords | None = None, *, silent_prices: bool = False) -> None:
        self._dice = Random(seed)  # noqa: S311 - a reproducible play, no secret
        self.records = records or ShopRecords(seed, kept=False)
        trade = Trade(seed, self.records, silent_prices=silent_prices)
        self.books = Books(self._dice, Stock(trade.balance))
        self._lives = lives.Lives(self.books, trade)
        # Set when the hook is registered, so it is the same in every delivery.
        self.properties = {"NotificationId": str(UUID(int=self._dice.getrandbits(128), version=4))}

    def deliveries(self) -> Iterator[ShopDelivery]:
        """Deliveries without end, oldest first."""
        for step in self._steps():
            self.records.step()
            for notifications in self._parcels(step):
                yield ShopDelivery(
                    delivery_id=f"{self._dice.getrandbits(128):032x}",
                    properties=self.properties,
                    notifications=tuple(notifications),
                )

    def _parcels(self, step: lives.Step) -> Iterator[list[Notification]]:
        """Yield a step's notifications together in one delivery, or one by one."""
        if self._dice.random() < TOGETHER:
            yield step
            return
        for notification in step:
            yield [notification]

    def _steps(self) -> Iterator[lives.Step]:
        """Yield the steps of many lives, interleaved."""
        for _ in range(OPENING_PRODUCTS):
            yield from self._lives.product()
        kinds = self._lives.kinds()
        names = Bag([name for name, (turns, _) in kinds.items() for _ in range(turns)], self._dice)
        alive: list[lives.Life] = []
        while True:
            while len(alive) < LIVES:
                _, start = kinds[names.draw()]
                alive.append(start())
            chosen = self._dice.randrange(len(alive))
            step = next(alive[chosen], None)
            if step is None:
                alive[chosen] = alive[-1]
                alive.pop()
            else:
                yield step
