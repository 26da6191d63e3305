"""SQL of views for SQLite: exact differences of decimal text, and the days of a history."""

from connector.mirror.dialects.parts import Daily

# An INTEGER where the difference is whole and fits, else a REAL.
_DELTA = (
    "CASE WHEN typeof(millionths) = 'integer' AND millionths % 1000000 = 0 "
    "THEN millionths / 1000000 ELSE millionths / 1000000.0 END"
)
_PART_DIGITS = 15
# A number of 60 digits before the point and six after it.
_PARTS = 5


def difference(source: str, value: str, previous: str) -> tuple[str, str]:
    """See ``Dialect.difference``; in millionths: exact where it fits into INTEGER, else REAL.

    A fraction is stored as decimal text, and to subtract two binary floats would leave few digits where
    they are nearly equal. So both are cut into parts of 15 digits, and the differences of the parts, which
    are exact, are added from the greatest on. SQLite goes over to REAL by itself when INTEGER ends; what
    is added from there on is below the last digits, so that 15 remain right.
    """
    total = "0"
    for part in range(_PARTS):
        total = f"({total} * {10**_PART_DIGITS} + ({_part(value, part)} - {_part(previous, part)}))"
    return f"(SELECT *, {total} AS millionths FROM {source}) AS moved", _DELTA


def daily(of: Daily) -> str:
    """See ``Dialect.daily``; days come first: for each series, all of them would be made again."""
    # Every series and its first instant, by a jump through the index from each to the next: to one with the
    # same parts but the last, else with the same but the last two, and so on. SQLite looks up by one part of
    # a row that is greater, and not by all.
    per = ", ".join(f"history.{name}" for name in of.per)
    found = (
        f"SELECT history._rowid_ FROM {of.table} AS history "
        f"WHERE {of.complete} AND history.{of.instant} IS NOT NULL"
    )
    order = f"ORDER BY {per}, history.{of.instant} LIMIT 1"
    jumps = []
    for place in reversed(range(len(of.per))):
        same = "".join(f" AND history.{name} = former.{name}" for name in of.per[:place])
        greater = f"history.{of.per[place]} > former.{of.per[place]}"
        jumps.append(f"({found}{same} AND {greater} {order})")
    following = f"COALESCE({', '.join(jumps)})" if jumps[1:] else jumps[0]
    last = of.last(f"history.{of.instant} < days.until")
    return (
        f"WITH RECURSIVE firsts(row) AS (SELECT ({found} {order}) UNION ALL "
        f"SELECT {following} FROM firsts JOIN {of.table} AS former ON former._rowid_ = firsts.row), "
        f"series AS MATERIALIZED (SELECT {per}, history.{of.instant} AS first_at "
        f"FROM firsts JOIN {of.table} AS history ON history._rowid_ = firsts.row), "
        "days(day, until) AS (SELECT date(MIN(first_at)), date(MIN(first_at), '+1 day') FROM series "
        "UNION ALL SELECT until, date(until, '+1 day') FROM days WHERE until <= date('now')) "
        f"SELECT days.day, {of.shown}, ({last}) AS {of.value}{of.shop} "
        "FROM days CROSS JOIN series WHERE series.first_at < days.until"
    )


def _part(number: str, part: int) -> str:
    text = f"ltrim(CAST({number} AS TEXT), '-')"
    point = f"instr({text} || '.', '.')"
    digits = f"substr({text}, 1, {point} - 1) || substr(substr({text}, {point} + 1) || '000000', 1, 6)"
    width = _PARTS * _PART_DIGITS
    padded = f"substr('{'0' * width}' || {digits}, -{width})"
    sign = f"CASE WHEN substr({number}, 1, 1) = '-' THEN -1 ELSE 1 END"
    return f"(CAST(substr({padded}, {1 + part * _PART_DIGITS}, {_PART_DIGITS}) AS INTEGER) * ({sign}))"
