"""The connector's own tables are written down in ``connector/mirror/models/``, and nowhere else."""

import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from connector import config
from connector.mirror import models, schema
from tests.conftest import DATABASES, ROOT, SECRET

KEPT = ROOT / "tests" / "data" / "own-tables"
OF_OWN_TABLE = re.compile(rf"(TABLE|COLUMN|ON) ({'|'.join(models.OWN)})\b")

# What somebody adds who wants another column: (module, the line before it, the line).
ADDED = [
    (
        "mirror/models/events.py",
        '    source: str = column("exact", SOURCE, key=True)\n',
        '    tries: int | None = column("small", "How often XTND tried.", of="attempt")\n',
    ),
    (
        "mirror/models/events.py",
        '    state_at: str = column("timestamp", "Since when it is in that state (UTC).")\n',
        '    ticket: str | None = column("text", "Who looks after it.")\n',
    ),
    ("events/dead_letter.py", '    payload: bytes = b""\n', "    ticket: str | None = None\n"),
]
# Run with the changed package: writes an event, a better copy of it and a dead letter, and reads them.
SCRIPT = """
import sys
from pathlib import Path
from connector import config, events
from connector.commands import dead_letters_view
from connector.mirror import database, ledger, schema
from connector.mirror.letters import Letters
from connector.mirror.chunks import Chunk
from connector.stream import decode
from connector.stream.fetched import Fetched
from tests import strategies
from tests.conftest import SECRET

environment = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": sys.argv[2]}
settings = config.load(Path(sys.argv[1]), environment, {})
with strategies.mirror(settings) as mirror:
    for attempt in (2, 1):
        mirror.write(mirror.event("OrderPicked", {"OrderNumber": 9001}, attempt=attempt))
        (row,) = mirror.rows("notifications")
        print("notifications", row["tries"], row["attempt"])
    with database.transaction(mirror.engine) as connection:
        print("event", [event.attempt for event in ledger.of_sorts(connection, [events.Sort("OrderPicked")])])
    letter = events.DeadLetter(
        dead_letter_id="one", stage="worker", reason="none", error="", ticket="T-1", payload=b"{"
    )
    print("ticket" in dead_letters_view.FACTS)
    record = type("Record", (), {
        "topic": "t", "partition": 0, "offset": 2, "key": None, "value": b"{", "headers": [*letter.headers()]
    })()
    decoded = decode.decode_dead_letters(Fetched("t", 0, 2, (record,)), mirror.now)
    mirror.sink.write([decoded.chunk])
    (row,) = mirror.rows("dead_letters")
    print("dead_letters", row["ticket"], "payload" in row)
    (stored,) = Letters(mirror.engine).load(["one"])
    print("stored", stored.letter.ticket)
for comment in ("How often XTND tried.", "Who looks after it."):
    print(sum(comment in statement for statement in schema.ddl(settings, "postgresql")))
"""
PRINTED = """
notifications 2 2
notifications 1 1
event [1]
True
dead_letters T-1 False
stored T-1
2
2
"""


@pytest.mark.parametrize("dialect", DATABASES)
def test_the_own_tables_are_declared_as_the_newest_layout_has_them(dialect: str) -> None:
    """Another declaration is another layout: it needs a step (steps.py), and then another file here."""
    settings = config.load(
        ROOT / "config", {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": "sqlite:////x"}, {}
    )
    declared = [one for one in schema.ddl(settings, dialect) if OF_OWN_TABLE.search(one)]
    assert ";\n".join(declared) + "\n" == (KEPT / f"{dialect}.sql").read_text()


def test_the_own_tables_are_those_of_every_module_of_models() -> None:
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        import_module(module.name)
    assert models.Own.metadata.tables.keys() == models.OWN


def test_a_column_that_is_added_to_a_model_is_written_read_and_shown(tmp_path: Path) -> None:
    """Nothing else is changed, but that a dead letter has a field more on its way."""
    shutil.copytree(ROOT / "connector", tmp_path / "connector", ignore=shutil.ignore_patterns("__pycache__"))
    for module, before, line in ADDED:
        file = tmp_path / "connector" / module
        assert file.read_text().count(before) == 1
        file.write_text(file.read_text().replace(before, before + line))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "config"), f"sqlite:///{tmp_path / 'mirror.db'}"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == PRINTED.strip()
