"""Views of ``tables.yaml``: what cannot be made from the tables that they name."""

from collections import Counter
from collections.abc import Iterator, Mapping

from connector.config import table_kinds
from connector.config.database_url import Backend
from connector.config.findings import Located, finding, nearest
from connector.config.models import Config
from connector.config.source import Location
from connector.config.table_models import Table, View

DIALECTS = tuple(one.value for one in Backend)
# Settings of each kind, beside ``of``.
SETTINGS = {
    "movements": ("value", "per"),
    "intervals": ("value", "per"),
    "daily": ("value", "per"),
    "lead_times": ("steps",),
    "full": ("record",),
}
NAMES_OF_COLUMNS = ("value", "per", "steps")
MOST_BYTES = 63  # of a name, on PostgreSQL


def record_columns(table: Table, record: Table) -> dict[str, str]:
    """Columns of a record → their names in the view ``full`` beside the columns of a state table."""
    taken = {*table.key, *table.columns, "as_of", "is_stale"}
    return {name: f"record_{name}" if name in taken else name for name in record.columns}


def columns(view: View, tables: Mapping[str, Table]) -> list[str]:
    """Names of a view's columns, in their order."""
    table = tables[str(view.of)]
    if view.kind == "full":
        record = record_columns(table, tables[str(view.record)]).values()
        return [*table.key, *table.columns, "as_of", *record, "fetched_at", "gone_at", "is_stale"]
    if view.kind == "lead_times":
        return [*table.key, *view.steps, *(name for _, _, name in view.durations)]
    if view.kind == "movements":
        *key, source = table_kinds.KINDS[table.kind].key
        return [*key, *table.columns, "previous_quantity", "delta", source]
    series = [*view.per, str(view.value)]
    return ["day", *series] if view.kind == "daily" else [*series, "valid_from", "valid_to"]


class ViewChecks:
    """One view, and the table that it names."""

    def __init__(self, config: Config, name: str, view: View) -> None:
        self._tables = config.tables
        self._at: Location = ("views", name)
        self._view = view

    def errors(self) -> Iterator[Located]:
        """Yield every error."""
        return self._made() if self._view.select is None else self._select()

    def _select(self) -> Iterator[Located]:
        at, view = self._at, self._view
        for setting in ("of", "record", *NAMES_OF_COLUMNS):
            if getattr(view, setting):
                what = f"a view with a select of its own has no {setting}"
                yield finding((*at, setting), what, "Remove one of them.")
        texts = view.select if isinstance(view.select, dict) else dict.fromkeys(DIALECTS, view.select)
        for dialect in texts.keys() - set(DIALECTS):
            yield finding((*at, "select", dialect), f"unknown key {dialect!r}", nearest(dialect, DIALECTS))
        for dialect in DIALECTS:
            if not (texts.get(dialect) or "").strip():
                below = " and ".join(f"one below {one}" for one in DIALECTS)
                cure = f"Write one SELECT for all databases, or {below}."
                yield finding((*at, "select"), f"there is no SELECT for {dialect}", cure)

    def _made(self) -> Iterator[Located]:
        """A view that the connector makes, by its kind."""
        at, view = self._at, self._view
        kinds = table_kinds.KINDS
        tables = {of: table for of, table in self._tables.items() if view.kind in kinds[table.kind].views}
        if view.of not in tables:
            name = " or ".join(name for name, kind in kinds.items() if view.kind in kind.views)
            what = f"{view.of!r} is no {name} table" if view.of else "the view has neither of nor select"
            cure = nearest(view.of, tables) if view.of else "Name a table with of, or write a select."
            yield finding((*at, "of"), what, cure)
            return
        settings = SETTINGS[view.kind]
        for setting in ("record", *NAMES_OF_COLUMNS):
            if setting in settings and not getattr(view, setting):
                needed = f"columns of {view.of}" if setting in NAMES_OF_COLUMNS else "a snapshot table"
                cure = f"Name {needed} with {setting}."
                yield finding(at, f"{view.kind} needs {setting}", cure)
            elif getattr(view, setting) and setting not in settings:
                yield finding((*at, setting), f"{view.kind} has no {setting}", "Remove it.")
        table = tables[view.of]
        if view.kind == "full":
            yield from self._full(table)
            return
        named = (*([view.value] if view.value else []), *view.per, *view.steps)
        known = {*table.key, *table.columns, *kinds[table.kind].instants}
        for column in named:
            if column not in known:
                yield finding(at, f"{view.of} has no column {column!r}", nearest(column, known))
        if known.issuperset(named) and all(getattr(view, one) for one in settings):
            yield from self._lead_times(table) if view.kind == "lead_times" else self._of_history(table)
            yield from self._names()

    def _full(self, table: Table) -> Iterator[Located]:
        """The record's key is a part of the table's, or all of it, in the same order."""
        name = self._view.record
        records = {
            name: one
            for name, one in self._tables.items()
            if table_kinds.KINDS[one.kind].of_sources and one.parent is None
        }
        if name is None:
            return  # which is reported already
        if (record := records.get(name)) is None:
            what = f"{name!r} is no snapshot table without a parent"
            yield finding((*self._at, "record"), what, nearest(name, records))
        elif len(record.key) > len(table.key):
            what = f"the key of {name} has more parts than that of {self._view.of}"
            yield finding((*self._at, "record"), what, "Name a table of the same entities.")
        else:
            yield from self._names()

    def _lead_times(self, table: Table) -> Iterator[Located]:
        steps = (*self._at, "steps")
        if len(self._view.steps) == 1:
            yield finding(steps, "there is no time between one step", "Name two columns or more.")
        for column in self._view.steps:
            settings = table.columns.get(column)
            instant = settings is None or settings.event == "occurred_at" or settings.type == "timestamp"
            if column in table.key or not instant:
                yield finding(steps, f"{column!r} is no instant", "Name columns of instants.")

    def _of_history(self, table: Table) -> Iterator[Located]:
        at, view = self._at, self._view
        instant = next((name for name, one in table.columns.items() if one.event == "occurred_at"), None)
        if instant is None:
            what = f"{view.of} has no column with event: occurred_at to order it by"
            yield finding((*at, "of"), what, "Add one.")
        elif view.kind == "daily" and (*view.per, instant) not in table.indexes:
            # Without it each day would read the whole history.
            index = ", ".join((*view.per, instant))
            what = f"{view.of} has no index [{index}], in which a day is looked up"
            yield finding((*at, "per"), what, f"Add - [{index}] to the indexes of {view.of}.")
        if view.kind == "movements" and view.value and table.columns[view.value].type != "numeric":
            yield finding((*at, "value"), f"{view.value!r} is no number", "Name a numeric column.")

    def _names(self) -> Iterator[Located]:
        """Columns that have the same name, or one that a database cuts."""
        view = self._view
        if len(view.steps) == 1:
            return
        for column, count in Counter(columns(view, self._tables)).items():
            if count > 1:
                what = f"the view would have two columns {column!r}"
                yield finding(self._at, what, f"Rename that of {view.of}, or name it once.")
            if len(column) > MOST_BYTES:
                what = f"the view's column {column!r} would be longer than {MOST_BYTES} letters"
                yield finding(self._at, what, f"Shorten the names of {view.of}.")
