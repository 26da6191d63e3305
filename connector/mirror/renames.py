"""Columns that ``tables.yaml`` gives another name with ``was``: they keep their values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, inspect

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import broken_views, namespaces, rules
from connector.mirror.mapped import stored
from connector.mirror.statements import quoted
from connector.mirror.view_schema import TAKEN


class Rename(NamedTuple):
    """A column that has its former name in the database."""

    table: str
    former: str
    column: str


def pending(connection: Connection, config: Config) -> list[Rename]:
    """Columns that are still to be renamed; one that was renamed before, or is new, is none."""
    existing, found = set(inspect(connection).get_table_names()), []
    for table, settings in config.tables.items():
        wanted = [(column.was, name) for name, column in settings.columns.items() if column.was]
        if not wanted or stored(table) not in existing:
            continue
        held = _columns(connection, table)
        found += [Rename(table, was, name) for was, name in wanted if was in held and name not in held]
    return found


def rename(connection: Connection, renames: list[Rename]) -> None:
    """Rename columns, in their views on PostgreSQL too, where others may stand on these."""
    for one in renames:
        held = _columns(connection, one.table)
        refusal = f"The column {one.table}.{one.former} cannot be renamed to {one.column}"
        with broken_views.put_aside(connection), broken_views.named(refusal):
            for suffix in ("", "__version"):
                if one.former + suffix in held:
                    _rename(connection, "TABLE", quoted(stored(one.table)), one, suffix)
        if connection.dialect.name == "postgresql":
            view = namespaces.public(connection) + quoted(one.table)
            # If somebody else has the name, it is theirs.
            if rules.views(connection).get(one.table, TAKEN) != TAKEN:
                _rename(connection, "VIEW IF EXISTS", view, one, "")
        rules.rename(connection, one.table, one.former, one.column)


def adjusted(recorded: rules.Rules, renames: list[Rename]) -> rules.Rules:
    """The recorded rules as they are when columns were renamed."""
    names = {(one.table, one.former): (one.table, one.column) for one in renames}
    return {names.get(key, key): rule for key, rule in recorded.items()}


@contextmanager
def readers_asked(connection: Connection, renames: list[Rename]) -> Iterator[None]:
    """Have SQLite refuse a rename that a reader's view does not survive; PostgreSQL's views follow it."""
    before = broken_views.working(connection) if renames else set()
    yield
    if renames and (broken := sorted(before - broken_views.working(connection) - {*rules.views(connection)})):
        one = renames[0]
        raise StartupError(
            f"The column {one.table}.{one.former} cannot be renamed to {one.column}, because views were "
            f"built on it: {', '.join(broken)}.",
            "drop these views (DROP VIEW), start again, and make them with the new name",
        )


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(stored(table))}


def _rename(connection: Connection, kind: str, name: str, one: Rename, suffix: str) -> None:
    former, column = quoted(one.former + suffix), quoted(one.column + suffix)
    connection.exec_driver_sql(f"ALTER {kind} {name} RENAME COLUMN {former} TO {column}")
