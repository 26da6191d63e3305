"""Views in the database: made, replaced in place, dropped.

What readers built on a view, and what they were granted on it, stays. On PostgreSQL a view is
replaced by ``CREATE OR REPLACE VIEW``, with new columns last; where that cannot be, it is dropped and
made again with its grants, unless something depends on it. A view that did not change is left alone,
so that nobody who reads it is waited for.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import grants, rules, views
from connector.mirror.mapping import Mapping
from connector.mirror.rebuild import dependents_named
from connector.mirror.statements import quoted

log = structlog.get_logger(__name__)

# PostgreSQL: the view would lose a column, or one would get another name or type.
INVALID_TABLE_DEFINITION = "42P16"
# The rule of a view whose name is taken.
TAKEN = "taken"
ON_POSTGRESQL = """
    SELECT relname, relkind = 'v', CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) ELSE '' END
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace
"""
ON_SQLITE = "SELECT lower(name), type = 'view', coalesce(sql, '') FROM sqlite_master WHERE type <> 'trigger'"


@dataclass(frozen=True, slots=True)
class Found:
    """What has a view's name in the database; ``definition`` is a digest."""

    is_view: bool
    definition: str


def ensure(connection: Connection, config: Config, mapping: Mapping) -> None:
    """Make the views that are new, changed, or not as they were made.

    Raises ``StartupError`` where a view would lose a column that others built on.
    """
    dialect = connection.dialect.name
    made = rules.views(connection)
    wanted = {name: (select, comment) for name, select, comment in views.statements(config, mapping, dialect)}
    found = _found(connection, made.keys() | wanted.keys())
    new = {name: made[name] for name in made.keys() - wanted.keys() if not _drop(connection, name, made)}
    for name, (select, comment) in wanted.items():
        here = found.get(name)
        # Made by hand from the text of ``connector schema``, there is no record of any.
        ours = here is None or (here.is_view and (not made or made.get(name, TAKEN) != TAKEN))
        if not ours:
            new[name] = TAKEN
            log.error("a view was not made, because its name is taken", **_fix(name))
            continue
        text, noted = _digest(select), _digest(comment)
        if here is None or made.get(name) != f"{text} {noted} {here.definition}":
            with _own_select(config, name):
                if dialect == "sqlite":
                    _columns(connection, select)  # there a view's text is read when it is asked
                _make(connection, name, select, replace=here is not None)
            if comment and dialect == "postgresql" and (here is None or noted not in made.get(name, "")):
                _execute(connection, comment_statement(name, comment))
            here = _found(connection, [name])[name]
        new[name] = f"{text} {noted} {here.definition}"
    if new != made:
        rules.record_views(connection, new)


@contextmanager
def _own_select(config: Config, name: str) -> Iterator[None]:
    """Say where a select of the user's own stands that the database does not take."""
    try:
        yield
    except DBAPIError as error:
        if name not in config.views or config.views[name].select is None:
            raise
        reason = str(error.orig).strip().partition("\n")[0]
        where = config.where("views", name, "select")
        fix = "correct the select in tables.yaml; connector check tries it without a start"
        raise StartupError(f"{where}: the view {name} cannot be made: {reason}.", fix) from error


def faults(connection: Connection) -> Iterator[str]:
    """A sentence for each view that is not as it was made."""
    made = rules.views(connection)
    found = _found(connection, made)
    for name, rule in sorted(made.items()):
        if rule == TAKEN and name in found:
            yield f"the view {name} was not made, because its name is taken: {_fix(name)['fix']}"
        elif name not in found:
            yield f"the view {name} is missing"
        elif found[name].definition != rule.rpartition(" ")[2]:
            yield f"the view {name} is not as the connector made it"


def statements(name: str, select: str, comment: str, dialect: str) -> list[str]:
    """DROP, CREATE, and on PostgreSQL COMMENT."""
    made = [f"DROP VIEW IF EXISTS {quoted(name)}", f"CREATE VIEW {quoted(name)} AS {select}"]
    if dialect == "postgresql" and comment:
        made.append(comment_statement(name, comment))
    return made


