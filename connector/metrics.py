"""The metrics of gateway and worker, and what all processes have: a registry for each kind of process.

Those of the hydrator are in ``connector/hydrator/metrics.py``.

A counter that appears with its first increase is one whose first increase no alert sees: Prometheus'
``increase()`` needs the 0 before it. So each process starts by showing its counters at 0, for every
label that can be known (``start_gateway``, ``start_worker``, ``start`` of the hydrator's).
"""

import platform
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from connector import __version__
from connector.instruments import BatchHistogram, LoopCounter, LoopHistogram
from connector.metric_labels import (
    ANSWER_STATUSES,
    GATEWAY_REASONS,
    NO_HOOK,
    OTHER,
    PARTS,
    PUBLISH_ERRORS,
    WORKER_REASONS,
)

GATEWAY = CollectorRegistry()
WORKER = CollectorRegistry()
HYDRATOR = CollectorRegistry()
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# From a lone event on an idle machine to a backlog of days.
LATENCY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)

# Gateway.
answers = LoopCounter(
    "xtnd_gateway_answers_total", "Answers on the public port.", ["hook", "status"], registry=GATEWAY
)
answer_seconds = LoopHistogram(
    "xtnd_gateway_answer_seconds",
    "From the last byte of a delivery to its answer.",
    bounds=SECONDS,
    registry=GATEWAY,
)
events_accepted = LoopCounter(
    "xtnd_gateway_events_accepted_total",
    "Events acknowledged by Kafka, by family.",
    ["family"],
    registry=GATEWAY,
)
requests_in_flight = Gauge(
    "xtnd_gateway_requests_in_flight", "Deliveries that wait for Kafka.", registry=GATEWAY
)
publish_failures = Counter(
    "xtnd_gateway_publish_failures_total",
    "Publish batches that Kafka did not acknowledge, by error.",
    ["error"],
    registry=GATEWAY,
)

spool_deliveries = Gauge(
    "xtnd_gateway_spool_deliveries", "Deliveries that wait in the spool.", registry=GATEWAY
)
spool_bytes = Gauge("xtnd_gateway_spool_bytes", "Bytes that wait in the spool.", registry=GATEWAY)
spool_limit = Gauge(
    "xtnd_gateway_spool_limit_bytes",
    "How large the spool may become (gateway.spool_max_bytes).",
    registry=GATEWAY,
)
spool_oldest = Gauge(
    "xtnd_gateway_spool_oldest_timestamp_seconds",
    "When the oldest waiting delivery was spooled; 0 when none waits.",
    registry=GATEWAY,
)
spool_set_aside = Gauge(
    "xtnd_gateway_spool_set_aside",
    "Spooled rows that can never go to Kafka as they are; they are kept. Alert on any.",
    registry=GATEWAY,
)
spool_stored = Counter(
    "xtnd_gateway_spool_stored_total", "Deliveries that were fsynced into the spool.", registry=GATEWAY
)
spool_drained = Counter(
    "xtnd_gateway_spool_drained_total", "Deliveries that went from the spool to Kafka.", registry=GATEWAY
)
spool_damaged = Counter(
    "xtnd_gateway_spool_damaged_total",
    "Spooled deliveries that could not be read back. Alert on any increase.",
    registry=GATEWAY,
)

# All.
dead_letters = Counter(
    "xtnd_dead_letters_total", "Dead letters parked, by stage and reason.", ["stage", "reason"], registry=None
)
up = Gauge(
    "xtnd_up",
    "1 while the last check of the named part (kafka, database, intake, …) found it well, else 0; measured "
    "in the background.",
    ["part"],
    registry=None,
)
degraded = Gauge(
    "xtnd_degraded",
    "1 while the named part has a problem that the process can work with and a person should look at; such "
    "a part never makes the process unready.",
    ["part"],
    registry=None,
)
clock_distance = Gauge(
    "xtnd_clock_distance_seconds",
    "How far this host's clock is ahead of another (broker, database); negative behind, NaN unknown.",
    ["to"],
    registry=None,
)
disk_free = Gauge(
    "xtnd_disk_free_bytes",
    "Bytes that the connector may still write where it keeps its spool or its mirror.",
    ["of"],
    registry=None,
)
disk_size = Gauge(
    "xtnd_disk_size_bytes", "Bytes of the file system of the spool or of the mirror.", ["of"], registry=None
)
build = Info("xtnd_build", "Versions of the connector, of Python and of its libraries.", registry=None)
for _registry in (GATEWAY, WORKER, HYDRATOR):
    for _metric in (dead_letters, up, degraded, clock_distance, disk_free, disk_size, build):
        _registry.register(_metric)
    ProcessCollector(registry=_registry)
    GCCollector(registry=_registry)

