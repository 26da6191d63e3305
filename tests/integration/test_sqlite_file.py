"""A mirror's SQLite file that is damaged, missing a part, or kept from being emptied by a reader."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.config import Config
from connector.errors import DatabaseDamaged, DatabaseOutage, StartupError
from connector.local.ports import free_port
from connector.mirror import database, remedies, verify
from connector.mirror.dialects import sqlite_file
from connector.mirror.totals import Totals
from tests import processes, strategies
from tests.conftest import ROOT, MakeConfig
from tests.strategies import NOON, Maker, Mirror

PAGE = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def config(make_config: MakeConfig, file: Path) -> Config:
    return make_config({"database.url": f"sqlite:///{file}"})


def fill(config: Config, deliveries: int = 200) -> None:
    with strategies.mirror(config) as mirror:
        write(mirror, 0, deliveries)


def write(mirror: Mirror, first: int, end: int) -> None:
    said = []
    for number in range(first, end):
        details = {"ProductNumber": f"p{number}", "Warehouse": "N", "Balance": number, "Note": "x" * 500}
        said.append(mirror.event("BalanceChanged", details, delivery=f"d{number:09}", at=NOON + number))
    mirror.write(*said)


# --- Damaged -------------------------------------------------------------------------------------


def noise_in_the_middle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[2 * PAGE : len(data) // 2] = b"\xa5" * (len(data) // 2 - 2 * PAGE)
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 10 * PAGE + 17])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def something_else(file: Path) -> None:
    file.write_bytes(b"It was the best of times, it was the worst of times. " * 1000)


def of_another_format(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[44:48] = b"\0\0\0\x09"  # the schema's format, which goes to 4
    file.write_bytes(data)


def not_text(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE _notifications SET hook = CAST(x'ff00fe' AS TEXT)")
    connection.close()


DAMAGE = [noise_in_the_middle, cut, emptied, something_else, of_another_format, not_text]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_with_the_way_back_and_left_as_it_is(
    config: Config, file: Path, damage: Callable[[Path], None]
) -> None:
    fill(config)
    damage(file)
    before = file.read_bytes()
    with pytest.raises(DatabaseDamaged) as caught:
        verify.differences(database.connect(config.database, access="read"), Maker(config).mapping)
    assert str(file) in caught.value.what
    assert f"mv {file} {file}.damaged; mv {file}-wal {file}.damaged-wal" in caught.value.cure
    assert "topics.retention_hours" in caught.value.cure
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", [noise_in_the_middle, cut])
def test_a_batch_stops_at_a_damaged_file(config: Config, file: Path, damage: Callable[[Path], None]) -> None:
    fill(config)
    damage(file)
    with pytest.raises(DatabaseDamaged), strategies.mirror(config) as mirror:
        write(mirror, 0, 400)


def test_a_worker_ends_at_a_damaged_file_with_a_sentence_and_does_not_wait_for_it(file: Path) -> None:
    something_else(file)
    arguments = ["worker", "--database-url", f"sqlite:///{file}", "--admin-port", str(free_port())]
    done = processes.run(arguments, cwd=ROOT, env=os.environ)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"mv {file}" in done.stderr


@pytest.mark.parametrize("replaced", [False, True])
def test_a_batch_stops_when_the_file_was_taken_away_under_the_worker(
    config: Config, file: Path, *, replaced: bool
) -> None:
    with strategies.mirror(config) as mirror:
        write(mirror, 0, 1)
        totals = Totals(config.database)
        totals.offsets()
        away = file.rename(file.with_name("away.db"))
        if replaced:
            shutil.copy(away, file)
        with pytest.raises(DatabaseDamaged) as caught:
            write(mirror, 1, 2)
        with pytest.raises(DatabaseDamaged):  # the health of a worker that has nothing to write
            totals.offsets()
    assert f"{file} was moved, deleted or replaced" in caught.value.what
    assert "start this again" in caught.value.cure


def test_a_new_mirror_takes_the_place_of_a_damaged_one_that_was_moved_away(
    config: Config, file: Path
) -> None:
    fill(config)
    something_else(file)
    file.rename(file.with_name("mirror.db.damaged"))
    fill(config)
    assert verify.count(database.connect(config.database, access="read")) == 200


def test_a_file_whose_log_is_missing_says_what_it_said_before(
    config: Config, file: Path, tmp_path: Path
) -> None:
    fill(config)
    with strategies.mirror(config) as mirror:
        write(mirror, 200, 300)
        assert sqlite_file.log_bytes(file) > 0
        shutil.copyfile(file, tmp_path / "copy.db")  # as after a crash, but without its -wal
    copy = config.database.model_copy(
        update={"url": config.database.url.__class__(f"sqlite:///{tmp_path / 'copy.db'}")}
    )
    engine = database.connect(copy)
    assert verify.differences(engine, mirror.mapping) == []
    assert verify.count(engine) == 200
    [offset] = strategies.select(engine, "SELECT next_offset FROM consumer_offsets")
    assert offset["next_offset"] == 200  # so what was in the log is read from Kafka again


def test_a_write_that_was_cut_off_is_left_to_a_worker_to_undo(
    config: Config, file: Path, tmp_path: Path
) -> None:
    fill(config)
    (tmp_path / "copy").mkdir()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer:
        for statement in ("journal_mode=DELETE", "cache_size=1", "cache_spill=1"):
            writer.execute(f"PRAGMA {statement}")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE _notifications SET details = json_object('x', hex(randomblob(2000)))")
        copy = Path(shutil.copy(file, tmp_path / "copy"))
        shutil.copy(f"{file}-journal", tmp_path / "copy")
    settings = config.database.model_copy(update={"url": config.database.url.__class__(f"sqlite:///{copy}")})
    with pytest.raises(DatabaseOutage) as caught:
        verify.count(database.connect(settings, access="read"))
    assert "-journal" in (remedies.fix(caught.value) or "")
    assert verify.count(database.connect(settings)) == 200  # as a worker opens it


def test_a_folder_and_a_file_that_cannot_be_used_are_named(make_config: MakeConfig, tmp_path: Path) -> None:
    for name in (tmp_path, Path("/dev/null")):
        for access in ("create", "write", "read"):
            with pytest.raises(StartupError, match=str(name)):
                database.connect(make_config({"database.url": f"sqlite:///{name}"}).database, access=access)
    with pytest.raises(StartupError, match="/dev/null"):
        database.connect(make_config({"database.url": "sqlite:////dev/null/mirror.db"}).database)


# --- The write-ahead log -------------------------------------------------------------------------


def test_the_log_is_reported_while_a_reader_stays_and_shrinks_when_it_has_gone(
    config: Config, file: Path
) -> None:
    sizes: list[int] = []
    look = sqlite_file.log_watch(file, sizes.append, kept=64 * 1024, limit=sqlite_file.MIB)
    with strategies.mirror(config) as mirror:
        write(mirror, 0, 100)
        assert look() is None
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM notifications").fetchone()
        end = 100
        while (trouble := look()) is None:
            write(mirror, end, end + 200)
            end += 200
            assert end < 10_000
        assert f"{file}-wal" in trouble
        assert f"fuser -v {file}" in trouble
        assert sizes[-1] == sqlite_file.log_bytes(file) > sqlite_file.MIB
        reader.close()
        assert look() is None
        assert sizes[-1] == sqlite_file.log_bytes(file) == 0
        write(mirror, end, end + 1)


def test_a_log_that_grew_is_cut_by_the_next_batch_itself(config: Config, file: Path) -> None:
    with strategies.mirror(config) as mirror:
        write(mirror, 0, 1)
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM notifications").fetchone()
        end = 1
        while sqlite_file.log_bytes(file) <= sqlite_file.LOG_KEPT_BYTES + sqlite_file.MIB:
            write(mirror, end, end + 1000)
            end += 1000
        reader.close()
        for number in range(end, end + 3):
            write(mirror, number, number + 1)
        assert sqlite_file.log_bytes(file) <= sqlite_file.LOG_KEPT_BYTES


def test_what_a_reader_sorts_goes_to_disk_where_it_is_much(config: Config) -> None:
    fill(config, 1)
    engine = database.connect(config.database, access="read")
    with database.transaction(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 1  # FILE
    engine.dispose()
