# ruff: noqa: E501 - each input stands in one line with what it gives
"""The schema follows the YAML: made once, changed in place, and filled from the ledger."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, inspect

from connector import config
from connector.config import Config
from connector.errors import ConfigError, SchemaMoved, StartupError
from connector.mirror import database, dialects, models, schema, verify
from connector.mirror.mapping import Mapping
from tests import strategies
from tests.conftest import ROOT, SECRET, tables_of_hooks
from tests.strategies import MINUTE, NOON, Mirror

BASE = """
tables:
  readings:
    description: Things that were read.
    actions: [ProductCreated, ProductChanged]
    key:
      product_number: {path: ProductNumber, description: Its number.}
    columns:
      value: {rule: latest, type: numeric, path: Value, description: The value.}
"""
MORE = """
      changes: {rule: count, on: [ProductChanged]}
      first_value: {rule: earliest, type: numeric, path: Value}
      lowest: {rule: min, type: numeric, path: Value}
      highest: {rule: max, type: numeric, path: Value}
      seen_first: {rule: earliest, event: occurred_at}
      last_word: {rule: max, type: text, path: Word}
"""

WORD = BASE + "      word: {rule: latest, type: numeric, path: Word}\n"


class Place:
    """One database that is opened with one configuration after another."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack

    def config(self, tables: str | None = BASE, topics: tuple[str, str] = ("", "")) -> Config:
        texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
        texts["tables.yaml"] = tables_of_hooks(texts["tables.yaml"]) if tables is None else tables
        texts["topics.yaml"] = texts["topics.yaml"].replace(*topics)
        return config.parse(texts, {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": self.url})

    def open(self, tables: str | None = BASE, **options: Any) -> Mirror:
        return self._stack.enter_context(strategies.mirror(self.config(tables, **options)))


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


@pytest.fixture
def on_postgresql(postgres: Any) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(postgres.new_database(), stack)


def told(mirror: Mirror) -> None:
    """Events that arrive late, tie, and carry nothing."""
    for delivery, at, action, details in [
        ("b", 2, "ProductChanged", {"Value": "9,5", "Word": "b"}),
        ("a", 1, "ProductCreated", {"Value": -3, "Word": "ä"}),
        ("c", 3, "ProductChanged", {"Value": None}),
        ("d", 2, "ProductChanged", {"Value": 10, "Word": "Z"}),
    ]:
        event = mirror.event(
            action, {"ProductNumber": "1"} | details, delivery=delivery, at=NOON + at * MINUTE
        )
        mirror.write(event)


def drop(connection: Connection, table: str) -> None:
    """Drop a table of the store, as the fix of an error says."""
    cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
    connection.exec_driver_sql(f"DROP TABLE _{table}{cascade}")


def number(value: Any) -> str:
    return str(value)


def shape(mirror: Mirror) -> Any:
    """Everything that the catalogue says of the schema."""
    with database.transaction(mirror.engine) as connection:
        seen = inspect(connection)
        return {
            name: (
                [(one["name"], str(one["type"]), one["nullable"], one["default"], one.get("comment")) for one in seen.get_columns(name)],
                seen.get_pk_constraint(name)["constrained_columns"],
                sorted((one["name"], tuple(one["column_names"])) for one in seen.get_indexes(name)),
            )
            for name in [*seen.get_table_names(), *seen.get_view_names()]
        }  # fmt: skip


# --- Made once -----------------------------------------------------------------------------------


def test_making_the_schema_again_changes_nothing(place: Place) -> None:
    mirror = place.open(None)
    mirror.write(mirror.event("OrderCreated", {"OrderNumber": "1"}))
    before = (shape(mirror), mirror.content(), mirror.rows("_mirror_rules"))
    assert schema.state(mirror.engine, mirror.mapping) is None
    assert schema.ensure(mirror.engine, mirror.config, mirror.mapping).columns == {}
    assert (shape(mirror), mirror.content(), mirror.rows("_mirror_rules")) == before


def test_the_printed_statements_make_the_same_schema_on_an_empty_database(
    place: Place, tmp_path: Any, request: pytest.FixtureRequest
) -> None:
    made = place.open(None)
    dialect = made.engine.dialect.name
    url = (
        f"sqlite:///{tmp_path / 'printed.db'}"
        if dialect == "sqlite"
        else request.getfixturevalue("postgres").new_database()
    )
    printed = Place(url, place._stack)
    engine = database.connect(printed.config(None).database)
    with database.transaction(engine) as connection:
        for statement in schema.ddl(printed.config(None), dialect):
            connection.exec_driver_sql(statement.replace("%", "%%") if dialect == "postgresql" else statement)
    engine.dispose()
    found = printed.open(None)  # what was printed is taken over as the connector's own
    assert shape(found) == shape(made)
    found.write(found.event("OrderCreated", {"OrderNumber": "1"}))


def test_every_table_and_column_says_in_postgresql_what_it_holds(on_postgresql: Place) -> None:
    mirror = on_postgresql.open(None)
    silent = """
        SELECT c.relname || COALESCE('.' || a.attname, '') AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'public_store')
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'v') AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)
    """
    silent_names = {row["name"] for row in strategies.select(mirror.engine, silent)}
    history_keys = {
        f"_{table}.{key}"
        for table in ("stock_balance_history", "purchase_delivery_rows")
        for key in ("event_id", "row_index", "source")
    }
    assert silent_names <= history_keys
    shown = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
    views = {row["relname"] for row in strategies.select(mirror.engine, shown)}
    own = {"notifications", "dead_letters", "consumer_offsets", "hydration", "mirror_status"}
    own |= {"sweeps", "drift", "implied_hooks"}
    assert views == own | set(mirror.config.tables) | set(mirror.config.views)


def test_a_description_may_hold_any_character(place: Place) -> None:
    words = "it''s 100 % \\ of %s :x"
    mirror = place.open(BASE.replace("Things that were read.", f"'{words}'"))
    again = place.open(
        BASE.replace("Things that were read.", f"'{words}'").replace(
            "columns:", "columns:\n      more: {rule: count}"
        )
    )
    if mirror.engine.dialect.name == "postgresql":
        with database.transaction(again.engine) as connection:
            assert inspect(connection).get_table_comment("_readings")["text"] == words.replace("''", "'")
        printed = [one for one in schema.ddl(again.config, "postgresql") if "100 %" in one]
        assert len(printed) == 2  # of the table, and of its view
        assert all(words in one for one in printed)


def test_words_of_sql_and_of_python_may_name_columns(place: Place) -> None:
    words = ("order", "user", "position", "select", "group", "table", "from", "class", "metadata", "registry", "copy", "json", "model_config", "schema", "held", "excluded", "batch", "value", "key")  # fmt: skip
    columns = "".join(f"      {word}: {{rule: latest, type: text, path: Word}}\n" for word in words)
    tables = (
        BASE[: BASE.index("    columns:")] + f"    columns:\n{columns}    indexes: [[order], [user, group]]\n"
    )
    mirror = place.open(tables)
    told(mirror)
    assert mirror.row("readings")["order"] == mirror.row("readings")["metadata"] == "Z"
    assert verify.differences(mirror.engine, mirror.mapping) == []


# --- Changed in place ----------------------------------------------------------------------------


def test_an_index_that_somebody_dropped_is_made_again(place: Place) -> None:
    mirror = place.open()
    wanted = indexes(mirror)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP INDEX ix_notifications_received_at")
    assert indexes(place.open()) == wanted


def test_events_that_no_entity_key_finds_have_an_index_of_their_own(place: Place) -> None:
    """Looked for at each better copy of an event: not by way of the whole ledger."""
    mirror = place.open()
    mirror.write(
        *(mirror.event("ProductChanged", {"ProductNumber": "1"}, delivery=f"d{n}") for n in range(500))
    )
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    query = (
        f"{'EXPLAIN' if on_postgresql else 'EXPLAIN QUERY PLAN'} SELECT event_id FROM _notifications "
        f"WHERE (event_id, source) > ('', '') AND action IN ('ProductChanged') AND ({models.unkeyed(dialects.of(mirror.engine))}) "
        "ORDER BY event_id, source LIMIT 10"
    )
    with mirror.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
        plan = str(connection.exec_driver_sql(query).fetchall())
    assert "ix_notifications_unkeyed" in plan


def indexes(mirror: Mirror) -> set[str | None]:
    return {index["name"] for index in inspect(mirror.engine).get_indexes("_notifications")}


def test_a_column_that_is_added_is_filled_from_the_ledger(place: Place) -> None:
    told(place.open())
    mirror = place.open(BASE + MORE)
    found = mirror.row("readings")
    assert found["changes"] == 3
    assert [number(found[name]) for name in ("value", "first_value", "lowest", "highest")] == [
        "10",
        "-3",
        "-3",
        "10",
    ]
    assert strategies.plain("seen_first", found["seen_first"]) == "2023-11-14T22:14:20.000000Z"
    assert (found["last_word"], found["event_count"]) == ("ä", 4)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    told(mirror)
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_column_whose_rule_changed_is_filled_anew(place: Place) -> None:
    told(place.open(BASE + MORE))
    changed = (
        (BASE + MORE)
        .replace("value: {rule: latest", "value: {rule: earliest")
        .replace("on: [ProductChanged]", "on: [ProductCreated]")
    )
    mirror = place.open(changed)
    assert number(mirror.row("readings")["value"]) == "-3"
    assert mirror.row("readings")["changes"] == 1
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_new_table_and_a_new_history_column_are_filled(place: Place) -> None:
    history = """
  words:
    kind: history
    actions: [ProductChanged]
    columns:
      word: {type: text, path: Word}
"""
    told(place.open())
    assert [row["word"] for row in place.open(BASE + history).rows("words")] == ["b", None, "Z"]
    mirror = place.open(BASE + history + "      value: {type: numeric, path: Value}\n")
    assert [number(row["value"]) for row in mirror.rows("words")] == ["9.5", "None", "10"]
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_table_that_takes_another_action_is_filled_anew(place: Place) -> None:
    only = BASE.replace("ProductCreated, ", "")
    told(place.open(only))
    mirror = place.open()
    assert mirror.row("readings")["event_count"] == 4
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_an_action_that_was_unrouted_fills_a_table_that_comes_later(place: Place) -> None:
    early = place.open()
    early.write(early.event("Shipped", {"OrderNumber": "7"}, delivery="a"))
    assert early.row("notifications")["family"] == "unrouted"
    tables = BASE + "  shipments:\n    actions: [Shipped]\n    key: {order_number: {path: OrderNumber}}\n"
    topics = ("        OrderCreated: {key", "        Shipped: {key: OrderNumber}\n        OrderCreated: {key")
    mirror = place.open(tables, topics=topics)
    assert mirror.row("shipments")["order_number"] == "7"
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_the_former_configuration_comes_back_right_after_a_newer_one(place: Place) -> None:
    former = place.open(BASE + MORE)
    told(former)
    newer = place.open(BASE)
    event = newer.event(
        "ProductChanged", {"ProductNumber": "1", "Value": -50}, delivery="z", at=NOON + 9 * MINUTE
    )
    newer.write(event)
    with pytest.raises(SchemaMoved):
        former.write(event)
    back = place.open(BASE + MORE)
    assert number(back.row("readings")["lowest"]) == "-50"
    assert verify.differences(back.engine, back.mapping) == []


def test_a_table_that_is_taken_out_and_comes_back_is_filled_with_what_came_meanwhile(place: Place) -> None:
    other = BASE.replace("readings", "others")
    place.open()
    told(place.open(other))
    mirror = place.open()
    assert mirror.row("readings")["event_count"] == 4
    assert verify.differences(mirror.engine, mirror.mapping) == []


# --- What cannot be changed in place -------------------------------------------------------------


def test_another_key_is_refused_with_the_table_to_drop(place: Place) -> None:
    told(place.open())
    with pytest.raises(StartupError, match=r'(?s)tables\.yaml:\d+: the key of .* \(DROP TABLE .*"_readings"'):
        place.open(BASE.replace("product_number: {path", "number: {path"))


def test_another_type_is_refused_with_the_table_to_drop_and_is_filled_after_that(place: Place) -> None:
    told(place.open())
    changed = BASE.replace("type: numeric", "type: text")
    with pytest.raises(
        StartupError,
        match=r"(?s)tables\.yaml:\d+: the column value of the table readings is .* drop the table",
    ):
        place.open(changed)
    engine = database.connect(place.config().database)
    with database.transaction(engine) as connection:
        drop(connection, "readings")
    engine.dispose()
    mirror = place.open(changed)
    assert mirror.row("readings")["value"] == "10"
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_what_of_the_ledger_does_not_fit_a_new_column_is_left_out_and_named(place: Place) -> None:
    told(place.open())
    with structlog.testing.capture_logs() as logs:
        settings = place.config(WORD)
        schema.ensure(database.connect(settings.database), settings, Mapping(settings), accept_mapping=True)
    mirror = place.open(WORD)
    assert mirror.row("readings")["word"] is None
    assert mirror.row("readings")["event_count"] == 4
    assert verify.differences(mirror.engine, mirror.mapping) == []
    (warning,) = [line for line in logs if "table" in line and line["log_level"] == "warning"]
    assert (warning["table"], warning["events"]) == ("readings", 3)
    assert "a:0: Details.Word (column word): 'ä' cannot be read" in warning["first"]
    assert "tables.yaml" in warning["fix"]


def test_a_column_that_does_not_fit_the_newest_events_is_refused_and_changes_nothing(place: Place) -> None:
    told(place.open())
    with pytest.raises(ConfigError, match=r"1 of the 1 newest ProductCreated .* Details\.Word .*event a:0"):
        place.open(WORD)
    assert place.open().row("readings")["event_count"] == 4


@pytest.mark.parametrize("name", ["readings", "notifications"])
def test_a_table_of_another_program_is_never_touched(place: Place, name: str) -> None:
    engine = database.connect(place.config().database)
    with database.transaction(engine) as connection:
        connection.exec_driver_sql(f"CREATE TABLE {name} (product_number TEXT PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO {name} VALUES ('theirs')")
    with pytest.raises(StartupError, match=f"not the connector's: {name}"):
        schema.ensure(engine, place.config(), Mapping(place.config()))
    assert strategies.select(engine, f"SELECT * FROM {name}") == [{"product_number": "theirs"}]
    engine.dispose()


# --- Views ---------------------------------------------------------------------------------------


def test_a_view_keeps_its_grants_and_what_others_built_on_it(on_postgresql: Place) -> None:
    mirror = on_postgresql.open(None)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW public.theirs AS SELECT * FROM stock_movements")
        connection.exec_driver_sql("GRANT SELECT ON stock_movements TO public")
    schema.ensure(mirror.engine, mirror.config, mirror.mapping)
    granted = "SELECT relacl::text AS acl FROM pg_class WHERE relname = 'stock_movements'"
    assert "=r/" in strategies.select(mirror.engine, granted)[0]["acl"]
    # One that did change is replaced in place, also under somebody's view.
    tables = (ROOT / "config" / "tables.yaml").read_text()
    one_key = tables.replace("value: quantity\n    per: [product_number, ", "value: quantity\n    per: [", 1)
    assert one_key != tables
    on_postgresql.open(one_key)
    assert "=r/" in strategies.select(mirror.engine, granted)[0]["acl"]
    assert mirror.rows("theirs") == []


def test_a_view_that_loses_a_column_is_made_again_unless_somebody_built_on_it(on_postgresql: Place) -> None:
    tables = (ROOT / "config" / "tables.yaml").read_text()
    fewer = tables.replace("      event_type: {type: text", "      kind_of_event: {type: text")
    assert fewer != tables
    mirror = on_postgresql.open(None)
    on_postgresql.open(fewer)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW public.theirs AS SELECT * FROM stock_movements")
    with pytest.raises(
        StartupError, match=r"(?s)view stock_movements cannot .* view theirs depends .* drop these objects"
    ):
        on_postgresql.open(tables)


def test_a_view_that_changed_is_made_anew_and_one_that_is_gone_is_dropped(place: Place) -> None:
    shipped = tables_of_hooks((ROOT / "config" / "tables.yaml").read_text())
    place.open(shipped)
    mirror = place.open(shipped.replace("  stock_movements:", "  moves:"))
    with database.transaction(mirror.engine) as connection:
        found = set(inspect(connection).get_view_names())
        own = {"mirror_status", "notifications", "dead_letters", "consumer_offsets", "hydration"}
        own |= {"sweeps", "drift", "implied_hooks"}
        assert found == own | {*mirror.config.views, *mirror.config.tables}
        assert "stock_movements" not in found
    family = place.open(shipped, topics=("    orders:\n", "    sales:\n"))
    assert "sales" in {row["family"] for row in family.rows("mirror_status")}


def test_a_view_that_somebody_dropped_is_made_again(place: Place) -> None:
    mirror = place.open(None)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW stock_movements")
    schema.ensure(mirror.engine, mirror.config, mirror.mapping)
    assert mirror.rows("stock_movements") == []


def test_the_state_of_the_schema_is_told_without_a_change(place: Place) -> None:
    mirror = place.open()
    assert schema.state(mirror.engine, mirror.mapping) is None
    assert (
        schema.state(mirror.engine, Mapping(place.config(BASE + MORE)))
        == "the tables were made by another tables.yaml or sources.yaml"
    )
    with database.transaction(mirror.engine) as connection:
        drop(connection, "readings")
    missing = "the table readings is missing"
    if mirror.engine.dialect.name == "postgresql":
        missing += "; the view readings is missing"  # CASCADE took it along
    assert schema.state(mirror.engine, mirror.mapping) == missing
