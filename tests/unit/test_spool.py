"""The spool: what was accepted is on disk, in order, whole, and bounded."""

import asyncio
import itertools
import shutil
import sqlite3
import threading
import zlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from connector import metrics
from connector.errors import SpoolOutage, StartupError
from connector.kafka.record import Record
from connector.spool import salvage
from connector.spool.file import RESERVE_BYTES
from connector.spool.layout import LAYOUT
from connector.spool.rows import PART_BYTES, Spooled, SpooledPart, encode
from connector.spool.spool import TROUBLE_SECONDS, Spool

MIB = 1_048_576


def record(number: int, size: int = 10) -> Record:
    return Record("xtnd.orders", b"key", b"%d " % number + b"x" * size, [("h", b"\x00\xff")], "orders", False)


def opened(path: Path, max_bytes: int = MIB) -> Spool:
    spool = Spool(path, max_bytes=max_bytes, clock=itertools.count(1000).__next__)
    spool.open()
    return spool


def run(path: Path, act: Callable[[Spool], Coroutine[Any, Any, Any]], max_bytes: int = MIB) -> Any:
    async def whole() -> Any:
        spool = opened(path, max_bytes)
        try:
            return await act(spool)
        finally:
            await spool.close()

    return asyncio.run(whole())


async def rows_of(spool: Spool) -> list[Spooled]:
    """Every row that waits, oldest first in each topic."""
    found: list[Spooled] = []
    for topic in sorted(spool.waiting):
        after = 0
        while page := await spool.page(topic, after, rows=100, size=MIB):
            found += page
            after = page[-1].id
    return found


async def drain(spool: Spool) -> list[Record]:
    rows = await rows_of(spool)
    await spool.remove(rows)
    assert spool.deliveries == 0
    return [record for row in rows for record in row.records]


def test_deliveries_come_back_whole_and_oldest_first_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"

    async def put(spool: Spool) -> None:
        for number in range(500):
            await spool.put([record(number), record(number + 1000)])

    run(path, put)
    found = run(path, drain)
    assert found == [record(number) for n in range(500) for number in (n, n + 1000)]
    assert run(path, drain) == []


def test_what_comes_at_once_shares_commits(tmp_path: Path) -> None:
    commits = 0

    async def put(spool: Spool) -> None:
        nonlocal commits
        real = spool._file.insert

        def counted(parts: Sequence[SpooledPart]) -> None:
            nonlocal commits
            commits += 1
            real(parts)

        spool._file.insert = counted  # type: ignore[method-assign]
        await asyncio.gather(*(spool.put([record(number)]) for number in range(300)))
        assert spool.deliveries == 300

    run(tmp_path / "spool.db", put)
    assert commits <= 3


def test_a_commit_is_fsynced(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    connection = spool._file._connected
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_spool_refuses_and_takes_again_when_drained(tmp_path: Path) -> None:
    async def act(spool: Spool) -> None:
        for _ in range(9):
            await spool.put([record(1, 1000)])
        with pytest.raises(SpoolOutage, match="spool_max_bytes"):
            await spool.put([record(1, 1000)])
        await drain(spool)
        await spool.put([record(2, 1000)])

    run(tmp_path / "spool.db", act, max_bytes=10_000)


def test_pending_deliveries_count_towards_the_cap(tmp_path: Path) -> None:
    async def act(spool: Spool) -> None:
        results = await asyncio.gather(
            *(spool.put([record(n, 1000)]) for n in range(50)), return_exceptions=True
        )
        assert sum(result is None for result in results) <= 9
        assert spool.bytes <= 10_000

    run(tmp_path / "spool.db", act, max_bytes=10_000)


def test_a_failed_write_is_an_outage_and_the_next_one_may_succeed(tmp_path: Path) -> None:
    async def act(spool: Spool) -> None:
        spool._file._connected.execute("PRAGMA max_page_count = 8")
        with pytest.raises(SpoolOutage, match="full"):
            await spool.put([record(1, 200_000)])
        assert "full" in (spool.trouble() or "")
        await spool.put([record(2)])
        assert spool.trouble() is None
        assert await drain(spool) == [record(2)]

    run(tmp_path / "spool.db", act)


def test_a_failed_write_makes_it_unready_for_a_while_only(tmp_path: Path) -> None:
    now = 1000.0
    spool = Spool(tmp_path / "spool.db", max_bytes=MIB, clock=lambda: now)
    spool.open()

    async def act() -> None:
        spool._file._connected.execute("PRAGMA max_page_count = 8")
        with pytest.raises(SpoolOutage):
            await spool.put([record(1, 200_000)])

    asyncio.run(act())
    assert spool.trouble() is not None
    now += TROUBLE_SECONDS + 1
    assert spool.trouble() is None


def test_the_last_of_the_disk_is_left_for_draining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(spool: Spool) -> None:
        await spool.put([record(1)])
        scarce = shutil._ntuple_diskusage(10 * MIB, 10 * MIB - RESERVE_BYTES + 100, RESERVE_BYTES - 100)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: scarce)
        with pytest.raises(SpoolOutage, match="draining"):
            await spool.put([record(2)])
        assert await drain(spool) == [record(1)]

    run(tmp_path / "spool.db", act)