# Worker.
events_mirrored = Counter(
    "xtnd_worker_events_mirrored_total",
    "Distinct events committed, by family.",
    ["family"],
    registry=WORKER,
)
events_known = Counter(
    "xtnd_worker_events_known_total",
    "Events that were in the ledger already, by family.",
    ["family"],
    registry=WORKER,
)
batch_events = Histogram(
    "xtnd_worker_batch_events",
    "Events per database transaction.",
    registry=WORKER,
    buckets=(1, 10, 50, 100, 500, 1000, 2000, 5000, 10_000),
)
batch_seconds = Histogram(
    "xtnd_worker_batch_seconds", "Time per database transaction.", registry=WORKER, buckets=SECONDS
)
dead_letter_share = Gauge(
    "xtnd_worker_dead_letter_share",
    "Share of the last minute's events that could not be mirrored and were parked, from 0 to 1.",
    registry=WORKER,
)
outage_pauses = Counter(
    "xtnd_worker_outage_pauses_total",
    "Pauses while the database or Kafka was away.",
    ["part"],
    registry=WORKER,
)
HYDRATOR.register(outage_pauses)
gaps = Counter(
    "xtnd_worker_gaps_total",
    "Fetched chunks that did not follow the mirror's offset and were read again.",
    ["topic"],
    registry=WORKER,
)
records_lost = Counter(
    "xtnd_worker_records_lost_total",
    "Offsets that expired on Kafka before they were mirrored.",
    ["topic"],
    registry=WORKER,
)
latency = BatchHistogram(
    "xtnd_worker_latency_seconds",
    "From the receipt of an event by the gateway to its commit in the mirror, by family.",
    "family",
    bounds=LATENCY_SECONDS,
    registry=WORKER,
)
topics_recreated = Counter(
    "xtnd_worker_topics_recreated_total",
    "Partitions that were read from their start because their topic was re-created.",
    ["topic"],
    registry=WORKER,
)
lag = Gauge(
    "xtnd_worker_lag_records",
    "Records between the mirror's offset and the log's end, of all partitions: the same from every worker.",
    ["topic", "partition"],
    registry=WORKER,
)
standstill = Gauge(
    "xtnd_worker_standstill_seconds",
    "How long a partition of this worker has not moved while records wait in it: the longest by family.",
    ["family"],
    registry=WORKER,
)
partitions = Gauge("xtnd_worker_partitions", "Partitions assigned to this worker.", registry=WORKER)
last_commit = Gauge(
    "xtnd_worker_last_commit_timestamp_seconds", "When a batch was last committed.", registry=WORKER
)

sqlite_log_bytes = Gauge(
    "xtnd_worker_sqlite_wal_bytes",
    "Size of the log beside a mirror in SQLite; it grows while a reader keeps a transaction open.",
    registry=WORKER,
)


# Read from the database: the same from every worker, and kept when all of them end.
mirror_dead_letters = Gauge(
    "xtnd_mirror_dead_letters",
    "Dead letters in the database, by who parked them and what became of them.",
    ["stage", "state"],
    registry=WORKER,
)
mirror_records_lost = Gauge(
    "xtnd_mirror_records_lost",
    "Offsets that expired on Kafka before they were mirrored, since the mirror was made.",
    ["topic"],
    registry=WORKER,
)
mirror_losses = Gauge(
    "xtnd_mirror_losses",
    "Losses that nobody has acknowledged: connector losses. Alert on any.",
    ["topic"],
    registry=WORKER,
)


def start_gateway(*, hooks: Iterable[str], families: Iterable[str]) -> None:
    """Show a gateway's counters at 0, for every label that is known; once, before it listens."""
    for hook in (NO_HOOK, *hooks):
        for status in ANSWER_STATUSES:
            answers.values[hook, status] = 0
    for family in families:
        events_accepted.values[(family,)] = 0
    for reason in GATEWAY_REASONS:
        dead_letters.labels("gateway", reason)
    for error in (*PUBLISH_ERRORS, OTHER):
        publish_failures.labels(error)


def start_worker(*, topics: Iterable[str], families: Iterable[str]) -> None:
    """Show a worker's counters at 0, for every label that is known; once, before it starts."""
    for topic in topics:
        records_lost.labels(topic)
        gaps.labels(topic)
        topics_recreated.labels(topic)
    for family in families:
        events_mirrored.labels(family)
        events_known.labels(family)
        latency.show(family)
    for reason in WORKER_REASONS:
        dead_letters.labels("worker", reason)
    for part in PARTS:
        outage_pauses.labels(part)


def show_build(**libraries: str) -> None:
    """Show the versions of the connector, of Python, and of libraries by name."""
    build.info({"version": __version__, "python": platform.python_version(), **libraries})


def publish_failed(error: str) -> None:
    """Count a batch that Kafka did not acknowledge, by the name of its error's class."""
    publish_failures.labels(error if error in PUBLISH_ERRORS else OTHER).inc()


def render(registry: CollectorRegistry) -> bytes:
    """All metrics of one kind of process in Prometheus' text format."""
    return generate_latest(registry)
