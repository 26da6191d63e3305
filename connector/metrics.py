"""Every metric of the connector, in one list; a process shows those that it has touched."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# Gateway.
answers = Counter(
    "xtnd_gateway_answers_total", "Answers on the public port.", ["hook", "status"], registry=REGISTRY
)
answer_seconds = Histogram(
    "xtnd_gateway_answer_seconds",
    "From the last byte of a delivery to its answer.",
    registry=REGISTRY,
    buckets=SECONDS,
)
events_accepted = Counter(
    "xtnd_gateway_events_accepted_total",
    "Events acknowledged by Kafka, by family.",
    ["family"],
    registry=REGISTRY,
)
requests_in_flight = Gauge(
    "xtnd_gateway_requests_in_flight", "Deliveries that wait for Kafka.", registry=REGISTRY
)
publish_failures = Counter(
    "xtnd_gateway_publish_failures_total",
    "Publish batches that Kafka did not acknowledge, by error.",
    ["error"],
    registry=REGISTRY,
)

spool_deliveries = Gauge(
    "xtnd_gateway_spool_deliveries", "Deliveries that wait in the spool.", registry=REGISTRY
)
spool_bytes = Gauge("xtnd_gateway_spool_bytes", "Bytes that wait in the spool.", registry=REGISTRY)
spool_oldest = Gauge(
    "xtnd_gateway_spool_oldest_timestamp_seconds",
    "When the oldest waiting delivery was spooled; 0 when none waits.",
    registry=REGISTRY,
)
spool_set_aside = Gauge(
    "xtnd_gateway_spool_set_aside",
    "Spooled rows that can never go to Kafka as they are; they are kept. Alert on any.",
    registry=REGISTRY,
)
spool_stored = Counter(
    "xtnd_gateway_spool_stored_total", "Deliveries that were fsynced into the spool.", registry=REGISTRY
)
spool_drained = Counter(
    "xtnd_gateway_spool_drained_total", "Deliveries that went from the spool to Kafka.", registry=REGISTRY
)
spool_damaged = Counter(
    "xtnd_gateway_spool_damaged_total",
    "Spooled deliveries that could not be read back. Alert on any increase.",
    registry=REGISTRY,
)

# Both.
dead_letters = Counter(
    "xtnd_dead_letters_total",
    "Dead letters parked, by stage and reason.",
    ["stage", "reason"],
    registry=REGISTRY,
)
up = Gauge(
    "xtnd_up", "1 while the named part (kafka, database) answers, else 0.", ["part"], registry=REGISTRY
)

clock_distance = Gauge(
    "xtnd_clock_distance_seconds",
    "How far this host's clock is ahead of another (broker, database); negative behind, NaN unknown.",
    ["to"],
    registry=REGISTRY,
)

# Worker.
events_mirrored = Counter(
    "xtnd_worker_events_mirrored_total",
    "Distinct events committed, by family.",
    ["family"],
    registry=REGISTRY,
)
events_known = Counter(
    "xtnd_worker_events_known_total",
    "Events that the ledger held already, by family.",
    ["family"],
    registry=REGISTRY,
)
batch_events = Histogram(
    "xtnd_worker_batch_events",
    "Events per database transaction.",
    registry=REGISTRY,
    buckets=(1, 10, 50, 100, 500, 1000, 2000, 5000, 10_000),
)
batch_seconds = Histogram(
    "xtnd_worker_batch_seconds", "Time per database transaction.", registry=REGISTRY, buckets=SECONDS
)
outage_pauses = Counter(
    "xtnd_worker_outage_pauses_total",
    "Pauses while the database or Kafka was away.",
    ["part"],
    registry=REGISTRY,
)
holes = Counter(
    "xtnd_worker_holes_total",
    "Fetched chunks that did not follow the mirror's offset and were read again.",
    ["topic"],
    registry=REGISTRY,
)
records_lost = Counter(
    "xtnd_worker_records_lost_total",
    "Offsets that Kafka no longer held when the mirror wanted them. Alert on any increase.",
    ["topic"],
    registry=REGISTRY,
)
lag = Gauge(
    "xtnd_worker_lag_records",
    "Records between the mirror's offset and the log's end.",
    ["topic", "partition"],
    registry=REGISTRY,
)
partitions = Gauge("xtnd_worker_partitions", "Partitions assigned to this worker.", registry=REGISTRY)
last_commit = Gauge(
    "xtnd_worker_last_commit_timestamp_seconds", "When a batch was last committed.", registry=REGISTRY
)


def render() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
