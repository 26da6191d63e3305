# ruff: noqa: E501 - each input stands in one line with what it gives
"""What row objects say: paths and what stands on their way, arrays under each, booleans, stored events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import config
from connector.config import paths
from connector.errors import ConfigError, Poison
from connector.mirror.fold import fold
from connector.mirror.mapping import reader
from tests.conftest import ROOT, SECRET
from tests.strategies import MINUTE, NOON, Maker

TABLES = """
tables:
  things:
    actions: [ProductChanged]
    key:
      product_number: {path: ProductNumber}
    columns:
      quantity: {rule: latest, type: numeric, path: [Count, Unit.Quantity]}
      inner: {rule: latest, type: text, path: '"Key.with dot".Inner'}
      other: {rule: latest, type: text, path: "Unit.'It''s'"}
      sure: {rule: latest, type: boolean, path: Sure}
      ever: {rule: max, type: boolean, path: Sure}
      always: {rule: min, type: boolean, path: Sure}
      first: {rule: earliest, type: boolean, path: Sure}
      is_thing: {rule: latest, constant: true}
      changes: {rule: count}
      changed: {rule: latest, by_action: {ProductChanged: false}}
  parts:
    kind: history
    actions: [ProductChanged]
    each: Box.Shelf.Part
    columns:
      box: {type: text, path: Box.Name}
      shelf: {type: text, path: Box.Shelf.Name}
      part: {type: text, path: Box.Shelf.Part.Name}
      product: {type: text, path: ProductNumber}
      is_sound: {type: boolean, path: Box.Shelf.Part.Sound}
