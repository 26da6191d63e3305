"""The mirror's views: those of ``tables.yaml``, and how fresh the mirror is."""

from collections.abc import Iterator

from connector import events
from connector.config import SHOP_COLUMN, Config
from connector.mirror import full_view, view_kinds
from connector.mirror.dialects import Dialect
from connector.mirror.mapped import SHOP_DESCRIPTION
from connector.mirror.mapping import Mapping
from connector.mirror.projections import hydration
from connector.mirror.shown import ViewDefinition

STATUS = "mirror_status"
STATUS_COLUMNS = {
    "family": "Family of topics.yaml; (unknown) for dead letters that none claims.",
    "events": "Distinct events in notifications.",
    "first_received_at": "When the gateway received the first of them that came by a hook (UTC).",
    "last_received_at": "When the gateway received the last of them that came by a hook (UTC).",
    "last_mirrored_at": "When the last of them was committed here (UTC).",
    "parked_dead_letters": "Dead letters that wait for a replay or for being discarded.",
    "records_lost": "Records that Kafka deleted before they were read.",
    "clock_distance_seconds": "How far the gateway's clock was ahead of Kafka's at the last events.",
    "lost_hooks": "Changes of records that sweeps found and no hook reported.",
    "records_fetched_at": "When the last record that is mirrored was fetched (UTC).",
    "records_stale": "Records that a hook reports a change of, and that are not fetched since.",
    "records_stale_since": "When the first of these hooks came (UTC).",
}
SWEEPS = "sweeps"
SWEEPS_COLUMNS = {
    "started_at": "When the sweep started (UTC).",
    "family": "Family whose list was read.",
    "finished_at": "When the list was read to its end; null while it is, or where the sweep was ended (UTC).",
    "listed": "Records that were listed.",
    "enqueued": "Records that were asked for, or published from the list itself.",
    "repaired": "Those of them that the mirror had not as the list has them, and that were fetched since.",
    "lost_hooks": "Those of them whose change no hook reported.",
}
SWEEPS_COMMENT = "What was looked for that hooks never reported, and what was found (docs/records.md)."
DRIFT = "drift"
DRIFT_COLUMNS = {
    "found_at": "When the record was asked for (UTC).",
    "family": "Family of topics.yaml.",
    "entity_key": "Which record of it, as in notifications.",
    "table_name": "Table of the mirror.",
    "row_key": "Which of the record's rows there; empty where it has one.",
    "column_name": "Column of the row; empty where only one of both has the row.",
    "mirrored": "What the mirror had; of a row its columns as JSON.",
    "source": "What the source had; of a row its columns as JSON.",
}
DRIFT_COMMENT = (
    "Where audits found the mirror not to be as the source; it is fetched again (docs/records.md)."
)
STATUS_COMMENT = "How fresh the mirror is, per family; records_lost must be 0."


def statements(config: Config, mapping: Mapping, dialect: Dialect) -> Iterator[ViewDefinition]:
    """Every view beside those of the tables."""
    for name, view in config.views.items():
        text = view.text(dialect.name, config.shops)
        if text is not None:
            # Only where its text asks for the shop is it another one than without.
            shop = {SHOP_COLUMN: SHOP_DESCRIPTION} if text != view.text(dialect.name) else {}
            yield ViewDefinition(name, text, view.description, shop | view.columns)
            continue
        if view.kind == "full":
            made = full_view.FullView(view, config, mapping)
            yield ViewDefinition(name, made.select(), view.description, made.comments() | view.columns)
            continue
        settings, table = config.tables[str(view.of)], mapping.table(str(view.of))
        select = view_kinds.select(view, settings, table, dialect)
        yield ViewDefinition(name, select, view.description, view_kinds.comments(view, table) | view.columns)
    yield ViewDefinition(STATUS, _status(), STATUS_COMMENT, STATUS_COLUMNS)
    shop = {SHOP_COLUMN: SHOP_DESCRIPTION} if config.shops is not None else {}
    for name, own, comment in (
        (SWEEPS, SWEEPS_COLUMNS, SWEEPS_COMMENT),
        (DRIFT, DRIFT_COLUMNS, DRIFT_COMMENT),
    ):
        columns = own | shop
        yield ViewDefinition(name, f"SELECT {', '.join(columns)} FROM _{name}", comment, columns)


