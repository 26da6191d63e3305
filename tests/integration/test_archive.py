"""Months that left the ledger are in its archives, and nothing is lost (``connector archive``)."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from connector import cli, config, events, failpoints
from connector.commands import failures
from connector.commands.archive_checkup import ArchiveCheckup
from connector.config import models as config_models
from connector.errors import ArchiveAway, ConfigError, DatabaseDamaged, StartupError
from connector.events import Event
from connector.mirror import (
    archive_files,
    archive_places,
    archiving,
    comparison,
    database,
    erasure,
    ledger,
    rebuilder,
    spill,
    verify,
)
from connector.mirror.archives import StoredArchive
from connector.mirror.entities import Entity
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, new_database, tables_of_hooks
from tests.integration.test_forget import restore
from tests.sources import with_sources
from tests.strategies import MINUTE, NOON, Mirror

DAY = 86_400_000_000
LATER = NOON + 366 * DAY


@pytest.fixture(scope="module", params=DATABASES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("archive") / "mirror.db")
    texts = {name: (ROOT / "config" / name).read_text(encoding="utf-8") for name in config.FILES}
    texts["tables.yaml"] = tables_of_hooks(texts["tables.yaml"])
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    settings = config.parse(texts, variables, strategies.RECORD_TABLES)
    with strategies.mirror(with_sources(settings)) as found:
        yield found


@pytest.fixture
def mirror(whole: Mirror) -> Mirror:
    whole.empty()
    return whole


# What no SQL decides is tried on one database.
of_a_file = pytest.mark.parametrize("whole", ["sqlite"], indirect=True)


def archive(mirror: Mirror, folder: Path, *, now: int = LATER) -> list[StoredArchive]:
    return [
        *archiving.archive(mirror.engine, mirror.mapping, str(folder), 1, lambda *_: None, now=lambda: now)
    ]


def differences(mirror: Mirror) -> list[str]:
    return [
        one for deep in (False, True) for one in verify.differences(mirror.engine, mirror.mapping, deep=deep)
    ]


def events_of(mirror: Mirror) -> list[Event]:
    with database.transaction(mirror.engine) as connection:
        rows = connection.exec_driver_sql("SELECT event_id, source FROM _notifications").fetchall()
        return sorted(ledger.stored(connection, [(row[0], row[1]) for row in rows]).values(), key=repr)


def rebuild(mirror: Mirror) -> set[str]:
    """Make all tables again; gives which had wrong rows."""
    with rebuilder.rebuilding(mirror.engine, mirror.mapping) as session:
        names = [table.name for table in mirror.mapping.tables if table.sorts]
        rebuilt = list(session.tables(names, lambda *_: None))
    return {one.table for one in rebuilt if one.added or one.changed or one.removed}


def tables_of(mirror: Mirror) -> Any:
    return {name: rows for name, rows in mirror.content().items() if name != "notifications"}


def write_some_hooks(mirror: Mirror) -> None:
    for number in range(4):
        details: Any = {"OrderNumber": str(number % 2), "OrderType": "Web"}
        action = "OrderReserved" if number % 2 else "OrderPicked"
        mirror.write(mirror.event(action, details, delivery=f"d{number}", at=NOON + number))
    stock = [{"ProductNumber": "P", "Warehouse": one, "Balance": "1.5"} for one in "NS"]
    mirror.write(mirror.event("BalanceChanged", stock, delivery="s"))


def write_some(mirror: Mirror) -> None:
    write_some_hooks(mirror)
    record = {"orderHeader": {"orderNumber": "1"}, "orderRows": [{"rowNumber": 1}, {"rowNumber": 2}]}
    mirror.write(mirror.snapshot("1", record))


@of_a_file
@pytest.mark.parametrize("fault", ["bytes", "rows"])
def test_what_is_read_back_otherwise_than_it_was_written_empties_nothing(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    write_some(mirror)
    before = mirror.content()
    if fault == "bytes":
        put = archive_places.ArchivePlace.put
        monkeypatch.setattr(
            archive_places.ArchivePlace, "put", lambda place, data: put(place, BytesIO(data.read()[:-1]))
        )
    else:
        monkeypatch.setattr(archive_files.Reader, "digest", lambda _: (6, "another"))
    with pytest.raises(StartupError, match=r"was altered|does not have what was written into it"):
        archive(mirror, tmp_path)
    assert mirror.content() == before


@of_a_file
@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_file_that_is_missing_or_altered_is_refused_by_name(
    mirror: Mirror, tmp_path: Path, fault: str
) -> None:
    write_some(mirror)
    (made,) = archive(mirror, tmp_path)
    file = Path(made.file)
    content = bytearray(file.read_bytes())
    if fault == "missing":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    for read in (
        lambda: verify.differences(mirror.engine, mirror.mapping, deep=True),
        lambda: rebuild(mirror),
    ):
        with pytest.raises(DatabaseDamaged, match=rf"{file.name} (is missing|was altered)"):
            read()


def test_what_somebody_spoilt_is_found_with_and_without_archives_and_made_again(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a large mirror: in several parts, on disk.
    for module, name, value in ((comparison, "ROWS", 1), (comparison, "PAGE", 1), (spill, "KEPT", 2)):
        monkeypatch.setattr(module, name, value)
    write_some(mirror)
    before = tables_of(mirror)
    archive(mirror, tmp_path)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _orders SET event_count = 9 WHERE order_number = '1'")
        connection.exec_driver_sql("DELETE FROM _archived_rows WHERE table_name = 'stock_balances'")
        connection.exec_driver_sql("UPDATE _stock_balance_history SET quantity = 7")
    found = verify.differences(mirror.engine, mirror.mapping)
    assert len(found) == 3  # one of orders, two balances
    deep = verify.differences(mirror.engine, mirror.mapping, deep=True)
    assert len([one for one in deep if one.startswith("stock_balance_history")]) == 2
    assert len([one for one in deep if "what archives give for it" in one]) == 2
    assert rebuild(mirror) == {"orders", "stock_balance_history"}
    assert (tables_of(mirror), differences(mirror)) == (before, [])


@of_a_file
def test_a_month_stays_until_all_of_it_is_older_and_what_comes_late_is_archived_after_it(
    mirror: Mirror, tmp_path: Path
) -> None:
    write_some(mirror)  # 2023-11-14
    days = [events.from_iso(f"{day}T00:00:00Z") for day in ("2023-12-31", "2024-01-01")]
    with database.transaction(mirror.engine) as connection:
        assert list(archiving.due(connection, 1, days[0])) == []
        assert list(archiving.due(connection, 1, days[1])) == [("2023-11", 6)]
    archive(mirror, tmp_path, now=days[1])
    late = mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="late", at=NOON - MINUTE)
    mirror.write(late, mirror.event("OrderPicked", {"OrderNumber": "1"}, delivery="new", at=days[0]))
    (second,) = archive(mirror, tmp_path, now=days[1])
    assert (second.archive, second.month, second.events) == (2, "2023-11", 1)
    assert mirror.row("orders", order_number="1")["event_count"] == 4
    assert differences(mirror) == []


@of_a_file
def test_an_event_that_comes_again_is_known_and_its_archive_is_not_read(
    mirror: Mirror, tmp_path: Path
) -> None:
    write_some(mirror)
    before = tables_of(mirror)
    (made,) = archive(mirror, tmp_path)
    Path(made.file).unlink()
    write_some(mirror)
    assert tables_of(mirror) == before


# --- Forgotten -----------------------------------------------------------------------------------

ANNA = Entity("", "orders", "1")


def speak_of_anna(mirror: Mirror, folder: Path) -> list[Event]:
    """Events of which some are archived, one is in the ledger again in a better copy, and one is new."""
    order: Any = {"OrderNumber": "1", "Name": "Anna"}
    record = {"orderHeader": {"orderNumber": "1", "customerName": "Anna"}, "orderRows": [{"rowNumber": 1}]}
    picked = {"delivery": "a", "attempt": 2, "received": NOON + MINUTE}
    said = [
        mirror.event("OrderPicked", order, **picked, properties='{"By":"Anna"}'),
        mirror.event("OrderPicked", [{"OrderNumber": "2"}, order], delivery="b"),
        mirror.event("OrderPicked", {"OrderNumber": "2", "Name": "Bo"}, delivery="c"),
        mirror.event("OrderReserved", order, delivery="d"),
        mirror.snapshot("1", record),
        # What counts of this one in the end does not speak of her.
        mirror.event("OrderReserved", order, delivery="f", attempt=2),
    ]
    mirror.write(*said)
    archive(mirror, folder)
    mirror.write(mirror.event("OrderReserved", {"OrderNumber": "2"}, delivery="f"))
    better = mirror.event("OrderPicked", order, delivery="a", at=NOON - MINUTE)
    new = mirror.event("OrderReserved", order, delivery="e", at=LATER)
    mirror.write(better, new)
    return [*said, better, new]


def test_what_is_forgotten_is_in_no_archive_and_does_not_come_back(mirror: Mirror, tmp_path: Path) -> None:
    said = speak_of_anna(mirror, tmp_path)
    (former,) = tmp_path.iterdir()
    forget = partial(erasure.erase, mirror.engine, mirror.mapping, ANNA, dry_run=False)
    failpoints.load({failpoints.VARIABLE: "raise-archive-replaced"})
    try:
        with pytest.raises(failpoints.Struck):
            forget()
    finally:
        failpoints.load({})
    assert differences(mirror) == []
    assert forget().events == 5
    (made,) = tmp_path.iterdir()
    assert made != former
    rows = pq.read_table(made).to_pylist()
    assert len(rows) == 6
    assert "Anna" not in str(rows) + str(mirror.rows("_notifications")) + str(mirror.rows("_archived_rows"))
    assert [row["order_number"] for row in mirror.rows("orders")] == ["2"]
    assert mirror.rows("order_details") == mirror.rows("order_rows") == []
    before = tables_of(mirror), events_of(mirror)
    mirror.write(*said)
    restore(mirror, *said)
    assert (tables_of(mirror), events_of(mirror), differences(mirror)) == (*before, [])
    assert [one.events for one in archive(mirror, tmp_path, now=LATER + 99 * DAY)] == [2, 1]
    assert (tables_of(mirror), events_of(mirror), differences(mirror)) == (*before, [])


def test_bodies_that_stand_apart_leave_with_the_last_event_that_has_them(
    mirror: Mirror, tmp_path: Path
) -> None:
    body = {"orderHeader": {"orderNumber": "1", "customerName": "Anna " * 30}}
    early, early_again = (mirror.snapshot("1", body, at=NOON + minute * MINUTE) for minute in (0, 1))
    late = mirror.snapshot("1", body, at=LATER)
    mirror.write(early, early_again)
    before = tables_of(mirror), events_of(mirror)
    archive(mirror, tmp_path)
    assert mirror.rows("_bodies", order="1") == []
    assert (tables_of(mirror), events_of(mirror), differences(mirror)) == (*before, [])
    mirror.write(late)
    assert len(mirror.rows("_bodies", order="1")) == 1
    assert rebuild(mirror) == set()
    erasure.erase(mirror.engine, mirror.mapping, Entity("", "orders", "1"), dry_run=False)
    assert mirror.rows("_bodies", order="1") == mirror.rows("order_details") == []
    assert "Anna" not in str([pq.read_table(file).to_pylist() for file in tmp_path.iterdir()])


def test_what_was_forgotten_is_archived_beside_what_was_not(mirror: Mirror, tmp_path: Path) -> None:
    for key in "123":
        mirror.write(
            mirror.snapshot(key, {"orderHeader": {"orderNumber": key, "customerName": "Anna " * 30}})
        )
    erasure.erase(mirror.engine, mirror.mapping, Entity("", "orders", "2"), dry_run=False)
    before = tables_of(mirror), events_of(mirror)
    assert [one.events for one in archive(mirror, tmp_path)] == [3]
    assert mirror.rows("_bodies", order="1") == []
    assert (tables_of(mirror), events_of(mirror), differences(mirror)) == (*before, [])


# --- Where archives are, and what needs them -------------------------------------------------------


@of_a_file
def test_archives_stand_where_fsspec_reaches_and_may_be_moved(mirror: Mirror, tmp_path: Path) -> None:
    write_some(mirror)
    before = tables_of(mirror), events_of(mirror)
    system = fsspec.filesystem("memory")
    folder = f"memory://{tmp_path.name}"
    [made] = archiving.archive(mirror.engine, mirror.mapping, folder, 1, lambda *_: None, lambda: LATER)
    assert made.file.startswith(f"{folder}/2023-11-")
    assert (tables_of(mirror), events_of(mirror), differences(mirror)) == (*before, [])
    assert erasure.erase(mirror.engine, mirror.mapping, Entity("", "orders", "0"), dry_run=False).events == 2
    (file,) = system.ls(tmp_path.name, detail=False)
    here = tmp_path / Path(file).name
    with pytest.raises(DatabaseDamaged, match=f"{here.name} is missing"):
        archiving.move(mirror.engine, mirror.mapping, str(tmp_path))
    here.write_bytes(system.cat_file(file))
    system.rm(file)
    [moved] = archiving.move(mirror.engine, mirror.mapping, str(tmp_path))
    assert moved.file == str(here)
    assert differences(mirror) == []


@of_a_file
@pytest.mark.parametrize("url", [False, True])
def test_a_check_finds_a_file_that_is_missing_or_altered_and_a_folder_that_cannot_be_written_to(
    mirror: Mirror, tmp_path: Path, url: bool
) -> None:
    write_some_hooks(mirror)
    folder = f"memory://check-{tmp_path.name}" if url else str(tmp_path / "not-yet" / "archives")
    retention = config_models.RetentionSettings(months=1, archive=folder)
    settings = mirror.config.model_copy(update={"mirror": config_models.MirrorSettings(retention=retention)})

    def checked(*, deep: bool = False) -> list[str]:
        return [str(one.fault or one.what) for one in ArchiveCheckup(settings, deep=deep).results()]

    can = f"mirror.retention.archive, {folder}: files can be written there"
    assert checked() == [can]
    assert list(tmp_path.glob("not-yet")) == []
    given = (mirror.engine, mirror.mapping, folder, 1, lambda *_: None, lambda: LATER)
    (made,) = archiving.archive(*given)
    system, path = fsspec.core.url_to_fs(made.file)
    content = system.cat_file(path)
    assert checked() == ["archives: 1; each is there with its size (--deep reads it)", can]
    assert len(system.ls(path.rpartition("/")[0])) == 1
    system.pipe_file(path, content[:-1] + bytes([content[-1] ^ 1]))
    assert checked()[0].startswith("archives: 1; each is there")
    assert f"{path.rpartition('/')[2]} was altered: its SHA-256" in checked(deep=True)[0]
    system.pipe_file(path, content[:-1])
    assert f"was altered: it has {len(content) - 1:,} bytes, and {len(content):,}" in checked()[0]
    system.rm_file(path)
    (fault, _) = ArchiveCheckup(settings, deep=False).results()
    assert (fault.fault, fault.warns) == (f"The archive {made.file} is missing.", False)
    assert "connector archive --moved-to" in fault.cure


@of_a_file
@pytest.mark.parametrize(("code", "warns"), [(errno.EACCES, False), (errno.EROFS, True)])
def test_a_folder_that_refuses_a_file_is_named_with_the_fix(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, warns: bool
) -> None:
    retention = config_models.RetentionSettings(months=1, archive=str(tmp_path))
    settings = mirror.config.model_copy(update={"mirror": config_models.MirrorSettings(retention=retention)})

    def refuse(**_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(archive_places.tempfile, "TemporaryFile", refuse)
    (result,) = ArchiveCheckup(settings, deep=False).results()
    assert (result.what, result.warns) == (f"mirror.retention.archive, {tmp_path}", warns)
    assert os.strerror(code) in str(result.fault)
    assert ("connector forget where it can" if warns else "the right to write there") in result.cure


@of_a_file
def test_a_place_that_does_not_answer_is_an_outage_and_nothing_is_emptied(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some(mirror)
    before = mirror.content()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ECONNREFUSED, "no answer")

    monkeypatch.setattr(archive_places.shutil, "copyfileobj", fail)
    with pytest.raises(ArchiveAway, match=r"cannot be reached: .*no answer") as away:
        archive(mirror, tmp_path)
    assert "service that has it" in failures._explained(away.value)[1]
    assert mirror.content() == before
    assert list(tmp_path.iterdir()) == []


def test_a_rule_that_needs_a_missing_archive_is_refused_with_its_line_and_else_is_filled(
    tmp_path: Path,
) -> None:
    texts = {name: (ROOT / "config" / name).read_text(encoding="utf-8") for name in config.FILES}
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path / 'mirror.db'}"}
    before, first, after = texts["tables.yaml"].partition("      created_at:")
    added = before + "      first_hook: {rule: earliest, event: hook}\n" + first + after
    former, changed = (
        config.parse(texts | {"tables.yaml": text}, variables, {}) for text in (texts["tables.yaml"], added)
    )
    with strategies.mirror(former) as mirror:
        write_some_hooks(mirror)
        (made,) = archive(mirror, tmp_path / "archives")
    away = Path(made.file).rename(tmp_path / "away")
    line = before.count("\n") + 1
    what = rf"tables\.yaml:{line}: orders\.first_hook is to be filled from events that are archived"
    found = rf"{what}, .* is missing.*Take the change back"
    with pytest.raises(ConfigError, match=found), strategies.mirror(changed):
        pass
    with strategies.mirror(former) as mirror:  # nothing was changed for it
        assert "first_hook" not in mirror.rows("orders")[0]
    away.rename(made.file)
    with strategies.mirror(changed) as mirror:
        assert [row["first_hook"] for row in mirror.rows("orders")] == ["xtnd", "xtnd"]
        assert differences(mirror) == []


@of_a_file
def test_without_the_extra_the_command_that_installs_it_is_named(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some(mirror)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert verify.differences(mirror.engine, mirror.mapping, deep=True) == []
    with pytest.raises(StartupError, match=r"pip install 'xtnd-connector\[archive\]'"):
        archive(mirror, tmp_path)


def test_the_command_archives_what_is_due_and_says_what(tmp_path: Path) -> None:
    variables = {
        "XTND_WEBHOOK_SECRET": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'mirror.db'}",
        "XTND_DATA_DIR": str(tmp_path),
        "XTND_CONFIG_DIR": str(tmp_path / "config"),
    }
    shutil.copytree(ROOT / "config", tmp_path / "config")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli.app, ["archive", *arguments], env=variables)

    assert "does not say what is archived" in str(run().exception)
    with (tmp_path / "config" / "connector.yaml").open("a") as file:
        file.write(f"\nmirror: {{retention: {{months: 12, archive: {tmp_path / 'archives'}}}}}\n")
    with strategies.mirror(config.load(tmp_path / "config", variables, {})) as mirror:
        write_some_hooks(mirror)
        assert run("--dry-run").stdout == "2023-11: 5 events to be archived\n"
        done = json.loads(run("--json").stdout)["archives"]
        assert [(one["month"], one["events"]) for one in done] == [("2023-11", 5)]
        assert run().stdout == run("--dry-run").stdout == "nothing is due\n"
        (file,) = (tmp_path / "archives").iterdir()
        assert [one.stat().st_mode & 0o77 for one in (file, file.parent)] == [0, 0]
        assert differences(mirror) == []
