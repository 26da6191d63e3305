"""What validation accepts works, on both databases, at first start and as a change."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, inspect

from connector import config
from connector.config import Config
from connector.errors import ConfigError, Poison, StartupError
from connector.mirror import database, schema, verify
from connector.mirror.mapped import stored
from tests import configurations, strategies
from tests.conftest import SECRET
from tests.strategies import MINUTE, NOON, Mirror

# file:line, what is wrong, and what to do about it.
REFUSAL = re.compile(r"\A(?:connector|topics|tables)\.yaml:\d+: .{10,}\. \S.{5,}", re.DOTALL)


def refusal(drawn: dict[str, Any], url: str) -> list[str] | Config:
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    try:
        return config.parse(configurations.texts(drawn), variables)
    except ConfigError as error:
        return [str(finding) for finding in error.findings]


def outcome(url: str, drawn: dict[str, Any], said: list[tuple[int, Any]], start: int) -> str:
    """What becomes of a configuration on a database: "works", or why it was refused."""
    found = refusal(drawn, url)
    if not isinstance(found, Config):
        for one in found:
            assert REFUSAL.match(one), one
        return "refused by validation"
    try:
        with strategies.mirror(found) as mirror:
            write(mirror, said, start)
            assert verify.differences(mirror.engine, mirror.mapping) == []
            assert schema.state(mirror.engine, mirror.mapping) is None
            stands_as_written(mirror)
    except (StartupError, ConfigError) as error:
        refused = str(error)
    else:
        return "works"
    assert re.search(r"tables\.yaml", refused), refused
    return "refused at start"


def write(mirror: Mirror, said: list[tuple[int, Any]], start: int) -> None:
    """Write events; one that a column cannot hold is parked, as the worker does."""
    actions = [action for _, action, _ in mirror.config.actions()]
    for number, (place, details) in enumerate(said, start):
        action = actions[place % len(actions)]
        at = NOON + number % 3 * MINUTE
        made = [mirror.event(action, details, delivery=f"d{number}", at=at)]
        if any(table.of for table in mirror.config.tables.values()):
            given_ = {"family": "things", "entity": "Thing", "received_at": at + number}
            made.append(mirror.snapshot(str(details["N"]), details, at=at, gone=number % 4 == 0, **given_))
        for one in made:
            try:
                mirror.mapping.contributions(one)
            except Poison:
                continue
            mirror.write(one)


def stands_as_written(mirror: Mirror) -> None:
    """Every column and index of tables.yaml is there, and every view can be read."""
    seen = inspect(mirror.engine)
    for name, table in mirror.config.tables.items():
        columns = [one["name"] for one in seen.get_columns(name)]
        assert {*table.key, *table.columns} <= set(columns)
        assert len(columns) == len(set(columns))
        held = [tuple(one["column_names"]) for one in seen.get_indexes(stored(name))]
        assert set(table.indexes) <= set(held)
        assert len(held) == len(set(held))
    for view in [*mirror.config.tables, *mirror.config.views, "mirror_status"]:
        mirror.rows(view, order="1")


@contextmanager
def sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'mirror.db'}"


class Emptied:
    """One database of PostgreSQL that is emptied for each example."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine = database.connect(
            config.load(
                configurations.ROOT / "config", {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
            ).database
        )

    def empty(self) -> str:
        with database.transaction(self._engine) as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS public_store CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        return self.url

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture(scope="module")
def emptied(postgres: Any) -> Iterator[Emptied]:
    place = Emptied(postgres.new_database())
    yield place
    place.close()


events = st.lists(st.tuples(st.integers(0, 2), configurations.details), min_size=2, max_size=5)


@settings(max_examples=25)
@given(st.data(), configurations.configurations(), events, events)
def test_a_configuration_and_the_change_after_it_are_refused_or_work_on_both_databases_alike(
    emptied: Emptied, data: st.DataObject, first: dict[str, Any], early: Any, late: Any
) -> None:
    second = data.draw(configurations.changes(first))
    with ExitStack() as stack:
        places = [stack.enter_context(sqlite()), emptied.empty()]
        for drawn, said, start in ((first, early, 0), (second, late, 100)):
            found = [outcome(url, drawn, said, start) for url in places]
            assert found[0] == found[1]


# --- What was found by trying ----------------------------------------------------------------------

TEXT = {"rule": "latest", "type": "text", "path": "V"}
HISTORY = {
    "kind": "history",
    "actions": ["Made"],
    "columns": {
        "q": {"type": "numeric", "path": "V"},
        "w": {"type": "text", "path": "W"},
        "at": {"event": "occurred_at"},
    },
}
MOVES = {"movements_of": "h", "value": "q", "per": ["w"]}


def drawn(tables: dict[str, Any], views: dict[str, Any] | None = None) -> dict[str, Any]:
    families = {"things": {"actions": {"Made": {"key": "N"}}}}
    return {"topics": {"families": families}, "tables": tables, "views": views or {}}


