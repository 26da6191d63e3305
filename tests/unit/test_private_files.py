"""Folders and files of one user only: made so, narrowed when found wider, refused when another's."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from connector import private_files
from connector.errors import StartupError
from connector.local.data_dir import DataFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_and_its_missing_parents_are_made_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    assert private_files.own_folder(folder, setting="--data-dir")
    assert [mode(one) for one in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


def test_a_folder_that_is_open_to_others_is_narrowed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    assert private_files.own_folder(folder, setting="--data-dir")
    assert mode(folder) == 0o700


def test_a_folder_of_another_user_is_refused_with_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(StartupError, match=r"another user's \(uid \d+\)") as refused:
        private_files.own_folder(folder, setting="gateway.spool_path")
    assert "gateway.spool_path" in refused.value.cure
    assert mode(folder) == 0o755


def test_what_is_no_folder_or_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StartupError, match="--data-dir"):
            private_files.own_folder(folder, setting="--data-dir")


def test_folders_that_others_use_too_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sticky, here = tmp_path / "sticky", tmp_path / "here" / "project"
    for folder in (sticky, here):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    sticky.chmod(0o1777)
    monkeypatch.chdir(here)
    assert not private_files.own_folder(sticky, setting="x")
    assert not private_files.own_folder(here, setting="x")
    assert not private_files.own_folder(Path(), setting="x")
    assert (mode(sticky), mode(here)) == (0o1777, 0o755)


def test_files_lose_other_users_rights_and_links_are_not_followed(tmp_path: Path) -> None:
    wide, program, linked = tmp_path / "wide", tmp_path / "program", tmp_path / "linked"
    for file, bits in ((wide, 0o666), (program, 0o755), (linked, 0o644)):
        file.touch()
        file.chmod(bits)
    (tmp_path / "link").symlink_to(linked)
    private_files.own_files(wide, program, tmp_path / "link", tmp_path / "none")
    assert (mode(wide), mode(program), mode(linked)) == (0o600, 0o700, 0o644)


def test_a_database_and_what_sqlite_keeps_beside_it_are_narrowed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    for name in ("mirror.db", "mirror.db-wal", "mirror.db-shm", "other"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    private_files.own_database(folder / "mirror.db", setting="database.url")
    modes = {file.name: mode(file) for file in folder.iterdir()}
    assert modes == {"mirror.db": 0o600, "mirror.db-wal": 0o600, "mirror.db-shm": 0o600, "other": 0o644}


def test_everything_in_a_data_folder_of_before_is_narrowed(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    (data.path / "kafka" / "log" / "xtnd.orders-0").mkdir(parents=True)
    files = ("mirror.db", "spool.db-wal", "webhook-secret", "kafka/log/xtnd.orders-0/0.log", "clock")
    for name in files:
        (data.path / name).touch()
    for path in (data.path, *data.path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    data.create()
    assert {mode(path) for path in (data.path, *data.path.rglob("*")) if path.is_dir()} == {0o700}
    assert {mode(data.path / name) for name in files} == {0o600}


def test_a_data_folder_that_is_the_working_directory_has_only_its_own_files_narrowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataFolder(tmp_path)
    tmp_path.chmod(0o755)
    for name in ("mirror.db", "a script"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    data.create()
    assert (mode(tmp_path), mode(tmp_path / "mirror.db"), mode(tmp_path / "a script")) == (
        0o755,
        0o700,
        0o755,
    )
    assert mode(data.logs) == 0o700


def test_new_files_of_the_process_and_its_children_are_private(tmp_path: Path) -> None:
    script = (
        "import pathlib, subprocess, sys\n"
        "from connector import private_files\n"
        "private_files.keep_new_files_private()\n"
        "pathlib.Path('own').touch()\n"
        "subprocess.run(['touch', 'childs'], check=True)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert {mode(tmp_path / name) for name in ("own", "childs")} == {0o600}
