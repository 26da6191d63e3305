"""Records at the end: hooks lost, records deleted, an API with quirks, hydrator and worker killed."""

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector import config
from connector.local.ports import free_port
from connector.mirror import database, verify
from connector.mirror.mapping import Mapping
from tests import processes, record_rows, strategies
from tests.conftest import ROOT, SECRET
from tests.faults import lost_hooks
from tests.faults.conftest import BOTH, MakeStack
from tests.faults.harness import Stack
from tests.faults.lost_hooks import Truth
from tests.faults.report import SCALE, TIMEOUT_SECONDS, Line, times
from tests.processes import Connector
from tests.workers import until

# At full scale an audit alone asks for 4,000 records, some of which come 4 s late.
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 3_600 * (SCALE >= 1))

# Below full scale still fewer: each record is fetched twice and more.
DELIVERIES, PER_SECOND = round(20_000 * SCALE * (1 if SCALE >= 1 else 0.4)), 100
# Of few hooks more: the last change of some record must be among them.
WITHHELD = 0.02 if SCALE >= 1 else 0.06
QUIRKS = ("practical", "former-records", "late-answers")
# How long the API may give the former record, and a little more.
AGAIN_SECONDS = 3.0
# Of a request; the API is late by up to 4 s.
REQUEST_SECONDS = 6.0
FETCH_SECONDS = 120 + 1800 * SCALE
EVENTS = "SELECT COUNT(*) FROM notifications WHERE delivery_id IS NOT NULL"
# What hooks, second looks and backfills still ask for, and what is being fetched.
HOOKED = "SELECT * FROM hydration WHERE fetched_at IS NULL OR fetched_at < wanted_at"
# Rows without a family are the hydrators' own. A lease that ended asks for nothing: who was killed after
# its work was published leaves one.
WORK = (
    "SELECT * FROM _hydration_work "
    "WHERE family <> '' AND (COALESCE(asked_at, again_at) IS NOT NULL OR leased_until > '{now}')"
)


def switch_on(stack: Stack) -> None:
    """Give the stack all tables of records, and a source that looks again soon."""
    (stack.config_dir / "tables.yaml").write_text((ROOT / "config" / "tables.yaml").read_text())
    sources = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())
    sources["sources"]["timeout_seconds"] = REQUEST_SECONDS
    for entity in sources["sources"]["entities"].values():
        entity |= {
            "settle_seconds": 0.5,
            "again_after_seconds": AGAIN_SECONDS,
            "gone_after_seconds": AGAIN_SECONDS,
        }
    (stack.config_dir / "sources.yaml").write_text(yaml.safe_dump(sources))
    stack.environ |= {
        "XTND_API_URL": f"http://127.0.0.1:{free_port()}/RESTAPI/v1_0/demo",
        "XTND_API_USER": "simulator",
        "XTND_API_PASSWORD": "simulator",
    }
    stack.config = config.load(stack.config_dir, stack.environ, {}, with_login=True)
    stack.mapping = Mapping(stack.config)


@contextlib.contextmanager
def shop(stack: Stack) -> Iterator[Path]:
    """The simulated shop, its hooks and its API, while the block runs; gives its log."""
    options = {
        "url": stack.url,
        "deliveries": DELIVERIES,
        "rate": PER_SECOND,
        "time-scale": 0.02,
        "withheld": WITHHELD,
        "deleted": 0.01,
        "api": stack.environ["XTND_API_URL"].split(":")[2].partition("/")[0],
        "api-rate": 100_000,
    }
    command = ["simulate", "--journal", str(lost_hooks.journal(stack))]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command += [text for quirk in QUIRKS for text in ("--quirk", quirk)]
    said = stack.folder / "shop.log"
    environ = os.environ | stack.environ | {"XTND_WEBHOOK_SECRET": SECRET}
    process = Connector(command, stdout=said, env=environ)
    try:
        yield said
    finally:
        process.kill()
        process.wait(30)


def truth(stack: Stack) -> Truth:
    """Family and key → the record's body, None where the shop deleted it; of families that are fetched."""
    base = stack.environ["XTND_API_URL"].partition("/RESTAPI")[0]
    with urllib.request.urlopen(f"{base}/simulator/truth", timeout=60) as answer:
        lines = [json.loads(line, parse_float=Decimal) for line in answer.read().splitlines() if line]
    families = stack.config.sources.entities if stack.config.sources else {}
    return {(one["family"], one["key"]): one["body"] for one in lines if one["family"] in families}


def end_leases(stack: Stack) -> None:
    """End what the killed hydrator holds while none runs: below full scale nobody waits for that."""
    if SCALE < 1:
        with database.transaction(stack.engine) as connection:
            connection.exec_driver_sql("UPDATE _sweeps SET alive_until = started_at")
            connection.exec_driver_sql(
                "UPDATE _hydration_work SET leased_until = leased_at WHERE family <> ''"
            )


