"""``connector backup`` and ``restore``: taken under load, made again elsewhere, and gone on from."""

import json
import os
import re
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from connector import cli, config, shipped
from connector.config import redaction
from connector.config.database_url import Backend
from connector.errors import StartupError
from connector.mirror import archiving, database, verify
from connector.mirror.archives import StoredArchive
from connector.mirror.entities import Entity
from connector.mirror.erasure import erase
from connector.mirror.mapping import Mapping
from connector.spool import backup as spool_backup
from connector.spool.layout import connect
from tests import strategies, workers
from tests.conftest import ROOT, SECRET, MakeConfig, new_database, tables_of_hooks
from tests.strategies import NOON
from tests.workers import Load, balances

YEAR = 366 * 86_400_000_000


def run(*arguments: Any, code: int = 0, **variables: str) -> str:
    """The command in this process; gives what it printed."""
    with mock.patch.dict(os.environ):  # which a command may complete
        done = CliRunner().invoke(cli.app, [str(one) for one in arguments], env=variables)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def test_a_backup_under_load_is_of_one_moment_and_a_worker_goes_on_from_it(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_bootstrap: str
) -> None:
    """Out of the file that is written to; how PostgreSQL keeps to one moment is tested with ``copy``."""
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    with workers.world(tmp_path / "world", kafka_bootstrap, url) as world:
        worker = world.worker().wait_ready()
        world.send(balances(1000))
        loading = threading.Thread(target=Load(world, 300).for_seconds, args=(1.5,))
        loading.start()
        workers.until(lambda: len(world.ledger_ids()) > 0, what="events are mirrored")
        backup, data = tmp_path / "backup.tar.gz", tmp_path / "data"
        config_dir = ("--config", world.config_dir)
        printed = run("backup", backup, *config_dir, "--data-dir", data, **world.environ)
        saved = int(re.findall(r"([\d,]+) events", printed)[0].replace(",", ""))
        loading.join()
        world.send(balances(1))  # something follows, however long the backup took
        world.wait_caught_up()
        assert worker.stop() == 0
        assert 0 < saved < len(world.sent)

        restored = new_database(Backend.postgresql, request, tmp_path)
        environ = world.environ | {"DATABASE_URL": restored}
        printed = run("restore", backup, "--config", tmp_path / "again", "--data-dir", data, **environ)
        assert f"restored {saved:,} events" in printed
        assert "equals the fold of its ledger" in printed
        assert "holds what follows the copy" in printed
        world.environ["DATABASE_URL"] = restored
        again = config.load(tmp_path / "again", world.environ, {})
        engine = database.connect(again.database, access="read")
        assert verify.count(engine) == saved
        second = world.worker().wait_ready()
        workers.until(lambda: verify.count(engine) == len(world.sent), what="the restored mirror caught up")
        assert second.stop() == 0
        assert verify.differences(engine, Mapping(again)) == []

        # Kafka no longer has what follows the backup.
        world.admin.delete_records({tp: end for tp, end in world.ends().items() if end})
        environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'late.db'}"
        printed = run("restore", backup, "--config", tmp_path / "again", "--data-dir", data, **environ)
        assert "records expired before they were mirrored" in printed


def archive_into(folder: Path, mirror: strategies.Mirror) -> list[StoredArchive]:
    given = (mirror.engine, mirror.mapping, str(folder), 1, lambda *_: None)
    return list(archiving.archive(*given, now=lambda: NOON + YEAR))


def leave_one_unfinished(mirror: strategies.Mirror) -> None:
    """As a run of ``connector archive`` that was interrupted leaves it."""
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO _archives (archive, month, file, sha256, size_bytes, events, unkeyed, made_at) "
            "SELECT 2, month, '/else/where', sha256, 1, 1, 1, made_at FROM _archives"
        )


def test_a_mirror_in_postgresql_is_restored_into_sqlite_with_its_archives(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_bootstrap: str
) -> None:
    folder = written_config(tmp_path)
    with (folder / "connector.yaml").open("a") as file:
        file.write("mirror: {retention: {months: 1, archive: '${XTND_DATA_DIR}/archive'}}\n")
    environ = {
        "DATABASE_URL": new_database(Backend.postgresql, request, tmp_path),
        "XTND_DATA_DIR": str(tmp_path / "data"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
    }
    with strategies.mirror(config.load(folder, environ, with_secrets=False)) as mirror:
        details = {"ProductNumber": "P", "Warehouse": "N", "Balance": 1.5}
        mirror.write(*(mirror.event("BalanceChanged", details, delivery=f"d{one}") for one in range(3)))
        forgotten = mirror.event("OrderPicked", {"OrderNumber": "1", "Shop": "Anna"}, delivery="forgotten")
        mirror.write(forgotten)
        erase(mirror.engine, mirror.mapping, Entity("", "orders", "1"), dry_run=False)
        (archive,) = archive_into(tmp_path / "data" / "archive", mirror)
        leave_one_unfinished(mirror)
        expected = mirror.content()
    printed = run("backup", tmp_path / "b.tar.gz", "--config", folder, **environ)
    assert "4 events, 1 archives" in printed
    environ["XTND_DATA_DIR"] = str(tmp_path / "new")
    with pytest.raises(StartupError, match=r"holds a mirror already") as refused:
        run("restore", tmp_path / "b.tar.gz", "--config", folder, **environ)
    assert "--database-url" in refused.value.cure
    assert not (tmp_path / "new").exists()
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'new.db'}"
    printed = run("restore", tmp_path / "b.tar.gz", "--config", folder, **environ)
    assert "restored 4 events" in printed
    here = tmp_path / "new" / "archive"
    assert f"archives: 1 in {here}; each is as it was written" in printed
    Path(archive.file).unlink()
    with strategies.mirror(config.load(folder, environ, with_secrets=False)) as mirror:
        assert mirror.content() == expected
        assert verify.differences(mirror.engine, mirror.mapping, deep=True) == []
        assert mirror.row("_archives", archive=1)["file"] == str(here / Path(archive.file).name)
        assert len(mirror.rows("_archives")) == 1
        mirror.write(forgotten)  # again, as from Kafka
        assert mirror.rows("orders") == []
        assert b"Anna" not in (tmp_path / "new.db").read_bytes()


