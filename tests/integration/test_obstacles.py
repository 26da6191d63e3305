"""What somebody built on the mirror's tables never keeps an event out of them."""

import random
import string
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog

from connector.errors import Poison
from connector.mirror import database, verify
from tests import strategies
from tests.conftest import MakeConfig
from tests.strategies import Mirror

LONG = "".join(random.Random(3).choices(string.ascii_letters, k=9000))
FUNCTION = "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NEW; END $$"
TRIGGER = "CREATE TRIGGER theirs AFTER INSERT OR UPDATE ON _orders FOR EACH ROW EXECUTE FUNCTION theirs()"
LITE = "CREATE TRIGGER theirs AFTER INSERT ON _orders BEGIN {}; END"
# What is built, the order type of the event that comes then, and what is taken away.
ON_POSTGRESQL = {
    "an index over long text": (["CREATE INDEX theirs ON _orders (order_type)"], LONG, "index"),
    "an index over an expression": (
        ["CREATE INDEX theirs ON _orders (upper(order_type)) WHERE order_number = '{number}'"],
        LONG,
        "index",
    ),
    "an index that computes": (
        ["CREATE INDEX theirs ON _orders ((order_type::numeric)) WHERE order_number = '{number}'"],
        "x",
        "index",
    ),
    "a trigger whose table is gone": (
        [FUNCTION.format("INSERT INTO gone VALUES (1)"), TRIGGER],
        "x",
        "trigger",
    ),
    "a trigger that may not write": (
        [
            "CREATE TABLE secret (a int)",
            FUNCTION.format("SET LOCAL ROLE pg_monitor; INSERT INTO secret VALUES (1)"),
            TRIGGER,
        ],
        "x",
        "trigger",
    ),
    "a publication of some columns": (
        ["CREATE PUBLICATION theirs FOR TABLE _orders (status)"],
        "x",
        "publication",
    ),
}
ON_SQLITE = {
    "an index that computes": (
        ["CREATE INDEX theirs ON _orders (json_extract(order_type, '$')) WHERE order_number = '{number}'"],
        "x",
        "index",
    ),
    "a trigger whose table is gone": ([LITE.format("INSERT INTO gone VALUES (1)")], "x", "trigger"),
    "a trigger of another program's function": ([LITE.format("SELECT theirs(1)")], "x", "trigger"),
}


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Iterator[Mirror]:
    with ExitStack() as stack:
        yield stack.enter_context(strategies.mirror(make_config({"database.url": database_url}), copied=True))


def run(mirror: Mirror, *statements: str) -> None:
    with database.transaction(mirror.engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_what_nothing_can_be_written_with_makes_way_alone_and_is_named(mirror: Mirror) -> None:
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    run(mirror, "CREATE INDEX harmless ON _orders (status, order_type) WHERE status = 'x'")
    for number, (name, (statements, order_type, removed)) in enumerate(
        (ON_POSTGRESQL if on_postgresql else ON_SQLITE).items()
    ):
        run(mirror, *(one.replace("{number}", str(number)) for one in statements))
        with structlog.testing.capture_logs() as logs:
            details = {"OrderNumber": str(number), "OrderType": order_type}
            mirror.write(mirror.event("OrderCreated", details, delivery=f"d{number}"))
        (line,) = [one for one in logs if "definition" in one]
        assert (line["kind"], line["name"], line["table"]) == (removed, "theirs", "orders"), name
        assert line["definition"]
        assert mirror.row("orders", order_number=str(number))["order_type"] == order_type
        if on_postgresql and removed != "index":
            run(mirror, "DROP FUNCTION IF EXISTS theirs CASCADE", "DROP PUBLICATION IF EXISTS theirs")
    assert verify.differences(mirror.engine, mirror.mapping) == []
    run(mirror, "DROP INDEX harmless")


def test_an_index_makes_way_for_an_event_that_stands_alone_and_not_for_a_batch(
    make_config: MakeConfig, postgres: Any
) -> None:
    with strategies.mirror(make_config({"database.url": postgres.new_database()})) as mirror:
        run(mirror, "CREATE INDEX theirs ON _orders ((order_type::numeric))")
        said = [
            mirror.event("OrderCreated", {"OrderNumber": kind, "OrderType": kind}, delivery=kind)
            for kind in ("5", "x")
        ]
        with pytest.raises(Poison), structlog.testing.capture_logs() as logs:
            mirror.write(*said)
        assert logs == []
        with structlog.testing.capture_logs() as logs:
            for event in said:
                mirror.write(event)
        assert [one["name"] for one in logs if "definition" in one] == ["theirs"]


def test_a_table_is_filled_whatever_somebody_built_on_it(mirror: Mirror) -> None:
    mirror.write(mirror.event("OrderCreated", {"OrderNumber": "9", "OrderType": "Web"}))
    on_postgresql = mirror.engine.dialect.name == "postgresql"
    built = ON_POSTGRESQL if on_postgresql else ON_SQLITE
    statements = built["a trigger whose table is gone"][0]
    run(mirror, *statements, "DELETE FROM _mirror_rules WHERE table_name = 'orders'", "DELETE FROM _orders")
    with structlog.testing.capture_logs() as logs, strategies.mirror(mirror.config) as again:
        assert again.row("orders")["order_type"] == "Web"
    assert [one["name"] for one in logs if "definition" in one] == ["theirs"]


def test_an_index_that_keeps_values_apart_on_purpose_parks_what_it_refuses(mirror: Mirror) -> None:
    run(mirror, "CREATE UNIQUE INDEX theirs ON _orders (order_type)")
    mirror.write(mirror.event("OrderCreated", {"OrderNumber": "1", "OrderType": "Web"}, delivery="a"))
    twin = mirror.event("OrderCreated", {"OrderNumber": "2", "OrderType": "Web"}, delivery="b")
    with pytest.raises(Poison):
        mirror.write(twin)
    run(mirror, "DROP INDEX theirs")
    if mirror.engine.dialect.name == "postgresql":  # the same where it is the index that cannot compute
        run(mirror, "TRUNCATE _orders", "CREATE UNIQUE INDEX theirs ON _orders ((order_type::numeric))")
        with pytest.raises(Poison):
            mirror.write(twin)
        run(mirror, "DROP INDEX theirs")


@pytest.mark.parametrize("built", ["CREATE SCHEMA {0}", "CREATE SCHEMA {0}; CREATE TABLE {0}.orders (a int)"])
def test_a_schema_that_comes_before_the_mirrors_takes_nothing_from_it(
    make_config: MakeConfig, postgres: Any, built: str
) -> None:
    config = make_config({"database.url": postgres.new_database()})
    with strategies.mirror(config) as first:
        first.write(first.event("OrderCreated", {"OrderNumber": "1"}, delivery="a"))
        for statement in built.format("postgres").split("; "):  # the role's own name
            run(first, statement)
        first.write(first.event("OrderCreated", {"OrderNumber": "2"}, delivery="b"))
    with strategies.mirror(config) as again:
        assert [row["order_number"] for row in again.rows("orders")] == ["1", "2"]
        assert again.rows("mirror_status", "1") != []
        again.write(again.event("OrderCreated", {"OrderNumber": "3"}, delivery="c"))
        assert verify.differences(again.engine, again.mapping) == []
