"""How the tables in the database differ from how they should be, and what is done about it.

Anybody with the rights may have dropped or changed something by hand. What the ledger can fill is made
again; anything else is refused, with the fix.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import Column, Connection, Table, inspect

from connector.config import SHOP_COLUMN, Config
from connector.errors import StartupError
from connector.mirror import dialects, indexes, relations
from connector.mirror.dialects.base_catalogue import Key
from connector.mirror.mapped import logical
from connector.mirror.models import OWN
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)

RESTORE = (
    "restore it from a backup, or start with an empty database: it is filled from Kafka, as far as "
    "that reaches back"
)


@dataclass(slots=True)
class Shape:
    """The differences of one table from how it should be."""

    missing: bool = False
    columns: list[str] = field(default_factory=list)  # missing
    types: dict[str, tuple[str, str]] = field(default_factory=dict)  # as it is, as it should be
    loose: list[str] = field(default_factory=list)  # lost their NOT NULL
    tight: list[str] = field(default_factory=list)  # refuse a row that the connector writes
    computed: list[str] = field(default_factory=list)  # take no value, because the database gives it
    key: tuple[list[str], list[str]] | None = None  # as it is, as it should be
    indexes: list[str] = field(default_factory=list)  # missing
    # PostgreSQL's rewrite rules, with which there is no ON CONFLICT: their definitions by name.
    rules: dict[str, str] = field(default_factory=dict)

    @property
    def gains_shop(self) -> bool:
        """Whether the table lacks only the shop in its key (``Mirror.key_by_shop`` was switched on)."""
        return (
            self.key is not None
            and SHOP_COLUMN in self.columns
            and {*self.key[0], SHOP_COLUMN} == {*self.key[1]}
        )

    @property
    def loses_shop(self) -> bool:
        """Whether the key differs in nothing but the shop, which it has and should not."""
        return self.key is not None and {*self.key[1], SHOP_COLUMN} == {*self.key[0]}

    @property
    def besides_shop(self) -> "Shape":
        """What else is not as it should be, where the shop is put into the key."""
        return replace(self, key=None, columns=[name for name in self.columns if name != SHOP_COLUMN])

    @property
    def refilled(self) -> set[str]:
        """Columns that are filled when they are as they should be again."""
        return {*self.columns, *self.types, *self.loose}

    def faults(self, table: str) -> Iterator[str]:
        """A sentence for each difference."""
        if self.missing:
            yield f"the table {table} is missing"
        if self.key:
            key, expected_key = self.key
            yield f"the key of the table {table} is {key} in the database and {expected_key} by tables.yaml"
        yield from (f"the column {name} of the table {table} is missing" for name in self.columns)
        for name, (found, expected) in self.types.items():
            yield (
                f"the column {name} of the table {table} is {found} in the database "
                f"and {expected} by tables.yaml"
            )
        yield from (f"the column {name} of the table {table} takes nulls" for name in self.loose)
        yield from (f"the column {name} of the table {table} refuses rows without it" for name in self.tight)
        yield from (
            f"the column {name} of the table {table} is computed by the database" for name in self.computed
        )
        yield from (f"the index {name} of the table {table} is missing" for name in self.indexes)
        yield from (
            f"the rule {name} on the table {table} stops what the connector writes" for name in self.rules
        )


def of(connection: Connection, tables: Tables) -> dict[str, Shape]:
    """What differs, by table; only tables with a difference."""
    inspector = inspect(connection)
    names = list(tables.metadata.tables)
    existing = set(inspector.get_table_names())
    columns = inspector.get_multi_columns(filter_names=names)
    keys = inspector.get_multi_pk_constraint(filter_names=names)
    existing_indexes = indexes.found(connection, names)
    if not dialects.of(connection).keeps_case:
        # Names are put in lower case where those that differ only in case are equal.
        for column in chain.from_iterable(columns.values()):
            column["name"] = column["name"].lower()
        for one in keys.values():
            one["constrained_columns"] = [name.lower() for name in one["constrained_columns"]]
    by_hand = dialects.catalogue(connection).rewrite_rules()
    found = {}
    for table in tables.metadata.sorted_tables:
        at = (None, table.name)
        shape = Shape(missing=True)
        if table.name in existing:
            key = keys[at]["constrained_columns"]
            shape = _compare(connection, table, columns[at], key, existing_indexes[table.name])
            shape.rules = by_hand.get(table.name, {})
        if shape != Shape():
            found[table.name] = shape
    return found


def absent(shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Table and name of each missing column; the name is empty where the whole table is missing."""
    return [
        (table, column)
        for table, shape in shapes.items()
        for column in ([""] if shape.missing else shape.columns)
    ]


