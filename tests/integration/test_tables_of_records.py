"""Tables of records (kind: snapshot) in what else is done with a table: filled, rebuilt, planned, copied."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event

from connector import config
from connector.config import Config
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import copying, database, mapping_change, plan, rebuilder, rules, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.dry_run import DryRun
from connector.mirror.letters import Letters
from connector.mirror.mapping import Mapping
from connector.mirror.plan import Change
from tests import strategies
from tests.conftest import DATABASES, ROOT, SECRET, MakeConfig, new_database, tables_of_hooks
from tests.integration.test_copy import LETTER
from tests.integration.test_mirror_law import Truth, looks, shows
from tests.strategies import MINUTE, NOON, RECORD_TABLES, Mirror

Open = Callable[..., Mirror]
API = {"XTND_API_URL": "http://127.0.0.1:9", "XTND_API_USER": "u", "XTND_API_PASSWORD": "p"}
SPOILS = (
    "DELETE FROM _order_rows WHERE row_number <> '1'",
    "DELETE FROM _order_rows",
    "DELETE FROM _order_details",
    "UPDATE _order_details SET total = 7, gone_at = NULL",
    "UPDATE _order_details SET snapshot__version = '', gone__version = ''",
    "UPDATE _order_rows SET quantity = 7, snapshot__version = ''",
    "UPDATE _order_rows SET row_number = row_number || 'x'",
    "UPDATE _order_parcels SET row_number = '9'",
)


def tables(**changes: Any) -> dict[str, Any]:
    """``RECORD_TABLES`` with settings of tables changed, as in ``order_rows={"requires": ["quantity"]}``."""
    return {
        f"tables.{name}": RECORD_TABLES[f"tables.{name}"] | changes.get(name, {})
        for name in (one.removeprefix("tables.") for one in RECORD_TABLES)
        if changes.get(name, {}) is not None
    }


def without(table: str, *columns: str) -> dict[str, Any]:
    known = RECORD_TABLES[f"tables.{table}"]["columns"]
    return {"columns": {name: one for name, one in known.items() if name not in columns}, "indexes": []}


@pytest.fixture
def configure(make_config: MakeConfig, database_url: str) -> Callable[..., Config]:
    def make(overrides: dict[str, object], **variables: str) -> Config:
        return make_config({"database.url": database_url, "topics.prefix": "t."} | overrides, **variables)

    return make


@pytest.fixture
def open_mirror(configure: Callable[..., Config]) -> Iterator[Open]:
    """Opens the mirror with one configuration after another, as a worker does."""
    with ExitStack() as stack:
        yield lambda overrides=RECORD_TABLES, **variables: stack.enter_context(
            strategies.mirror(configure(overrides, **variables))
        )


@pytest.fixture(scope="module", params=DATABASES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    url = new_database(request.param, request, tmp_path_factory.mktemp("records") / "mirror.db")
    texts = {name: (ROOT / "config" / name).read_text(encoding="utf-8") for name in config.FILES}
    texts["tables.yaml"] = tables_of_hooks(texts["tables.yaml"])
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    with strategies.mirror(config.parse(texts, variables, RECORD_TABLES)) as found:
        yield found


@pytest.fixture
def mirror(whole: Mirror) -> Mirror:
    whole.empty()
    return whole


def order(mirror: Mirror, at: int, *rows: dict[str, Any], key: str = "1", **header: Any) -> Event:
    """An order as it is ``at`` minutes after noon; rows as in ``{"rowNumber": 1, "quantity": 2}``."""
    body = {"orderHeader": {"orderNumber": key} | header, "orderRows": list(rows)}
    return mirror.snapshot(key, body, at=NOON + at * MINUTE)


def gone(mirror: Mirror, at: int, key: str = "1") -> Event:
    return mirror.snapshot(key, {"orderHeader": {"orderNumber": key}}, at=NOON + at * MINUTE, gone=True)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"rowNumber": number} | more


def rows_of(mirror: Mirror, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(found[name] for name in columns) for found in mirror.rows("order_rows")]


# --- What a reader sees ----------------------------------------------------------------------------


def test_the_newest_snapshot_counts_null_is_a_value_and_a_row_that_left_the_order_is_gone(
    mirror: Mirror,
) -> None:
    mirror.write(order(mirror, 1, row(1, quantity=1), row(2, quantity=2), customerName="Å", total=10))
    mirror.write(order(mirror, 3, row(2, quantity=None), row(3, quantity=3), customerName=None))
    mirror.write(order(mirror, 2, row(1), row(4), customerName="late", total=7))
    found = mirror.row("order_details")
    assert (found["customer_name"], found["total"], found["gone_at"]) == (None, None, None)
    assert rows_of(mirror, "row_number", "quantity") == [("2", None), ("3", 3)]
    assert list(mirror.rows("order_rows")[0]) == [
        *("order_number", "row_number", "product_number", "quantity", "currency", "fetched_at"),
        "mirrored_at",
    ]
    assert list(found)[-3:] == ["fetched_at", "gone_at", "mirrored_at"]


def test_a_record_that_is_gone_keeps_its_newest_columns_and_no_rows_until_a_newer_one_comes(
    mirror: Mirror,
) -> None:
    mirror.write(order(mirror, 1, row(1), customerName="first"))
    mirror.write(gone(mirror, 5))
    mirror.write(order(mirror, 4, row(2), customerName="fills"), order(mirror, 2, row(3), customerName="old"))
    found = mirror.row("order_details")
    assert found["customer_name"] == "fills"
    assert found["gone_at"] is not None
    assert rows_of(mirror, "row_number") == []
    mirror.write(order(mirror, 6, row(7)))
    assert mirror.row("order_details")["gone_at"] is None
    assert rows_of(mirror, "row_number") == [("7",)]
    mirror.write(gone(mirror, 5, key="2"))
    assert mirror.row("order_details", order_number="2")["fetched_at"] is None


def test_the_timeline_of_an_order_has_what_hooks_said_and_no_snapshots(mirror: Mirror) -> None:
    mirror.write(order(mirror, 1, row(1)), mirror.event("OrderPicked", {"OrderNumber": "1"}))
    assert [event["action"] for event in mirror.rows("order_events")] == ["OrderPicked"]


def test_a_dead_letter_of_a_snapshot_is_known_as_mirrored_once_the_ledger_has_it(mirror: Mirror) -> None:
    snapshot = order(mirror, 1, row(1))
    event_id = {"dead_letter_id": "d", "payload": b"{", "event_id": snapshot.event_id}
    mirror.sink.write([Chunk("dead", 0, 0, 0, 1, letters=[Letter(0, LETTER | event_id)])])
    assert not Letters(mirror.engine).load(["d"])[0].mirrored
    mirror.write(snapshot)
    assert Letters(mirror.engine).load(["d"])[0].mirrored


def test_a_batch_of_records_costs_as_many_statements_as_one_record_of_one_row(mirror: Mirror) -> None:
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    mirror.write(order(mirror, 0, row(1)))
    sqlalchemy_event.listen(mirror.engine, "before_cursor_execute", count)
    mirror.write(order(mirror, 1, row(1)))
    one, statements[:] = len(statements), []
    mirror.write(
        *(order(mirror, 2, *(row(number) for number in range(30)), key=str(key)) for key in range(40))
    )
    assert len(statements) == one
    # Those that are given, and one for those that are no longer.
    assert sum("_order_rows" in statement for statement in statements) == 2
    assert len(mirror.rows("order_rows")) == 1200


def test_shops_keep_the_records_of_their_sources_apart(open_mirror: Open) -> None:
    hooks = {f"hooks.{name}": {"secrets": ["s"], "shop": name} for name in ("north", "south")}
    hooks |= {"hooks.xtnd": hooks["hooks.north"], "mirror.key_by_shop": True, "sources.shop": "south"}
    mirror = open_mirror(RECORD_TABLES | hooks, **API)
    for source, quantity in (("former", 1), ("xtnd", 2)):
        body = {"orderHeader": {"orderNumber": "1"}, "orderRows": [row(1, quantity=quantity)]}
        mirror.write(mirror.snapshot("1", body, source=source))
    mirror.write(mirror.snapshot("1", {"orderHeader": {"orderNumber": "1"}}, source="former", at=NOON + 1))
    assert rows_of(mirror, "shop", "quantity") == [("south", 2)]
    copy = mirror.snapshot("1", {"orderHeader": {"orderNumber": "1"}, "orderRows": []}, received_at=NOON - 1)
    mirror.write(copy)
    assert rows_of(mirror, "shop", "quantity") == []
    assert mirror.mapping.table("order_rows").entity_keys({("south", "1")}) == {"1"}
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_a_record_that_no_table_can_hold_is_poison_with_its_reason(make_config: MakeConfig) -> None:
    maker = strategies.Maker(make_config(RECORD_TABLES))
    number = {"orderNumber": "1"}
    for body, reason in (
        ([{"orderHeader": number}], "details-kind"),
        ({}, "key-missing"),
        ({"orderHeader": {"orderNumber": " "}}, "key-empty"),
        ({"orderHeader": number, "orderRows": [{"quantity": 1}]}, "key-missing"),
        ({"orderHeader": number, "orderRows": "none"}, "details-kind"),
        ({"orderHeader": number | {"total": "much"}}, "not-a-number"),
    ):
        with pytest.raises(Poison) as caught:
            maker.mapping.contributions(maker.snapshot("1", body))
        assert caught.value.reason == reason


# --- Filled, verified, rebuilt ---------------------------------------------------------------------


def some(mirror: Mirror) -> list[Event]:
    """Orders that changed, are gone, came back, or have no rows; some snapshots come late."""
    said = [
        order(mirror, 9, row(1, quantity=4, parcels=[{"id": "p", "weight": 1}]), total=4, currency="SEK"),
        order(mirror, 1, row(1, quantity=1), row(2, quantity=2), total=1, currency="EUR"),
        gone(mirror, 3),
        order(mirror, 5, row(1, quantity=5), key="2", total=5),
        gone(mirror, 6, key="2"),
        order(mirror, 2, key="3", total=None),
        order(mirror, 1, row(1, quantity=1), key="3", total=3),
    ]
    for event in said:
        mirror.write(event)
    return said


def test_a_column_that_is_added_is_planned_and_filled_with_what_the_newest_snapshot_has(
    open_mirror: Open, configure: Callable[..., Config]
) -> None:
    fewer = tables(
        order_details=without("order_details", "total"), order_rows=without("order_rows", "quantity")
    )
    former = open_mirror(fewer)
    said = some(former)
    former.write(former.event("OrderCreated", {"OrderNumber": "1"}))
    settings = configure(RECORD_TABLES)
    fills = [one for one in plan.of(settings, Mapping(settings)).changes if one.change == "fill"]
    assert fills == [
        Change("fill", "table", "order_details", 7, 0.0, "new: total"),
        Change("fill", "table", "order_rows", 7, 0.0, "new: quantity"),
    ]
    mirror = open_mirror()
    assert verify.differences(mirror.engine, mirror.mapping) == []
    assert {found["order_number"]: found["total"] for found in mirror.rows("order_details")} == {
        "1": 4,
        "2": 5,
        "3": None,
    }
    assert rows_of(mirror, "order_number", "row_number", "quantity") == [("1", "1", 4)]
    shows(mirror, Truth(said))


def test_a_table_of_rows_that_is_added_or_takes_other_rows_is_filled_whole(open_mirror: Open) -> None:
    said = some(open_mirror(tables(order_rows=None, order_parcels=None)))
    mirror = open_mirror()
    assert verify.differences(mirror.engine, mirror.mapping) == []
    shows(mirror, Truth(said))
    other = open_mirror(tables(order_rows={"requires": ["product_number"]}))
    assert verify.differences(other.engine, other.mapping) == []
    assert rows_of(other, "row_number") == []
    back = open_mirror()
    assert verify.differences(back.engine, back.mapping) == []
    shows(back, Truth(said))


def test_a_table_and_a_key_of_records_that_are_renamed_keep_their_rows(open_mirror: Open) -> None:
    said = some(open_mirror())
    former = RECORD_TABLES["tables.order_rows"]
    key = {"order_number": former["key"]["order_number"]}
    key["number"] = former["key"]["row_number"] | {"was": "row_number"}
    renamed = RECORD_TABLES | {
        "tables.order_heads": RECORD_TABLES["tables.order_details"] | {"was": "order_details"},
        "tables.order_rows": former | {"parent": "order_heads", "key": key},
        "tables.order_parcels": RECORD_TABLES["tables.order_parcels"] | {"parent": "order_heads"},
    }
    del renamed["tables.order_details"]
    mirror = open_mirror(renamed)
    assert {row["order_number"] for row in mirror.rows("order_heads")} == Truth(said).orders.keys()
    assert {(row["order_number"], row["number"]) for row in mirror.rows("order_rows")} == Truth(said).rows
    assert verify.differences(mirror.engine, mirror.mapping) == []


def rebuild(mirror: Mirror, report: rebuilder.Report) -> None:
    with rebuilder.rebuilding(mirror.engine, mirror.mapping) as session:
        for _ in session.tables([table.name for table in mirror.mapping.tables], report):
            pass


@looks(6)
@given(
    data=st.data(),
    spoils=st.sets(st.sampled_from(SPOILS)),
    seed=st.integers(0, 2**32),
    moment=st.integers(0, 12),
)
def test_whatever_was_spoilt_and_comes_meanwhile_the_records_are_those_of_the_newest_snapshots_afterwards(
    mirror: Mirror, data: st.DataObject, spoils: set[str], seed: int, moment: int
) -> None:
    mirror.empty()
    said = strategies.distinct(data.draw(strategies.snapshots(mirror)))
    middle = len(said) // 2
    for batch in strategies.arrival(mirror, said[:middle], seed):
        mirror.sink.write(batch)
    with database.transaction(mirror.engine) as connection:
        for spoil in sorted(spoils):
            connection.exec_driver_sql(spoil)
    moments = 0

    def report(_what: str, _done: int, _total: int) -> None:
        nonlocal moments
        if moments == moment:
            mirror.now += MINUTE
            mirror.sink.write([mirror.chunk(said[middle:], topic="meanwhile")])
        moments += 1

    rebuild(mirror, report)
    assert verify.differences(mirror.engine, mirror.mapping) == []


def test_what_somebody_changed_is_named_by_verify_and_mended_by_a_rebuild(mirror: Mirror) -> None:
    said = some(mirror)
    with database.transaction(mirror.engine) as connection:
        for spoil in SPOILS[3:5]:
            connection.exec_driver_sql(spoil)
        connection.exec_driver_sql("UPDATE _order_rows SET row_number = 'x' WHERE order_number = '1'")
    found = "\n".join(verify.differences(mirror.engine, mirror.mapping))
    assert "order_details ('1',): total is '7' and should be '4'" in found
    assert "order_rows ('1', 'x'): no event says this row" in found
    rebuild(mirror, lambda *_: None)
    assert verify.differences(mirror.engine, mirror.mapping) == []
    shows(mirror, Truth(said))


# --- Beforehand ------------------------------------------------------------------------------------


def test_a_dry_run_names_the_rows_that_come_change_and_go_and_changes_nothing(mirror: Mirror) -> None:
    mirror.write(order(mirror, 1, row(1, quantity=1), row(2, quantity=2), total=1))
    before = mirror.content()
    sink = DryRun(mirror.engine, mirror.mapping, rules.fingerprint(mirror.mapping), lambda: NOON)

    def effects(*incoming: Event) -> set[tuple[Any, ...]]:
        found = [one for one in sink.run(incoming).changes if one.table != "notifications"]
        return {
            (one.table, *one.key.values(), "new" if not one.before else "goes" if not one.after else "other")
            for one in found
        }

    assert effects(order(mirror, 2, row(2, quantity=9), row(3), total=2)) == {
        ("order_details", "1", "other"),
        ("order_rows", "1", "1", "goes"),
        ("order_rows", "1", "2", "other"),
        ("order_rows", "1", "3", "new"),
    }
    assert effects(gone(mirror, 2)) == {
        ("order_details", "1", "other"),
        ("order_rows", "1", "1", "goes"),
        ("order_rows", "1", "2", "goes"),
    }
    assert effects(order(mirror, 0, row(4))) == set()
    assert mirror.content() == before


def test_a_changed_path_is_tried_on_the_newest_snapshots(mirror: Mirror, make_config: MakeConfig) -> None:
    url = mirror.config.database.url.get_secret_value()
    some(mirror)
    columns = RECORD_TABLES["tables.order_details"]["columns"]
    total = columns["total"]

    def tried(path: str) -> mapping_change.Fit:
        changed = {"columns": columns | {"total": total | {"path": path}}}
        settings = make_config({"database.url": url} | tables(order_details=changed))
        fit = mapping_change.examine(mirror.engine, settings, Mapping(settings))
        assert fit is not None
        return fit

    emptied = "order_details.total gets no value of snapshots of orders any more"
    assert tried("orderHeader.Total").emptied == [f"{emptied}; 4 of the newest events gave it one"]
    (misfit,) = tried("orderHeader.currency").misfits
    assert misfit.sort == Sort("orders", of_source=True)
    assert "snapshots of orders that were mirrored no longer can be" in str(misfit)


def test_a_copy_into_the_other_database_has_the_records_and_goes_on_with_them(
    make_config: MakeConfig, postgres: Any, tmp_path: Path
) -> None:
    file = make_config({"database.url": f"sqlite:///{tmp_path / 'mirror.db'}"} | RECORD_TABLES)
    server = make_config({"database.url": postgres.new_database()} | RECORD_TABLES)
    with strategies.mirror(file) as source:
        said = some(source)
        target = database.connect(server.database)
        copying.copy(source.engine, target, server, Mapping(server), lambda *_: None)
        target.dispose()
        with strategies.mirror(server) as copy:
            assert copy.content() == source.content()
            later = order(copy, 20, row(5), key="3")
            copy.write(later, order(copy, 0, row(8), key="2"))
            shows(copy, Truth([*said, later, order(copy, 0, row(8), key="2")]))
            assert verify.differences(copy.engine, copy.mapping) == []
