"""Views of a kind that ``tables.yaml`` names: movements, intervals, days and lead times of any table."""

from connector.config import SHOP_COLUMN, Table, View
from connector.mirror.dialects import Dialect
from connector.mirror.dialects.parts import Daily
from connector.mirror.mapped import MappedTable
from connector.mirror.shown import EVENT, number
from connector.mirror.statements import quoted


def select(view: View, settings: Table, table: MappedTable, dialect: Dialect) -> str:
    """The SELECT of a view; ``settings`` is the table as it is written, ``table`` as it was compiled."""
    if view.kind == "lead_times":
        return _lead_times(view, table, dialect)
    instant = next(name for name, column in settings.columns.items() if column.event == "occurred_at")
    numeric = next(column.type == "numeric" for column in table.columns if column.name == view.value)
    history = History(view, table, quoted(instant), dialect, numeric=numeric)
    return {"movements": history.movements, "intervals": history.intervals, "daily": history.daily}[
        view.kind
    ]()


def comments(view: View, table: MappedTable) -> dict[str, str]:
    """What the columns of a view say, by column."""
    hidden = {*table.key_columns} - {*table.shown_key}
    described = {
        column.name: column.description
        for column in (*table.key, *table.columns)
        if (column.name, column.type) not in hidden
    }
    shop = {SHOP_COLUMN: described[SHOP_COLUMN]} if table.by_shop else {}
    if view.kind == "lead_times":
        shown = (*_key(table), *view.steps)
        seconds = {name: f"Seconds from {start} to {end}." for start, end, name in view.durations}
        return {name: described[name] for name in shown if described[name]} | seconds | shop
    if view.kind == "movements":
        more = EVENT | {"previous_quantity": f"{view.value} before this event.", "delta": "The change."}
        return {name: text for name, text in described.items() if text} | more
    more = {
        "intervals": {"valid_from": "Since when (UTC).", "valid_to": "Until when, not included; null: now."},
        "daily": {"day": "Day of UTC."},
    }[view.kind]
    return {name: described[name] for name in (*view.per, str(view.value)) if described[name]} | more | shop


def _key(table: MappedTable) -> list[str]:
    """The key of a table without the shop, which stands last in a view."""
    return [column.name for column in table.key][table.by_shop :]


def _lead_times(view: View, table: MappedTable, dialect: Dialect) -> str:
    shown = [quoted(name) for name in (*_key(table), *view.steps)]
    shown += [
        f"{dialect.seconds_between(quoted(start), quoted(end))} AS {quoted(name)}"
        for start, end, name in view.durations
    ]
    shop = [quoted(SHOP_COLUMN)] if table.by_shop else []
    return f"SELECT {', '.join(shown + shop)} FROM {quoted(table.store)}"


class History:
    """Views of one value of a history table, per series and in event order."""

    def __init__(
        self, view: View, table: MappedTable, instant: str, dialect: Dialect, *, numeric: bool
    ) -> None:
        self._table = table
        self._name = quoted(table.store)
        shop = [SHOP_COLUMN] if table.by_shop else []
        # Series are distinguished by these, and shown with them: the shop in front there, and last here.
        self._per = [quoted(name) for name in (*shop, *view.per)]
        self._shown = [quoted(name) for name in view.per]
        self._shop = "".join(f", {quoted(name)}" for name in shop)
        self._value = quoted(str(view.value))
        self._instant = instant
        self._dialect = dialect
        self._number = self._dialect.number(self._value) if numeric else self._value

    def movements(self) -> str:
        """The history with the value before and the change."""
        *key, source = (name for name, _ in self._table.shown_key)
        names = [*key, *(column.name for column in self._table.columns)]
        if self._table.by_shop:
            names.remove(SHOP_COLUMN)
        numeric = {column.name for column in self._table.columns if column.type == "numeric"}
        columns = ", ".join(
            number(quoted(name), self._dialect) if name in numeric else quoted(name) for name in names
        )
        previous = f"LAG({self._value}) OVER ({self._window()})"
        # By name: PostgreSQL would keep a column that tables.yaml no longer has from being dropped.
        listed = ", ".join(map(quoted, (*names, source))) + self._shop
        moved = f"(SELECT {listed}, {previous} AS previous_quantity FROM {self._name}) AS history"
        moved, delta = self._dialect.difference(moved, self._value, "previous_quantity")
        former = number("previous_quantity", self._dialect)
        return f"SELECT {columns}, {former}, {delta} AS delta, {quoted(source)}{self._shop} FROM {moved}"

    def intervals(self) -> str:
        """From when until when each value was valid; the last interval is open.

        Of several events at one instant only the last in event order has an interval.
        """
        per = ", ".join(self._per)
        until = f"LEAD({self._instant}) OVER ({self._window()})"
        columns = f"{per}, {self._number} AS {self._value}, {self._instant} AS valid_from"
        return (
            f"SELECT {', '.join(self._shown)}, {self._value}, valid_from, valid_to{self._shop} "
            f"FROM (SELECT {columns}, {until} AS valid_to FROM {self._name}) AS history "
            "WHERE valid_to IS NULL OR valid_to > valid_from"
        )

    def daily(self) -> str:
        """The value at the end of each UTC day, from the day of a series' first event to today.

        Each day is looked up by itself in the index on ``per`` and the instant, so that a query costs what
        the days that it asks for cost. A series of which a part is null is left out: no index finds it.
        """
        same = " AND ".join(f"history.{name} = series.{name}" for name in self._per)
        order = ", ".join(f"{one} DESC" for one in (self._instant, *self._dialect.event_order))
        found = f"SELECT {self._number} AS {self._value} FROM {self._name} AS history WHERE {same} AND "
        shop = self._shop and f", series.{quoted(SHOP_COLUMN)}"
        shown = ", ".join(f"series.{name}" for name in self._shown)
        complete = " AND ".join(f"{name} IS NOT NULL" for name in self._per)
        return self._dialect.daily(
            Daily(
                *(self._name, self._per, self._instant, self._value, shown, shop, complete),
                last=lambda which: f"{found}{which} ORDER BY {order} LIMIT 1",
            )
        )

    def _window(self) -> str:
        order = ", ".join((self._instant, *self._dialect.event_order))
        return f"PARTITION BY {', '.join(self._per)} ORDER BY {order}"