def state(*indexes: list[str], **columns: Any) -> dict[str, Any]:
    return {"actions": ["Made"], "key": {"n": {"path": "N"}}, "columns": columns, "indexes": list(indexes)}


FOUND = {
    "indexes whose columns spell one name": [
        drawn({"t": state(["a_b"], a_b=TEXT, a=TEXT, b=TEXT)}),
        drawn({"t": state(["a_b"], ["a", "b"], a_b=TEXT, a=TEXT, b=TEXT)}),
    ],
    "indexes whose tables and columns spell one name": [
        drawn({"t": state(["rows_v"], rows_v=TEXT), "t_rows": state(["v"], v=TEXT)})
    ],
    "indexes that are alike for 63 letters": [
        drawn({"n" * 59: state(["n" * 54], ["n" * 53 + "m"], **{"n" * 54: TEXT, "n" * 53 + "m": TEXT})})
    ],
    "a table and a view that change places": [
        drawn({"h": HISTORY, "a": state(v=TEXT)}, {"b": MOVES}),
        drawn({"h": HISTORY, "b": state(v=TEXT)}, {"a": MOVES}),
    ],
    "a view with the name of a table that went before": [
        drawn({"h": HISTORY, "a": state(v=TEXT)}),
        drawn({"h": HISTORY}),
        drawn({"h": HISTORY}, {"a": MOVES}),
    ],
    "a text that becomes the greatest one": [
        drawn({"t": state(v=TEXT)}),
        drawn({"t": state(v=TEXT | {"rule": "max"})}),
        drawn({"t": state(v=TEXT)}),
    ],
    "names of temporary tables and of SQL": [
        drawn({f"batch_{n}": state(**{f"c{m}": TEXT for m in range(n)}) for n in range(3, 6)}),
        drawn({"excluded": HISTORY, "stored": HISTORY, "batch": state(v=TEXT), "batch_9": state(v=TEXT)}),
    ],
    "columns with members of a model beside them": [
        drawn({"t": state(copy=TEXT, column_copy=TEXT | {"path": "W"})})
    ],
    "tables that are alike without their underscores": [drawn({"a_b": state(v=TEXT), "a__b": state(v=TEXT)})],
    "as many columns as there may be, all long": [
        drawn({"t": state(**{f"c{n}": TEXT for n in range(149)})}),
    ],
}


@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND.keys())
def test_what_was_accepted_and_did_not_work_works(emptied: Emptied, tmp_path: Path, steps: list[Any]) -> None:
    said = [(0, {"N": "1", "V": value, "W": "x"}) for value in ("1", "11", "5", "9" * 40)]
    for url in (f"sqlite:///{tmp_path / 'mirror.db'}", emptied.empty()):
        for place, one in enumerate(steps):
            assert outcome(url, one, said, 10 * place) == "works"


def test_the_greatest_text_is_that_of_its_bytes_in_a_database_of_any_order(
    emptied: Emptied,
) -> None:
    """The tests' server knows no other order, so the statement has to name it."""
    found = refusal(drawn({"t": state(v=TEXT | {"rule": "max"})}), emptied.empty())
    assert isinstance(found, Config)
    statements: list[str] = []
    with strategies.mirror(found) as mirror:
        event.listen(mirror.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        write(mirror, [(0, {"N": "1", "V": value}) for value in ("B", "a", "C")], 0)
        assert mirror.row("t")["v"] == "a"
    upserts = [one for one in statements if 'excluded."v" > stored."v"' in one]
    assert upserts
    assert all('excluded."v" > stored."v" COLLATE "C"' in one for one in upserts), upserts[0]


def test_an_index_of_connector_0_1_is_known_by_its_columns_and_not_made_twice(emptied: Emptied) -> None:
    found = refusal(drawn({"t": state(["a", "b"], a=TEXT, b=TEXT)}), emptied.empty())
    assert isinstance(found, Config)
    with strategies.mirror(found) as mirror:
        with database.transaction(mirror.engine) as connection:
            connection.exec_driver_sql('ALTER INDEX "ix_t$a$b" RENAME TO ix_t_a_b')
        assert schema.state(mirror.engine, mirror.mapping) is None
        schema.ensure(mirror.engine, mirror.config, mirror.mapping)
        assert [one["name"] for one in inspect(mirror.engine).get_indexes("_t")] == ["ix_t_a_b"]


@pytest.mark.parametrize("second", [{"type": "timestamp"}, {"type": "numeric"}])
def test_another_type_is_refused_on_both_databases(emptied: Emptied, tmp_path: Path, second: Any) -> None:
    for url in (f"sqlite:///{tmp_path / 'mirror.db'}", emptied.empty()):
        assert outcome(url, drawn({"t": state(v=TEXT)}), [(0, {"N": "1"})], 0) == "works"
        assert outcome(url, drawn({"t": state(v=TEXT | second)}), [(0, {"N": "1"})], 9) == "refused at start"
