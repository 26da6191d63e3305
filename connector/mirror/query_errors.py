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

from connector.errors import ConnectorError, DatabaseDamaged, StartupError
from connector.mirror.remedies import SQLITE_CODES, SQLSTATES, driver_error

IDENTIFIER = re.compile(r'(?:(?:"(?:[^"]|"")*"|\w+)\s*\.\s*)*("(?:[^"]|"")*"|\w+)')
SQLITE_WORDS = {
    "table": re.compile(r"no such table: (.+)", re.DOTALL),
    "column": re.compile(r"no such column: (.+?)(?: - should this be .*)?$", re.DOTALL),
    "function": re.compile(r"no such function: (.+)", re.DOTALL),
    "syntax": re.compile(r'near "(.*)": syntax error|unrecognized token: "(.*)"|incomplete input', re.DOTALL),
}
# Codes of what lies in the query; Python's own refusals have none.
SQLITE_QUERY = ("SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "")
POSTGRESQL_STATES = {"42P01": "table", "42703": "column", "42601": "syntax", "42883": "function"}
# SQLSTATE classes that tell of the server or the session; all others are about the query.
NOT_THE_QUERY = frozenset(("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX"))
SHOWN_NAMES = 12
CORRECT_IT = "correct the query there"
WHAT = {
    "table": "There is no table or view {}.",
    "column": "There is no column {}.",
    "function": "There is no function {}.",
}
# PostgreSQL's function that found no relation, where the name is that of no table in FROM.
NOT_IN_FROM = "errorMissingRTE"
QUOTED = re.compile(r"'((?:[^']|'')*)'")
PARAMETERS = "write the value itself: connector query takes no parameters"
SINGLE_QUOTES = "; text stands in single quotes: 'text'"
FUNCTIONS = {
    "postgresql": "SELECT DISTINCT proname FROM pg_proc",
    "sqlite": "SELECT DISTINCT name FROM pragma_function_list",
}
OTHER_FIXES = {
    "42P02": PARAMETERS,
    "08P01": PARAMETERS,
    "42702": "say whose it is: TABLE.COLUMN",
    "42803": "name the column in GROUP BY, or take one value of it, such as max(…)",
    "25006": "connector query reads only; to write, use the database's own client",
    "21000": "take one row of the subquery: LIMIT 1, or max(…)",
    "22012": "leave out the rows that divide by zero, with: / NULLIF(…, 0)",
}
SQLITE_ANSWERS = {
    "one statement at a time": (
        "connector query runs one query.",
        "give the others each a command of its own",
    ),
    "number of bindings": ("The query has parameters.", PARAMETERS),
}


def explain(engine: Engine, sql: str, error: ConnectorError) -> ConnectorError:
    """The error with its fix where that lies in the query, else the error as it is."""
    original = driver_error(error)
    if isinstance(error, DatabaseDamaged):
        return error
    if isinstance(original, sqlite3.Error):
        return _explain_sqlite(engine, original) or error
    if isinstance(original, psycopg.Error):
        return _explain_postgresql(engine, sql, original) or error
    return error


def _explain_sqlite(engine: Engine, error: sqlite3.Error) -> ConnectorError | None:
    said, code = str(error), getattr(error, "sqlite_errorname", "") or ""
    if answer := next((answer for words, answer in SQLITE_ANSWERS.items() if words in said), None):
        return StartupError(*answer)
    if code == "SQLITE_READONLY":
        return StartupError("That would change the mirror.", OTHER_FIXES["25006"])
    if code not in SQLITE_QUERY:
        return None
    for kind, words in SQLITE_WORDS.items():
        if found := words.match(said):
            return _explain(engine, kind, next((name for name in found.groups() if name), ""))
    fix = OTHER_FIXES["42702"] if "ambiguous column name" in said else SQLITE_CODES.get(code, CORRECT_IT)
    return StartupError(f"SQLite: {said}.", fix)


def _explain_postgresql(engine: Engine, sql: str, error: psycopg.Error) -> ConnectorError | None:
    state, said = error.sqlstate or "", error.diag.message_primary or ""
    if state == "42601" and "prepared statement" in said and ";" in sql:
        return StartupError("connector query runs one query.", "give the others each a command of its own")
    if kind := POSTGRESQL_STATES.get(state):
        position = int(error.diag.statement_position or 0)
        at = sql[position - 1 :] if position else ""
        if error.diag.source_function == NOT_IN_FROM and (found := IDENTIFIER.match(at)):
            name = found[0].rpartition(".")[0]
            return StartupError(f"No table of FROM has the name {name}.", "write the name that it has there")
        # nextval('name') has the name in quotes.
        found = IDENTIFIER.match(at) or QUOTED.match(at)
        # Operators have that state too: (text > timestamp) is not called like a function.
        called = kind != "function" or (found is not None and at[found.end() :].lstrip().startswith("("))
        if called and (found or kind == "syntax"):
            named = found[0].strip("'") if found else at.strip()[:1]
            return _explain(engine, kind, named) or _as_said(error)
    return _as_said(error)


def _as_said(error: psycopg.Error) -> StartupError | None:
    """PostgreSQL's own words, where they are about the query."""
    state = error.sqlstate or ""
    if state not in OTHER_FIXES and (not state or state[:2] in NOT_THE_QUERY or state in SQLSTATES):
        return None
    fix = OTHER_FIXES.get(state) or error.diag.message_hint or CORRECT_IT
    return StartupError(f"PostgreSQL: {error.diag.message_primary} ({state}).", fix)


def _explain(engine: Engine, kind: str, named: str) -> StartupError | None:
    """What is not there, and the nearest that is; None where it is there, and something else is wrong."""
    found = IDENTIFIER.fullmatch(named)
    name = found[1].strip('"') if found else named
    if kind == "syntax":
        what = f"The query cannot be read near {name}." if name else "The query ends too early."
        return StartupError(what, "correct it there, or just before")
    known = _functions(engine) if kind == "function" else _names(engine, kind)
    what = WHAT[kind].format(name)
    if name in known:
        there = StartupError(WHAT[kind].format(named), f"write {name}{known[name]}")
        return None if kind == "function" else there
    if near := _nearest(name, known):
        return StartupError(what, f"write {' or '.join(one + known[one] for one in near)}")
    if kind == "function":
        return StartupError(what, f"take one that is there: {FUNCTIONS[engine.dialect.name]}")
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


def _functions(engine: Engine) -> dict[str, str]:
    query = FUNCTIONS[engine.dialect.name]
    try:
        with engine.connect() as connection:
            return dict.fromkeys(connection.exec_driver_sql(query).scalars(), "")
    except SQLAlchemyError:  # the database has gone meanwhile
        return {}
