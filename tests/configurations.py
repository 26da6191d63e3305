"""Hypothesis draws configurations, and changes from one to the next, from names that are trouble."""

import json
import random
import string
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from connector import config
from tests.conftest import ROOT

few = st.sampled_from
SHIPPED = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
Draw = Callable[..., Any]

# Words of SQL, names of the connector's, PostgreSQL's and SQLite's own, names that look alike when they
# are put together, long ones, and some that no configuration may have.
TABLES = [
    *(
        "t",
        "t_rows",
        "t_rows_v",
        "a",
        "b",
        "a_b",
        "a__b",
        "ab",
        "order",
        "user",
        "stored",
        "excluded",
        "batch",
    ),
    *("batch_4", "batch_9", "c0", "rows", "history", "actions", "families", "public", "temp", "main", "old"),
    *("unnest", "dual", "text", "orders", "n" * 59, "n" * 58 + "m"),
]
ODD_TABLES = [
    *("notifications", "mirror_status", "mirror_rules", "sqlite_x", "pg_class", "pg_x", "ix_t_v", "t_pkey"),
    *("t__version", "T", "t t", 't"t', "t'", "t%s", "t:x", "t$a", "_t", "ä", "1t", "", "n" * 60, "ix_t$v"),
    *("json_each", "pragma_x", "generate_series"),
]
COLUMNS = [
    *("v", "a", "b", "a_b", "rows_v", "c0", "c1", "order", "select", "copy", "column_copy", "registry"),
    *("metadata", "model_config", "rowid", "oid", "value", "key", "stored", "excluded", "batch", "history"),
    *("text", "numeric", "user", "previous", "row", "table", "class", "fields", "n" * 54, "n" * 53 + "m"),
]
ODD_COLUMNS = [
    *(
        "xmin",
        "ctid",
        "tableoid",
        "cmax",
        "as_of",
        "event_id",
        "row_index",
        "source",
        "last_version",
        "delta",
    ),
    *("previous_quantity", "event_count", "v__version", "V", "v v", 'v"v', "v'", "v%s", "v:x", "_v", "é"),
    *("1v", "n" * 55),
]
ACTIONS = ["Made", "Changed", "It's", "100 %s", "a:b", '"q"', "Ä", "0777", "yes", "<<", "n" * 70]
WORDS = [
    *(
        "",
        "x",
        "it's",
        "100 %",
        "%s",
        ":x",
        "$${A}",
        "0777",
        "ä\u2028",
        "\U0001f600",
        "w" * 250,
        "\\",
        '"',
        "{}",
    ),
]
DESCRIPTIONS = ["", "Plain.", "it's 100 % \\ of %(s)s :x", "ä\U0001f600", "--", "/*", "$$"]
PATHS = ["V", "W", "X.Y", "N", "Rows.V", "Rows.W", "'Q. q'.V", '"Q. q"."its"', "Rows.'In.ner'.V"]
# Text that no database can make shorter, and that no index takes.
NOISE = "".join(random.Random(1).choices(string.ascii_letters, k=9000))


