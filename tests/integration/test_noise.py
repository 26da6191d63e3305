"""What gateway and worker write to their logs while Kafka is away: once, and then in growing steps."""

import contextlib
import json
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connector.local.ports import free_port
from tests.conftest import SECRET
from tests.gateways import delivery, notification, post, until
from tests.processes import Connector
from tests.workers import World, world

AWAY_SECONDS = 25.0
# What an outage of that length may write at WARNING and above, both processes together.
MOST_LINES = 40
LOUD = ("warning", "error", "critical")


@contextlib.contextmanager
def gateway_of(made: World) -> Iterator[tuple[int, Path]]:
    """A gateway process on a world's configuration; gives its port and its log."""
    port, admin_port, log = free_port(), free_port(), made.folder / "gateway.log"
    ports = ["--port", str(port), "--admin-port", str(admin_port)]
    command = ["gateway", "--config", str(made.config_dir), *ports]
    environ = {**os.environ, **made.environ, "XTND_DATA_DIR": str(made.folder)}
    process = Connector(command, cwd=made.folder, env=environ, stdout=log)

    def reaches_kafka() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/readyz", timeout=5) as answer:
                return "warnings" not in json.loads(answer.read())
        except OSError:
            return False

    try:
        until(reaches_kafka, f"the gateway reaches Kafka: {log}")
        yield port, log
    finally:
        process.kill()
        process.wait(10)


def loud_lines(text: str) -> Counter[str]:
    """How often each event was logged at WARNING or above, by level, logger and first words."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return Counter(
        f"{line['level']} {line.get('logger', 'connector')} {str(line['event'])[:70]}"
        for line in lines
        if line["level"] in LOUD
    )


def test_an_outage_of_kafka_is_logged_in_a_few_lines(kafka: Any, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    made_in = world(
        tmp_path / "world",
        kafka.bootstrap_servers,
        f"sqlite:///{tmp_path / 'mirror.db'}",
        sections={"gateway": {"spool_path": str(tmp_path / "spool" / "spool.db")}},
    )
    with made_in as made, gateway_of(made) as (port, log):
        worker = made.worker().wait_ready()
        before = [len(one.read_text()) for one in (worker.log, log)]
        kafka.kill()
        try:
            end = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < end:
                assert post(port, delivery(notification()), SECRET).status == 202
                time.sleep(0.25)
            told = [one.read_text()[start:] for one, start in zip((worker.log, log), before, strict=True)]
        finally:
            kafka.start()
            kafka.wait_ready(60)
        for text in told:
            print(*(f"{count:4} {what}" for what, count in loud_lines(text).most_common()), sep="\n")
        found = sum(map(loud_lines, told), Counter())
        assert 0 < found.total() <= MOST_LINES, found
        until(lambda: worker.failures() == {}, "the worker goes on")
