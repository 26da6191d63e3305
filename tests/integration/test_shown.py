"""What people read: numbers, when a row changed, and rights to that and nothing else."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from connector.errors import ConnectorError, StartupError
from connector.mirror import database, readers, schema, verify
from tests import strategies
from tests.conftest import MakeConfig
from tests.integration.test_schema import BASE, MORE, Place
from tests.strategies import MINUTE, NOON, Mirror

FIFTEEN_DIGITS = Decimal("1e-15")


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


@pytest.fixture
def mirrors(make_config: MakeConfig, postgres: Any, tmp_path: Any) -> Iterator[list[Mirror]]:
    """One on each database."""
    with ExitStack() as stack:
        urls = (f"sqlite:///{tmp_path / 'mirror.db'}", postgres.new_database())
        yield [stack.enter_context(strategies.mirror(make_config({"database.url": url}))) for url in urls]


numbers = st.one_of(
    st.decimals(-(10**8), 10**8, places=6),
    st.integers(-(10**14), 10**14).map(Decimal),
    st.decimals(-(10**40), 10**40, places=6).map(lambda number: Decimal(f"{number:.14e}")),
    st.sampled_from([Decimal(5000), Decimal("5000.000001"), Decimal("4999.999999"), Decimal(2) ** 63]),
)
SHOWN = "SELECT product_number, quantity FROM stock_balance_history"
ASKED = (
    f"{SHOWN} WHERE quantity > 5000 ORDER BY product_number",
    f"{SHOWN} ORDER BY quantity, product_number",
    "SELECT product_number, balance FROM stock_balances WHERE balance <= 0 ORDER BY balance DESC, 1",
    "SELECT MAX(quantity), MIN(quantity) FROM stock_balance_history",
    "SELECT SUM(ABS(quantity)), COUNT(*) FROM stock_balance_history",
    "SELECT product_number, quantity, previous_quantity, delta FROM stock_movements ORDER BY event_id",
)


@settings(max_examples=25)
@given(st.lists(numbers, min_size=1, max_size=6, unique=True))
def test_both_databases_answer_alike_to_fifteen_digits(mirrors: list[Mirror], values: list[Decimal]) -> None:
    for mirror in mirrors:
        mirror.empty()
        details = [
            {"ProductNumber": f"P{place}", "Warehouse": "W", "Balance": f"{value:f}"}
            for place, value in enumerate(values)
        ]
        mirror.write(
            *(
                mirror.event("BalanceChanged", one, delivery=f"d{n}", at=NOON + n)
                for n, one in enumerate(details)
            )
        )
    for query in ASKED:
        on_sqlite, on_postgresql = (strategies.select(mirror.engine, query) for mirror in mirrors)
        assert len(on_sqlite) == len(on_postgresql), query
        for one, other in zip(on_sqlite, on_postgresql, strict=True):
            assert all(alike(*pair) for pair in zip(one.values(), other.values(), strict=True)), query


def alike(on_sqlite: Any, on_postgresql: Any) -> bool:
    if not isinstance(on_postgresql, Decimal):
        return bool(on_sqlite == on_postgresql)
    assert isinstance(on_sqlite, int | float)
    return abs(Decimal(on_sqlite) - on_postgresql) <= abs(on_postgresql) * FIFTEEN_DIGITS


def changed_at(mirror: Mirror) -> dict[str, str | None]:
    rows = mirror.rows("readings")
    return {row["product_number"]: strategies.plain("", row["mirrored_at"]) for row in rows}


def test_a_row_says_when_it_last_changed_and_a_fill_that_changes_nothing_leaves_that(place: Place) -> None:
    mirror = place.open(BASE)
    read = {"ProductNumber": "1", "Value": 5}
    first = mirror.event("ProductCreated", read, delivery="a")
    mirror.write(first, mirror.event("ProductCreated", {"ProductNumber": "2"}, delivery="b"))
    before = changed_at(mirror)
    mirror.now = NOON + MINUTE
    mirror.write(first)  # which the ledger holds already
    assert changed_at(mirror) == before
    mirror.write(mirror.event("ProductChanged", read, delivery="c", at=NOON + MINUTE))
    after = changed_at(mirror)
    assert after["2"] == before["2"] != after["1"]
    # Every row is folded again, and only a column that came says something new, of one of them.
    filled = place.open(BASE + MORE.partition("      seen_first")[0].partition("      first_value")[0])
    stamped = changed_at(filled)
    assert (stamped["2"], stamped["1"] == after["1"]) == (before["2"], False)
    with database.transaction(filled.engine) as connection:
        connection.exec_driver_sql("DELETE FROM _mirror_rules WHERE table_name = 'readings'")
    assert schema.ensure(filled.engine, filled.config, filled.mapping).columns == {"readings": None}
    assert changed_at(filled) == stamped
    assert verify.differences(filled.engine, filled.mapping) == []


def test_a_reader_reads_every_view_and_nothing_of_the_store(postgres: Any, make_config: MakeConfig) -> None:
    url, role = postgres.new_database(), f"reader_{time.time_ns()}"
    with strategies.mirror(make_config({"database.url": url})) as mirror:
        with pytest.raises(StartupError, match=f'no role {role}(.|\n)*CREATE ROLE "{role}"'):
            readers.grant(mirror.engine, role, timeout_seconds=5)
        admin = make_url(url).set(drivername="postgresql")
        with psycopg.connect(admin.render_as_string(), autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {role} LOGIN")
            owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            readers.grant(mirror.engine, role, timeout_seconds=5)
            with psycopg.connect(admin.set(username=role).render_as_string(), autocommit=True) as reader:
                for view in (*mirror.config.tables, *mirror.config.views, "notifications", "mirror_status"):
                    reader.execute(f"SELECT * FROM {view}")
                assert reader.execute("SHOW statement_timeout").fetchone() == ("5s",)
                for refused in ("SELECT * FROM public_store._orders", "SELECT payload FROM dead_letters"):
                    with pytest.raises(psycopg.errors.Error, match=r"permission denied|does not exist"):
                        reader.execute(refused)
            owner.execute(f"DROP OWNED BY {role}")
            owner.execute(f"DROP ROLE {role}")


def test_sqlite_has_no_rights_to_give(make_config: MakeConfig, tmp_path: Any) -> None:
    with (
        strategies.mirror(make_config({"database.url": f"sqlite:///{tmp_path / 'mirror.db'}"})) as mirror,
        pytest.raises(StartupError, match=r"(?s)SQLite has no roles.*chmod"),
    ):
        readers.grant(mirror.engine, "anyone", timeout_seconds=5)


def test_the_schemas_may_be_named_and_may_be_one(postgres: Any, make_config: MakeConfig) -> None:
    url = postgres.new_database()
    with pytest.raises(StartupError, match=r'(?s)no schema shop.*CREATE SCHEMA "shop"'):
        database.connect(make_config({"database.url": url, "database.schema": "shop"}).database).connect()
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as owner:
        owner.execute("CREATE SCHEMA shop")
    for store in ("kept", "shop"):
        names = {"database.url": url, "database.schema": "shop", "database.store_schema": store}
        with strategies.mirror(make_config(names)) as mirror:
            mirror.write(mirror.event("OrderCreated", {"OrderNumber": store}))
            query = (
                f"SELECT (SELECT order_number FROM shop.orders), (SELECT order_number FROM {store}._orders)"
            )
            (row,) = strategies.select(mirror.engine, query.replace("),", ") AS view,") + " AS own")
            assert row == {"view": store, "own": store}
            assert schema.state(mirror.engine, mirror.mapping) is None
        if store == "kept":
            with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as owner:
                owner.execute("DROP SCHEMA kept CASCADE")


def test_a_role_that_may_not_make_the_store_is_told_who_may(postgres: Any, make_config: MakeConfig) -> None:
    url, role = postgres.new_database(), f"plain_{time.time_ns()}"
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute(f"GRANT ALL ON SCHEMA public TO {role}")
    plain = make_url(url).set(username=role).render_as_string()
    with (
        pytest.raises(ConnectorError, match=f"(?s)no schema public_store.*AUTHORIZATION {role}"),
        strategies.mirror(make_config({"database.url": plain})),
    ):
        pass
