"""Which rule filled what: the table ``mirror_rules``, so that a change of the YAML can be seen.

Keys are (table, column): a column's rule; with an empty column, what decides which rows a table has;
with an empty table, a view's text; with both empty, the fingerprint of the whole; and with the name of
this table itself, the mapping as it was written.
"""

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, inspect, select, update
from sqlmodel import col

from connector.errors import StartupError
from connector.mirror import steps
from connector.mirror.mapped import MappedColumn, MappedTable
from connector.mirror.mapping import Mapping
from connector.mirror.models import MirrorRule

REMOVED = "removed"
# The rule of a view whose name is taken.
TAKEN = "taken"
MAPPING = ("mirror_rules", "")
# The fingerprint of the mapping that was recorded last.
FINGERPRINT = "SELECT rule FROM _mirror_rules WHERE table_name = '' AND column_name = ''"
Rules = dict[tuple[str, str], str]
APPLY = "run connector schema apply, or start a worker with this configuration: it makes and fills the tables"


def fingerprint(mapping: Mapping) -> str:
    """What the mirror's content and its writers depend on: the mapping's rules, and the layout."""
    rules = [f"{table}.{column} {rule}" for (table, column), rule in sorted(of_mapping(mapping).items())]
    text = "\n".join([f"layout {steps.NEWEST}", *rules])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def of_mapping(mapping: Mapping) -> Rules:
    """The rules of every table and column."""
    rules: Rules = {}
    for table in mapping.tables:
        rules[table.name, ""] = table.written
        rules |= {(table.name, column.name): column.rule for column in table.columns}
    return rules


def recorded(connection: Connection) -> Rules:
    """The rules that filled the database's tables; empty where no worker has run yet."""
    if MirrorRule.__tablename__ not in inspect(connection).get_table_names():
        return {}
    return {(table, column): rule for table, column, rule in connection.execute(select(MirrorRule.__table__))}


def changed_rules(table: str, recorded: Rules, mapping: Mapping) -> set[str]:
    """Columns of a table whose rule is not the recorded one; the empty name stands for its rows."""
    expected = of_mapping(mapping)
    return {
        column
        for (name, column), rule in expected.items()
        if name == table and recorded.get((name, column)) != rule
    }


def changed_columns(table: MappedTable, recorded: Rules) -> list[MappedColumn] | None:
    """Columns whose rule differs from the one that filled them; None when all rows may differ."""
    if recorded.get((table.name, "")) != table.written:
        return None
    changed = [column for column in table.columns if recorded.get((table.name, column.name)) != column.rule]
    # A column that is required decides which rows there are.
    required = [table.columns[place] for place in table.requires]
    return None if any(column in required for column in changed) else changed


def require(connection: Connection, of: str) -> None:
    """Raise ``StartupError`` unless the mapping with this fingerprint made the tables."""
    if recorded(connection).get(("", "")) != of:
        raise StartupError("The mirror's tables were made by another tables.yaml or sources.yaml.", APPLY)


def stands(recorded: Rules, mapping: Mapping) -> bool:
    """Whether this mapping is the one that wrote last, indexes and descriptions included."""
    return recorded.get(("", "")) == fingerprint(mapping) and recorded.get(MAPPING) == mapping.written


def record(connection: Connection, mapping: Mapping, recorded: Rules) -> None:
    """Note the rules of a mapping as those that filled the tables; ``recorded`` are those before."""
    rules = {**of_mapping(mapping), ("", ""): fingerprint(mapping), MAPPING: mapping.written}
    # A table that was taken out of tables.yaml is still known as the connector's; when it comes back,
    # its rule differs and it is filled again.
    removed = {(table, ""): REMOVED for table, _ in recorded if table and (table, "") not in rules}
    all_but_views = (col(MirrorRule.table_name) != "") | (col(MirrorRule.column_name) == "")
    connection.execute(delete(MirrorRule).where(all_but_views))
    _insert(connection, {**rules, **removed})


def forget(connection: Connection, table: str, columns: Collection[str] | None) -> None:
    """Note that columns, or all rows where None, are not filled, whatever happens until they are."""
    of_table = update(MirrorRule).where(col(MirrorRule.table_name) == table)
    which = col(MirrorRule.column_name).in_([""] if columns is None else columns)
    connection.execute(of_table.where(which).values(rule=REMOVED))


def note_filled(connection: Connection, table: MappedTable) -> None:
    """Note that all rows of a table are as its rules say, which reverses ``forget``."""
    filled = {"": table.written, **{column.name: column.rule for column in table.columns}}
    for column, rule in filled.items():
        which = (col(MirrorRule.table_name) == table.name, col(MirrorRule.column_name) == column)
        connection.execute(update(MirrorRule).where(*which).values(rule=rule))


def views(recorded: Rules) -> dict[str, str]:
    """The rule of every view that was made, by name."""
    return {column: rule for (table, column), rule in recorded.items() if column and not table}


def record_views(connection: Connection, views: dict[str, str]) -> None:
    """Note the rules of the views that were made."""
    of_views = (col(MirrorRule.table_name) == "") & (col(MirrorRule.column_name) != "")
    connection.execute(delete(MirrorRule).where(of_views))
    _insert(connection, {("", name): rule for name, rule in views.items()})


def erase(connection: Connection, table: str) -> None:
    """Delete the rules of a table that was dropped."""
    connection.execute(delete(MirrorRule).where(col(MirrorRule.table_name) == table))


def replace(connection: Connection, rules: Rules) -> None:
    """Replace all recorded rules by these."""
    connection.execute(delete(MirrorRule))
    _insert(connection, rules)


def _insert(connection: Connection, rules: Rules) -> None:
    if rules:
        rows = [{"table_name": key[0], "column_name": key[1], "rule": rule} for key, rule in rules.items()]
        connection.execute(insert(MirrorRule), rows)
