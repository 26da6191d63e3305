"""Why a query could not be run, and what to write instead.

The kind of an error is told by its code. PostgreSQL's words come in the server's language, so names are
taken from the query, at the position that the error gives; SQLite has words alone.
"""

import difflib
import re
import sqlite3
from collections.abc import Iterable

import psycopg
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import ConnectorError, StartupError
from connector.mirror.remedies import driver_error

IDENTIFIER = re.compile(r'(?:(?:"(?:[^"]|"")*"|\w+)\s*\.\s*)*("(?:[^"]|"")*"|\w+)')
SQLITE_WORDS = {
    "table": re.compile(r"no such table: (.+)", re.DOTALL),
    "column": re.compile(r"no such column: (.+?)(?: - should this be .*)?$", re.DOTALL),
    "function": re.compile(r"no such function: (.+)", re.DOTALL),
    "syntax": re.compile(r'near "(.*)": syntax error|unrecognized token: "(.*)"|incomplete input', re.DOTALL),
}
POSTGRESQL_STATES = {"42P01": "table", "42703": "column", "42601": "syntax"}
SHOWN_NAMES = 12
WHAT = {
    "table": "There is no table or view {}.",
    "column": "There is no column {}.",
    "function": "There is no function {}.",
}
SINGLE_QUOTES = "; text stands in single quotes: 'text'"
OTHER_FIXES = {
    "42P02": "write the value itself: connector query takes no parameters",
    "42702": "say whose it is: TABLE.COLUMN",
    "42803": "name the column in GROUP BY, or take one value of it, such as max(…)",
    "25006": "connector query reads only; to write, use the database's own client",
    "22012": "leave out the rows that divide by zero, with: / NULLIF(…, 0)",
}


def explain(engine: Engine, sql: str, error: ConnectorError) -> ConnectorError:
    """The error with its fix where that lies in the query, else the error as it is."""
    original = driver_error(error)
    if isinstance(original, sqlite3.Error):
        return _explain_sqlite(engine, original) or error
    if isinstance(original, psycopg.Error):
        return _explain_postgresql(engine, sql, original) or error
    return error


def _explain_sqlite(engine: Engine, error: sqlite3.Error) -> ConnectorError | None:
    said, code = str(error), getattr(error, "sqlite_errorname", "") or ""
    if "one statement at a time" in said:
        return StartupError("connector query runs one query.", "give the others each a command of its own")
    if code == "SQLITE_READONLY":
        return StartupError("That would change the mirror.", OTHER_FIXES["25006"])
    if code != "SQLITE_ERROR":
        return None
    for kind, words in SQLITE_WORDS.items():
        if found := words.match(said):
            return _explain(engine, kind, next((name for name in found.groups() if name), ""))
    fixes = {"ambiguous column name": OTHER_FIXES["42702"], "readonly": OTHER_FIXES["25006"]}
    fix = next((fix for words, fix in fixes.items() if words in said), "correct the query there")
    return StartupError(f"SQLite: {said}.", fix)


def _explain_postgresql(engine: Engine, sql: str, error: psycopg.Error) -> ConnectorError | None:
    state, said = error.sqlstate or "", error.diag.message_primary or ""
    if state == "42601" and "prepared statement" in said and ";" in sql:
        return StartupError("connector query runs one query.", "give the others each a command of its own")
    if kind := POSTGRESQL_STATES.get(state):
        position = int(error.diag.statement_position or 0)
        at = sql[position - 1 :] if position else ""
        found = IDENTIFIER.match(at)
        named = found[1] if found else at.strip()[:1]
        return _explain(engine, kind, named)
    if (state[:2] in {"22", "42"} and state != "42501") or state in OTHER_FIXES:
        fix = OTHER_FIXES.get(state) or error.diag.message_hint or "correct the query there"
        return StartupError(f"PostgreSQL: {said} ({state}).", fix)
    return None


def _explain(engine: Engine, kind: str, named: str) -> StartupError:
    # Of a qualified name the last part, without its quotes.
    quoted = named.rpartition(".")[2] if '"' not in named else named
    name = quoted.strip('"')
    if kind == "syntax":
        what = f"The query cannot be read near {name}." if name else "The query ends too early."
        return StartupError(what, "correct it there, or just before")
    known = _functions(engine) if kind == "function" else _names(engine, kind)
    near = _nearest(name, known)
    what = WHAT[kind].format(name)
    if near:
        return StartupError(what, f"write {' or '.join(one + known[one] for one in near)}")
    if kind == "function":
        return StartupError(what, "take one that is there: SELECT DISTINCT name FROM pragma_function_list")
    if not known:
        return StartupError(what, "start a worker: it makes the tables (connector worker)")
    several = sorted(known)[:SHOWN_NAMES]
    fix = f"there are: {', '.join(several)}{', …' if len(known) > SHOWN_NAMES else ''}"
    return StartupError(what, fix + (SINGLE_QUOTES if kind == "column" else ""))


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    by_lower = {one.lower(): one for one in known}
    return [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.6)]


def _names(engine: Engine, kind: str) -> dict[str, str]:
    """Names of tables and views, or of their columns with whose they are."""
    try:
        looked = inspect(engine)
        tables = [*looked.get_table_names(), *looked.get_view_names()]
        if kind == "table":
            return dict.fromkeys(tables, "")
        found: dict[str, list[str]] = {}
        for table in tables:
            for column in looked.get_columns(table):
                found.setdefault(column["name"], []).append(table)
    except SQLAlchemyError:  # somebody's broken view, or the database has gone meanwhile
        return {}
    return {column: f" (of {', '.join(whose)})" for column, whose in found.items()}


def _functions(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT name FROM pragma_function_list").scalars()
        return dict.fromkeys(names, "")
