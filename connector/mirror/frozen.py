"""What ``tables.yaml`` no longer has and the database keeps: columns and tables with their old values."""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, inspect
from typing_extensions import override

from connector.config import Config
from connector.mirror import renames, rules, shown, steps
from connector.mirror.database import transaction
from connector.mirror.mapped import logical, stored
from connector.mirror.mapping import Mapping
from connector.mirror.tables import Tables

FIX = "put it back into tables.yaml, or drop it: connector schema apply --prune"


class Frozen(NamedTuple):
    """A column, or a whole table where ``column`` is empty; ``is_new`` until a worker or apply ran."""

    table: str
    column: str
    is_new: bool

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table

    @override
    def __str__(self) -> str:
        kind = "column" if self.column else "table"
        what = f"the {kind} {self.name} is no longer in tables.yaml"
        return f"{what}: it keeps its old values and gets no new ones"


def standing(engine: Engine, config: Config, tables: Tables | None = None) -> list[Frozen]:
    """As ``of``, apart from what is to be renamed; nothing where the store is of another layout.

    ``tables`` are those of the configuration, for a caller that has them.
    Raises ``DatabaseOutage``, and ``StartupError`` for a rename that cannot be.
    """
    with transaction(engine) as connection:
        if steps.refuse_newer(connection) != steps.NEWEST:
            return []
        renamed = renames.pending(connection, config)
        if renamed or tables is None:
            tables = Tables(Mapping(renamed.undone(config)))
        return of(connection, tables)


def of(connection: Connection, tables: Tables) -> list[Frozen]:
    """What is frozen, sorted; of the columns those that a reader sees."""
    recorded = rules.recorded(connection)
    existing = set(inspect(connection).get_table_names())
    known = {table for table, _ in recorded if table not in ("", rules.MAPPING[0])}
    gone = {table for table in known if stored(table) in existing - tables.metadata.tables.keys()}
    found = [Frozen(table, "", recorded.get((table, "")) != rules.REMOVED) for table in gone]
    for store, columns in shown.removed_columns(connection, tables).items():
        table = logical(store)
        names = [one["name"] for one in columns if not one["name"].endswith("__version")]
        found += [Frozen(table, name, (table, name) in recorded) for name in names]
    return sorted(found)
