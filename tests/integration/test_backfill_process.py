"""``connector backfill`` and ``audit`` as processes: killed midway they go on, and do each thing once."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector import config
from connector.local.ports import free_port
from connector.mirror import verify
from connector.mirror.mapping import Mapping
from connector.simulator.api import ApiOptions, SimulatedApi
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests import processes, shop_api, workers
from tests.conftest import ROOT
from tests.workers import World, until

DELIVERIES = 200
SINCE = "2026-01-01"
TABLES = """
  fetched_orders:
    kind: snapshot
    of: orders
    key: {order_number: {path: orderHeader.orderNumber}}
    columns: {status: {path: orderHeader.orderStatus, type: text}}
  fetched_stock:
    kind: snapshot
    of: balances
    key: {product_number: {path: productNumber}, warehouse: {path: warehouse}}
    columns: {physical: {path: physicalBalance, type: numeric}}
"""
WAITING = "SELECT COUNT(*) FROM _hydration_work WHERE asked_at IS NOT NULL"
SNAPSHOTS = "SELECT entity_key FROM notifications WHERE action = 'OrderSnapshot'"


@pytest.fixture
def world(
    request: pytest.FixtureRequest, postgres: Any, kafka_bootstrap: str, tmp_path: Path
) -> Iterator[World]:
    """Topics and a database, with tables of records and a source whose pages are small."""
    with workers.world(tmp_path, kafka_bootstrap, postgres.new_database()) as made:
        tables = made.config_dir / "tables.yaml"
        tables.write_text(tables.read_text().replace("\ntables:\n", f"\ntables:\n{TABLES}"))
        sources = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())
        entities = sources["sources"]["entities"]
        sources["sources"]["entities"] = {name: entities[name] for name in ("orders", "balances")}
        for entity in sources["sources"]["entities"].values():
            entity["list"]["sweep_minutes"] = getattr(request, "param", None)
        entities["orders"]["list"]["paginator"]["size"] = 3
        (made.config_dir / "sources.yaml").write_text(yaml.safe_dump(sources))
        made.environ |= {
            "XTND_API_URL": f"http://127.0.0.1:{free_port()}/RESTAPI/v1_0/demo",
            "XTND_API_USER": "simulator",
            "XTND_API_PASSWORD": "simulator",
        }
        made.config = config.load(made.config_dir, made.environ, {}, with_login=True)
        yield made


@contextlib.contextmanager
def shop(world: World) -> Iterator[SimulatedApi]:
    """The API of a shop whose hooks were never sent."""
    records = ShopRecords(1)
    for _ in islice(Shop(1, records).deliveries(), DELIVERIES):
        pass
    service = SimulatedApi(records, 1, ApiOptions(rate=100_000, page_size=20))
    with shop_api.answering(service, world.environ["XTND_API_URL"]):
        yield service


def wait_for_no_difference(world: World) -> None:
    """It reads ledger and tables one after the other, and the hydrator and its worker go on."""
    until(lambda: verify.differences(world.engine, Mapping(world.config)) == [], what="nothing differs")


def backfill(world: World, *arguments: str, failpoints: str = "") -> subprocess.CompletedProcess[str]:
    return command(world, "backfill", *arguments, "--since", SINCE, failpoints=failpoints)


def command(world: World, *arguments: str, failpoints: str = "") -> subprocess.CompletedProcess[str]:
    return processes.run(
        [*arguments, "--config", str(world.config_dir)],
        env={**os.environ, **world.environ, "XTND_FAILPOINTS": failpoints},
        timeout=300,
    )


def test_a_backfill_that_is_killed_goes_on_and_asks_for_each_record_once(world: World) -> None:
    world.worker().wait_ready()
    with shop(world) as service:
        orders, stock = (
            sorted(key for one, key in service.truth() if one == family) for family in ("orders", "balances")
        )
        assert len(orders) > 12 < len(stock)
        planned = backfill(world, "orders", "balances", "--dry-run", "--json")
        assert planned.returncode == 0, planned.stderr
        assert [one["records"] for one in json.loads(planned.stdout)["families"]] == [len(orders), len(stock)]
        assert world.rows("SELECT * FROM _backfills") == []
        hydrator = world.part("hydrator").wait_ready()
        killed = backfill(world, "orders", failpoints="exit-backfill-page@3")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert world.rows("SELECT page, listed, asked FROM _backfills") == [(2, 9, 9)]
        until(lambda: len(fetched(world)) == 9, what=f"9 orders: {hydrator.log}")
        done = backfill(world, "orders", "balances", "--json")
        assert done.returncode == 0, done.stderr
        of_orders, of_stock = json.loads(done.stdout)["families"]
        assert (of_orders["resumed"], of_orders["listed"], of_orders["records"]) == (
            True,
            len(orders),
            len(orders),
        )
        assert (of_stock["published"], of_stock["records"]) == (True, len(stock))
        until(lambda: len(fetched(world)) >= len(orders), what=f"all orders: {hydrator.log}")
        until(lambda: count(world, WAITING) == 0, what=f"nothing waits: {hydrator.log}")
        world.wait_caught_up()
        assert fetched(world) == orders
        assert count(world, "SELECT COUNT(*) FROM fetched_orders WHERE status IS NOT NULL") == len(orders)
        assert count(world, "SELECT COUNT(*) FROM fetched_stock") == len(stock)
        wait_for_no_difference(world)


@pytest.mark.parametrize("world", [15], indirect=True)
def test_a_hydrator_finds_by_itself_what_no_hook_reported(world: World) -> None:
    world.worker().wait_ready()
    with shop(world) as service:
        orders, stock = (
            sorted(key for one, key in service.truth() if one == family) for family in ("orders", "balances")
        )
        hydrator = world.part("hydrator").wait_ready()
        ended = "SELECT COUNT(*) FROM sweeps WHERE finished_at IS NOT NULL"
        until(lambda: count(world, ended) == 2, 120, what=f"two sweeps: {hydrator.log}")
        until(lambda: set(fetched(world)) == set(orders), 120, what=f"all orders: {hydrator.log}")
        until(lambda: count(world, WAITING) == 0, what=f"nothing waits: {hydrator.log}")
        world.wait_caught_up()
        assert count(world, "SELECT COUNT(*) FROM fetched_orders WHERE status IS NOT NULL") == len(orders)
        assert count(world, "SELECT COUNT(*) FROM fetched_stock") == len(stock)
        run = command(world, "sweep", "--json")
        assert run.returncode == 0, run.stderr
        found = {
            one["family"]: (one["listed"], one["published"]) for one in json.loads(run.stdout)["families"]
        }
        assert found["balances"][1]
        assert found["orders"][0] >= len(orders)
        world.wait_caught_up()
        wait_for_no_difference(world)


def test_an_audit_that_is_killed_finds_what_differs_once_and_the_worker_repairs_it(world: World) -> None:
    world.worker().wait_ready()
    with shop(world):
        assert backfill(world, "balances").returncode == 0
        world.wait_caught_up()
        equal = command(world, "audit", "balances", "--json")
        assert equal.returncode == 0, equal.stderr
        (of_stock,) = json.loads(equal.stdout)["families"]
        assert of_stock["compared"] == count(world, "SELECT COUNT(*) FROM fetched_stock") > 12
        with world.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE _fetched_stock SET physical = 424242 WHERE (product_number, warehouse) = "
                "(SELECT product_number, warehouse FROM _fetched_stock ORDER BY 1, 2 LIMIT 1)"
            )
        killed = command(world, "audit", "balances", failpoints="exit-audit-noted")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        found = command(world, "audit", "balances")
        assert found.returncode == 1, found.stderr
        assert "1 drifted (cells or rows: 1)" in found.stdout
        assert world.rows("SELECT column_name, mirrored FROM drift") == [("physical", "424242")]
        repaired = "SELECT COUNT(*) FROM fetched_stock WHERE physical = 424242"
        until(lambda: count(world, repaired) == 0, what="the cell is repaired")


def fetched(world: World) -> list[str]:
    """The orders that were fetched, one with several snapshots so often."""
    return sorted(str(row[0]) for row in world.rows(SNAPSHOTS))


def count(world: World, query: str) -> int:
    return int(world.rows(query)[0][0])
