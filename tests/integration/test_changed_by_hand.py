"""What somebody did to the tables is seen, told, and undone from the ledger."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect

from connector import config
from connector.config import Config
from connector.errors import Poison, StartupError
from connector.mirror import database, schema, verify
from tests import strategies
from tests.conftest import SECRET, shipped
from tests.strategies import MINUTE, NOON, Mirror

COLUMNS = (
    "order_type",
    "status",
    "reserved_count",
    "created_at",
    "first_seen_at",
    "last_version",
    "status__version",
)


class Hand:
    """A mirror of the shipped tables of hooks, and somebody with the rights of its owner."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.config: Config = config.parse(shipped(), {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url})
        self.mirror: Mirror = stack.enter_context(strategies.mirror(self.config, copied=True))
        self.on_postgresql = self.mirror.engine.dialect.name == "postgresql"

    def does(self, *statements: str) -> None:
        with database.transaction(self.mirror.engine) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def drop_views(self) -> None:
        """Drop all views, which keep a database from many a change of their columns."""
        views = (*self.config.views, "mirror_status", *self.config.tables, "notifications", "dead_letters")
        self.does(*(f"DROP VIEW IF EXISTS {name}" for name in views))

    def start(self) -> schema.Filled:
        """What a worker does at its start."""
        return schema.ensure(self.mirror.engine, self.config, self.mirror.mapping)

    @property
    def state(self) -> str | None:
        return schema.state(self.mirror.engine, self.mirror.mapping)

    def is_right(self) -> bool:
        assert verify.differences(self.mirror.engine, self.mirror.mapping) == []
        return self.state is None


@pytest.fixture
def hand(database_url: str) -> Iterator[Hand]:
    with ExitStack() as stack:
        found = Hand(database_url, stack)
        write(found.mirror, "a")
        yield found


@pytest.fixture
def on_postgresql(postgres: Any) -> Iterator[Hand]:
    with ExitStack() as stack:
        found = Hand(postgres.new_database(), stack)
        write(found.mirror, "a")
        yield found


def write(mirror: Mirror, delivery: str) -> None:
    for place, (action, details) in enumerate(
        [
            ("OrderCreated", {"OrderNumber": "1", "OrderType": "Web"}),
            ("OrderReserved", {"OrderNumber": "1"}),
            ("OrderCreated", {"OrderNumber": "2"}),
            ("BalanceChanged", {"ProductNumber": "P", "Warehouse": "W", "Balance": 4}),
            ("BalanceChanged", {"ProductNumber": "P", "Warehouse": "W", "Balance": "6.5"}),
        ]
    ):
        at = NOON + place * MINUTE
        mirror.write(mirror.event(action, details, delivery=f"{delivery}{place}", at=at))


def dropped(hand: Hand, column: str) -> None:
    """Drop a column, with the indexes and views that stand in the way."""
    hand.drop_views()
    if not hand.on_postgresql:
        for index in inspect(hand.mirror.engine).get_indexes("_orders"):
            if column in index["column_names"]:
                hand.does(f"DROP INDEX {index['name']}")
    hand.does(f"ALTER TABLE _orders DROP COLUMN {column}")


# --- Columns, tables, indexes ----------------------------------------------------------------------


def test_a_column_that_somebody_dropped_is_added_again_and_filled(hand: Hand) -> None:
    dropped(hand, "order_type")
    assert hand.state is not None
    assert "the column order_type of the table orders is missing" in hand.state
    assert hand.start().columns == {"orders": ["order_type"]}
    assert hand.mirror.row("orders", order_number="1")["order_type"] == "Web"
    assert hand.is_right()


@settings(max_examples=4)
@given(st.sets(st.sampled_from(COLUMNS), min_size=1))
def test_whichever_columns_are_dropped_the_next_start_makes_the_table_right(
    hand: Hand, columns: set[str]
) -> None:
    for column in sorted(columns):
        dropped(hand, column)
    hand.start()
    assert hand.is_right()
    write(hand.mirror, "b" + "".join(sorted(columns))[:50])
    assert hand.is_right()


