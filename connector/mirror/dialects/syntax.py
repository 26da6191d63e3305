"""The words and pieces of SQL in which one database differs from another: the constants of a dialect."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Dialect as SQLAlchemyDialect
from sqlalchemy.types import TypeEngine


class Syntax:
    """Types are those of ``tables.yaml``, and ``json``; instants are UTC."""

    name: ClassVar[str]  # in a URL of SQLAlchemy
    driver_error: ClassVar[type[Exception]]
    code_name: ClassVar[str]  # where an error of the driver's has its code
    library: ClassVar[tuple[str, str]]  # name and version of what the driver is built on
    compiler: ClassVar[SQLAlchemyDialect]  # writes SQL without a database
    # SQLAlchemy's events between which a transaction may wait for a lock: the first, and what ends it. It may
    # still wait when "commit" comes, where that was only sent (``sent_together``).
    waits_between: ClassVar[tuple[str, ...]] = ("begin", "checkin", "rollback")
    # The names of all functions.
    functions: ClassVar[str]
    # SQL for a parameter.
    mark: ClassVar[str]
    # What a column of each type is declared as; "exact" is text that is compared byte by byte.
    types: ClassVar[Mapping[str, TypeEngine[Any]]]
    # Behind a parameter that is given as text, by type.
    casts: ClassVar[Mapping[str, str]] = {}
    # Behind the columns in CREATE TABLE.
    table_options: ClassVar[str] = ""
    # The same as SQLAlchemy's options of a table.
    table_arguments: ClassVar[Mapping[str, Any]] = {}
    # Options of an index that finds a stretch of a column which grows with the rows, for next to no cost.
    range_index: ClassVar[Mapping[str, Any]] = {}
    # What DROP TABLE needs where a view depends on the table, the connector's own included.
    cascade: ClassVar[str] = ""
    # Whether ALTER changes columns and keys that are there, and renames views and indexes.
    alters: ClassVar[bool] = True
    # Whether names are kept as they are written; else those that differ in their case are one.
    keeps_case: ClassVar[bool] = True
    # Whether SQLAlchemy, which has no name for the type ANY, reads it as NUMERIC.
    numeric_is_any: ClassVar[bool] = False
    # The code of the error for a value that is too long for an index; None where none is.
    index_limit: ClassVar[str | None] = None
    # The code of the error for a lock that was not granted in time (``wait_briefly``).
    lock_not_granted: ClassVar[str | None] = None
    # The code of the error for a column that others built upon, where it names no more than that.
    built_upon: ClassVar[str | None] = None
    # By the code of an error: why ``trial`` is not possible for this role, now or here.
    no_trial: ClassVar[Mapping[str, str]] = {}
    # What follows occurred_at in event order (docs/contract.md, Events), and then the row object's place.
    event_order: ClassVar[tuple[str, ...]]
    # Behind a SELECT, and has its rows locked until the transaction ends.
    lock_rows: ClassVar[str] = ""
    # Behind a query: lock the rows of the table with this alias, and leave out those that others have locked.
    skip_locked: Callable[[str], str] = "".format
    # Join a table, with an alias, by a condition on its key: row by row, whatever a planner guesses.
    look_up: Callable[[str, str, str], str] = "LEFT JOIN {0} AS {1} ON {2}".format
    # Behind an operand: texts are compared byte by byte.
    exact: ClassVar[str] = ""
    # A statement that lets the transaction's commit return before the disk has it; empty where there is none.
    unsynced: ClassVar[str] = ""
    # Between two operands, of which each may be null.
    differs: ClassVar[str] = "IS DISTINCT FROM"
    # Seconds since the epoch on the database's clock; None where it has this host's.
    clock: ClassVar[str | None] = None
    # A look at the log beside such a file, to be repeated, given what observes its size in bytes.
    log_watch: Callable[[Path, Callable[[int], Any]], Callable[[], str | None]] | None = None
    # How many rows a tool changes in one transaction; None where it does not keep all others from writing.
    most_rows: ClassVar[int | None] = None

    # --- SQL of an operand, which is SQL too ---

    # An instant as whole microseconds since the epoch.
    microseconds: Callable[[str], str]
    # From one instant to another, with microseconds.
    seconds_between: Callable[[str, str], str]
    json_text: Callable[[str], str] = "{0}".format
    is_json_array: Callable[[str], str]
    # A numeric of the store as text; as no text where it stands in a form that the connector never writes.
    numeric_text: Callable[[str], str] = "CAST({0} AS TEXT)".format
    # A numeric of the store as a number that compares, sorts and adds.
    number: Callable[[str], str] = "{0}".format