def written_config(folder: Path) -> Path:
    """The shipped configuration without the tables of records, which are most of it."""
    shipped.write(folder / "own-config")
    file = folder / "own-config" / "tables.yaml"
    file.write_text(tables_of_hooks(file.read_text()))
    return folder / "own-config"


def saved(make_config: MakeConfig, folder: Path, kafka: str = "127.0.0.1:1") -> tuple[Path, dict[str, str]]:
    """A backup of a small mirror and its spool, and the variables for another place."""
    own = written_config(folder)
    url = f"sqlite:///{folder / 'mirror.db'}"
    with strategies.mirror(make_config({"database.url": url})):
        pass
    with closing(connect(folder / "spool.db")) as spool:
        spool.execute("INSERT INTO spool (stored_at, checksum, records, topic) VALUES (1, 2, x'03', 't')")
        environ = {
            "DATABASE_URL": url,
            "XTND_DATA_DIR": str(folder),
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
        }
        # The spool is open in its gateway alone, as here.
        run("backup", folder / "b.tar.gz", "--config", own, "--data-dir", folder, **environ)
    other = {"DATABASE_URL": f"sqlite:///{folder}/new/mirror.db", "XTND_DATA_DIR": f"{folder}/new"}
    return folder / "b.tar.gz", environ | other


