"""``connector schema plan`` says what a start changes, and changes nothing itself."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import inspect

from connector.commands import checkup
from connector.errors import ConfigError, SchemaMoved, StartupError
from connector.mirror import database, plan, prune, verify
from connector.mirror.mapping import Mapping
from connector.mirror.plan import Change, Plan
from tests import strategies
from tests.integration.test_schema import BASE, MORE, WORD, Place, drop, told
from tests.integration.test_schema_trial import VIEWED, everything
from tests.integration.test_steps import load
from tests.strategies import Mirror

TEXT = WORD.replace("numeric, path: Word", "text, path: Word")
WORDS = VIEWED.replace("\ntables:\n", "")


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


def planned(place: Place, tables: str | None) -> Plan:
    settings = place.config(tables)
    return plan.of(settings, Mapping(settings))


def found(place: Place, tables: str | None) -> set[tuple[str, str, str]]:
    return {(one.change, one.kind, one.name) for one in planned(place, tables).changes}


def test_a_database_without_tables_is_planned_whole_and_not_touched(place: Place) -> None:
    changes = found(place, BASE)
    assert {
        ("add", "table", "readings"),
        ("add", "view", "readings"),
        ("add", "view", "mirror_status"),
    } <= changes
    assert {change for change, _, _ in changes} == {"add"}
    place.open(BASE)
    assert planned(place, BASE) == Plan([])


def test_new_columns_indexes_and_views_are_planned_with_the_events_that_fill_them(place: Place) -> None:
    mirror = place.open(BASE)
    told(mirror)
    before = everything(mirror)
    changed = BASE + MORE + "    indexes: [[value]]\n" + WORDS
    changes = planned(place, changed).changes
    assert everything(mirror) == before
    new = ("changes", "first_value", "lowest", "highest", "seen_first", "last_word")
    assert {one.name for one in changes if one[:2] == ("add", "column")} == {f"readings.{one}" for one in new}
    fills = [one for one in changes if one.change == "fill"]
    assert fills == [
        Change("fill", "table", "readings", 4, 0.0, f"new: {', '.join(new)}"),
        Change("fill", "table", "words", 3, 0.0, "every row: the table is new"),
    ]
    assert {("change", "view", "readings"), ("add", "view", "words"), ("add", "view", "moves")} <= {
        one[:3] for one in changes
    }
    assert ("add", "index") in {one[:2] for one in changes}
    place.open(changed)
    assert planned(place, changed) == Plan([])
    back = found(place, BASE)
    assert {("freeze", "column", f"readings.{one}") for one in new} < back
    assert {("freeze", "table", "words"), ("drop", "view", "moves")} < back
    assert ("drop", "index") in {one[:2] for one in back}


def test_a_select_of_every_column_gets_those_that_its_table_gains(place: Place) -> None:
    view = "views:\n  everything: {description: All of it., select: SELECT * FROM readings}\n"
    place.open(BASE + view)
    mirror = place.open(BASE + MORE + view)
    with database.transaction(mirror.engine) as connection:
        columns = {*connection.exec_driver_sql("SELECT * FROM everything").keys()}
    assert {"changes", "first_value", "mirrored_at"} <= columns
    assert planned(place, BASE + MORE + view) == Plan([])


def test_a_changed_rule_is_planned_as_a_fill_and_what_changes_no_value_as_a_record(place: Place) -> None:
    told(place.open(TEXT))
    changed = TEXT.replace("path: Word", "path: [Word, Value]")
    assert planned(place, changed).changes == [
        Change("fill", "table", "readings", 4, 0.0, "filled again: word")
    ]
    place.open(changed)
    other = changed.replace("[ProductCreated, ProductChanged]", "[ProductChanged, ProductCreated]")
    assert found(place, other) == {("record", "tables.yaml", "tables.yaml")}
    place.open(other)
    assert planned(place, other) == Plan([])


def test_a_column_or_table_that_is_removed_is_said_to_be_frozen_until_it_is_back(place: Place) -> None:
    both = TEXT + WORDS
    told(place.open(both))
    assert {one for one in found(place, BASE) if one[0] == "freeze"} == {
        ("freeze", "column", "readings.word"),
        ("freeze", "table", "words"),
    }
    with structlog.testing.capture_logs() as logs:
        place.open(BASE)
    said = "no longer in tables.yaml: keeps its old values"
    assert [line["name"] for line in logs if line["event"] == said] == ["readings.word", "words"]
    results = checkup.Checkup(place.config(BASE)).database(accept_mapping=False)
    warned = {one.what for one in results if one.warns and "keeps its old values" in str(one.fault)}
    assert warned == {"readings.word in the database", "words in the database"}
    after = planned(place, BASE)
    assert after.is_empty
    assert [str(one.detail) for one in after.changes] == [
        "the column readings.word is no longer in tables.yaml: it keeps its old values and gets no new ones",
        "the table words is no longer in tables.yaml: it keeps its old values and gets no new ones",
    ]
    assert ("fill", "table", "readings") in found(place, both)
    place.open(both)
    assert planned(place, both) == Plan([])


def test_everything_that_a_start_refuses_is_planned_with_file_line_and_fix(place: Place) -> None:
    mirror = place.open(BASE + WORDS)
    before = everything(mirror)
    changed = BASE.replace("type: numeric", "type: text") + WORDS.replace(
        "word: {type: text", "word: {type: numeric"
    )
    lines = [one for one in planned(place, changed).changes if one.change == "refuse"]
    assert len(lines) == 2
    assert all(one.name.startswith("tables.yaml:") and "Fix: drop the table" in one.detail for one in lines)
    assert planned(place, BASE.replace("product_number: {", "number: {")).is_refused
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW others AS SELECT 1 AS one")
    assert planned(place, BASE.replace("readings", "others")).is_refused
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW others")
    assert everything(mirror) == before


def test_events_that_no_longer_fit_are_refused_unless_they_are_accepted(place: Place) -> None:
    told(place.open(BASE))
    assert not planned(place, TEXT).is_refused
    settings = place.config(BASE.replace("path: Value", "path: Word"))
    refused = plan.of(settings, Mapping(settings))
    assert {one.kind for one in refused.changes if one.change == "refuse"} == {"events"}
    assert not plan.of(settings, Mapping(settings), accept_mapping=True).is_refused


def test_a_store_of_an_older_layout_is_planned_as_a_change_of_it(place: Place) -> None:
    load(place.url)
    (layout,) = planned(place, None).changes
    assert layout[:2] == ("change", "layout")


def test_a_view_that_others_built_on_stays_and_is_not_planned_again(place: Place) -> None:
    mirror = place.open(BASE + WORDS)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW theirs AS SELECT delta FROM moves")
    without_delta = BASE + WORDS.replace("movements_of: words", "kind: intervals, of: words")
    assert "theirs" in planned(place, without_delta).changes[-1].detail
    with pytest.raises(StartupError, match="theirs"):
        place.open(without_delta)
    rest = BASE + WORDS[: WORDS.index("views:")]
    assert found(place, rest) == {("not dropped", "view", "moves")}
    place.open(rest)
    after = planned(place, rest)
    assert (after.is_empty, [one.name for one in after.changes]) == (True, ["moves"])
    strategies.select(mirror.engine, "SELECT * FROM theirs")
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW theirs")
        drop(connection, "words")
    place.open(BASE)
    assert not {"words", "moves"} & {*inspect(mirror.engine).get_view_names()}


def test_what_somebody_changed_by_hand_is_planned_as_a_start_sets_it_back(place: Place) -> None:
    mirror = place.open(BASE + MORE)
    told(mirror)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW readings")
        connection.exec_driver_sql("ALTER TABLE _readings DROP COLUMN lowest")
    assert found(place, BASE + MORE) >= {
        ("add", "view", "readings"),
        ("add", "column", "readings.lowest"),
        ("fill", "table", "readings"),
    }
    place.open(BASE + MORE)
    assert planned(place, BASE + MORE) == Plan([])
    assert strategies.select(mirror.engine, "SELECT lowest FROM readings")[0]["lowest"] is not None


# --- Pruned ---------------------------------------------------------------------------------------


def read(mirror: Mirror) -> Any:
    """Rows of two views, without when they were written."""
    rows = [*mirror.rows("readings"), *mirror.rows("words")]
    return [{name: value for name, value in row.items() if name != "mirrored_at"} for row in rows]


def pruned(place: Place, tables: str) -> list[str]:
    mirror = place.open(tables)
    return [one.name for one in prune.prune(mirror.engine, mirror.config, mirror.mapping)]


def test_what_is_frozen_is_dropped_and_comes_back_filled_when_it_is_wanted_again(place: Place) -> None:
    both = TEXT + WORDS.replace("at: {", "more: {type: text, path: More}\n      at: {")
    told(place.open(both))
    with_word = read(place.open(both))
    rest = both.replace("      word: {rule: latest, type: text, path: Word}\n", "")
    rest = rest.replace("      more: {type: text, path: More}\n", "")
    assert pruned(place, rest) == ["readings.word", "words.more"]
    assert planned(place, rest) == Plan([])
    mirror = place.open(rest)
    assert not {"word", "word__version"} & set(mirror.rows("_readings")[0])
    assert "word" not in mirror.rows("readings")[0]
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert pruned(place, BASE) == ["words"]
    assert planned(place, BASE) == Plan([])
    assert read(place.open(both)) == with_word
    assert pruned(place, both) == []


def test_a_broken_view_of_a_reader_stays_and_stops_nothing_on_sqlite(tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = Place(f"sqlite:///{tmp_path / 'mirror.db'}", stack)
        mirror = place.open(TEXT)
        with database.transaction(mirror.engine) as connection:
            connection.exec_driver_sql("CREATE VIEW theirs AS SELECT one FROM gone")
            connection.exec_driver_sql(
                "CREATE TRIGGER written INSTEAD OF INSERT ON theirs BEGIN SELECT 1; END"
            )
        assert pruned(place, BASE) == ["readings.word"]
        kept = strategies.select(mirror.engine, "SELECT type FROM sqlite_master WHERE tbl_name = 'theirs'")
        assert [row["type"] for row in kept] == ["view", "trigger"]


def test_what_readers_built_on_is_named_and_nothing_is_dropped(place: Place) -> None:
    mirror = place.open(TEXT + WORDS)
    told(mirror)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW theirs AS SELECT word FROM readings")
    place.open(BASE)
    before = everything(mirror)
    with pytest.raises(StartupError, match="theirs"):
        pruned(place, BASE)
    assert everything(mirror) == before
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW theirs")
        connection.exec_driver_sql("CREATE VIEW theirs AS SELECT word FROM words")
    with pytest.raises(StartupError, match="theirs"):
        pruned(place, BASE)


# --- Renamed --------------------------------------------------------------------------------------


def test_a_renamed_column_keeps_its_values_and_is_renamed_once(place: Place) -> None:
    mirror = place.open(TEXT)
    told(mirror)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("UPDATE _readings SET word = 'kept'")  # which no ledger could fill
    renamed = TEXT.replace("word: {rule", "term: {was: word, rule")
    assert [one[:3] for one in planned(place, renamed).changes] == [
        ("rename", "column", "readings.word"),
        ("change", "view", "readings"),
    ]
    again = place.open(renamed)
    (row,) = again.rows("readings")
    assert (row["term"], "word" in row) == ("kept", False)
    assert planned(place, renamed) == Plan([])
    with pytest.raises(SchemaMoved):
        told(mirror)
    told(again)
    with pytest.raises(ConfigError, match=r"tables\.yaml:\d+: the column 'value', which was renamed"):
        place.config(TEXT.replace("word: {rule", "term: {was: value, rule"))


def test_a_reader_view_follows_a_renamed_column_or_refuses_the_rename(place: Place) -> None:
    mirror = place.open(TEXT)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW theirs AS SELECT word FROM readings")
    renamed = TEXT.replace("word: {rule", "term: {was: word, rule")
    if mirror.engine.dialect.name == "sqlite":
        assert "theirs" in str(planned(place, renamed).changes[-1].detail)
        with pytest.raises(StartupError, match="theirs"):
            place.open(renamed)
    else:
        told(place.open(renamed))
        assert strategies.select(mirror.engine, "SELECT word FROM theirs") == [{"word": "Z"}]