def routes(config: Config) -> list[tuple[str, str, str]]:
    """Rows of ``mirror_routes``: (family, action, topic); each family has one with an empty action.

    The view of the status reads them, so that an action or a family more changes no view. Those without a
    family are the topics of snapshots, with the topic as action.
    """
    parts = config.topics
    snapshots = [parts.snapshot_topic, *(prefix + parts.snapshots for prefix in parts.former_prefixes)]
    topics = {**config.topics.topic_of_family, events.UNROUTED: config.topics.unrouted_topic}
    families = [(family, "", topic) for family, topic in topics.items()]
    actions = [(family, action, topics[family]) for family, action, _ in config.actions()]
    return sorted([*families, *actions, *(("", topic, topic) for topic in snapshots)])


def _status() -> str:
    """One row per family, and one for dead letters and losses that belong to none, while there are any.

    Events are counted where the sink counts them (``counters.py``), so that the ledger is not read.
    """
    total = "CAST(COALESCE(SUM({0}), 0) AS BIGINT)"
    lost = total.format("records_lost")
    return f"""
WITH families AS (SELECT family, topic FROM _mirror_routes WHERE action = ''),
actions AS (SELECT action, family FROM _mirror_routes WHERE action <> '' AND family <> ''),
counted AS (
  SELECT family, events, last_mirrored_at,
         CASE WHEN fetched.topic IS NULL THEN first_received_at END AS first_received_at,
         CASE WHEN fetched.topic IS NULL THEN last_received_at END AS last_received_at,
         CASE WHEN fetched.topic IS NOT NULL THEN last_received_at END AS records_fetched_at
  FROM _mirror_counters AS counters
  LEFT JOIN (SELECT topic FROM _mirror_routes WHERE family = '') AS fetched ON fetched.topic = counters.topic
),
seen AS (
  SELECT family, {total.format("events")} AS events, MIN(first_received_at) AS first_received_at,
         MAX(last_received_at) AS last_received_at, MAX(last_mirrored_at) AS last_mirrored_at,
         MAX(records_fetched_at) AS records_fetched_at
  FROM counted GROUP BY family
),
stale AS (
  SELECT family, COUNT(*) AS records_stale, MIN(wanted_at) AS records_stale_since
  FROM _hydration WHERE {hydration.DUE} GROUP BY family
),
parked AS (
  SELECT COALESCE(actions.family, families.family, '(unknown)') AS family, COUNT(*) AS dead_letters
  FROM _dead_letters
  LEFT JOIN actions ON actions.action = _dead_letters.action
  LEFT JOIN families ON families.topic = _dead_letters.kafka_topic
  WHERE state = 'parked' GROUP BY 1
),
swept AS (SELECT family, {total.format("lost_hooks")} AS lost_hooks FROM _sweeps GROUP BY family),
offsets AS (
  SELECT topic, {lost} AS records_lost, MAX(clock_distance_ms) AS ahead, MIN(clock_distance_ms) AS behind
  FROM _consumer_offsets GROUP BY topic
)
SELECT families.family AS family, COALESCE(seen.events, 0) AS events, first_received_at, last_received_at,
       last_mirrored_at, COALESCE(parked.dead_letters, 0) AS parked_dead_letters,
       COALESCE(offsets.records_lost, 0) AS records_lost,
       ROUND(CASE WHEN ahead > -behind THEN ahead ELSE behind END / 1000.0, 3) AS clock_distance_seconds,
       COALESCE(swept.lost_hooks, 0) AS lost_hooks,
       records_fetched_at, COALESCE(stale.records_stale, 0) AS records_stale, records_stale_since
FROM families
LEFT JOIN seen ON seen.family = families.family
LEFT JOIN parked ON parked.family = families.family
LEFT JOIN offsets ON offsets.topic = families.topic
LEFT JOIN swept ON swept.family = families.family
LEFT JOIN stale ON stale.family = families.family
UNION ALL
SELECT '(unknown)', 0, NULL, NULL, NULL, dead_letters, records_lost, NULL, 0, NULL, 0, NULL
FROM (
  SELECT COALESCE((SELECT dead_letters FROM parked WHERE family = '(unknown)'), 0) AS dead_letters,
         {lost} AS records_lost
  FROM offsets WHERE topic NOT IN (SELECT topic FROM families)
) AS rest WHERE dead_letters > 0 OR records_lost > 0
"""
