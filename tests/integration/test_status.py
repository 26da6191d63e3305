"""``connector status``: whether all is well, from the parts themselves, the database and Kafka."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connector import cli, clocks, events
from connector.commands.standing import Looking
from connector.commands.status import StatusConsole
from connector.local.ports import free_port
from tests import strategies, workers
from tests.conftest import DATABASES, MakeConfig, new_database
from tests.workers import World, balances, until

ADDRESS = "127.0.0.1:{}".format


def status(world: World, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code and what was printed of the world's parts."""
    named = zip(("--gateway", "--worker"), (world.workers[0].port, world.workers[1].port), strict=True)
    ports = [text for option, port in named for text in (option, ADDRESS(port))]
    arguments = ["status", "--json", *ports, "--config", str(world.config_dir), *options]
    done = CliRunner().invoke(cli.app, arguments, env=world.environ)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["status"] == ("healthy", "degraded", "down")[done.exit_code], done.output
    return done.exit_code, found


def test_status_says_how_all_parts_and_families_are(tmp_path: Path, kafka_bootstrap: str) -> None:
    spool = {"gateway": {"spool_path": str(tmp_path / "spool.db")}}
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    with workers.world(tmp_path, kafka_bootstrap, url, sections=spool) as world:
        gateway, worker = world.part("gateway", "--port", str(free_port())), world.worker()
        gateway.wait_ready()
        worker.wait_ready()
        now = clocks.now()
        world.send(event.__replace__(received_at=now) for event in balances(10))
        world.wait_caught_up()
        until(lambda: status(world)[0] == 0, what="healthy")  # each part answers within 5 s
        code, found = status(world)
        assert (code, found["reasons"]) == (0, [])
        assert {one["name"]: one["state"] for one in found["parts"]} == {
            "gateway": "ready",
            "worker": "ready",
            "hydrator": "off",
            "database": "ready",
            "kafka": "ready",
        }
        assert found["spool"] == {"deliveries": 0, "bytes": 0, "oldest_seconds": 0.0}
        family = {one["family"]: one for one in found["families"]}["balances"]
        assert (family["events"], family["per_minute"], family["lag_events"]) == (10, 2.0, 0)
        assert family["last_received_at"] == events.iso(now)

        world.send_raw(b"no event")
        until(lambda: world.rows("SELECT 1 FROM dead_letters") != [], what="parked")
        code, found = status(world)
        assert code == 1
        assert "dead letters are parked" in " ".join(found["reasons"])

        worker.kill()
        world.send(balances(3))
        code, found = status(world)
        assert code == 2
        assert found["reasons"][0].startswith(f"worker {ADDRESS(worker.port)} is away")
        family = {one["family"]: one for one in found["families"]}["balances"]
        assert family["lag_events"] == 3
        assert 0 <= family["lag_seconds"] < workers.SOON_SECONDS


@pytest.mark.parametrize("dialect", DATABASES)
def test_each_answers_for_itself_where_the_others_are_away(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path, make_config: MakeConfig
) -> None:
    nobody = ADDRESS(free_port())
    url = new_database(dialect, request, tmp_path / "mirror.db")
    kafka = {"kafka.bootstrap_servers": nobody, "kafka.request_timeout_seconds": 0.3}
    config = make_config({"database.url": url, **kafka})
    asked = {"gateway": [nobody], "worker": [nobody]}
    found = Looking(config, asked).look()
    assert {one.name: one.state for one in found.parts} == {
        "gateway": "away",
        "worker": "away",
        "hydrator": "off",
        "database": "away",
        "kafka": "away",
    }
    assert (found.status, found.families) == ("down", [])
    with strategies.mirror(config):
        found = Looking(config, asked).look()
    assert {one.name: one.state for one in found.parts}["database"] == "ready"
    assert {one.family: (one.events, one.lag_events) for one in found.families}["orders"] == (0, None)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (59.6, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_a_time_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert StatusConsole.span(seconds) == shown
