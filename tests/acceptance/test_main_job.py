"""The main job through the real command: signed deliveries in, rows out, whatever is killed between."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from connector.config import DatabaseSettings
from connector.local.ports import free_port
from connector.mirror import database

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
MANIFEST = json.loads((DATA / "manifest.json").read_text())
CONNECTOR = [sys.executable, "-m", "connector"]
DEADLINE_SECONDS = 120.0

# What the contract makes of the 23 files, but for the instants: table → columns → rows.
EXPECTED: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "orders": (
        (
            "order_number, order_type, status, warehouse, reserved_count, picked_count, "
            "delivery_data_change_count, event_count, last_action"
        ),
        [
            ("333841", "NormalOrder", "picked", None, 0, 2, 0, 2, "OrderPicked"),
            ("3339887", "NormalOrder", "created", None, 0, 0, 0, 1, "OrderCreated"),
            ("3339977", "NormalOrder", "cancelled", None, 0, 0, 0, 1, "OrderCancelled"),
            ("339887", "NormalOrder", "reserved", None, 1, 0, 0, 1, "OrderReserved"),
            ("802624", None, "picking", "ADR-1", 0, 0, 0, 1, "PickingStarted"),
            ("OC-2319", "NormalOrder", None, None, 0, 0, 1, 1, "OrderDeliveryDataChanged"),
        ],
    ),
    "order_picking_rows": (
        "order_number, position, sub_position, product_number, quantity, warehouse",
        [("802624", "10", "0", "4340-001", "1", "ADR-1")],
    ),
    "purchases": (
        "order_number, warehouse, status, delivery_count, event_count",
        [
            ("50002245", "B-1", "delivered", 1, 1),
            ("95510", "BA", "partially_delivered", 1, 1),
            ("RP-137", "APAK-M", "partially_delivered", 1, 1),
            ("RP-70002034", "ADR-1", "cancelled", 0, 1),
            ("RP-70002830", "ADR-1", "created", 0, 1),
        ],
    ),
    "stock_balances": (
        (
            "product_number, warehouse, balance, balance_event_name, balance_event_type, available_balance, "
            "event_count"
        ),
        [
            ("7495", "YX", "43", "ItemChangeST", "BalanceAdjustment", None, 2),
            ("8684", "YX", None, None, None, "22", 2),
        ],
    ),
    "products": ("product_number, change_count", [("172488", 1), ("265A9AA", 0)]),
    "price_lists": ("price_list_name, update_count", [("B2B-EUR", 1)]),
    "customers": ("customer_number, change_count", [("603271", 1), ("817472", 0)]),
    "offers": ("offer_number, change_count", [("OFF-212423", 0), ("OFF-217530", 1)]),
    "invoices": ("invoice_number, change_count", [("1000001", 1), ("1000002", 0)]),
    "stock_balance_history": (
        "product_number, warehouse, measure, quantity, event_name",
        [
            ("7495", "YX", "balance", "43", "ItemChangeST"),
            ("7495", "YX", "balance", "43", "ItemChangeST"),
            ("8684", "YX", "available_balance", "22", None),
            ("8684", "YX", "available_balance", "22", None),
        ],
    ),
    "purchase_delivery_rows": (
        "order_number, warehouse, position, product_number, quantity, unit",
        [
            ("RP-137", "APAK-M", "30", "261-224-0", "5324", "ST"),
            ("RP-137", "APAK-M", "40", "261-225-0", "1200.5", "ST"),
        ],
    ),
}
EVENTS = 25


@dataclass
class Stack:
    """A running ``connector up``."""

    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    data_dir: Path
    environment: dict[str, str]
    engine: Engine

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as a person would in a second terminal."""
        return subprocess.run(
            [*CONNECTOR, *arguments, "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with database.transaction(self.engine) as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def post(self, body: bytes, header: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json; charset=utf-8", "ms-signature": header}
        connection.request("POST", "/webhooks/xtnd", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def mirrored(self) -> float:
        """Events that the worker has seen: those that were new and those that it knew."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port + 1}/metrics", timeout=5) as answer:
            page = answer.read().decode()
        found = re.findall(r"^xtnd_worker_events_(?:mirrored|known)_total\S* (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))

    def workers(self) -> list[psutil.Process]:
        """The worker, and none between its end and its next start."""
        return [
            child for child in psutil.Process(self.process.pid).children(recursive=True) if is_worker(child)
        ]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has ended meanwhile
        return False


@pytest.fixture
def stack(database_url: str, tmp_path: Path) -> Iterator[Stack]:
    port = free_port()
    admin_port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XTND_", "KAFKA_"))}
    environment = kept | {"DATABASE_URL": database_url, "XTND_WEBHOOK_SECRET": MANIFEST["secret"]}
    log = tmp_path / "up.log"
    with log.open("w") as out:
        ports = ["--port", str(port), "--admin-port", str(admin_port)]
        process = subprocess.Popen(
            [*CONNECTOR, "up", "--data-dir", str(tmp_path / "data"), *ports],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not re.search(r"^ready ", log.read_text(), re.MULTILINE):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        engine = database.connect(DatabaseSettings(url=SecretStr(database_url)))
        yield Stack(process, port, admin_port, tmp_path / "data", environment, engine)
        engine.dispose()
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        _, alive = psutil.wait_procs(started, timeout=1)
        assert not alive, f"left behind: {alive}"


def send_all(stack: Stack) -> None:
    for delivery in MANIFEST["deliveries"]:
        body = (DATA / delivery["file"]).read_bytes()
        assert stack.post(body, delivery["ms-signature"]) == 202


def until(condition: Any, what: str, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def tables(stack: Stack, *, but: str = "") -> dict[str, list[tuple[Any, ...]]]:
    ledger = "SELECT event_id, attempt, received_at, occurred_at FROM notifications ORDER BY event_id"
    found = {name: stack.query(f"SELECT * FROM {name} ORDER BY 1, 2") for name in EXPECTED if name != but}
    return found | {"notifications": stack.query(ledger)}


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose numbers are text, as a query prints them on every database."""
    return tuple(value if value is None else str(value) for value in row)


def test_the_23_deliveries_become_exactly_the_rows_of_the_contract(stack: Stack) -> None:
    send_all(stack)
    until(lambda: stack.mirrored() >= EVENTS, "all events are mirrored", seconds=5)
    assert stack.query("SELECT COUNT(*) AS n FROM notifications") == [(EVENTS,)]
    for table, (columns, rows) in EXPECTED.items():
        found = stack.query(f"SELECT {columns} FROM {table} ORDER BY 1, 2")
        assert sorted(map(plain, found), key=str) == sorted(map(plain, rows), key=str), table
    before = tables(stack)
    send_all(stack)
    until(lambda: stack.mirrored() >= 2 * EVENTS, "the copies have come through", seconds=5)
    assert tables(stack) == before
    assert stack.run("verify").returncode == 0


def test_a_disorderly_shop_and_a_killed_worker_leave_the_mirror_equal_to_the_journal(
    stack: Stack, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    url = f"http://127.0.0.1:{stack.port}/webhooks/xtnd"
    shares = ["--disorder", "0.1", "--duplicates", "0.05", "--time-scale", "0.01"]
    shop = subprocess.Popen(
        [*CONNECTOR, "simulate", "--url", url, "--deliveries", "1500", *shares, "--journal", str(journal)],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until(lambda: stack.mirrored() > 300, "a part is mirrored")
    (victim,) = stack.workers()
    victim.kill()
    output, _ = shop.communicate(timeout=200)
    assert shop.returncode == 0, output.decode()
    until(lambda: any(one.pid != victim.pid for one in stack.workers()), "the worker is started again")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len({line["id"] for line in lines if "id" in line}) >= 1

    def came_after() -> bool:
        return stack.run("verify", "--journal", str(journal)).returncode == 0

    until(came_after, "the mirror equals the journal")
