"""A table or a column with ``was`` keeps its rows, and what others built on it, under its new name."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from connector.errors import ConfigError, SchemaMoved, StartupError
from connector.mirror import database, plan, prune
from connector.mirror.mapping import Mapping
from connector.mirror.plan import Change
from tests import strategies
from tests.integration.test_schema import Place, told
from tests.strategies import Mirror

SHOP = """
tables:
  readings:
    description: Things that were read.
    actions: [ProductCreated, ProductChanged]
    key:
      product_number: {path: ProductNumber, description: Its number.}
    columns:
      value: {rule: latest, type: numeric, path: Value, description: The value.}
      seen_at: {rule: latest, event: occurred_at}
      made_at: {rule: earliest, event: occurred_at}
      mark: {rule: latest, type: text, path: Word}
    indexes: [[value]]
  words:
    kind: history
    actions: [ProductChanged]
    columns:
      word: {type: text, path: Word}
      q: {type: numeric, path: Value}
      at: {event: occurred_at}
    requires: [q]
    indexes: [[word, at]]
views:
  moves: {kind: movements, of: words, value: q, per: [word]}
  days: {kind: daily, of: words, value: q, per: [word]}
  times: {kind: lead_times, of: readings, steps: [made_at, seen_at]}
  large:
    select: SELECT product_number, value FROM readings WHERE value > 1
"""
TABLES = (
    SHOP.replace("  readings:", "  measures:\n    was: readings")
    .replace("FROM readings", "FROM measures")
    .replace("of: readings", "of: measures")
    .replace("  words:", "  said:\n    was: words")
    .replace("of: words", "of: said")
)
COLUMNS = (
    TABLES.replace("product_number: {", "number: {was: product_number, ")
    .replace("SELECT product_number", "SELECT number AS product_number")
    .replace("mark: {rule: latest", "sign: {was: mark, rule: earliest")
    .replace("made_at: {", "born_at: {was: made_at, ")
    .replace("[made_at", "[born_at")
    .replace("q: {", "amount: {was: q, ")
    .replace("value: q", "value: amount")
    .replace("[q]", "[amount]")
    .replace("word: {", "term: {was: word, ")
    .replace("[word", "[term")
)


VIEWS = {"readings": "measures", "words": "said", "moves": "moves", "days": "days", "times": "times"}


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


def planned(place: Place, tables: str) -> list[Change]:
    settings = place.config(tables)
    return plan.of(settings, Mapping(settings)).changes


def run(mirror: Mirror, *statements: str) -> None:
    with database.transaction(mirror.engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def cells(mirror: Mirror, view: str) -> list[list[Any]]:
    """Rows of a view without their columns' names, sorted; without what is written or filled again."""
    rows = strategies.select(mirror.engine, f"SELECT * FROM {view}")
    again = ("mirrored_at", "mark", "sign")
    return sorted([[str(cell) for name, cell in row.items() if name not in again] for row in rows])


def indexes(mirror: Mirror) -> set[str]:
    with database.transaction(mirror.engine) as connection:
        found = inspect(connection).get_multi_indexes()
    return {str(one["name"]) for some in found.values() for one in some if "$" in str(one["name"])}


def test_a_renamed_table_keeps_rows_that_no_ledger_could_fill_and_what_is_built_on_it(place: Place) -> None:
    mirror = place.open(SHOP)
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    told(mirror)
    run(mirror, "UPDATE _readings SET value = 77", "CREATE VIEW theirs AS SELECT r.value FROM readings AS r")
    if on_postgresql:
        run(mirror, "GRANT SELECT ON readings TO PUBLIC", "CREATE MATERIALIZED VIEW kept AS TABLE readings")
    before = {today: cells(mirror, view) for view, today in VIEWS.items()}
    made = indexes(mirror)
    renames = [Change("rename", "table", "readings", detail="to measures")]
    renames += [Change("rename", "table", "words", detail="to said")]
    assert planned(place, TABLES) == [*renames, Change("change", "view", "large")]
    again = place.open(TABLES)
    assert planned(place, TABLES) == []
    assert {view: cells(again, view) for view in before} == before
    assert [row["value"] for row in again.rows("measures")] == [77]
    assert strategies.select(again.engine, "SELECT value FROM theirs") == [{"value": 77}]
    if on_postgresql:
        run(again, "REFRESH MATERIALIZED VIEW kept")
        granted = strategies.select(
            again.engine, "SELECT relacl::text FROM pg_class WHERE relname = 'measures'"
        )
        assert "=r/" in granted[0]["relacl"]
    assert indexes(again) == {one.replace("readings", "measures").replace("words", "said") for one in made}
    with pytest.raises(SchemaMoved):
        told(mirror)
    told(again)
    both = TABLES.replace("    was: readings\n", "").replace("    was: words\n", "")
    assert planned(place, both) == []
    new = place.open(both.replace("tables:\n", SHOP[: SHOP.index("  words:")], 1))
    assert {"ix_readings$value", "ix_measures$value"} <= indexes(new)
    assert [row["value"] for row in new.rows("readings")] == [10]


