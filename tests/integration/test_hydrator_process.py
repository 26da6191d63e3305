"""The whole way as processes: a shop's hook becomes the record's row, and what is away is waited for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector import config
from connector.local.ports import free_port
from connector.mirror import verify
from connector.mirror.mapping import Mapping
from tests import workers
from tests.conftest import ROOT, SECRET
from tests.processes import Connector
from tests.workers import World, until

HOOKS = 200  # so that there are some of orders
TABLE = """
  fetched_orders:
    kind: snapshot
    of: orders
    key: {order_number: {path: orderHeader.orderNumber}}
    columns: {status: {path: orderHeader.orderStatus, type: text}}
"""
DUE = "SELECT COUNT(*) FROM hydration WHERE fetched_at IS NULL OR fetched_at < wanted_at"
ORDERS = "SELECT COUNT(*) FROM hydration WHERE family = 'orders'"
GONE = "SELECT COUNT(*) FROM notifications WHERE action = 'OrderGone'"


@pytest.fixture
def world(postgres: Any, kafka_bootstrap: str, tmp_path: Path) -> Iterator[World]:
    """Topics and a database, with a table of records and a source that is asked at once."""
    with workers.world(tmp_path, kafka_bootstrap, postgres.new_database()) as made:
        tables = made.config_dir / "tables.yaml"
        tables.write_text(tables.read_text().replace("\ntables:\n", f"\ntables:\n{TABLE}"))
        sources = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())
        for entity in sources["sources"]["entities"].values():
            entity["settle_seconds"] = 0.2
        (made.config_dir / "sources.yaml").write_text(yaml.safe_dump(sources))
        made.environ |= {
            "XTND_API_URL": f"http://127.0.0.1:{free_port()}/RESTAPI/v1_0/demo",
            "XTND_API_USER": "simulator",
            "XTND_API_PASSWORD": "simulator",
        }
        made.config = config.load(made.config_dir, made.environ, {}, with_login=True)
        yield made


@contextlib.contextmanager
def shop(world: World, callback: str) -> Iterator[None]:
    """A simulated shop, hooks and API, while the block runs."""
    api = world.environ["XTND_API_URL"].split(":")[2].partition("/")[0]
    options = {"url": callback, "api": api, "deliveries": str(HOOKS), "api-rate": "6000"}
    command = ["simulate"]
    command += [text for name, value in options.items() for text in (f"--{name}", value)]
    environ = os.environ | {"XTND_WEBHOOK_SECRET": SECRET}
    process = Connector(command, stdout=world.folder / "shop.log", env=environ)
    try:
        yield
    finally:
        process.kill()
        process.wait(30)


def count(world: World, query: str) -> int:
    with contextlib.suppress(Exception):  # the worker makes the tables
        return int(world.rows(query)[0][0])
    return -1


def test_a_hook_becomes_the_row_of_its_record(world: World) -> None:
    port = free_port()
    world.part("gateway", "--port", str(port)).wait_ready()
    hydrator = world.part("hydrator")  # before there is a mirror
    world.worker().wait_ready()
    hydrator.wait_ready()
    with shop(world, f"http://127.0.0.1:{port}/webhooks/xtnd"):
        until(lambda: count(world, f"{ORDERS} AND wanted_at IS NOT NULL") > 0, what="hooks of orders")
        until(lambda: count(world, DUE) == 0, what=f"nothing is due: {hydrator.log}")
        world.wait_caught_up()
        until(lambda: count(world, DUE) == 0, what=f"nothing is due: {hydrator.log}")
        asked = count(world, ORDERS)
        assert count(world, "SELECT COUNT(*) FROM fetched_orders WHERE fetched_at IS NOT NULL") == asked > 0
        assert count(world, GONE) == 0
        assert hydrator.metric("xtnd_hydrator_requests_total", result="record") >= asked
        assert hydrator.warnings() == {}
        # Ledger and tables are read one after the other, and the worker goes on meanwhile.
        mapping = Mapping(world.config)
        until(
            lambda: verify.differences(world.engine, mapping) == [],
            what="the mirror is the fold of its ledger",
        )
    # Without the API hooks are mirrored all the same; the hydrator is degraded, not down.
    order = {"details": b'{"OrderNumber": "77001"}', "entity_key": "77001"}
    number = workers.next_number()
    world.send([workers.balance(number, family="orders", action="OrderPicked", **order)])
    until(lambda: "api" in hydrator.warnings(), what=f"a warning: {hydrator.log}")
    assert hydrator.failures() == {}
    assert count(world, DUE) == 1
    assert "simulator" not in hydrator.said().replace("connector.simulator", "")
    assert hydrator.stop() == 0
