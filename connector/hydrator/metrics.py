"""The hydrator's metrics; ``connector/metrics.py`` has those of all processes."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from connector import metrics
from connector.metric_labels import HYDRATOR_REASONS, HYDRATOR_RESULTS, PARTS

requests = Counter(
    "xtnd_hydrator_requests_total",
    "Requests to the API, by family and by what became of them.",
    ["family", "result"],
    registry=metrics.HYDRATOR,
)
seconds = Histogram(
    "xtnd_hydrator_request_seconds",
    "From a request to the end of its answer.",
    registry=metrics.HYDRATOR,
    buckets=(*metrics.SECONDS, 30, 60, 120),
)
latency = Histogram(
    "xtnd_hydrator_latency_seconds",
    "From a hook that asks for a record to the record on Kafka.",
    registry=metrics.HYDRATOR,
    buckets=metrics.LATENCY_SECONDS,
)
due = Gauge(
    "xtnd_hydrator_due_records",
    "Records that hooks ask for and that are not fetched yet, by family; the same for every hydrator.",
    ["family"],
    registry=metrics.HYDRATOR,
)
due_seconds = Gauge(
    "xtnd_hydrator_oldest_due_seconds",
    "How long ago the oldest hook of these occurred, by family; 0 when there is none.",
    ["family"],
    registry=metrics.HYDRATOR,
)
limit = Gauge(
    "xtnd_hydrator_limit_per_minute",
    "Requests that a bucket of the API allows.",
    ["bucket"],
    registry=metrics.HYDRATOR,
)
remaining = Gauge(
    "xtnd_hydrator_remaining_requests",
    "Requests that a bucket still allowed by its newest answer.",
    ["bucket"],
    registry=metrics.HYDRATOR,
)
headers_ignored = Counter(
    "xtnd_hydrator_headers_ignored_total",
    "Headers about the limit that could not be true, by bucket.",
    ["bucket"],
    registry=metrics.HYDRATOR,
)
lost_hooks = Gauge(
    "xtnd_hydrator_lost_hooks",
    "Changes of records that sweeps found and no hook reported, by family. Alert on any increase.",
    ["family"],
    registry=metrics.HYDRATOR,
)
last_sweep = Gauge(
    "xtnd_hydrator_last_sweep_timestamp_seconds",
    "When the last sweep of the family started that read its list to the end.",
    ["family"],
    registry=metrics.HYDRATOR,
)


def start(*, families: Iterable[str], buckets: Iterable[str]) -> None:
    """Show a hydrator's counters at 0, for every label that is known; once, before it starts."""
    for family in families:
        for result in HYDRATOR_RESULTS:
            requests.labels(family, result)
        due.labels(family)
        due_seconds.labels(family)
    for bucket in buckets:
        headers_ignored.labels(bucket)
    for reason in HYDRATOR_REASONS:
        metrics.dead_letters.labels("hydrator", reason)
    for part in PARTS:
        metrics.outage_pauses.labels(part)
