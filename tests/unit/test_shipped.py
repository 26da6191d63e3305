"""The shipped configuration: written once, never over what is there, and used where there is none."""

import logging
from pathlib import Path

import pytest

from connector import shipped
from connector.commands.options import CONFIG_DIR, callback, config_folder, load_process
from connector.config import FILES
from connector.errors import ConfigError, StartupError
from connector.local.data_dir import DataFolder


def test_init_writes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "config"
    folder.mkdir(parents=True)
    (folder / "tables.yaml").write_text("mine")
    assert shipped.write(folder) == {name: name != "tables.yaml" for name in FILES}
    assert (folder / "tables.yaml").read_text() == "mine"
    assert (folder / "topics.yaml").read_bytes() == (shipped.folder() / "topics.yaml").read_bytes()
    assert set(shipped.write(folder).values()) == {False}
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)


def test_init_where_a_file_stands_for_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    with pytest.raises(StartupError, match="cannot be written"):
        shipped.write(tmp_path / "config")


def test_the_shipped_files_are_used_where_nobody_named_a_folder_and_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XTND_CONFIG_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert config_folder(CONFIG_DIR) == shipped.folder()
    assert config_folder(Path("other")) == Path("other")
    monkeypatch.setenv("XTND_CONFIG_DIR", "config")
    assert config_folder(CONFIG_DIR) == CONFIG_DIR
    monkeypatch.delenv("XTND_CONFIG_DIR")
    CONFIG_DIR.symlink_to("nowhere")
    assert config_folder(CONFIG_DIR) == CONFIG_DIR


def test_deliveries_go_to_the_stack_of_the_data_folder(tmp_path: Path) -> None:
    url = "http://127.0.0.1:18080/webhooks/xtnd"
    assert callback(None, tmp_path) == "http://127.0.0.1:8080/webhooks/xtnd"
    data = DataFolder(tmp_path)
    data.write_endpoints({"XTND_DATA_DIR": str(tmp_path), "XTND_CALLBACK_URL": url})
    assert callback(None, tmp_path) == url
    assert callback("http://other/", tmp_path) == "http://other/"


def test_a_process_logs_at_the_level_that_is_set(tmp_path: Path) -> None:
    shipped.write(tmp_path)
    file = tmp_path / "connector.yaml"
    text = file.read_text()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        for name in ("WARNING", "DEBUG"):
            file.write_text(text.replace("level: INFO", f"level: {name}"))
            load_process(tmp_path)
            assert logging.getLevelName(root.level) == name
        file.write_text(text.replace("level: INFO", "level: LOUD"))
        with pytest.raises(ConfigError, match=r"connector.yaml:\d+: 'logging.level'"):
            load_process(tmp_path)
    finally:
        root.handlers = handlers
        root.setLevel(level)
