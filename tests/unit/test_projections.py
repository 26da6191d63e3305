"""A kind of table is one class, and the configuration knows of it what its class says."""

import re
from pathlib import Path

import pytest

import connector
from connector.config import names, table_kinds
from connector.mirror.projections import KINDS

ROOT = Path(connector.__file__).parent


@pytest.mark.parametrize("name", KINDS)
def test_the_configuration_knows_the_columns_that_a_kind_of_table_has_by_itself(name: str) -> None:
    kind, known = KINDS[name], table_kinds.KINDS[name]
    own = [column.name for column in kind.fixed_key] + [fact.name for fact in kind.facts]
    assert known.columns == (*own, *(["mirrored_at"] if kind.stamped else []))
    # Readers see no versions.
    shown = [column.name for column in kind.fixed_key if not column.name.endswith(names.VERSION_SUFFIX)]
    assert known.key == tuple(shown)
    assert set(known.instants) <= {fact.name for fact in kind.facts if fact.type == "timestamp"}


def test_both_know_the_same_kinds() -> None:
    assert KINDS.keys() == table_kinds.KINDS.keys()


def test_no_module_asks_which_kind_a_table_is() -> None:
    asks = re.compile(
        r"""table\w*\.kind\s*(==|!=|in\b)|\.kind\s*(==|!=)\s*["'](state|history|snapshot)["']"""
    )
    assert [str(file) for file in ROOT.rglob("*.py") if asks.search(file.read_text())] == []
