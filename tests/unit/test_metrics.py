"""What a process shows of itself before anything has happened, and nothing of another kind of process."""

import ast
import platform
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.parser import text_string_to_metric_families

from connector import __version__, metric_labels, metrics
from connector.hydrator.verdict import Kind, Reason
from tests.conftest import ROOT, MakeConfig

# The modules whose reasons a gateway's dead letters have, and a worker's.
GATEWAY_MODULES = (
    "gateway",
    "events/delivery.py",
    "events/notification.py",
    "events/structure.py",
    "events/values.py",
    "kafka/routes.py",
)
WORKER_MODULES = (
    *("mirror", "stream", "events/event.py", "events/cloud_event.py"),
    *("events/dead_letter.py", "events/values.py"),
)
METRIC_PREFIXES = ("xtnd_gateway_", "xtnd_worker_", "xtnd_up", "xtnd_degraded", "xtnd_dead")
SHOW = """
import sys
from connector import metrics
from connector.hydrator import metrics as hydrator_metrics
if sys.argv[1] == "gateway":
    metrics.start_gateway(hooks=["xtnd"], families=["orders", "unrouted"])
    metrics.show_build(sqlite="3.50.0")
    page = metrics.render(metrics.GATEWAY)
elif sys.argv[1] == "hydrator":
    hydrator_metrics.start(families=["orders"], buckets=["CustomerOrders"])
    page = metrics.render(metrics.HYDRATOR)
else:
    metrics.start_worker(topics=["xtnd.orders"], families=["orders"])
    metrics.show_build(sqlite="3.50.0", libpq="18.1")
    page = metrics.render(metrics.WORKER)
sys.stdout.buffer.write(page)
"""