def quiet(stack: Stack) -> None:
    """Wait until nothing is asked for any more and all that was published is mirrored."""

    def left() -> list[Any]:
        return [row for query in (HOOKED, WORK.format(now=lost_hooks.ago(0))) for row in stack.rows(query)]

    try:
        until(lambda: not left() and stack.caught_up(), FETCH_SECONDS, what="nothing is asked for")
    except AssertionError as error:
        error.add_note(f"{stack.folder}: {left()}")
        raise


def run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the stack's operator."""
    environ = os.environ | stack.environ
    command = [*arguments, "--config", str(stack.config_dir)]
    return processes.run(command, env=environ, timeout=FETCH_SECONDS)


def sweep(stack: Stack) -> None:
    """Have fetched what the lists have and no hook reported."""
    done = run(stack, "sweep", "--whole")
    assert done.returncode == 0, done.stderr


def audit(stack: Stack) -> None:
    """Have fetched what the shop has otherwise, or has no more."""
    done = run(stack, "audit", "--json")
    assert done.returncode in (0, 1), done.stderr
    assert [one for one in json.loads(done.stdout)["families"] if one["left_out"] or one["moved"]] == []


def differences(stack: Stack, known: Truth) -> list[str]:
    """Every cell of a table of records that is not what the shop says; gone_at as set or not set."""
    found = []
    for name, table in stack.config.tables.items():
        if table.kind != "snapshot":
            continue
        types = {column: settings.type for column, settings in table.columns.items()}
        listed = ", ".join(f'"{column}"' for column in table.valued)
        gone = "" if table.parent else " WHERE gone_at IS NULL"
        rows = {
            tuple(record_rows.plain(types.get(column, "text"), value) for column, value in row.items())
            for row in strategies.select(stack.engine, f"SELECT {listed} FROM {name}{gone}")
        }
        bodies = [body for (family, _), body in known.items() if family == table.of and body is not None]
        wanted = set().union(*(record_rows.expected(table, body) for body in bodies))
        found += [f"{name}: the shop has no {row}" for row in sorted(rows - wanted, key=str)]
        found += [f"{name}: the mirror has no {row}" for row in sorted(wanted - rows, key=str)]
    return found


def not_gone(stack: Stack, known: Truth) -> list[tuple[str, str]]:
    """Records that the shop deleted, that the mirror heard of, and that it does not show as gone."""
    heard = {(row[0], row[1]) for row in stack.rows("SELECT family, entity_key FROM hydration")}
    tables = [(name, one) for name, one in stack.config.tables.items() if one.kind == "snapshot"]
    gone = {
        (str(table.of), "|".join(map(str, row)))
        for name, table in tables
        if not table.parent
        for row in stack.rows(f"SELECT {', '.join(table.key)} FROM {name} WHERE gone_at IS NOT NULL")
    }
    deleted = {key for key, body in known.items() if body is None}
    return sorted((heard & deleted) ^ gone)


@pytest.mark.faults
@BOTH
def test_records_equal_the_shop_after_lost_hooks_deletions_and_kills(
    make_stack: MakeStack, line: Line
) -> None:
    stack, kills = make_stack(), times(10, least=2)
    line.fault = (
        f"hydrator and worker killed {kills} times each, {WITHHELD:.0%} of hooks lost, 1 % of records deleted"
    )
    switch_on(stack)
    stack.begin()
    worker, hydrator = stack.workers[0], stack.part("hydrator").wait_ready()
    with shop(stack) as log:
        for number in range(1, kills + 1):
            part = DELIVERIES * number // (kills + 1)
            until(lambda part=part: stack.rows(EVENTS)[0][0] > part, what=f"{part} events: {log}")
            hydrator.kill()
            end_leases(stack)
            hydrator = stack.part("hydrator")
            worker.kill()
            worker = stack.worker()
        until(
            lambda: "All hooks are sent" in log.read_text(), FETCH_SECONDS, what=f"all hooks are sent: {log}"
        )
        for one in (hydrator, worker):
            one.wait_ready()
        stack.settle()
        quiet(stack)
        known = truth(stack)
        lost = len(differences(stack, known))
        sweep(stack)
        quiet(stack)
        missing = [one for one in differences(stack, known) if "the mirror has no" in one]
        assert missing == [], "after the sweep"
        deleted = [key for key, body in known.items() if body is None]
        audit(stack)
        quiet(stack)
        line.acknowledged = stack.rows(EVENTS)[0][0]
        assert truth(stack) == known
        if SCALE >= 1:  # Nobody waits for that otherwise.
            lost_hooks.wait_until_lost(stack)
            for _ in range(2):  # What one finds is counted when the next one starts.
                done = run(stack, "sweep")
                assert done.returncode == 0, done.stderr
            lost_hooks.counted(stack, known)
    differing = differences(stack, known)
    line.notes.append(f"{len(known)} records, {len(deleted)} deleted, {lost} rows differed before the sweep")
    # A sweep of a killed hydrator, which the next one repeats, may have found them before.
    assert lost_hooks.only_listed(stack) & known.keys()
    assert deleted
    assert (differing, not_gone(stack, known)) == ([], [])
    assert lost_hooks.differing(stack, known) == (set(), set())
    assert verify.differences(stack.engine, stack.mapping) == []
    assert stack.rows("SELECT * FROM dead_letters") == []
    line.passed = True
