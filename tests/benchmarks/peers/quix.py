"""Quix Streams with its ``PostgreSQLSink``: a Python library, as ours is.

It lives in a virtual environment of its own in the cache folder, installed from ``quix.lock``. To move
to another version, change ``quix.in`` and run here ``uv pip compile --universal --python-version 3.11
--generate-hashes --no-emit-index-url --no-annotate --no-header quix.in -o quix.lock``.

Tried once each on 2 cores, with 60,000 events only (keys in turn, one column less), in events/s by
partitions and ``commit_every``: 2 and 5,000: 35,600; 2 and 20,000: 46,600; 6 and 5,000: 45,300; 6 and
20,000: 58,400. Not tried: 12 partitions, larger checkpoints. 200,000 events beside a fault-test run
(load 6): see ``connect.py``, so those rates do not compare with these.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from connector.local import kafka_jars
from connector.local.processes import Child
from tests.benchmarks.peers import KEYS, TABLE, PeerBacklog, Table, carry
from tests.benchmarks.processes import Carried
from tests.servers import PostgresServer

NAME = "Quix Streams PostgreSQLSink"
LOCK = Path(__file__).with_name("quix.lock")
PROGRAM = Path(__file__).with_name("quix_program.py")
PARTITIONS = 6
APPLICATION: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "commit_every": 20_000,
    "commit_interval": 1.0,
    "loglevel": "WARNING",
}
SINK: dict[str, Any] = {
    "table_name": TABLE,
    "primary_key_columns": KEYS,
    "upsert_on_primary_key": True,
    "schema_auto_update": False,  # the table is there
    "include_metadata": False,
}


def install() -> Path:
    """Give the Python of Quix Streams' virtual environment, which is made at first use."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = kafka_jars.cache_folder().with_name(f"quix-{digest}")
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "--require-hashes", "--requirement", LOCK], check=True)
        ready.touch()
    return python


def run(
    backlog: PeerBacklog, server: PostgresServer, database_url: str, folder: Path, **application: Any
) -> Carried:
    """Carry the backlog once; ``application`` are settings in place of ours."""
    table = Table(database_url)
    made = program(PROGRAM, backlog.bootstrap, backlog.topic, table.url, folder, SINK, **application)
    return carry(made, backlog, table, server)


def program(
    file: Path, bootstrap: str, topic: str, url: URL, folder: Path, sink: dict[str, Any], **application: Any
) -> Child:
    """A Quix Streams application that writes a topic with a sink, of a consumer group of its own."""
    settings = {
        "application": {
            "broker_address": bootstrap,
            "consumer_group": uuid.uuid4().hex,
            "state_dir": str(folder / "quix-state"),
            **APPLICATION,
            **application,
        },
        "topic": topic,
        "sink": {
            "host": url.host,
            "port": url.port,
            "dbname": url.database,
            "user": url.username,
            "password": "",
            **sink,
        },
    }
    return Child("quix", [str(install()), str(file), json.dumps(settings)], folder / "quix.log")