def _mostly(usual: list[str], odd: list[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 99).flatmap(lambda chance: few(odd if chance == 57 else usual))


constants = few(WORDS) | st.integers(-(2**63), 2**63 - 1) | few([0, 1, 777, True, False])


@st.composite
def columns(draw: Draw, actions: list[str], *, kind: str) -> dict[str, Any]:
    """A column, nearly always of a shape that is taken."""
    sources = ["path", "path", "path", "constant", "by_action", "event", "count"]
    source = draw(few(sources[:1] if kind == "snapshot" else sources))
    state = kind == "state"
    column: dict[str, Any] = {"description": draw(few(DESCRIPTIONS))}
    if state:
        column["rule"] = draw(few(["latest", "earliest", "min", "max"]))
        if draw(st.booleans()):
            column["on"] = draw(st.lists(few(actions), min_size=1, unique=True))
    if source == "count" and state:
        return {**column, "rule": "count"}
    if source == "event":
        return {**column, "event": draw(few(["occurred_at", "event_id", "action", "hook"]))}
    if source == "constant":
        return {**column, "constant": draw(constants)}
    if source == "by_action":
        of = draw(few([st.integers(-5, 5), few(WORDS)]))
        return {**column, "by_action": draw(st.dictionaries(few(actions), of, min_size=1))}
    path = draw(few(PATHS) | st.lists(few(PATHS), min_size=1, max_size=2))
    return {**column, "path": path, "type": draw(few(["text", "numeric", "text", "timestamp", "boolean"]))}


def indexes(known: list[str]) -> st.SearchStrategy[list[list[str]]]:
    one = st.lists(few(known), min_size=1, max_size=3, unique=True)
    return st.lists(one, max_size=3, unique_by=tuple)


@st.composite
def tables(draw: Draw, actions: list[str], *, kind: str) -> dict[str, Any]:
    fed = draw(st.lists(few(actions), min_size=1, unique=True))
    table: dict[str, Any] = {"kind": kind, "actions": fed, "description": draw(few(DESCRIPTIONS))}
    names = draw(st.lists(_mostly(COLUMNS, ODD_COLUMNS), max_size=6, unique=True))
    if draw(st.booleans()):
        table["each"] = draw(few(["Rows", "Rows", "Rows.'In.ner'"]))
    table["columns"] = {name: draw(columns(fed, kind=kind)) for name in names}
    if kind == "state":
        key = draw(st.lists(_mostly(COLUMNS, ODD_COLUMNS), min_size=1, max_size=2, unique=True))
        key = [name for name in key if name not in names] or ["number"]
        table["key"] = {name: {"path": draw(few(["N", "W"]))} for name in key}
    else:
        table["columns"] |= {"q": {"type": "numeric", "path": "V"}, "at": {"event": "occurred_at"}}
    table["indexes"] = draw(indexes(_known(table)))
    if table["columns"] and draw(few([False, False, True])):
        table["requires"] = [draw(few(list(table["columns"])))]
    return table


def _known(table: dict[str, Any]) -> list[str]:
    """Columns that an index may have."""
    own = {
        "state": ["as_of", "last_action"],
        "history": ["event_id", "row_index"],
        "snapshot": ["fetched_at"],
    }
    return [*table["columns"], *table.get("key", {}), *own[table["kind"]]]


@st.composite
def records(draw: Draw, name: str) -> dict[str, Any]:
    """A table of records, and often one of the rows that go with them."""
    key = {draw(_mostly(COLUMNS, ODD_COLUMNS)): {"path": "N"}}
    table: dict[str, Any] = {"kind": "snapshot", "of": "things", "key": key, "columns": {}}
    rows = table | {"parent": name, "each": draw(few(["Rows", "Rows.'In.ner'"])), "columns": {}}
    rows["key"] = key | {draw(_mostly(COLUMNS, ODD_COLUMNS)): {"path": f"{rows['each']}.N"}}
    for one in (table, rows):
        for column in draw(st.lists(_mostly(COLUMNS, ODD_COLUMNS), max_size=4, unique=True)):
            if column not in one["key"]:
                one["columns"][column] = draw(columns([], kind="snapshot"))
        one["indexes"] = draw(indexes(_known(one)))
    return {name: table} | ({f"{name}_of": rows} if draw(few([True, True, False])) else {})


@st.composite
def configurations(draw: Draw) -> dict[str, Any]:
    """``topics`` and ``tables`` with ``views`` as plain data."""
    actions = draw(st.lists(few(ACTIONS), min_size=1, max_size=3, unique=True))
    families = {"things": {"actions": {action: {"key": "N"} for action in actions}}}
    names = draw(st.lists(_mostly(TABLES, ODD_TABLES), min_size=1, max_size=3, unique=True))
    found = {name: draw(tables(actions, kind=draw(few(["state", "state", "history"])))) for name in names}
    if draw(few([True, False])):
        found |= draw(records(draw(_mostly(TABLES, ODD_TABLES))))
    return {"topics": {"families": families}, "tables": found, "views": draw(views(found))}


@st.composite
def views(draw: Draw, of: dict[str, Any]) -> dict[str, Any]:
    histories = [name for name, table in of.items() if table["kind"] == "history"]
    if not histories:
        return {}
    names = draw(st.lists(_mostly(TABLES, ODD_TABLES), max_size=2, unique=True))
    found = {}
    for name in [name for name in names if name not in of]:
        history = draw(few(histories))
        per = draw(st.lists(few(list(of[history]["columns"])), min_size=1, max_size=2, unique=True))
        kind = "movements" if {"q", "at"} & {*per} else draw(few(["movements", "intervals", "daily"]))
        found[name] = {
            **({"movements_of": history} if kind == "movements" else {"kind": kind, "of": history}),
            "value": "q",
            "per": per,
            "description": draw(few(DESCRIPTIONS)),
        }
        if kind == "daily":
            of[history].setdefault("indexes", []).append([*per, "at"])
    return found


@st.composite
def changes(draw: Draw, former: dict[str, Any]) -> dict[str, Any]:
    """The configuration that comes after another one."""
    if draw(st.integers(0, 5)) == 0:
        return draw(configurations())
    new: dict[str, Any] = json.loads(json.dumps(former))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, new)
    return new


