"""The alerts ask only for what a running gateway, worker and hydrator export."""

import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.local.ports import free_port
from tests import alerts, workers
from tests.conftest import ROOT
from tests.processes import Connector
from tests.workers import World, until


@contextmanager
def gateway(world: World) -> Iterator[int]:
    """``connector gateway`` as a process; gives its admin port."""
    port, admin = free_port(), free_port()
    command = ["gateway", "--config", str(world.config_dir), "--port", str(port), "--admin-port", str(admin)]
    log = world.folder / "gateway.log"
    process = Connector(command, env=os.environ | world.environ, stdout=log)
    try:
        yield admin
    finally:
        process.kill()
        process.wait(10)


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=8) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_every_metric_and_label_of_an_alert_and_of_the_dashboard_is_in_a_scrape(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    url, spool = f"sqlite:///{tmp_path}/mirror.db", {"spool_path": f"{tmp_path}/spool/spool.db"}
    with (
        workers.world(tmp_path, kafka_bootstrap, url, sections={"gateway": spool}) as world,
        gateway(world) as admin,
    ):
        shutil.copy(ROOT / "config" / "sources.yaml", world.config_dir)
        world.environ |= {
            "XTND_API_URL": f"http://127.0.0.1:{free_port()}/v1",
            "XTND_API_USER": "reader",
            "XTND_API_PASSWORD": "hunter2",
        }
        hydrator = world.part("hydrator")
        worker = world.worker().wait_ready()
        measured = ("xtnd_worker_lag_records{", "xtnd_mirror_dead_letters{")
        until(lambda: page(admin) != "", what="the gateway's metrics")
        until(
            lambda: all(name in worker.page("metrics").decode() for name in measured),
            15,
            what="the worker has measured",
        )
        hydrator.wait_ready()
        until(lambda: b'xtnd_up{part="login"}' in hydrator.page("metrics"), what="the hydrator's metrics")
        pages = [page(admin), *(one.page("metrics").decode() for one in (worker, hydrator))]
        scrape = [sample for text in pages for sample in alerts.samples(text)]
        asked = [(rule["alert"], rule["expr"]) for rule in alerts.rules()]
        asked += [(title, one) for title, some in alerts.panels().items() for one in some]
        for asker, expression in asked:
            wanted = alerts.selectors(expression)
            assert wanted or "up{" in expression, asker
            shown = set(alerts.ADDED)
            for selector in wanted:
                fitting = [labels for name, labels in scrape if selector.fits(name, labels)]
                assert fitting, (asker, selector)
                shown |= fitting[0].keys()
            assert alerts.grouped_by(expression) <= shown, asker
        parts = {labels["part"] for name, labels in scrape if name in ("xtnd_up", "xtnd_degraded")}
        assert parts == alerts.sections()["Readiness"].keys(), "docs/runbook.md has a section for each"
