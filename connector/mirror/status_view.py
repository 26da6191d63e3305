"""The view ``mirror_status``: how fresh the mirror is."""

from connector.mirror.projections import hydration

NAME = "mirror_status"
COLUMNS = {
    "family": "Family of topics.yaml; (unknown) for dead letters that none claims.",
    "events": "Distinct events in notifications.",
    "first_received_at": "When the gateway received the first of them that came by a hook (UTC).",
    "last_received_at": "When the gateway received the last of them that came by a hook (UTC).",
    "last_mirrored_at": "When the last of them was committed here (UTC).",
    "parked_dead_letters": "Dead letters that wait for a replay or for being discarded.",
    "records_lost": "Records that Kafka deleted before they were read.",
    "clock_distance_seconds": "How far the gateway's clock was ahead of Kafka's at the last events.",
    "lost_hooks": "Hooks that never came, by what records imply and what changed.",
    "records_fetched_at": "When the last record that is mirrored was fetched (UTC).",
    "records_stale": "Records that a hook reports a change of, and that are not fetched since.",
    "records_stale_since": "When the first of these hooks came (UTC).",
}
COMMENT = "How fresh the mirror is, per family; records_lost must be 0."
_TOTAL = "CAST(COALESCE(SUM({0}), 0) AS BIGINT)"
_LOST = _TOTAL.format("records_lost")
# Tables of the families, and of what is counted of each family's events. Events are counted where the sink
# counts them (``counters.py``), so that the ledger is not read.
_OF_EVENTS = f"""families AS (SELECT family, topic FROM _mirror_routes WHERE action = ''),
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
  SELECT family, {_TOTAL.format("events")} AS events, MIN(first_received_at) AS first_received_at,
         MAX(last_received_at) AS last_received_at, MAX(last_mirrored_at) AS last_mirrored_at,
         MAX(records_fetched_at) AS records_fetched_at
  FROM counted GROUP BY family
)"""
# Tables of what stands out in each family: stale records, dead letters, gaps and lost records.
_OF_TROUBLES = f"""stale AS (
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
swept AS (SELECT family, {_TOTAL.format("lost_hooks")} AS lost_hooks FROM _sweeps GROUP BY family),
offsets AS (
  SELECT topic, {_LOST} AS records_lost, MAX(clock_distance_ms) AS ahead, MIN(clock_distance_ms) AS behind
  FROM _consumer_offsets GROUP BY topic
)"""
# One row per family, and one for dead letters and losses that belong to none, while there are any.
SELECT = f"""
WITH {_OF_EVENTS},
{_OF_TROUBLES}
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
         {_LOST} AS records_lost
  FROM offsets WHERE topic NOT IN (SELECT topic FROM families)
) AS rest WHERE dead_letters > 0 OR records_lost > 0
"""