def _compare(
    connection: Connection, table: Table, given: Any, key: Collection[str], found_indexes: Any
) -> Shape:
    shape = Shape()
    columns = {column["name"]: column for column in given}
    for column in table.columns:
        if column.name not in columns:
            shape.columns.append(column.name)
            continue
        types = (_type_name(columns[column.name]["type"], connection), _type_name(column.type, connection))
        if types[0] != types[1]:
            shape.types[column.name] = types
        if columns[column.name]["nullable"] and not column.nullable:
            shape.loose.append(column.name)
        if column.nullable and not columns[column.name]["nullable"]:
            shape.tight.append(column.name)
        if columns[column.name].get("computed"):
            shape.computed.append(column.name)
    spared = ("default", "computed", "identity")  # what gives a row its value
    shape.tight += [
        name
        for name, one in columns.items()
        if name not in table.columns and not one["nullable"] and not any(map(one.get, spared))
    ]
    expected_key = [column.name for column in table.primary_key]
    if set(key) != set(expected_key):
        shape.key = (sorted(key), sorted(expected_key))
    for index in table.indexes:
        if not indexes.stands(index, found_indexes):
            shape.indexes.append(str(index.name))
    return shape


def _type_name(type_: Any, connection: Connection) -> str:
    # Collations aside, on which no statement relies.
    name = str(type_.compile(dialect=connection.dialect)).partition(" COLLATE ")[0]
    # SQLAlchemy has no name for SQLite's ANY and calls it so.
    return "ANY" if dialects.of(connection).numeric_is_any and name == "NUMERIC" else name