def test_a_restore_writes_over_nothing_and_refuses_what_was_damaged(
    make_config: MakeConfig, tmp_path: Path, kafka_bootstrap: str
) -> None:
    backup, environ = saved(make_config, tmp_path / "old", kafka_bootstrap)
    new = Path(environ["XTND_DATA_DIR"])
    options = ("--config", tmp_path / "config", "--data-dir", new)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "topics.yaml").write_text("mine")

    damaged = tmp_path / "damaged.tar.gz"
    whole = backup.read_bytes()
    for wrong in (whole[: len(whole) * 2 // 3], whole[:-3000] + bytes(3000), b"", b"no tar"):
        damaged.write_bytes(wrong)
        with pytest.raises(Exception, match="is no backup of a mirror, or it was damaged"):
            run("restore", damaged, *options, **environ)
        assert not list(new.glob("*")), wrong[:9]

    printed = run("restore", backup, *options, **environ)
    assert f"kept: {tmp_path / 'config' / 'topics.yaml'}" in printed
    assert (tmp_path / "config" / "topics.yaml").read_text() == "mine"
    assert (tmp_path / "config" / "tables.yaml").read_text() == (
        tmp_path / "old" / "own-config" / "tables.yaml"
    ).read_text()
    with closing(sqlite3.connect(new / "spool.db")) as spool:
        assert spool.execute("SELECT topic FROM spool").fetchall() == [("t",)]
    assert {file.stat().st_mode & 0o077 for file in (backup, *new.iterdir())} == {0}

    before = {file: file.stat().st_mtime_ns for file in new.iterdir()}
    with pytest.raises(Exception, match="is there already"):
        run("restore", backup, *options, **environ)
    with pytest.raises(Exception, match="is there already"):
        run("backup", backup, "--config", ROOT / "config", "--data-dir", new, **environ)
    assert {file: file.stat().st_mtime_ns for file in new.iterdir()} == before


def test_archives_are_taken_along_or_left_out_and_put_over_no_other_file(
    make_config: MakeConfig, tmp_path: Path, kafka_bootstrap: str
) -> None:
    own, new = written_config(tmp_path), tmp_path / "new"
    environ = {"XTND_DATA_DIR": str(tmp_path / "old"), "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'mirror.db'}"
    with strategies.mirror(make_config({"database.url": environ["DATABASE_URL"]}), copied=True) as mirror:
        mirror.write(mirror.event("OrderPicked", {"OrderNumber": "1"}))
        (archive,) = archive_into(tmp_path / "archives", mirror)
        leave_one_unfinished(mirror)
    file = Path(archive.file)
    whole, less = tmp_path / "whole.tar.gz", tmp_path / "less.tar.gz"
    run("backup", whole, "--config", own, **environ)
    file.rename(tmp_path / "away")
    with pytest.raises(StartupError, match=rf"{file.name} is missing") as refused:
        run("backup", tmp_path / "none.tar.gz", "--config", own, **environ)
    assert "--without-archives" in refused.value.cure
    assert sorted(one.suffix for one in tmp_path.iterdir() if "tar" in one.name) == [".gz"]
    printed = run("backup", less, "--config", own, "--without-archives", **environ)
    assert f"not in it: 1 archives; keep them, in {file.parent}" in printed
    with tarfile.open(less) as tar:
        assert json.load(tar.extractfile("manifest.json"))["archives_left_out"] == [archive.file]  # type: ignore[arg-type]
        assert not [name for name in tar.getnames() if name.startswith("archives")]

    other = environ | {"DATABASE_URL": f"sqlite:///{new}/mirror.db", "XTND_DATA_DIR": str(new)}
    here = new / "archive" / file.name
    here.parent.mkdir(parents=True)
    here.write_bytes(b"another")
    with pytest.raises(StartupError, match="is there already, and is not the archive of this name"):
        run("restore", whole, "--config", own, "--data-dir", new, **other)
    with pytest.raises(StartupError, match=r"Archives cannot be written into .*: .*Not a directory"):
        run("restore", whole, "--archives", here / "x", "--config", own, "--data-dir", new, **other)
    assert (here.read_bytes(), list(new.iterdir())) == (b"another", [here.parent])
    printed = run("restore", less, "--config", own, "--data-dir", new, **other)
    assert (
        f"not in the backup: 1 archives. The mirror reads them where they were, in {file.parent}" in printed
    )
    (new / "mirror.db").unlink()
    (tmp_path / "away").rename(here)
    printed = run("restore", whole, "--config", own, "--data-dir", new, **other)
    assert f"archives: 1 in {here.parent} (1 stood there); each is as it was written" in printed
    assert "left behind: /else/where, of a run" in printed
    assert "verified" in run("verify", "--deep", "--config", own, "--data-dir", new, **other)


def test_no_secret_is_in_a_backup(make_config: MakeConfig, tmp_path: Path) -> None:
    backup, _ = saved(make_config, tmp_path / "old")
    with tarfile.open(backup) as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        texts = {
            name: tar.extractfile(f"config/{name}").read().decode()  # type: ignore[union-attr]
            for name in config.FILES
        }
    assert names == ["manifest.json", *(f"config/{name}" for name in config.FILES), "spool.db", "mirror.db"]
    assert (manifest["spooled"], manifest["left_out"]) == (1, [])
    for name in config.FILES:
        assert texts[name] == (tmp_path / "old" / "own-config" / name).read_text()

    text = (ROOT / "config" / "connector.yaml").read_text()
    for shown, hidden in (
        ("${XTND_WEBHOOK_SECRET:-}", SECRET),
        ("${XTND_WEBHOOK_FORMER_SECRET:-}", "${X:-in-a-default}"),
        ("${DATABASE_URL:-sqlite:///data/mirror.db}", "postgresql://me:pass-word@host/mirror"),
        ("# sasl_username: connector", f"sasl_password: 'it''s # one' # {SECRET}"),
    ):
        assert shown in text
        text = text.replace(shown, hidden)
    redacted, names = redaction.without_secrets(text)
    assert not re.search(f"{SECRET}|in-a-default|pass-word|one'", redacted)
    assert names == [
        "LEFT_OUT_HOOKS_XTND_SECRETS_0",
        "LEFT_OUT_HOOKS_XTND_SECRETS_1",
        "LEFT_OUT_KAFKA_SASL_PASSWORD",
        "LEFT_OUT_DATABASE_URL",
    ]
    assert all(f"${{{name}}}" in redacted for name in names)


def test_a_spool_is_copied_whole_while_rows_come_and_go(tmp_path: Path) -> None:
    insert = "INSERT INTO spool (stored_at, checksum, records, topic) VALUES (?, 1, zeroblob(3000), 't')"
    written, stop = threading.Event(), threading.Event()

    def come_and_go() -> None:
        with closing(connect(tmp_path / "spool.db")) as spool:
            number = 0
            while not stop.is_set():
                number += 1
                with spool:
                    spool.execute("BEGIN IMMEDIATE")
                    spool.executemany(insert, [(number,)] * 3)
                    spool.execute("DELETE FROM spool WHERE stored_at < ?", (number - 50,))
                written.set()
                if number % 40 == 0:
                    spool.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        assert written.wait(workers.SOON_SECONDS)
        for number in range(5):
            copy = tmp_path / f"copy-{number}.db"
            rows = spool_backup.save(tmp_path / "spool.db", copy)
            with closing(sqlite3.connect(copy)) as found:
                kept = found.execute("SELECT stored_at, COUNT(*) FROM spool GROUP BY 1").fetchall()
            assert {count for _, count in kept} <= {3}
            assert rows == 3 * len(kept)
    finally:
        stop.set()
        busy.join()
    assert spool_backup.save(tmp_path / "none.db", tmp_path / "x.db") is None
