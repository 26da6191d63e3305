"""Views in the database: made, replaced in place, dropped."""

import hashlib

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector.config import Config
from connector.mirror import rules, views
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted

# PostgreSQL: the view would lose a column, or one would get another name or type.
INVALID_TABLE_DEFINITION = "42P16"


def ensure(connection: Connection, config: Config, mapping: Mapping) -> None:
    """Make the views that are new or changed.

    One that did not change is left alone, so that nobody who reads it is waited for.
    """
    dialect = connection.dialect.name
    made, existing = rules.views(connection), set(inspect(connection).get_view_names())
    wanted = {name: (select, comment) for name, select, comment in views.statements(config, mapping, dialect)}
    new = {name: hashlib.sha256(repr(parts).encode()).hexdigest()[:32] for name, parts in wanted.items()}
    if made == new and set(new) <= existing:
        return
    for name in made.keys() - wanted.keys():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {quoted(name)}")
    for name, (select, comment) in wanted.items():
        if made.get(name) != new[name] or name not in existing:
            replaced = name in existing and _replaced(connection, name, select)
            for statement in statements(name, select, comment, dialect)[2 if replaced else 0 :]:
                _execute(connection, statement)
    rules.record_views(connection, new)


def statements(name: str, select: str, comment: str, dialect: str) -> list[str]:
    """DROP, CREATE, and on PostgreSQL COMMENT."""
    made = [f"DROP VIEW IF EXISTS {quoted(name)}", f"CREATE VIEW {quoted(name)} AS {select}"]
    if dialect == "postgresql" and comment:
        literal = comment.replace("'", "''")
        made.append(f"COMMENT ON VIEW {quoted(name)} IS '{literal}'")
    return made


def _replaced(connection: Connection, name: str, select: str) -> bool:
    """Replace a view in place where PostgreSQL can: its grants and what others built on it stay.

    SQLite has neither grants nor a statement for it.
    """
    if connection.dialect.name != "postgresql":
        return False
    try:
        with connection.begin_nested():
            _execute(connection, f"CREATE OR REPLACE VIEW {quoted(name)} AS {select}")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INVALID_TABLE_DEFINITION:
            raise
        return False
    return True


def _execute(connection: Connection, statement: str) -> None:
    on_postgresql = connection.dialect.name == "postgresql"
    connection.exec_driver_sql(statement.replace("%", "%%") if on_postgresql else statement)
