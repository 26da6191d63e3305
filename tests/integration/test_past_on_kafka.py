"""A shop's history on a real Kafka and in a real mirror, and the questions of a week that it answers."""

import io
import re
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from connector import clocks, events
from connector.config import Config
from connector.errors import StartupError
from connector.events import Event
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.kafka import history, inventory, topics
from connector.simulator import PastOptions, SimulateOptions, past, run_simulation, wire
from connector.simulator.records import ShopRecords
from connector.simulator.resume import Progress, ResumeFile
from connector.simulator.shop import Shop
from tests import strategies
from tests.conftest import ROOT, SECRET, MakeConfig

UNTIL = events.from_iso("2026-11-27T16:00:00Z")
DAY = 24 * 3600 * 1_000_000


def on_kafka(config: Config) -> list[Event]:
    with topics.admin_client(config.kafka) as client:
        logs = inventory.logs(client, {one.name for one in topics.plans(config)})
    stretches = {(name, part): ends for name, log in logs.items() for part, ends in log.ends.items()}
    return [events.decode(one.value) for some in history.read(config.kafka, stretches) for one in some]


def test_a_history_reaches_kafka_with_its_own_times_and_once_more_as_the_same_events(
    make_config: MakeConfig, kafka_bootstrap: str, tmp_path: Path
) -> None:
    config = make_config({"kafka.bootstrap_servers": kafka_bootstrap, "topics.partitions": 1})
    topics.ensure(config)
    out, before = io.StringIO(), clocks.now()
    options = SimulateOptions(
        url="http://127.0.0.1:9/webhooks/xtnd",
        secret=SECRET,
        deliveries=0,
        resume=tmp_path / "left",
        past=PastOptions(days=2, config=config, folder=tmp_path),
    )
    assert run_simulation(options, Console(file=out, width=300)) == 0
    assert f"straight to Kafka at {kafka_bootstrap}" in out.getvalue()
    assert f"only into the demo in {tmp_path}" in out.getvalue()
    first = Counter(on_kafka(config))
    assert len(first) > 150
    assert all(before - 2 * DAY - past.MARGIN <= one.occurred_at <= one.received_at for one in first)
    assert max(one.received_at for one in first) < before
    # Interrupted before the file notes that Kafka has it, it is published again.
    file = ResumeFile(options.resume)
    kept = file.read()
    file.write(Progress(seed=kept.seed, days=kept.days, until=kept.until))
    assert run_simulation(options, Console(file=out)) == 0
    assert file.read() == kept
    assert Counter(on_kafka(config)) == first + first
    with pytest.raises(StartupError, match="plays already"):
        run_simulation(options, Console(file=out))


def test_each_question_of_a_week_has_twelve_rows_after_ninety_days(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    """That PostgreSQL understands them too is of test_docs.py."""
    config, clock = make_config({"database.url": f"sqlite:///{tmp_path}/mirror.db"}), past.ShopClock()
    days = 90
    happened, _ = past.play(Shop(1, ShopRecords(1, clock=clock)), clock, days, UNTIL, seed=1)
    translator, keys = Translator(config), signature.Keys.of("xtnd", config.hooks["xtnd"])
    records = []
    for one in past.posts(happened, config.hooks["xtnd"], seed=1):
        body = wire.render(one.delivery, one.attempt)
        verified = signature.verify([signature.sign(body, SECRET).encode()], body, keys)
        records += translator.records(verified, one.received_at)
    page = (ROOT / "docs" / "weekly.md").read_text()
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(queries) == 5
    with strategies.mirror(config, copied=True) as mirror:
        mirror.write(*[events.decode(one.value) for one in records if not one.parked])
        assert not any(one.parked for one in records)
        for query in queries:
            weeks = {row["week"] for row in strategies.select(mirror.engine, query)}
            assert len(weeks) >= days / 7 - 0.9, query
        negative = "SELECT COUNT(*) AS n FROM order_lead_times WHERE created_to_picked_seconds < 0"
        assert strategies.select(mirror.engine, negative) == [{"n": 0}]