def test_a_second_gateway_on_the_same_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    first = opened(tmp_path / "spool.db")
    second = Spool(tmp_path / "spool.db", max_bytes=MIB)
    with pytest.raises(StartupError, match=r"gateway\.spool_path"):
        second.open()
    asyncio.run(first.close())


def test_a_torn_tail_costs_only_what_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"

    async def put(spool: Spool) -> None:
        for number in range(400):
            await spool.put([record(number, 1000)])

    run(path, put)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 50_000)
    spool = Spool(path, max_bytes=MIB)
    before = metrics.spool_damaged._value.get()
    with structlog.testing.capture_logs() as logs:
        spool.open()
    [report] = [one for one in logs if "damaged" in one["event"]]
    assert Path(report["kept_aside"]).exists()
    assert metrics.spool_damaged._value.get() - before == report["unreadable_at_least"] > 0
    assert report["carried_over"] + report["unreadable_at_least"] >= 400
    found = asyncio.run(drain(spool))
    assert report["carried_over"] == len(found) > 300
    assert all(one in [record(number, 1000) for number in range(400)] for one in found[:5])


def damage_row(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE spool SET records = zeroblob(20) WHERE id = 1")
    connection.commit()
    connection.close()


def test_a_row_that_changed_on_disk_is_noticed_and_its_neighbours_come_back(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"

    async def put(spool: Spool) -> None:
        for number in range(3):
            await spool.put([record(number)])

    run(path, put)
    damage_row(path)
    rows = run(path, rows_of)
    assert [bool(row.error) for row in rows] == [True, False, False]
    assert "checksum" in rows[0].error
    assert rows[1].records == [record(1)]


def test_an_unreadable_row_is_set_aside_and_kept_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    run(path, lambda spool: spool.put([record(1)]))
    damage_row(path)

    async def act(spool: Spool) -> None:
        await spool.set_aside((await rows_of(spool))[0], [])
        assert (spool.deliveries, spool.set_aside_rows) == (0, 1)

    run(path, act)
    spool = opened(path)
    assert (spool.deliveries, spool.set_aside_rows) == (0, 1)
    assert spool.bytes == 20
    assert metrics.spool_set_aside._value.get() == 1
    asyncio.run(spool.close())


def test_a_delivery_becomes_parts_of_one_topic_and_of_bounded_size(tmp_path: Path) -> None:
    records = [record(number, 1000)._replace(topic=f"t{number % 3}") for number in range(6000)]

    async def act(spool: Spool) -> list[Spooled]:
        await spool.put(records)
        return await rows_of(spool)

    rows = run(tmp_path / "spool.db", act, max_bytes=100 * MIB)
    assert all(row.size <= PART_BYTES for row in rows)
    assert all({one.topic for one in row.records} == {row.topic} for row in rows)
    assert sorted(one.value for row in rows for one in row.records) == sorted(one.value for one in records)


def test_a_put_that_is_given_up_before_its_commit_leaves_nothing(tmp_path: Path) -> None:
    async def act(spool: Spool) -> None:
        blocked = threading.Event()
        spool._thread.submit(blocked.wait)
        first = asyncio.create_task(spool.put([record(1)]))
        await asyncio.sleep(0)
        second = asyncio.create_task(spool.put([record(2)]))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        blocked.set()
        await first
        await spool.put([record(3)])
        assert await drain(spool) == [record(1), record(3)]
        assert spool.trouble() is None

    run(tmp_path / "spool.db", act)


def test_the_age_of_the_oldest_is_reported_from_the_first_delivery_on(tmp_path: Path) -> None:
    async def act(spool: Spool) -> None:
        assert metrics.spool_oldest._value.get() == 0
        await spool.put([record(1)])
        assert spool.oldest is not None
        assert metrics.spool_oldest._value.get() == spool.oldest.stored_at > 0
        await spool.put([record(2)])
        first = spool.oldest
        await spool.remove((await rows_of(spool))[:1])
        assert spool.oldest.stored_at > first.stored_at
        await drain(spool)
        assert spool.oldest is None
        assert metrics.spool_oldest._value.get() == 0

    run(tmp_path / "spool.db", act)


def test_folder_and_files_belong_to_one_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "spool.db"

    async def act(spool: Spool) -> None:
        await spool.put([record(1)])
        assert path.parent.stat().st_mode & 0o777 == 0o700
        files = list(path.parent.iterdir())
        assert {file.name for file in files} >= {"spool.db", "spool.db-wal"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}

    run(path, act)
    path.chmod(0o644)
    run(path, drain)
    assert path.stat().st_mode & 0o777 == 0o600


def old_spool(path: Path, deliveries: list[list[Record]]) -> None:
    """A spool as 0.1 wrote it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute(
        "CREATE TABLE spool (id INTEGER PRIMARY KEY AUTOINCREMENT, stored_at REAL NOT NULL,"
        " checksum INTEGER NOT NULL, records BLOB NOT NULL) STRICT"
    )
    for records in deliveries:
        body = encode(records)
        connection.execute(
            "INSERT INTO spool (stored_at, checksum, records) VALUES (?, ?, ?)", (7.0, zlib.crc32(body), body)
        )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("torn", [False, True])
def test_a_spool_of_the_first_version_is_brought_over(tmp_path: Path, torn: bool) -> None:
    path = tmp_path / "spool.db"
    old_spool(path, [[record(number, 1000), record(number)] for number in range(400)])
    if torn:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 50_000)
    found = run(path, drain)
    if not torn:
        assert found == [one for number in range(400) for one in (record(number, 1000), record(number))]
    assert len(found) > 600
    assert run(path, rows_of) == []


def test_a_spool_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    run(path, lambda spool: spool.put([record(1)]))
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StartupError, match="newer connector"):
        opened(path)
    assert path.read_bytes() == before


def test_a_file_that_breaks_while_it_is_open_is_salvaged_on_the_spot(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"

    async def put(spool: Spool) -> None:
        for number in range(400):
            await spool.put([record(number, 1000)])

    async def act(spool: Spool) -> list[Record]:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(b"\xff" * 40_000)
        rows = await rows_of(spool)
        await spool.put([record(999)])
        return [one for row in rows + await rows_of(spool) for one in row.records]

    run(path, put)
    found = run(path, act)
    assert record(0, 1000) in found
    assert record(399, 1000) in found
    assert record(999) in found
    assert len(set(map(str, found))) > 300


@pytest.mark.parametrize("dies_in", ["keep_aside", "complete", "finish"])
def test_a_salvage_that_is_cut_off_is_done_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    path = tmp_path / "spool.db"

    async def put(spool: Spool) -> None:
        for number in range(400):
            await spool.put([record(number, 1000)])

    run(path, put)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 50_000)

    def die(_file: salvage.SalvagedFile, *_: str) -> Path:
        if dies_in != "finish" or path.with_name(path.name + salvage.BUILT).exists():
            raise OSError("cut off")
        return path

    with monkeypatch.context() as patch:
        patch.setattr(salvage.SalvagedFile, dies_in, die)
        with pytest.raises(StartupError):
            opened(path)
    found = run(path, drain)
    assert len(found) > 300


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database" * 1000)
    spool = Spool(path, max_bytes=MIB)
    with structlog.testing.capture_logs() as logs:
        spool.open()
    [report] = [one for one in logs if "damaged" in one["event"]]
    assert report["unreadable_at_least"] == 1
    assert Path(report["kept_aside"]).read_bytes().startswith(b"this is no database")
    asyncio.run(spool.put([record(1)]))


@given(
    st.lists(
        st.tuples(
            st.text(), st.binary(), st.binary(), st.lists(st.tuples(st.text(), st.binary()), max_size=3)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_record_comes_back_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, fields: list[Any]
) -> None:
    records = [Record(topic, key, value, headers, "x", True) for topic, key, value, headers in fields]
    path = tmp_path_factory.mktemp("spool") / "spool.db"

    async def act(spool: Spool) -> list[Record]:
        await spool.put(records)
        return await drain(spool)

    assert run(path, act) == sorted(records, key=lambda one: one.topic)  # each topic in its order
