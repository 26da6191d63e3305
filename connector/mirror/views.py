"""The mirror's views: movements of a history table, and how fresh the mirror is."""

from collections.abc import Iterator

from connector import events
from connector.config import Config, View
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted

STATUS = "mirror_status"
STATUS_COMMENT = "How fresh the mirror is, per family; records_lost must be 0."


def statements(config: Config, mapping: Mapping, dialect: str) -> Iterator[tuple[str, str, str]]:
    """(name, SELECT, comment) of every view."""
    for name, view in config.views.items():
        yield name, _movements(config, view, mapping, dialect), view.description
    yield STATUS, _status(dialect), STATUS_COMMENT


def _movements(config: Config, view: View, mapping: Mapping, dialect: str) -> str:
    history = mapping.table(view.movements_of)
    *key, source = (column.name for column in history.key)
    names = [*key, *(column.name for column in history.columns)]
    columns = ", ".join(map(quoted, names))
    value = quoted(view.value)
    instant = next(
        name
        for name, column in config.tables[view.movements_of].columns.items()
        if column.event == "occurred_at"
    )
    order = ", ".join((quoted(instant), *_event_order(dialect)))
    window = f"PARTITION BY {', '.join(map(quoted, view.per))} ORDER BY {order}"
    previous = f"LAG({value}) OVER ({window})"
    moved = f"(SELECT *, {previous} AS previous_quantity FROM {quoted(history.name)}) AS history"
    delta = f"({value} - previous_quantity)"
    if dialect == "sqlite":
        moved = f"(SELECT *, {_millionths(value, 'previous_quantity')} AS millionths FROM {moved}) AS moved"
        delta = _SQLITE_DELTA
    return f"SELECT {columns}, previous_quantity, {delta} AS delta, {quoted(source)} FROM {moved}"


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


def routes(config: Config) -> list[tuple[str, str, str]]:
    """Rows of ``mirror_routes``: (family, action, topic); each family has one with an empty action.

    The view of the status reads them, so that an action or a family more changes no view.
    """
    topics = {**config.topics.topic_of_family, events.UNROUTED: config.topics.unrouted_topic}
    families = [(family, "", topic) for family, topic in topics.items()]
    return sorted(families + [(family, action, topics[family]) for family, action, _ in config.actions()])


def _status(dialect: str) -> str:
    """One row per family, and one for dead letters and losses that belong to none, while there are any.

    Events are counted where the sink counts them (``counters.py``), so that the ledger is not read.
    """
    total = "CAST(COALESCE(SUM({0}), 0) AS BIGINT)" if dialect == "postgresql" else "COALESCE(SUM({0}), 0)"
    lost = total.format("records_lost")
    return f"""
WITH families AS (SELECT family, topic FROM mirror_routes WHERE action = ''),
actions AS (SELECT action, family FROM mirror_routes WHERE action <> ''),
seen AS (
  SELECT family, {total.format("events")} AS events, MIN(first_received_at) AS first_received_at,
         MAX(last_received_at) AS last_received_at, MAX(last_mirrored_at) AS last_mirrored_at
  FROM mirror_counters GROUP BY family
),
parked AS (
  SELECT COALESCE(actions.family, families.family, '(unknown)') AS family, COUNT(*) AS dead_letters
  FROM dead_letters
  LEFT JOIN actions ON actions.action = dead_letters.action
  LEFT JOIN families ON families.topic = dead_letters.kafka_topic
  WHERE state = 'parked' GROUP BY 1
),
lost AS (SELECT topic, {lost} AS records_lost FROM consumer_offsets GROUP BY topic)
SELECT families.family AS family, COALESCE(seen.events, 0) AS events, first_received_at, last_received_at,
       last_mirrored_at, COALESCE(parked.dead_letters, 0) AS parked_dead_letters,
       COALESCE(lost.records_lost, 0) AS records_lost
FROM families
LEFT JOIN seen ON seen.family = families.family
LEFT JOIN parked ON parked.family = families.family
LEFT JOIN lost ON lost.topic = families.topic
UNION ALL
SELECT '(unknown)', 0, NULL, NULL, NULL, dead_letters, records_lost
FROM (
  SELECT COALESCE((SELECT dead_letters FROM parked WHERE family = '(unknown)'), 0) AS dead_letters,
         {lost} AS records_lost
  FROM lost WHERE topic NOT IN (SELECT topic FROM families)
) AS rest WHERE dead_letters > 0 OR records_lost > 0
"""