def page(kind: str) -> str:
    """The metrics of a process that has just started."""
    return subprocess.run(
        [sys.executable, "-c", SHOW, kind], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def samples(text: str) -> dict[str, list[dict[str, str]]]:
    """The label sets of every sample whose value is 0, by the sample's name."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.value == 0:
                found.setdefault(sample.name, []).append(sample.labels)
    return found


def reasons(*modules: str) -> set[str]:
    """Every literal reason with which these modules raise ``Poison``."""
    found = set()
    for module in modules:
        path = ROOT / "connector" / module
        for file in [path] if path.is_file() else path.rglob("*.py"):
            found |= {reason for node in ast.walk(ast.parse(file.read_text())) if (reason := _reason(node))}
    return found


def _reason(node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Poison"
        and node.args
    ):
        first = node.args[0]
        return str(first.value) if isinstance(first, ast.Constant) else None
    return None


def test_every_reason_in_the_code_is_one_whose_counter_stands_at_0() -> None:
    assert reasons(*GATEWAY_MODULES) - set(metric_labels.GATEWAY_REASONS) == set()
    assert reasons(*WORKER_MODULES) - set(metric_labels.WORKER_REASONS) == set()


def test_a_gateway_starts_with_its_counters_at_0() -> None:
    zero = samples(page("gateway"))
    assert {"hook": "xtnd", "status": "503"} in zero["xtnd_gateway_answers_total"]
    assert {"hook": "-", "status": "404"} in zero["xtnd_gateway_answers_total"]
    assert {"family": "unrouted"} in zero["xtnd_gateway_events_accepted_total"]
    assert {"error": "AckTimeout"} in zero["xtnd_gateway_publish_failures_total"]
    assert {"stage": "gateway", "reason": "key-missing"} in zero["xtnd_dead_letters_total"]
    for name in ("spool_damaged", "spool_stored", "spool_drained"):
        assert zero[f"xtnd_gateway_{name}_total"] == [{}]


def test_a_worker_starts_with_its_counters_at_0() -> None:
    zero = samples(page("worker"))
    for name in ("records_lost", "gaps"):
        assert zero[f"xtnd_worker_{name}_total"] == [{"topic": "xtnd.orders"}]
    for name in ("mirrored", "known"):
        assert zero[f"xtnd_worker_events_{name}_total"] == [{"family": "orders"}]
    assert {"family": "orders", "le": "+Inf"} in zero["xtnd_worker_latency_seconds_bucket"]
    assert {"family": "orders"} in zero["xtnd_worker_latency_seconds_count"]
    assert {"part": "database"} in zero["xtnd_worker_outage_pauses_total"]
    assert {"stage": "worker", "reason": "not-a-number"} in zero["xtnd_dead_letters_total"]


def test_a_hydrator_starts_with_its_counters_at_0() -> None:
    zero = samples(page("hydrator"))
    assert {"family": "orders", "result": "limited"} in zero["xtnd_hydrator_requests_total"]
    assert zero["xtnd_hydrator_headers_ignored_total"] == [{"bucket": "CustomerOrders"}]
    assert {"stage": "hydrator", "reason": "request-refused"} in zero["xtnd_dead_letters_total"]
    assert set(get_args(Reason)) == set(metric_labels.HYDRATOR_REASONS)
    assert set(get_args(Kind)) == set(metric_labels.HYDRATOR_RESULTS)


def test_every_counter_of_a_process_is_there_from_its_start() -> None:
    kinds = {"gateway": metrics.GATEWAY, "worker": metrics.WORKER, "hydrator": metrics.HYDRATOR}
    for kind, registry in kinds.items():
        counters = {f"{one._name}_total" for one in vars(metrics).values() if isinstance(one, Counter)}
        counters |= {one.name for one in vars(metrics).values() if isinstance(one, metrics.LoopCounter)}
        own = counters & {f"{family.name}_total" for family in registry.collect()}
        assert own
        assert own <= set(samples(page(kind))), kind


def test_a_process_shows_nothing_of_the_other_kind() -> None:
    assert "xtnd_worker" not in page("gateway")
    assert "xtnd_gateway" not in page("worker")
    assert "xtnd_hydrator" not in page("gateway") + page("worker")


@pytest.mark.parametrize("kind", ["gateway", "worker"])
def test_every_process_shows_its_memory_its_processor_time_and_its_versions(kind: str) -> None:
    shown = page(kind)
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "start_time_seconds"):
        assert f"\nprocess_{name} " in shown
    build = next(line for line in shown.splitlines() if line.startswith("xtnd_build_info{"))
    for label in (f'version="{__version__}"', f'python="{platform.python_version()}"', 'sqlite="3.50.0"'):
        assert label in build
    assert ('libpq="18.1"' in build) == (kind == "worker")


def test_what_deliveries_add_to_is_shown_as_the_librarys_own_metrics_would_be() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter = metrics.LoopCounter("told_total", "Told.", ["hook", "status"], registry=ours)
    counter.values["xtnd", 202] += 2
    own_counter = Counter("told_total", "Told.", ["hook", "status"], registry=theirs)
    own_counter.labels("xtnd", "202").inc(2)
    histogram = metrics.LoopHistogram("took_seconds", "Took.", bounds=metrics.SECONDS, registry=ours)
    own_histogram = Histogram("took_seconds", "Took.", registry=theirs, buckets=metrics.SECONDS)
    for seconds in (0.0, 0.001, 0.0011, 0.3, 10.0, 11.0):
        histogram.observe(seconds)
        own_histogram.observe(seconds)

    def shown(registry: CollectorRegistry) -> list[str]:
        lines = metrics.render(registry).decode().splitlines()
        return [line for line in lines if "_created" not in line]

    assert shown(ours) == shown(theirs)


def test_an_unknown_error_of_publishing_counts_under_a_label_that_is_there() -> None:
    before = metrics.GATEWAY.get_sample_value("xtnd_gateway_publish_failures_total", {"error": "Other"}) or 0
    metrics.publish_failed("ABroker'sOwnError")
    after = metrics.GATEWAY.get_sample_value("xtnd_gateway_publish_failures_total", {"error": "Other"})
    assert after == before + 1


def test_the_readme_and_the_docs_name_only_metrics_that_there_are(make_config: MakeConfig) -> None:
    names = {
        name
        for registry in (metrics.GATEWAY, metrics.WORKER)
        for family in registry.collect()
        for name in (family.name, f"{family.name}_total")
    }
    for file in (ROOT / "README.md", *Path(ROOT / "docs").glob("*.md")):
        text = file.read_text()
        named = {word.strip("`.,;:()|") for word in text.split() if word.strip("`(").startswith("xtnd_")}
        metric_like = {
            name for name in named if name.startswith(("xtnd_gateway_", "xtnd_worker_", "xtnd_up"))
        }
        assert metric_like <= names, file
