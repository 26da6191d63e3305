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
# What one database alone calls so, and SQLAlchemy's modules of one.
WORDS = re.compile(
    r"\bpg_|\bsqlite_(master|schema)|PRAGMA|\b_rowid_|::(text|regclass|bigint)|sqlalchemy\.dialects|\b\w+ql\w*\+"
)
# Names that no table may have, and a step from a layout that only these databases had.
EXCEPT = {"config/names.py", "mirror/apart_step.py"}


def test_no_module_outside_the_dialects_names_a_database_or_writes_its_sql() -> None:
    texts = {
        str(file.relative_to(ROOT)): file.read_text()
        for file in ROOT.rglob("*.py")
        if file.parent.name not in ("dialects", "spool")
    }
    assert {name for name, text in texts.items() if NAMES.search(text)} == {READER}
    assert {name for name, text in texts.items() if WORDS.search(text)} == EXCEPT


@pytest.mark.parametrize("name", Backend)
def test_a_database_is_found_by_its_name_and_says_all_that_a_dialect_must(name: str) -> None:
    dialect = dialects.named(name)
    assert dialect.name == name
    assert [one for one in dialects.Dialect.__annotations__ if not hasattr(dialect, one)] == []