class Restoration:
    """What is done about the differences of a table.

    ``changed`` are columns that ``tables.yaml`` changed, the empty name for the key.
    """

    def __init__(
        self, connection: Connection, table: Table, shape: Shape, changed: Collection[str], config: Config
    ) -> None:
        self._connection, self._table, self._shape = connection, table, shape
        self._changed, self._config = changed, config
        self._name = quoted(table.name)

    def act(self) -> set[str] | None:
        """Make a table as it should be; gives its columns that must be filled, None for whole rows.

        What is ``changed`` is refused, and so is what the ledger cannot fill, with ``StartupError``.
        ``indexes.make_missing`` makes indexes, last.
        """
        self.refuse()
        connection, table, shape, name = self._connection, self._table, self._shape, self._name
        called = logical(table.name)
        if gained := shape.gains_shop:
            # The rows stay until others are filled from the ledger, so that readers never see none.
            key = Key(SHOP_COLUMN, table.columns[SHOP_COLUMN].comment, usual="", first=True)
            dialects.catalogue(connection).add_to_key(table.name, key)
            shape = shape.besides_shop
        for rule, definition in shape.rules.items():
            # Disabled it would still forbid ON CONFLICT.
            log.warning("a rule was dropped, because it stopped every write", table=called, rule=definition)
            connection.exec_driver_sql(f"DROP RULE {quoted(rule)} ON {name}")
        for column in shape.tight:
            log.warning("a NOT NULL was dropped, because it stopped every write", table=called, column=column)
            connection.exec_driver_sql(f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} DROP NOT NULL")
        if shape.key and table.name not in OWN:
            connection.exec_driver_sql(f"DELETE FROM {name}")
        for column in shape.columns:
            self._add(table.columns[column])
        for column in shape.types:
            self._change_type(table.columns[column])
        if dialects.of(connection).alters:
            for column in shape.loose:
                value = self._neutral(table.columns[column])
                connection.exec_driver_sql(
                    f"UPDATE {name} SET {quoted(column)} = {value} WHERE {quoted(column)} IS NULL"
                )
                connection.exec_driver_sql(f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET NOT NULL")
        if shape.key:
            self._set_key(shape.key[1])
        return None if shape.key or gained else shape.refilled

    def refuse(self) -> None:
        """Refuse what ``act`` cannot do; changes nothing. Raises ``StartupError``."""
        connection, table, shape = self._connection, self._table, self._shape
        called = logical(table.name)
        if shape.gains_shop:
            relations.refuse_used_key(connection, table.name)
            shape = shape.besides_shop
        own, fixed = table.name in OWN, not dialects.of(connection).alters
        if own and (shape.columns or shape.types):
            raise StartupError(f"{next(shape.faults(called)).capitalize()}.", RESTORE)
        refused = Shape(
            types={name: types for name, types in shape.types.items() if fixed or name in self._changed},
            loose=shape.loose if fixed else [],
            tight=[name for name in shape.tight if fixed and name in table.columns],
            key=shape.key if fixed or "" in self._changed else None,
        )
        if fault := next(refused.faults(called), None):
            at = ("columns", next(iter(refused.types))) if refused.types and not refused.key else ("key",)
            where = self._config.where("tables", called, *at)
            raise StartupError(f"{where}: {fault}.", relations.drop_fix(connection, table.name))
        if shape.computed:
            raise StartupError(
                f"The column {shape.computed[0]} of the table {called} is computed by the database, "
                "and it is the connector's to write.",
                f"run: ALTER TABLE {self._name} DROP COLUMN {quoted(shape.computed[0])}; "
                "the next start makes it again and fills it from the ledger",
            )
        if fixed and shape.tight:
            raise StartupError(
                f"The column {shape.tight[0]} of the table {called} is not the connector's, "
                "and refuses every row that the connector writes.",
                f"run: ALTER TABLE {self._name} DROP COLUMN {quoted(shape.tight[0])}",
            )

    def _add(self, column: Column[Any]) -> None:
        dialect: Any = self._connection.dialect
        added = dialect.ddl_compiler(dialect, None).get_column_specification(column)
        if not column.nullable and column.server_default is None:
            added += f" DEFAULT {self._neutral(column)}"
        self._connection.exec_driver_sql(f"ALTER TABLE {self._name} ADD COLUMN {added}")

    def _change_type(self, column: Column[Any]) -> None:
        name = column.name
        type_ = column.type.compile(dialect=self._connection.dialect)
        value = "NULL" if column.nullable else self._neutral(column)
        if column.primary_key:  # else all rows would have one key until they are filled
            value = f"CAST(CAST({quoted(name)} AS TEXT) AS {type_.partition(' COLLATE ')[0]})"
        change = f"ALTER COLUMN {quoted(name)}"
        default = (
            f", {change} SET DEFAULT {self._neutral(column)}" if column.server_default is not None else ""
        )
        with dialects.catalogue(self._connection).dependents_named(
            f"The column {name} of the table {logical(self._table.name)} cannot be made {type_} again"
        ):
            self._connection.exec_driver_sql(
                f"ALTER TABLE {self._name} {change} DROP DEFAULT, "
                f"{change} TYPE {type_} USING {value}{default}"
            )

    def _set_key(self, key: list[str]) -> None:
        name_of_key = inspect(self._connection).get_pk_constraint(self._table.name)["name"]
        columns = ", ".join(quoted(column.name) for column in self._table.primary_key)
        if name_of_key:
            refusal = f"The key of the table {logical(self._table.name)} cannot be made {key} again"
            with dialects.catalogue(self._connection).dependents_named(refusal):
                self._connection.exec_driver_sql(
                    f"ALTER TABLE {self._name} DROP CONSTRAINT {quoted(name_of_key)}"
                )
        # Without a name, because the usual one may be taken.
        self._connection.exec_driver_sql(f"ALTER TABLE {self._name} ADD PRIMARY KEY ({columns})")

    def _neutral(self, column: Column[Any]) -> str:
        """A literal that a column without nulls takes until it is filled."""
        type_ = str(column.type.compile(dialect=self._connection.dialect))
        return "'epoch'" if type_.startswith("TIMESTAMP") else "''" if type_.startswith("TEXT") else "0"
