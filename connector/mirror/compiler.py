"""Tables of ``tables.yaml`` as projections: each path, constant and rule read once, before any event."""

from collections.abc import Iterable
from dataclasses import replace

from connector.config import Column, Config, Source, Table, constant_type, paths
from connector.events import Sort
from connector.mirror import mapped, values
from connector.mirror.mapped import (
    ColumnType,
    Constant,
    Field,
    MappedColumn,
    Merge,
    Path,
    RowSpec,
    ShopColumn,
)
from connector.mirror.projections import CHILDREN, KINDS, Projection

NOTHING = Constant(None)


class Compiler:
    """Compiles the tables of a configuration, which ``config`` has found to be sound."""

    def __init__(self, config: Config) -> None:
        self._tables = config.tables
        self._routes = {action: route.paths for _, action, route in config.actions()}
        self._sources = config.sources
        self._shop_of_source = config.shop_of_source
        self._shop = None if config.shops is None else ShopColumn(tuple(sorted(config.shops.items())))
        # How many texts the widest index holds. The same limit for all text that an index holds, the least,
        # so that a value which several columns hold is read once.
        texts = 0
        for table in config.tables.values():
            others = {name for name, column in table.columns.items() if _type(column) != "text"}
            for index in (tuple(table.key), *table.indexes):
                texts = max(texts, sum(name not in others for name in index))
        self._indexed_text = values.limited_text(values.most_bytes((self._shop is not None) + texts))

    def projection(self, name: str, table: Table) -> Projection:
        """A table, with a column for the shop where shops are kept apart."""
        kind = (CHILDREN if table.parent else KINDS)[table.kind]
        sorts = [Sort(action) for action in table.actions] or [Sort(str(table.of), of_source=True)]
        columns = tuple([_mapped_column(column, one, table) for column, one in table.columns.items()])
        key = [
            MappedColumn(column, "text", "plain", source.description) for column, source in table.key.items()
        ]
        key_rules = [
            f"{column}={source.model_dump_json(exclude={'description', 'was'})}"
            for column, source in table.key.items()
        ]
        made = kind(
            name=name,
            description=table.description,
            key=kind.fixed_key or tuple(key),
            columns=columns,
            indexes=table.indexes,
            each=paths.keys(table.each) if table.each else None,
            requires=tuple(
                [list(table.columns).index(column) for column in table.requires if column in table.columns]
            ),
            required_key=frozenset(set(table.requires) & set(table.key)),
            row_specs={sort: self._row_spec(table, columns, sort.name) for sort in sorts},
            entities=self._entities(table),
            written=f"{table.kind} {table.of or sorted(table.actions)} {table.each}"
            f"{self._through_arrays(table)} {table.requires} {' '.join(key_rules)}",
            group=len(self._tables[table.parent].key) if table.parent else None,
        )
        if self._shop is None:
            return made
        if self._shop_of_source is None or not table.of:
            return made.apart(self._shop)
        return made.apart(replace(self._shop, of_source=(self._shop_of_source,)))

    def _row_spec(self, table: Table, columns: Iterable[MappedColumn], action: str) -> RowSpec:
        key = [_source(source, action, self._indexed_text, values.text) for source in table.key.values()]
        if NOTHING in key:
            raise ValueError(f"a key has no value for {action}")  # refused by config.checks
        indexed = {column for index in table.indexes for column in index}
        cells = [
            self._cell(table, to, column, action, indexed=to.name in indexed)
            for to, column in zip(columns, table.columns.values(), strict=True)
        ]
        return RowSpec(tuple(key), tuple(cells))

    def _cell(
        self, table: Table, to: MappedColumn, column: Column, action: str, *, indexed: bool
    ) -> mapped.CellSource:
        """Where one action's value of a column comes from."""
        if column.on is not None and action not in column.on:
            return NOTHING
        if column.rule == "count":
            return Constant(1)
        if table.of and to.type == "timestamp":
            of_record = values.timestamp_of_record(table.zone)
            return _source(column, action, of_record, of_record)
        reader = values.READERS[to.type]
        stored = values.former_timestamp if to.type == "timestamp" else reader
        accepted = self._indexed_text if indexed and to.type == "text" else reader
        return _source(column, action, accepted, stored)

    def _through_arrays(self, table: Table) -> str:
        """What has a table filled again that 0.1 read otherwise: arrays on the way of ``each`` gave no rows.

        Where an entity key stands below the same objects, an event with an array there was never accepted.
        """
        way = paths.keys(table.each)[:-1] if table.each and table.actions else ()
        keyed = (
            any(paths.keys(path)[: len(way)] == way for path in self._routes[action])
            for action in table.actions
        )
        return "" if all(keyed) else " through arrays"

    def _entities(self, table: Table) -> frozenset[tuple[int, ...]] | None:
        """See ``MappedTable.entities``."""
        routes = [(action, self._routes[action]) for action in table.actions]
        if table.of:
            entity = self._sources.entities.get(table.of) if self._sources else None
            if entity is None:
                return None
            routes = [("", tuple(entity.key.values()))]
        # The rows of a record go by its part of the key.
        key = list(table.key.values())[: len(self._tables[table.parent].key) if table.parent else None]
        ways: set[tuple[int, ...]] = set()
        for action, route in routes:
            sources = [_paths(source, action) for source in key]
            places = [
                next((place for place, found in enumerate(sources) if paths.keys(path) in found), None)
                for path in route
            ]
            if None in places:
                return None
            ways.add(tuple([place for place in places if place is not None]))
        return frozenset(ways)


def _paths(source: Source, action: str) -> tuple[tuple[str, ...], ...]:
    """Paths that a column is read from for an action."""
    choice = source.path.get(action) if isinstance(source.path, dict) else source.path
    return tuple([paths.keys(path) for path in ((choice,) if isinstance(choice, str) else choice or ())])


def _mapped_column(name: str, column: Column, table: Table) -> MappedColumn:
    column_type = _type(column)
    merge: Merge = "plain"
    if column.rule == "count":
        merge = "count"
    elif column.rule in ("min", "max") and column_type != "numeric":
        merge = column.rule
    elif column.rule in ("latest", "max"):
        # The newest occurred_at is the greatest one, so it needs no version beside it.
        merge = "max" if column.event == "occurred_at" else "newest"
    elif column.rule in ("earliest", "min"):
        merge = "min" if column.event == "occurred_at" else "oldest"
    return MappedColumn(
        name=name,
        type=column_type,
        merge=merge,
        description=column.description,
        ranked=column_type == "numeric" and column.rule in ("min", "max"),
        written=column.model_dump_json(exclude={"description", "was"}, exclude_none=True)
        + (f" {table.zone}" if table.of and column_type == "timestamp" else ""),
    )


def _type(column: Column) -> ColumnType:
    if column.rule == "count":
        return "integer"
    if column.type is not None:
        return column.type
    if column.event == "occurred_at":
        return "timestamp"
    constants = [*(column.by_action or {}).values(), column.constant]
    types = {constant_type(constant) for constant in constants if constant is not None}
    return types.pop() if types else "text"


def _source(source: Source, action: str, reader: values.Reader, stored: values.Reader) -> mapped.CellSource:
    if source.event is not None:
        return Field(source.event)
    if source.path is not None:
        found = _paths(source, action)
        return Path(found, reader, stored) if found else NOTHING
    constant = source.constant if source.by_action is None else source.by_action.get(action)
    return Constant(reader(constant), isinstance(constant, bool))