def test_a_crash_between_adding_a_column_and_filling_it_leaves_it_to_the_next_start(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped(hand, "order_type")
    with monkeypatch.context() as patched:
        patched.setattr(schema._Making, "fill", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hand.start()
    assert hand.state == "order_type of the table orders is not filled yet"
    hand.start()
    assert hand.is_right()


def test_a_column_that_somebody_renamed_is_made_again_beside_it(hand: Hand) -> None:
    hand.drop_views()
    hand.does("ALTER TABLE _orders RENAME COLUMN order_type TO kind")
    hand.start()
    row = hand.mirror.row("orders", order_number="1")
    assert (row["order_type"], row["kind"]) == ("Web", "Web")
    assert hand.is_right()


def test_a_table_that_somebody_dropped_or_emptied_is_filled_again(hand: Hand) -> None:
    cascade = " CASCADE" if hand.on_postgresql else ""
    hand.does(f"DROP TABLE _orders{cascade}", f"DROP TABLE _stock_balance_history{cascade}")
    assert "the table orders is missing; " in f"{hand.state}; "
    assert hand.start().columns == {"orders": None, "stock_balance_history": None}
    assert hand.is_right()
    # Rows are what verify looks at; taking the record away has the table filled.
    hand.does("DELETE FROM _orders")
    assert hand.state is None
    found = verify.differences(hand.mirror.engine, hand.mirror.mapping)
    assert [one.partition(":")[0] for one in found] == ["orders ('1',)", "orders ('2',)"]
    hand.does("DELETE FROM _mirror_rules WHERE table_name = 'orders'")
    hand.start()
    assert hand.is_right()


@pytest.mark.parametrize("table", ["orders", "stock_balance_history"])
def test_a_table_that_somebody_renamed_with_its_indexes_is_made_again_beside_it(
    hand: Hand, table: str
) -> None:
    hand.does(f"ALTER TABLE _{table} RENAME TO theirs")
    assert f"the table {table} is missing" in str(hand.state)
    hand.start()
    assert hand.is_right()
    assert hand.mirror.rows("theirs", "1") != []


def test_names_in_another_case_are_the_same_to_sqlite(hand: Hand) -> None:
    if hand.on_postgresql:
        hand.does('ALTER TABLE _orders RENAME COLUMN status TO "Status"')
        assert hand.start().columns == {"orders": ["status"]}
    else:
        hand.does("ALTER TABLE _orders RENAME COLUMN status TO Status")
    hand.start()
    assert hand.is_right()


def test_a_column_that_the_database_computes_is_refused_with_the_fix(hand: Hand) -> None:
    dropped(hand, "order_type")
    stored = "STORED" if hand.on_postgresql else "VIRTUAL"
    hand.does(f"ALTER TABLE _orders ADD COLUMN order_type text GENERATED ALWAYS AS ('x') {stored}")
    assert "order_type of the table orders is computed by the database" in str(hand.state)
    with pytest.raises(StartupError, match=r'(?s)ALTER TABLE "_orders" DROP COLUMN "order_type"'):
        hand.start()
    hand.does('ALTER TABLE "_orders" DROP COLUMN "order_type"')
    hand.start()
    assert hand.is_right()


def test_an_index_that_somebody_dropped_or_made_of_other_columns_is_made_right(hand: Hand) -> None:
    hand.does(
        "DROP INDEX ix_notifications_entity_key",
        "DROP INDEX ix_dead_letters_reason",
        "CREATE INDEX ix_dead_letters_reason ON _dead_letters (error)",
    )
    assert hand.state == (
        "the index ix_dead_letters_reason of the table dead_letters is missing; "
        "the index ix_notifications_entity_key of the table notifications is missing"
    )
    hand.start()
    assert hand.is_right()


def test_views_that_somebody_dropped_or_replaced_are_made_again(hand: Hand) -> None:
    status = "public.mirror_status" if hand.on_postgresql else "mirror_status"
    hand.does(
        "DROP VIEW stock_movements", "DROP VIEW mirror_status", f"CREATE VIEW {status} AS SELECT 1 AS one"
    )
    assert hand.state == (
        "the view mirror_status is not as the connector made it; the view stock_movements is missing"
    )
    hand.start()
    assert len(hand.mirror.rows("stock_movements")) == 2
    assert hand.mirror.row("mirror_status", family="orders")["events"] == 3
    assert hand.is_right()


@pytest.mark.parametrize("table", ["mirror_rules", "mirror_routes", "mirror_counters", "consumer_offsets"])
def test_own_tables_that_can_be_made_again_are(hand: Hand, table: str) -> None:
    hand.does(f"DROP TABLE _{table}{' CASCADE' if hand.on_postgresql else ''}")
    assert hand.state is not None
    hand.start()
    assert hand.mirror.row("mirror_status", family="orders")["events"] == 3
    assert hand.is_right()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DROP TABLE _notifications", r"ledger, the table _notifications, is gone.*backup.*from Kafka"),
        (
            "ALTER TABLE _notifications DROP COLUMN details",
            r"column details of the table notifications is missing",
        ),
        (
            "ALTER TABLE _dead_letters DROP COLUMN payload",
            r"column payload of the table dead_letters is missing",
        ),
        ("DROP TABLE _mirror_layout", r"mirror_layout.* is gone.*restore"),
    ],
)
def test_what_no_ledger_can_fill_is_refused_with_the_way_back(
    hand: Hand, statement: str, sentence: str
) -> None:
    if not hand.on_postgresql:
        hand.drop_views()
        hand.does("DROP INDEX ix_notifications_unkeyed")
    hand.does(f"{statement}{' CASCADE' if hand.on_postgresql else ''}")
    before = hand.mirror.rows("_orders")
    with pytest.raises(StartupError, match=f"(?s){sentence}"):
        hand.start()
    assert hand.mirror.rows("_orders") == before