def _change(draw: Draw, new: dict[str, Any]) -> None:
    actions = list(new["topics"]["families"]["things"]["actions"])
    of, shown = new["tables"], new["views"]
    name = draw(few(list(of)))
    what = draw(
        few(["columns", "columns", "indexes", "table", "swap", "actions", "views", "each", "places", "key"])
    )
    if what == "columns":
        _change_columns(draw, of[name])
    elif what == "indexes":
        of[name]["indexes"] = draw(indexes(_known(of[name])))
    elif what == "table":
        of[draw(_mostly(TABLES, ODD_TABLES))] = draw(tables(actions, kind=draw(few(["state", "history"]))))
    elif what == "swap" and shown:
        view = draw(few(list(shown)))
        settings = shown.pop(view)
        of_ = "of" if "of" in settings else "movements_of"
        if settings[of_] == name:
            settings[of_] = view
        of[view], shown[name] = of.pop(name), settings
    elif what == "places":
        other = draw(few(list(of)))
        of[name], of[other] = of[other], of[name]
    elif what == "key" and "key" in of[name]:
        key = of[name]["key"]
        key[draw(_mostly(COLUMNS, ODD_COLUMNS))] = key.pop(draw(few(list(key))))
    elif what == "actions" and "actions" in of[name]:
        of[name]["actions"] = draw(st.lists(few(actions), min_size=1, unique=True))
    elif what == "views":
        new["views"] = draw(views(of))
    else:
        of[name]["each"] = None if of[name].get("each") else "Rows"


def _change_columns(draw: Draw, table: dict[str, Any]) -> None:
    """Add, remove, rename or write a column in another way."""
    held, taken = list(table["columns"]), draw(_mostly(COLUMNS, ODD_COLUMNS))
    new = draw(columns(table.get("actions", []), kind=table["kind"]))
    what = draw(few(["add", "remove", "rename", "rule"])) if held else "add"
    if what == "add":
        table["columns"][taken] = new
        return
    column = draw(few(held))
    former = table["columns"].pop(column)
    if what != "remove":
        table["columns"][taken if what == "rename" else column] = former if what == "rename" else new


values = few(
    [
        *(None, 1, -3, 0, 2**70, "5", "1 234,5", True, "2024-01-31T10:00:00Z", "2024-01-31t10:00:00+02:00"),
        *("007", "it's", "100 %s", "", "ä", "\U0001f600", "z" * 900, {}, [], {"Y": 1}, NOISE),
    ]
)
objects = st.fixed_dictionaries(
    {"N": few(["1", 2, "it's", "ä|b"])},
    optional={
        "V": values,
        "W": values,
        "X": st.fixed_dictionaries({"Y": values}),
        "Q. q": st.dictionaries(few(["V", "its"]), values),
        "In.ner": st.lists(st.dictionaries(few(["V", "W", "N"]), values), max_size=2),
    },
)
details = st.one_of(
    objects,
    objects.flatmap(
        lambda one: st.fixed_dictionaries(
            {"Rows": st.lists(objects | st.lists(objects, max_size=2), max_size=2)}
        ).map(one.__or__)
    ),
)


def texts(drawn: dict[str, Any]) -> dict[str, str]:
    """The three files; JSON is YAML 1.2."""
    topics = json.dumps({"topics": drawn["topics"]}, indent=1, ensure_ascii=False)
    tables = json.dumps({"tables": drawn["tables"], "views": drawn["views"]}, indent=1)
    return SHIPPED | {"topics.yaml": topics, "tables.yaml": tables}