def comment_statement(name: str, comment: str) -> str:
    """COMMENT of a view, as PostgreSQL takes it."""
    literal = comment.replace("'", "''")
    return f"COMMENT ON VIEW {quoted(name)} IS '{literal}'"


def _fix(name: str) -> dict[str, str]:
    return {
        "view": name,
        "fix": f"rename the table or view {name} that is there, or the view in tables.yaml; start the worker",
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _found(connection: Connection, names: Collection[str]) -> dict[str, Found]:
    on_postgresql = connection.dialect.name == "postgresql"
    name = "relname" if on_postgresql else "lower(name)"
    marks = ", ".join(["%s" if on_postgresql else "?"] * len(names)) or "NULL"
    query = f"{ON_POSTGRESQL if on_postgresql else ON_SQLITE} AND {name} IN ({marks})"
    rows = connection.exec_driver_sql(query, tuple(names)).fetchall()
    return {row[0]: Found(bool(row[1]), _digest(row[2])) for row in rows}


def _drop(connection: Connection, name: str, made: dict[str, str]) -> bool:
    """Drop a view that is no longer wanted, unless its name is taken or somebody built on it."""
    if made[name] == TAKEN:
        return True
    try:
        with connection.begin_nested(), dependents_named(f"The view {name} is kept"):
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {quoted(name)}")
    except StartupError as kept:
        log.warning("a view that is no longer in tables.yaml was not dropped", view=name, why=kept.what)
        return False
    return True


def _make(connection: Connection, name: str, select: str, *, replace: bool) -> None:
    create = f"CREATE VIEW {quoted(name)} AS {select}"
    if connection.dialect.name == "sqlite":
        _make_on_sqlite(connection, name, create)
        return
    if not replace:
        _execute(connection, create)
        return
    kept = grants.of_view(connection, name)
    try:
        with connection.begin_nested():
            _execute(
                connection, f"CREATE OR REPLACE VIEW {quoted(name)} AS {_in_place(connection, name, select)}"
            )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INVALID_TABLE_DEFINITION:
            raise
    else:
        _execute(connection, *kept.options)
        return
    with dependents_named(f"The view {name} cannot be changed as tables.yaml says"):
        connection.exec_driver_sql(f"DROP VIEW {quoted(name)}")
    _execute(connection, create)
    _execute(connection, *grants.of_view(connection, name).revokes, *kept.options, *kept.rights)
    columns = _columns(connection, f"SELECT * FROM {quoted(name)}")
    _execute(connection, *(one for column in columns for one in kept.of_columns.get(column, ())))


def _make_on_sqlite(connection: Connection, name: str, create: str) -> None:
    """There nothing can be replaced; a trigger that somebody put on a view goes with it, and comes back."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    triggers = [row[0] for row in connection.exec_driver_sql(query, (name,)).fetchall()]
    _execute(connection, f"DROP VIEW IF EXISTS {quoted(name)}", create, *triggers)


def _in_place(connection: Connection, name: str, select: str) -> str:
    """The SELECT with the columns that the view has in their places, and new ones last."""
    held = _columns(connection, f"SELECT * FROM {quoted(name)}")
    new = _columns(connection, select)
    if new[: len(held)] == held or not set(held) <= set(new):
        return select
    ordered = [*held, *(column for column in new if column not in held)]
    return f"SELECT {', '.join(map(quoted, ordered))} FROM ({select}\n) AS made"


def _columns(connection: Connection, select: str) -> list[str]:
    query = f"SELECT * FROM ({select}\n) AS made LIMIT 0"
    if connection.dialect.name == "postgresql":
        query = query.replace("%", "%%")
    return list(connection.exec_driver_sql(query).keys())


def _execute(connection: Connection, *statements: str) -> None:
    on_postgresql = connection.dialect.name == "postgresql"
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%") if on_postgresql else statement)