def test_a_column_of_somebodys_that_no_row_can_do_without_is_named_on_sqlite(hand: Hand) -> None:
    if hand.on_postgresql:
        return  # see below
    hand.does("ALTER TABLE _orders RENAME COLUMN event_count TO n")
    with pytest.raises(
        StartupError, match=r'(?s)column n of the table orders.*ALTER TABLE "_orders" DROP COLUMN "n"'
    ):
        hand.start()
    hand.drop_views()
    hand.does('ALTER TABLE "_orders" DROP COLUMN "n"')
    hand.start()
    assert hand.is_right()


# --- PostgreSQL: what can be altered there -----------------------------------------------------------


HINDRANCES = [
    (
        "ALTER TABLE _orders ALTER COLUMN order_number TYPE varchar(9)",
        "order_number of the table orders is VARCH",
    ),
    (
        "ALTER TABLE _orders ALTER COLUMN reserved_count TYPE text",
        "is TEXT in the database and BIGINT",
    ),
    (
        "ALTER TABLE _orders ALTER COLUMN order_type TYPE varchar(3)",
        "is VARCHAR(3) in the database and TEXT",
    ),
    (
        "ALTER TABLE _orders ALTER COLUMN created_at TYPE date",
        "is DATE in the database and TIMESTAMP",
    ),
    ("ALTER TABLE _orders ALTER COLUMN last_version DROP NOT NULL", "last_version of the table orders takes"),
    ("ALTER TABLE _orders ALTER COLUMN reserved_at SET NOT NULL", "reserved_at of the table orders refuses"),
    ("ALTER TABLE _orders ADD COLUMN theirs int NOT NULL", "theirs of the table orders refuses rows"),
    ("ALTER TABLE _orders DROP CONSTRAINT _orders_pkey", "the key of the table orders is []"),
    ("ALTER TABLE _orders DROP COLUMN order_number CASCADE", "order_number of the table orders is missing"),
    ("ALTER TABLE _notifications DROP CONSTRAINT _notifications_pkey", "the key of the table notifications"),
    ("CREATE RULE r AS ON INSERT TO _orders DO INSTEAD NOTHING", "the rule r on the table orders stops"),
    ("CREATE RULE r AS ON UPDATE TO _consumer_offsets DO ALSO SELECT 1", "the rule r on the table consumer"),
    (
        "DELETE FROM _mirror_rules WHERE table_name = 'orders'",
        "every row of the table orders is not filled yet",
    ),
]


def test_what_stops_the_connectors_writing_is_told_and_undone(on_postgresql: Hand) -> None:
    for number, (statement, told) in enumerate(HINDRANCES):
        if "NOT NULL" in statement:  # which no table takes that has rows without
            on_postgresql.does("DELETE FROM _orders", "DELETE FROM _mirror_rules WHERE table_name = 'orders'")
        if " TYPE " in statement:
            on_postgresql.drop_views()
        on_postgresql.does(statement)
        assert told in str(on_postgresql.state)
        on_postgresql.start()
        write(on_postgresql.mirror, f"b{number}-")
        assert on_postgresql.is_right(), statement


def test_a_type_that_a_view_of_somebodys_needs_is_refused_and_the_view_named(on_postgresql: Hand) -> None:
    on_postgresql.drop_views()
    on_postgresql.does(
        "ALTER TABLE _orders ALTER COLUMN order_type TYPE varchar(9)",
        "CREATE VIEW public.theirs AS SELECT order_type FROM _orders",
    )
    with pytest.raises(StartupError, match=r"(?s)order_type of the table orders.*view theirs depends"):
        on_postgresql.start()


def test_a_constraint_or_trigger_of_somebodys_parks_only_what_it_refuses_and_is_named(
    on_postgresql: Hand,
) -> None:
    on_postgresql.does(
        "ALTER TABLE _orders ADD CONSTRAINT no_nines CHECK (order_number <> '9')",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not on a Monday'; END $$",
        "CREATE TRIGGER refuses BEFORE INSERT ON _orders FOR EACH ROW "
        "WHEN (NEW.order_number = '8') EXECUTE FUNCTION refuse()",
    )
    on_postgresql.start()
    mirror = on_postgresql.mirror
    with pytest.raises(Poison, match="no_nines"):
        mirror.write(mirror.event("OrderCreated", {"OrderNumber": "9"}, delivery="n9"))
    with pytest.raises(Poison, match=r"(?s)not on a Monday.*refuse\(\)"):
        mirror.write(mirror.event("OrderCreated", {"OrderNumber": "8"}, delivery="n8"))
    mirror.write(mirror.event("OrderCreated", {"OrderNumber": "7"}, delivery="n7"))
    assert on_postgresql.is_right()
