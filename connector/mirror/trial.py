"""Events tried with a mapping: which of them would be dead letters, and why."""

import time
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from connector.errors import Poison
from connector.events import Event, Identity, Sort
from connector.mirror import dialects, ledger
from connector.mirror.database import translate
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapping import Mapping
from connector.mirror.rows import Item, rows_of


class Trial:
    """Maps events and writes them into empty copies of the tables, as the sink would."""

    def __init__(self, copies: Connection | None, mapping: Mapping, deadline: float) -> None:
        """``copies`` are from ``scratch``, None to map alone; ``deadline`` is on the monotonic clock."""
        self._copies = copies
        self._mapping = mapping
        self._deadline = deadline
        # Events that were tried, by sort, and those that were refused, in the order of trying.
        self.tried: Counter[Sort] = Counter()
        self.refused: dict[Identity, tuple[Sort, Poison]] = {}
        # Values that they gave, by sort, table and column.
        self.filled: Counter[tuple[Sort, str, str]] = Counter()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline

    def run(self, events: Sequence[Event]) -> None:
        """Try distinct events that were not tried before."""
        items = []
        for event in events:
            try:
                contributions = self._mapping.contributions(event)
            except Poison as poison:
                self._refuse(event, poison)
            else:
                items.append(Item(LedgerEvent(event, "", -1, -1), contributions))
                self.filled.update(
                    (event.sort, one.table.name, column.name)
                    for one in contributions
                    for column, cell in zip(one.table.columns, one.cells, strict=True)
                    if cell is not None
                )
        if items and self._copies is not None:
            self._write(self._copies, items)
        else:
            self._count(items)

    def _write(self, copies: Connection, items: Sequence[Item]) -> None:
        """Write events together, and in halves where one is refused, until each of those stands alone."""
        try:
            with copies.begin_nested():
                rows = rows_of(dialects.of(copies), self._mapping, items)
                ledger.insert(copies, rows.ledger, 0)
                for statement in rows.merges:
                    statement.run(copies, 0)
        except dialects.ERRORS as error:
            meaning = translate(error)
            if not isinstance(meaning, Poison):
                raise
            if len(items) == 1:
                self._refuse(items[0].ledger_event.event, meaning)
            elif not self.over:  # else nobody knows which of them it is
                middle = len(items) // 2
                self._write(copies, items[:middle])
                self._write(copies, items[middle:])
        else:
            self._count(items)

    def _count(self, items: Sequence[Item]) -> None:
        self.tried.update(item.ledger_event.event.sort for item in items)

    def _refuse(self, event: Event, poison: Poison) -> None:
        self.tried[event.sort] += 1
        self.refused[event.identity] = (event.sort, poison)
