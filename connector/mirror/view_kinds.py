"""Views of a kind that ``tables.yaml`` names: movements, intervals, days and lead times of any table."""

from collections.abc import Iterator

from connector.config import SHOP_COLUMN, Table, View
from connector.mirror.mapped import MappedTable
from connector.mirror.shown import EVENT, number
from connector.mirror.statements import quoted


def select(view: View, settings: Table, table: MappedTable, dialect: str) -> str:
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
    described = {column.name: column.description for column in (*table.key, *table.columns)}
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


def _lead_times(view: View, table: MappedTable, dialect: str) -> str:
    shown = [quoted(name) for name in (*_key(table), *view.steps)]
    shown += [
        f"{_seconds(quoted(start), quoted(end), dialect)} AS {quoted(name)}"
        for start, end, name in view.durations
    ]
    shop = [quoted(SHOP_COLUMN)] if table.by_shop else []
    return f"SELECT {', '.join(shown + shop)} FROM {quoted(table.store)}"


def _seconds(start: str, end: str, dialect: str) -> str:
    """Seconds from one instant to another, with microseconds."""
    if dialect == "postgresql":
        return f"CAST(EXTRACT(EPOCH FROM {end} - {start}) AS NUMERIC)"
    # Whole seconds by the calendar, microseconds as they stand in the text (``ledger.py``).
    whole = "CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER)"
    micros = "CAST(substr({0}, 21, 6) AS INTEGER)"
    difference = " - ".join(f"({whole.format(one)} * 1000000 + {micros.format(one)})" for one in (end, start))
    return f"(({difference}) / 1000000.0)"


class History:
    """Views of one value of a history table, per series and in event order."""

    def __init__(self, view: View, table: MappedTable, instant: str, dialect: str, *, numeric: bool) -> None:
        self._table = table
        self._name = quoted(table.store)
        shop = [SHOP_COLUMN] if table.by_shop else []
        # Series are told apart by these, and shown with them: the shop in front there, and last here.
        self._per = [quoted(name) for name in (*shop, *view.per)]
        self._shown = [quoted(name) for name in view.per]
        self._shop = "".join(f", {quoted(name)}" for name in shop)
        self._value = quoted(str(view.value))
        self._instant = instant
        self._dialect = dialect
        # A fraction is stored as text on SQLite; what is shown of it is a number.
        self._number = f"{self._value} + 0" if numeric and dialect == "sqlite" else self._value

    def movements(self) -> str:
        """The history with the value before and the change."""
        *key, source = (column.name for column in self._table.key)
        names = [*key, *(column.name for column in self._table.columns)]
        if self._table.by_shop:
            names.remove(SHOP_COLUMN)
        numeric = {column.name for column in self._table.columns if column.type == "numeric"}
        on_sqlite = self._dialect == "sqlite"
        columns = ", ".join(
            number(quoted(name)) if on_sqlite and name in numeric else quoted(name) for name in names
        )
        previous = f"LAG({self._value}) OVER ({self._window()})"
        # By name: PostgreSQL would keep a column that tables.yaml no longer has from being dropped.
        listed = ", ".join(map(quoted, (*names, source))) + self._shop
        moved = f"(SELECT {listed}, {previous} AS previous_quantity FROM {self._name}) AS history"
        delta = f"({self._value} - previous_quantity)"
        former = number("previous_quantity") if on_sqlite else "previous_quantity"
        if on_sqlite:
            millionths = _millionths(self._value, "previous_quantity")
            moved = f"(SELECT *, {millionths} AS millionths FROM {moved}) AS moved"
            delta = _SQLITE_DELTA
        return f"SELECT {columns}, {former}, {delta} AS delta, {quoted(source)}{self._shop} FROM {moved}"

    def intervals(self) -> str:
        """From when until when each value held; the last one is open.

        Of several events at one instant the last in event order holds from then on, the others never.
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
        series = ", ".join(f"series.{name}" for name in self._shown)
        shop = self._shop and f", series.{quoted(SHOP_COLUMN)}"
        same = " AND ".join(f"history.{name} = series.{name}" for name in self._per)
        order = ", ".join(f"{one} DESC" for one in (self._instant, *_event_order(self._dialect)))
        last = (
            f"SELECT {self._number} AS {self._value} FROM {self._name} AS history "
            f"WHERE {same} AND history.{self._instant} < days.until ORDER BY {order} LIMIT 1"
        )
        if self._dialect == "postgresql":
            return (
                f"WITH RECURSIVE series AS ({self._series_on_postgresql()}) "
                f"SELECT days.day, {series}, held.{self._value}{shop} FROM series CROSS JOIN ("
                "SELECT day::date AS day, (day + interval '1 day') AT TIME ZONE 'UTC' AS until "
                "FROM generate_series((SELECT date_trunc('day', MIN(first_at) AT TIME ZONE 'UTC') "
                "FROM series), now() AT TIME ZONE 'UTC', interval '1 day') AS day) AS days "
                f"CROSS JOIN LATERAL ({last}) AS held"
            )
        # Series come first, because their days lie side by side in the index.
        return (
            f"WITH RECURSIVE series AS MATERIALIZED ({self._series_on_sqlite(same)}), days(day, until) AS ("
            "SELECT date(MIN(first_at)), date(MIN(first_at), '+1 day') FROM series "
            "UNION ALL SELECT until, date(until, '+1 day') FROM days WHERE until <= date('now')) "
            f"SELECT days.day, {series}, ({last}) AS {self._value}{shop} "
            "FROM series CROSS JOIN days WHERE series.first_at < days.until"
        )

    def _series_on_postgresql(self) -> str:
        """Every series and its first instant, by a jump through the index from each to the next."""
        names = ", ".join((*self._per, self._instant))
        per = ", ".join(f"history.{name}" for name in self._per)
        after = ", ".join(f"series.{name}" for name in self._per)
        found = f"SELECT {names} FROM {self._name} AS history WHERE {self._complete()}"
        order = f"ORDER BY {names} LIMIT 1"
        return (
            f"(SELECT {', '.join(self._per)}, {self._instant} AS first_at FROM ({found} {order}) AS one) "
            "UNION ALL SELECT one.* FROM series CROSS JOIN LATERAL "
            f"({found} AND ({per}) > ({after}) {order}) AS one"
        )

    def _series_on_sqlite(self, same: str) -> str:
        """The same by a walk through the index, which SQLite does faster than a jump."""
        per = ", ".join(self._per)
        first = f"(SELECT MIN({self._instant}) FROM {self._name} AS history WHERE {same}) AS first_at"
        distinct = f"SELECT DISTINCT {per} FROM {self._name} WHERE {self._complete()}"
        return f"SELECT {per}, {first} FROM ({distinct}) AS series"

    def _complete(self) -> str:
        return " AND ".join(f"{name} IS NOT NULL" for name in self._per)

    def _window(self) -> str:
        order = ", ".join((self._instant, *_event_order(self._dialect)))
        return f"PARTITION BY {', '.join(self._per)} ORDER BY {order}"


def _event_order(dialect: str) -> Iterator[str]:
    """What follows occurred_at in event order (mirror.md, 1), and then the row object's place."""
    if dialect == "postgresql":
        yield "split_part(event_id, ':', 1) COLLATE \"C\""
        yield "split_part(event_id, ':', 2)::bigint"
        yield 'source COLLATE "C"'
    else:
        yield "substr(event_id, 1, instr(event_id, ':') - 1)"
        yield "CAST(substr(event_id, instr(event_id, ':') + 1) AS INTEGER)"
        yield "source"
    yield "row_index"


