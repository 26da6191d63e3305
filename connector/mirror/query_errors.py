"""Why a query could not be run, and what to write instead.

The database says what is wrong (``Dialect.explain``); here that is compared with the names that exist.
"""

import difflib

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import ConnectorError, DatabaseDamaged, StartupError
from connector.mirror import dialects
from connector.mirror.dialects.fixes import IDENTIFIER, Unknown
from connector.mirror.remedies import driver_error

SHOWN_NAMES = 12
WHAT = {
    "table": "There is no table or view {}.",
    "column": "There is no column {}.",
    "function": "There is no function {}.",
}
SINGLE_QUOTES = "; text stands in single quotes: 'text'"


def explain(engine: Engine, sql: str, error: ConnectorError) -> ConnectorError:
    """The error with its fix where that lies in the query, else the error as it is."""
    original = driver_error(error)
    if isinstance(error, DatabaseDamaged) or original is None:
        return error
    found = dialects.of(engine).explain(original, sql)
    if isinstance(found, Unknown):
        return _explain(engine, found.kind, found.named) or found.otherwise or error
    return found or error


def _explain(engine: Engine, kind: str, named: str) -> StartupError | None:
    """What is not there, and the nearest that is; None where it is there, and something else is wrong."""
    found = IDENTIFIER.fullmatch(named)
    name = found[1].strip('"') if found else named
    if kind == "syntax":
        what = f"The query cannot be read near {name}." if name else "The query ends too early."
        return StartupError(what, "correct it there, or just before")
    known = _names(engine, kind)
    what = WHAT[kind].format(name)
    if name in known:
        there = StartupError(WHAT[kind].format(named), f"write {name}{known[name]}")
        return None if kind == "function" else there
    by_lower = {one.lower(): one for one in known}
    if near := difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.6):
        near = [by_lower[one] for one in near]
        return StartupError(what, f"write {' or '.join(one + known[one] for one in near)}")
    if kind == "function":
        return StartupError(what, f"take one that is there: {dialects.of(engine).functions}")
    if not known:
        return StartupError(what, "start a worker: it makes the tables (connector worker)")
    several = sorted(known)[:SHOWN_NAMES]
    fix = f"there are: {', '.join(several)}{', …' if len(known) > SHOWN_NAMES else ''}"
    return StartupError(what, fix + (SINGLE_QUOTES if kind == "column" else ""))


def _names(engine: Engine, kind: str) -> dict[str, str]:
    """Names of functions, of tables and views, or of their columns with whose they are."""
    try:
        if kind == "function":
            with engine.connect() as connection:
                listed = connection.exec_driver_sql(dialects.of(engine).functions)
                return dict.fromkeys(listed.scalars(), "")
        looked = inspect(engine)
        names = (*looked.get_table_names(), *looked.get_view_names())
        tables = [name for name in names if not name.startswith("_")]  # the store's are not for people
        if kind == "table":
            return dict.fromkeys(tables, "")
        found: dict[str, list[str]] = {}
        for table in tables:
            for column in looked.get_columns(table):
                found.setdefault(column["name"], []).append(table)
    except SQLAlchemyError:  # somebody's broken view, or the database has gone meanwhile
        return {}
    return {column: f" (of {', '.join(whose)})" for column, whose in found.items()}