"""


def configured(tables: str) -> config.Config:
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
    return config.parse(texts | {"tables.yaml": tables}, {"XTND_WEBHOOK_SECRET": SECRET})


maker = Maker(configured(TABLES))
NUMBER = {"ProductNumber": "1"}


def rows(table: str, *said: dict[str, Any], stored: bool = False) -> list[tuple[Any, ...]]:
    """Rows of a table, each as its cells, after these Details in this order."""
    made = [
        maker.event("ProductChanged", NUMBER | details, at=NOON + place * MINUTE, delivery=f"d{place}")
        for place, details in enumerate(said)
    ]
    read = reader(maker.mapping.table(table)) if stored else maker.mapping.contributions
    folded = fold((event, read(event)) for event in made)
    of = maker.mapping.table(table)
    by_column = of.by_column(folded[table]) if folded[table] else []
    return [row[len(of.key) :][: len(of.columns)] for row in zip(*by_column, strict=True)]


def thing(*said: dict[str, Any], stored: bool = False) -> dict[str, Any]:
    names = [column.name for column in maker.mapping.table("things").columns]
    (cells,) = rows("things", *said, stored=stored)
    return dict(zip(names, cells, strict=True))


def refused(details: dict[str, Any]) -> Poison:
    with pytest.raises(Poison) as caught:
        rows("things", details)
    return caught.value


# --- On the way ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "kind"), [([{"Quantity": 4}], "an array"), ([], "an array"), ("ST", "text"), (4, "a number"), (0.5, "a number"), (False, "true or false")]
)  # fmt: skip
def test_what_is_no_object_on_the_way_of_a_path_is_poison_that_names_it(unit: Any, kind: str) -> None:
    poison = refused({"Unit": unit})
    assert poison.reason == "details-kind"
    assert poison.error == f"Details.Unit.Quantity (column quantity): Unit is {kind}, not an object."


@pytest.mark.parametrize("details", [{}, {"Unit": None}, {"Unit": {}}, {"Unit": {"Quantity": None}}])
def test_what_is_missing_or_null_on_the_way_carries_nothing(details: dict[str, Any]) -> None:
    assert thing({"Count": 1}, details)["quantity"] == "1"


def test_a_path_that_is_not_needed_is_not_looked_at() -> None:
    assert thing({"Count": 1, "Unit": {"Quantity": "x"}})["quantity"] == "1"


# --- Quoted keys ---------------------------------------------------------------------------------


def test_a_quoted_path_names_keys_with_dots_blanks_and_quotes() -> None:
    found = thing({"Key.with dot": {"Inner": "a"}, "Unit": {"It's": "b"}})
    assert (found["inner"], found["other"]) == ("a", "b")
    bad = refused({"Key.with dot": ["x"]})
    assert bad.error.startswith("Details.'Key.with dot'.Inner (column inner): Key.with dot is an array")


def test_a_count_beside_a_constant_that_is_true_is_a_number_and_the_constant_is_not() -> None:
    ((_, *cells),) = rows("things", NUMBER)
    assert [(cell, type(cell)) for cell in cells if cell == 1] == [(True, bool), (1, int)]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4).map(tuple))
def test_every_key_can_be_written_in_a_path(keys: tuple[str, ...]) -> None:
    assert paths.keys(paths.text(keys)) == keys
    assert paths.keys(".".join('"' + key.replace('"', '""') + '"' for key in keys)) == keys


@pytest.mark.parametrize("path", ["'a", "a.'b", "'a'b", "''a'", '"a".', "a..b", ".a", "a b", "", '"a"."'])
def test_a_path_whose_quotes_do_not_close_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"tables\.yaml:\d+: .*is no path") as caught:
        configured(TABLES.replace("path: Sure}", f"path: {json.dumps(path)}}}", 1))
    assert "'Key.with dot'.Inner" in str(caught.value)


def test_a_path_without_quotes_at_the_start_of_a_key_means_what_it_meant() -> None:
    assert paths.keys("Order.Row's.a\"b") == ("Order", "Row's", 'a"b')


def test_an_entity_key_is_found_by_its_keys_however_the_path_is_written() -> None:
    quoted = Maker(configured(TABLES.replace("{path: ProductNumber}", "{path: \"'ProductNumber'\"}", 1)))
    assert quoted.mapping.table("things").entity_keys(("7",)) == {"7"}


# --- Each ----------------------------------------------------------------------------------------

PART = {"Name": "p", "Sound": True}


def test_each_goes_through_arrays_on_its_way_and_arrays_in_arrays() -> None:
    box = [
        {"Name": "b1", "Shelf": {"Name": "s1", "Part": [PART, None, [[{"Name": "q"}], []]]}},
        {"Name": "b2", "Shelf": [{"Name": "s2", "Part": {"Name": "r"}}, {"Name": "s3"}, None]},
        {"Name": "b3"},
    ]
    assert rows("parts", {"Box": box}) == [
        ("b1", "s1", "p", "1", True),
        ("b1", "s1", "q", "1", None),
        ("b2", "s2", "r", "1", None),
    ]
    assert rows("parts", {"Box": {"Name": "b", "Shelf": {"Part": PART}}}) == [("b", None, "p", "1", True)]


@pytest.mark.parametrize("box", [5, "x", True, [[5]], {"Shelf": "x"}, {"Shelf": [{"Part": [PART, 1]}]}])
def test_each_finds_objects_or_it_is_poison(box: Any) -> None:
    with pytest.raises(Poison, match=r"Details\.Box.* must be an object or an array of objects"):
        rows("parts", {"Box": box})


def test_a_value_beside_the_objects_of_each_costs_nothing_for_each_of_them() -> None:
    # 2,000 keys beside 20,000 objects: a copy of all for each object took most of a minute.
    wide = {f"k{number}": number for number in range(2000)}
    shelf = {"Name": "s", "Part": [{"Name": "p"}] * 20_000}
    event = maker.event("ProductChanged", NUMBER | wide | {"Box": {"Shelf": shelf} | wide})
    assert len(maker.mapping.contributions(event)) == 20_001


# --- Booleans ------------------------------------------------------------------------------------


def test_a_boolean_follows_its_rule() -> None:
    found = thing({"Sure": True}, {"Sure": False}, {"Sure": None}, {})
    told = {name: found[name] for name in ("sure", "ever", "always", "first", "is_thing", "changed")}
    assert told == {
        "sure": False,
        "ever": True,
        "always": False,
        "first": True,
        "is_thing": True,
        "changed": False,
    }
    # A count is 1 for each event, which Python holds for equal to true.
    assert type(found["changes"]) is int
    assert found["changes"] == 4
    assert type(found["is_thing"]) is bool


@pytest.mark.parametrize("value", ["true", 1, 0, [], {}])
def test_what_is_not_true_or_false_is_poison_for_a_boolean(value: Any) -> None:
    assert refused({"Sure": value}).reason == "not-a-boolean"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("constant: true", "constant: true, type: numeric", "is boolean, not numeric"),
        ("constant: true", "constant: 1, type: boolean", "is numeric, not boolean"),
        ("{ProductChanged: false}", "{ProductChanged: false}, type: text", "is boolean, not text"),
        (
            "{path: ProductNumber}\n    columns",
            "{constant: true}\n    columns",
            "a key is text, and true is not",
        ),
    ],
)
def test_a_constant_that_does_not_fit_its_column_is_refused(old: str, new: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        configured(TABLES.replace(old, new, 1))


# --- Events of the ledger ------------------------------------------------------------------------


def test_of_a_stored_event_what_does_not_fit_today_is_left_out_and_the_rest_is_read() -> None:
    stored = {"Count": "many", "Unit": [1], "Sure": "yes", "Key.with dot": {"Inner": "a" * 5000}}
    assert refused(stored)
    found = thing(stored, stored=True)
    assert (found["quantity"], found["other"], found["sure"]) == (None, None, None)
    assert found["inner"] == "a" * 5000
    left_out: list[Poison] = []
    event = maker.event("ProductChanged", NUMBER | stored)
    reader(maker.mapping.table("things"))(event, left_out)
    assert "Details.Count (column quantity): 'many' cannot be read as a number" in left_out[0].error


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Shelf", "Part", "Name", "Quantity", "Inner"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["Count", "Unit", "Sure", "Box", "Key.with dot"]), anything))
def test_a_stored_event_is_read_as_at_intake_where_it_was_taken_and_never_refused(details: Any) -> None:
    event = maker.event("ProductChanged", NUMBER | details)
    stored = maker.mapping.stored_contributions(event)
    try:
        taken = maker.mapping.contributions(event)
    except Poison:
        return
    order = [table.name for table in maker.mapping.tables]
    assert stored == sorted(taken, key=lambda one: order.index(one.table.name))
