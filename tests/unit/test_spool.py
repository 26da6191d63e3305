"""The spool: what was accepted is on disk, in order, whole, and bounded."""

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import SpoolOutage, StartupError
from connector.gateway.spool import RESERVE_BYTES, TROUBLE_SECONDS, Spool
from connector.kafka.record import Record

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


async def drain(spool: Spool) -> list[Record]:
    found: list[Record] = []
    while step := await spool.oldest():
        found += [one for spooled in step for one in spooled.records]
        await spool.remove(step)
    return found


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
        real = spool._insert

        def counted(bodies: list[bytes]) -> None:
            nonlocal commits
            commits += 1
            real(bodies)

        spool._insert = counted  # type: ignore[method-assign]
        await asyncio.gather(*(spool.put([record(number)]) for number in range(300)))
        assert spool.deliveries == 300

    run(tmp_path / "spool.db", put)
    assert commits <= 3


def test_a_commit_is_fsynced(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    connection = spool._connected
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
        spool._connected.execute("PRAGMA max_page_count = 8")
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
        spool._connected.execute("PRAGMA max_page_count = 8")
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
    recovery = spool.open()
    assert recovery.damaged > 0
    assert recovery.kept_aside is not None
    assert recovery.kept_aside.exists()
    assert recovery.waiting + recovery.damaged >= 400
    found = asyncio.run(drain(spool))
    assert recovery.waiting == len(found) > 300
    assert all(one in [record(number, 1000) for number in range(400)] for one in found[:5])


def test_a_row_that_changed_on_disk_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    run(path, lambda spool: spool.put([record(1)]))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE spool SET records = zeroblob(20)")
    connection.close()
    with pytest.raises(ValueError, match="checksum"):
        run(path, drain)


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database" * 1000)
    spool = Spool(path, max_bytes=MIB)
    recovery = spool.open()
    assert recovery.damaged == 1
    assert recovery.kept_aside is not None
    assert recovery.kept_aside.read_bytes().startswith(b"this is no database")
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

    assert run(path, act) == records