# An INTEGER where the difference is whole and fits, else a REAL.
_SQLITE_DELTA = (
    "CASE WHEN typeof(millionths) = 'integer' AND millionths % 1000000 = 0 "
    "THEN millionths / 1000000 ELSE millionths / 1000000.0 END"
)
_PART_DIGITS = 15
# A number of 60 digits before the point and six after it.
_PARTS = 5


def _millionths(value: str, previous: str) -> str:
    """SQLite's ``value - previous`` in millionths: exact where it fits into INTEGER, else REAL.

    A fraction is stored as decimal text, and to subtract two binary floats would leave few digits where
    they are nearly equal. So both are cut into parts of 15 digits, and the differences of the parts, which
    are exact, are added from the greatest on. SQLite goes over to REAL by itself when INTEGER ends; what
    is added from there on is below the last digits, so that 15 remain right.
    """
    total = "0"
    for part in range(_PARTS):
        total = f"({total} * {10**_PART_DIGITS} + ({_part(value, part)} - {_part(previous, part)}))"
    return total


def _part(number: str, part: int) -> str:
    text = f"ltrim(CAST({number} AS TEXT), '-')"
    point = f"instr({text} || '.', '.')"
    digits = f"substr({text}, 1, {point} - 1) || substr(substr({text}, {point} + 1) || '000000', 1, 6)"
    width = _PARTS * _PART_DIGITS
    padded = f"substr('{'0' * width}' || {digits}, -{width})"
    sign = f"CASE WHEN substr({number}, 1, 1) = '-' THEN -1 ELSE 1 END"
    return f"(CAST(substr({padded}, {1 + part * _PART_DIGITS}, {_PART_DIGITS}) AS INTEGER) * ({sign}))"
