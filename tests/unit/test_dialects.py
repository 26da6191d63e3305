"""Databases are told apart in one package: no module outside it names one."""

import re
from pathlib import Path

import pytest

import connector
from connector.config.database_url import Backend
from connector.mirror import dialects

ROOT = Path(connector.__file__).parent
NAMES = re.compile(rf"[\"']({'|'.join(Backend)})[\"']|({'|'.join(Backend)})_[a-z]+=")
# Where a URL is read, and gives the name that ``dialects.named`` takes.
READER = "config/database_url.py"


def test_no_module_outside_the_dialects_names_a_database() -> None:
    naming = {
        str(file.relative_to(ROOT))
        for file in ROOT.rglob("*.py")
        if NAMES.search(file.read_text()) and file.parent.name != "dialects"
    }
    assert naming == {READER}


@pytest.mark.parametrize("name", Backend)
def test_a_database_is_found_by_its_name_and_says_all_that_a_dialect_must(name: str) -> None:
    dialect = dialects.named(name)
    assert dialect.name == name
    assert [one for one in dialects.Dialect.__annotations__ if not hasattr(dialect, one)] == []
