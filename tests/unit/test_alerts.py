"""The alerts: each can fire, each says what to do, and the README has the same ones."""

import re
import shutil
import subprocess

import pytest
import yaml
from typer.main import get_command

from connector import cli, metrics
from connector.config import DatabaseSettings, GatewaySettings, Topics, WorkerSettings
from connector.hydrator import metrics as hydrator_metrics
from tests import alerts
from tests.conftest import ROOT

RULES = alerts.rules()
SECTIONS = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "topics": Topics,
    "database": DatabaseSettings,
}


def test_promtool_finds_that_each_alert_fires_at_its_fault_and_none_without() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian and Ubuntu have it in the package prometheus")
    for question in ("check rules alerts.yml", "test rules alerts_test.yml", "check config prometheus.yml"):
        run = [promtool, *question.split()]
        done = subprocess.run(run, cwd=ROOT / "ops", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_in_which_it_fires() -> None:
    tests = yaml.safe_load((ROOT / "ops" / "alerts_test.yml").read_text())["tests"]
    firing = {
        name
        for test in tests
        for one in test["promql_expr_test"]
        for sample in one["exp_samples"]
        for name in re.findall('alertname="([A-Za-z]+)",alertstate="firing"', sample["labels"])
    }
    assert firing == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_runbook_names_a_command_and_only_settings_and_commands_that_there_are(
    rule: dict[str, dict[str, str]],
) -> None:
    runbook = rule["annotations"]["runbook"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert "`" in runbook
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    for name in re.findall(r"`connector ([a-z-]+)", runbook):
        assert name in commands
    for section, setting in re.findall(r"\b(gateway|worker|topics|database)\.([a-z_]+)", runbook):
        assert setting == "yaml" or setting in SECTIONS[section].model_fields
    for other in re.findall(r"\bXtnd\w+", runbook):
        assert other in {one["alert"] for one in RULES}


def test_the_alerts_of_the_readme_are_those_of_the_file() -> None:
    section = (ROOT / "README.md").read_text().split("### Alerts")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(Xtnd\w+)` \| (.*?) \|$", section, re.MULTILINE)
    assert listed == [(rule["alert"], rule["annotations"]["summary"]) for rule in RULES]


def test_each_metric_that_a_file_of_ops_names_is_one_that_a_process_exports() -> None:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}
    assert hydrator_metrics.lost_hooks  # its import has them registered
    exported = {
        family.name + suffix
        for registry in (metrics.GATEWAY, metrics.WORKER, metrics.HYDRATOR)
        for family in registry.collect()
        for suffix in suffixes.get(family.type, ("",))
    }
    files = [file for file in (ROOT / "ops").rglob("*") if file.is_file()]
    named = {
        (file.name, name)
        for file in files
        for name in re.findall(r"\bxtnd_[a-z_]+[a-z]", file.read_text(encoding="utf-8"))
    }
    assert {file for file, _ in named} >= {"alerts.yml", "alerts_test.yml", "grafana.json"}
    assert not {(file, name) for file, name in named if name not in exported}


def test_the_dashboard_shows_what_an_operator_asks_first() -> None:
    panels = alerts.panels()
    assert all(panels.values())
    shown = {one.name for some in panels.values() for text in some for one in alerts.selectors(text)}
    assert shown >= {
        "xtnd_worker_last_commit_timestamp_seconds",
        "xtnd_worker_latency_seconds_bucket",
        "xtnd_gateway_answers_total",
        "xtnd_worker_lag_records",
        "xtnd_gateway_spool_bytes",
        "xtnd_mirror_dead_letters",
        "xtnd_hydrator_lost_hooks",
        "xtnd_clock_distance_seconds",
    }
