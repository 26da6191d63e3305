"""The note about disk space: shown always, trouble when little is left."""

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from connector import disk, metrics
from connector.disk import Disk

GIB = 1 << 30


def check(folder: Path) -> str | None:
    return asyncio.run(Disk("spool", folder, setting="gateway.spool_path").check())


def test_it_shows_what_the_file_system_says(tmp_path: Path) -> None:
    check(tmp_path)
    assert metrics.GATEWAY.get_sample_value("xtnd_disk_size_bytes", {"of": "spool"}) == float(
        shutil.disk_usage(tmp_path).total
    )
    assert metrics.GATEWAY.get_sample_value("xtnd_disk_free_bytes", {"of": "spool"})


@pytest.mark.parametrize(
    ("total", "free", "low"),
    [
        (1000 * GIB, 2 * GIB, False),
        (1000 * GIB, GIB - 1, True),
        (GIB, GIB // 10, False),
        (GIB, GIB // 50, True),
    ],
)
def test_little_space_is_trouble_that_names_setting_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, free: int, *, low: bool
) -> None:
    usage = SimpleNamespace(total=total, free=free)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _folder: usage)
    said = check(tmp_path)
    assert (said is not None) == low
    if said:
        assert "gateway.spool_path" in said
        assert str(tmp_path) in said
