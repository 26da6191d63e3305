"""A demo: what it runs, and that it never meets the data of a shop."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console

from connector.errors import StartupError
from connector.local import DataFolder
from connector.local.demo import kafka_of
from connector.local.plan import LaunchPlan, UpOptions
from connector.simulator import SimulateOptions
from connector.simulator.opening import Opening
from connector.simulator.resume import Progress, ResumeFile
from connector.simulator.run import sendings
from connector.simulator.shop import Shop


def plan(folder: Path, environ: dict[str, str] | None = None, **options: object) -> LaunchPlan:
    given = {"demo": True, "port": 18_080, **options}
    return LaunchPlan(UpOptions(folder, folder / "data", **given), environ or {}, connector=("connector",))


def test_a_demo_runs_a_shop_whose_api_the_connector_is_given(tmp_path):
    demo = plan(tmp_path)
    command = demo.command("shop")
    assert command[:2] == ["connector", "simulate"]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options["--url"] == "http://127.0.0.1:18080/webhooks/xtnd"
    assert options["--api"] == "18090"
    environment = demo.environment("127.0.0.1:1")
    assert environment["XTND_API_URL"] == "http://127.0.0.1:18090/RESTAPI/v1_0/demo"
    assert (environment["XTND_API_USER"], environment["XTND_API_PASSWORD"]) == ("simulator", "simulator")
    usual = plan(tmp_path, demo=False)
    assert usual.demo is None
    assert not [name for name in usual.environment("127.0.0.1:1") if name.startswith("XTND_API")]


@pytest.mark.parametrize(
    ("environ", "options", "words"),
    [
        ({}, {"kafka": "kafka.example:9092"}, "--kafka"),
        ({}, {"database_url": "postgresql://db.example/x"}, "--database-url"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092"}, {}, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"DATABASE_URL": "postgresql://db.example/x"}, {}, "DATABASE_URL"),
        ({"XTND_API_URL": "https://api.example"}, {}, "XTND_API_URL"),
    ],
)
def test_a_demo_refuses_other_servers_by_name(tmp_path, environ, options, words):
    with pytest.raises(StartupError, match=words):
        plan(tmp_path, environ, **options).check_data()
    plan(tmp_path, environ, demo=False, **options).check_data()


def test_a_demo_and_a_shop_do_not_share_a_folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    plan(tmp_path).check_data()
    (data / "mirror.db").touch()
    with pytest.raises(StartupError, match="no demo made"):
        plan(tmp_path).check_data()
    (data / "demo-deliveries").touch()
    plan(tmp_path).check_data()
    with pytest.raises(StartupError, match="what a demo made"):
        plan(tmp_path, demo=False).check_data()


def test_a_resumed_shop_goes_on_after_what_has_left(tmp_path):
    file = tmp_path / "left"
    options = SimulateOptions(url="http://a/", secret="s", deliveries=40, resume=file)

    def opened(**changes):
        changed = replace(options, **changes)
        return sendings(Opening(changed, Console()).open().deliveries, changed)

    left = [sending.delivery.delivery_id for _ in range(3) for sending in islice(opened(), 30)]
    assert left == [delivery.delivery_id for delivery in islice(Shop(1).deliveries(), 90)]
    assert ResumeFile(file).read() == Progress(left=90, seed=1)
    with pytest.raises(StartupError, match="the shop of seed 1"):
        opened(seed=2)
    file.write_text("90")  # as an earlier version wrote it
    assert next(opened()).delivery.delivery_id not in left
    file.write_text("many")
    with pytest.raises(StartupError, match="cannot keep how many"):
        opened()


def test_a_demo_plays_ninety_days_first_or_as_many_as_one_likes(tmp_path):
    def options(**given):
        command = plan(tmp_path, **given).command("shop")
        return dict(zip(command[2::2], command[3::2], strict=True))

    assert (options()["--days"], options()["--burst"]) == ("90", "0")
    assert (options(days=0)["--days"], options(days=0)["--burst"]) == ("0", "200")
    assert options()["--config"] == str(tmp_path)


def test_a_history_is_for_a_demo_alone_and_goes_to_its_own_kafka(tmp_path, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.of.a.shop:9092")
    data = DataFolder(tmp_path / "data")
    data.path.mkdir()
    data.write_endpoints({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1234"})
    with pytest.raises(StartupError, match="into a demo alone"):
        kafka_of(data)
    data.demo_file.touch()
    assert kafka_of(data) == "127.0.0.1:1234"
    data.endpoints_file.unlink()
    with pytest.raises(StartupError, match="into a demo alone"):
        kafka_of(data)
