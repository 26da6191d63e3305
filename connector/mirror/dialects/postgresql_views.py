"""SQL of views for PostgreSQL: the days of a history."""

from connector.mirror.dialects.parts import Daily


def daily(of: Daily) -> str:
    """See ``Dialect.daily``."""
    # Every series and its first instant, by a jump through the index from each to the next.
    names = ", ".join((*of.per, of.instant))
    per, after = (", ".join(f"{one}.{name}" for name in of.per) for one in ("history", "series"))
    found = f"SELECT {names} FROM {of.table} AS history WHERE {of.complete}"
    order = f"ORDER BY {names} LIMIT 1"
    # Of a week first: of all rows before the day's end an index scan reads a page full for the one.
    before = f"history.{of.instant} < days.until"
    week = of.last(f"{before} AND history.{of.instant} >= days.until - interval '7 days'")
    last = f"SELECT {of.value} FROM (({week}) UNION ALL ({of.last(before)})) AS found LIMIT 1"
    return (
        f"WITH RECURSIVE series AS ((SELECT {', '.join(of.per)}, {of.instant} AS first_at "
        f"FROM ({found} {order}) AS one) UNION ALL SELECT one.* FROM series CROSS JOIN LATERAL "
        f"({found} AND ({per}) > ({after}) {order}) AS one) "
        f"SELECT days.day, {of.shown}, stored.{of.value}{of.shop} FROM ("
        "SELECT day::date AS day, (day + interval '1 day') AT TIME ZONE 'UTC' AS until "
        "FROM generate_series((SELECT date_trunc('day', MIN(first_at) AT TIME ZONE 'UTC') "
        "FROM series), now() AT TIME ZONE 'UTC', interval '1 day') AS day) AS days "
        # Days come first: for each series, all of them would be made and looked through again.
        "CROSS JOIN LATERAL (SELECT * FROM series WHERE first_at < days.until OFFSET 0) AS series "
        f"CROSS JOIN LATERAL ({last}) AS stored"
    )