def test_columns_of_keys_and_views_and_required_ones_are_renamed_with_their_table(place: Place) -> None:
    mirror = place.open(SHOP)
    told(mirror)
    run(mirror, "UPDATE _readings SET value = 77", "UPDATE _words SET word = 'kept'")
    if mirror.engine.dialect.name == "postgresql":
        run(mirror, "CREATE VIEW theirs AS SELECT product_number, made_to_seen_seconds FROM times")
    before = {today: cells(mirror, view) for view, today in VIEWS.items()}
    changes = planned(place, COLUMNS)
    fill = Change("fill", "table", "measures", 4, 0.0, "filled again: sign")
    assert [one for one in changes if one.change not in ("rename", "change")] == [fill]
    run(mirror, "DROP VIEW days")  # by somebody's hand; the start makes it again
    again = place.open(COLUMNS)
    assert planned(place, COLUMNS) == []
    assert {view: cells(again, view) for view in VIEWS.values()} == before
    (row,) = again.rows("measures")
    assert (row["number"], row["sign"]) == ("1", "ä")
    assert {"number", "born_to_seen_seconds"} <= again.rows("times")[0].keys()
    told(again)


def test_a_name_that_something_else_has_is_refused_until_it_is_free(tmp_path: Path) -> None:
    with ExitStack() as stack:
        refused_until_free(Place(f"sqlite:///{tmp_path / 'mirror.db'}", stack))


def refused_until_free(place: Place) -> None:
    rest = SHOP[: SHOP.index("  words:")]
    told(place.open(SHOP))
    place.open(rest)
    renamed = rest.replace("  readings:", "  words:\n    was: readings")
    assert [one.change for one in planned(place, renamed)] == ["refuse"]
    with pytest.raises(
        StartupError, match=r"tables\.yaml:\d+: the table readings cannot be renamed to words"
    ):
        place.open(renamed)
    mirror = place.open(rest)
    prune.prune(mirror.engine, mirror.config, mirror.mapping)
    assert place.open(renamed).rows("words")
    level = renamed.replace("    was: readings\n", "").replace("value: {rule", "level: {rule")
    level = level.replace("[[value]]", "[[level]]")
    place.open(level)
    with pytest.raises(StartupError, match="the column level cannot be renamed to value"):
        place.open(level.replace("level: {", "value: {was: level, ").replace("[[level]]", "[[value]]"))
    run(mirror, "CREATE TABLE taken (a INTEGER)")
    with pytest.raises(StartupError, match="the database holds taken already"):
        place.open(level.replace("  words:", "  taken:\n    was: words"))


@pytest.mark.parametrize(
    ("former", "today", "what"),
    [
        ("  words:", "  said:\n    was: readings", "the table 'readings', which was renamed, is still named"),
        ("  words:", "  said:\n    was: notifications", "the table 'notifications' is the connector's own"),
        ("value: {", "level: {was: as_of, ", "the column 'as_of' is the connector's own"),
        ("value: {", "level: {was: value__version, ", "the column 'value__version' is the connector's own"),
        ("product_number: {", "number: {was: seen_at, ", "the column 'seen_at', which was renamed, is still"),
    ],
)  # fmt: skip
def test_what_is_still_named_or_the_connectors_own_is_no_former_name(
    former: str, today: str, what: str
) -> None:
    rest = SHOP[: SHOP.index("views:")].replace("    indexes: [[value]]\n", "")
    with pytest.raises(ConfigError, match=rf"tables\.yaml:\d+: {what}"):
        Place("sqlite:///none.db", ExitStack()).config(rest.replace(former, today))
