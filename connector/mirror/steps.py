"""The layout of the connector's own tables: its version, and the steps from each version to the next.

The layout is what the connector alone decides: the columns, keys and indexes of its own tables, and
what it keeps in the mapped ones beside the columns of ``tables.yaml``. Version 1 is that of connector
0.1, which has no record of it and is known by its tables. From then on every change is one step, run
once, in one transaction with its record in ``mirror_layout``: a crash in the middle leaves the layout
before it. Steps are written in SQL of their own and never from today's models, which later change.

These are lines of our own and not Alembic's operations: the largest part of a step is to rebuild a
table on SQLite, and Alembic's way of doing that reads the table back through SQLAlchemy, which drops
STRICT and the type ANY, and renames tables in a way that stops at a reader's broken view; what is left
then is a version table and a loop.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection, Engine, inspect

from connector import __version__, clocks, events
from connector.errors import StartupError
from connector.mirror import (
    apart_step,
    dialects,
    history_step,
    locks,
    source_step,
    sql_steps,
)
from connector.mirror.batches import Batch, run
from connector.mirror.database import transaction
from connector.mirror.mapped import stored

log = structlog.get_logger(__name__)

FIRST = 1
# The only table of a database until a copy into it is finished (``copying.py``).
UNFINISHED_COPY = "_mirror_copy"
RECORD = (("version", "integer"), ("connector", "text"), ("made_at", "timestamp"))


@dataclass(frozen=True, slots=True)
class Step:
    """From the version before to ``version``; ``act`` gets the names of the mapped tables."""

    version: int
    what: str
    act: Callable[[Connection, Collection[str]], None]


STEPS: tuple[Step, ...] = (
    Step(2, "an event is identified by its source and its id", source_step.act),
    Step(3, "the actions of the families are rows", partial(sql_steps.act, 3)),
    Step(
        4, "each loss is a row, with the time in which XTND sent what is missing", partial(sql_steps.act, 4)
    ),
    Step(5, "the events of each partition and family are counted", sql_steps.make_counters),
    Step(6, "tables stand apart from what people read", apart_step.act),
    Step(
        7,
        "how far the gateways' clocks are from Kafka's stands beside the offsets",
        partial(sql_steps.act, 7),
    ),
    Step(8, "how far the hydrator is with each record is a row", partial(sql_steps.act, 8)),
    Step(9, "how far backfills are is a row for each family", partial(sql_steps.act, 9)),
    Step(10, "what sweeps find is a row for each", partial(sql_steps.act, 10)),
    Step(
        11,
        "how far audits are, and where the mirror was not as the source, are rows",
        partial(sql_steps.act, 11),
    ),
    Step(12, "entities that were removed are rows", partial(sql_steps.act, 12)),
    Step(13, "an audit knows which page of a list it has read", partial(sql_steps.act, 13)),
    Step(14, "bodies of records stand apart, each once", partial(sql_steps.act, 14)),
    Step(15, "what events say may stand in archives", partial(sql_steps.act, 15)),
    Step(16, "the key of a history starts with the instant of its event", history_step.act),
)
NEWEST = STEPS[-1].version


def bring_up(
    engine: Engine, mapped: Collection[str], clear: Callable[[Connection], None] = lambda _: None
) -> None:
    """Take every step that the store does not have yet; nothing to do for an empty database.

    Each transaction starts with ``clear`` (``obstacles.py``). Of several processes that start at once, one
    takes a step and the others wait for it. Raises ``DatabaseOutage``, and ``StartupError`` for a store that
    is newer than this connector.
    """

    def take_next() -> bool:
        """Take one step, in one transaction; whether there was one to take."""
        with transaction(engine) as connection:
            lock_for_change(connection)
            version = refuse_newer(connection)
            step = next((step for step in STEPS if version is not None and step.version > version), None)
            if step is None:
                return False
            clear(connection)
            started = time.monotonic()
            log.info("changing the layout of the store", version=step.version, why=step.what)
            # Locked before the work: the step starts again where a lock is not granted.
            tables = {"notifications", "dead_letters", "consumer_offsets", *mapped}
            tables = (tables | {*map(stored, tables)}) & {*inspect(connection).get_table_names()}
            dialects.of(connection).lock_tables(connection, sorted(tables))
            step.act(connection, mapped)
            record(connection, step.version)
        log.info("layout changed", version=step.version, seconds=round(time.monotonic() - started, 1))
        return True

    while locks.until_granted(take_next):
        pass


def lock_for_change(connection: Connection) -> None:
    """Lock the schema exclusively until the transaction ends; waits for locks are short (``locks``)."""
    locks.wait_briefly(connection)
    dialects.of(connection).lock_schema(connection, shared=False)


def version_of(connection: Connection) -> int | None:
    """The layout's version; None where the database holds no tables of the connector.

    Raises ``StartupError`` where a copy was not finished, and where a part of the record is gone.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        dialects.catalogue(connection).require_usable()
    if UNFINISHED_COPY in names:
        raise StartupError(
            "A copy of a mirror into this database is not finished.",
            "let it end, or run connector copy again; to have a worker make a new mirror here instead, run: "
            f"DROP TABLE {dialects.catalogue(connection).store}{UNFINISHED_COPY}",
        )
    layout = _layout_table(names)
    if layout in names:
        found = connection.exec_driver_sql(f"SELECT MAX(version) FROM {layout}").scalar_one()
        if found is None:
            cure = f"restore the table {layout} from a backup"
            raise StartupError("The store does not say which layout its tables have.", cure)
        return int(found)
    if names & {"mirror_rules", "_mirror_rules"}:
        cure = "restore the table mirror_layout from a backup"
        raise StartupError("The table mirror_layout, which says what layout the tables have, is gone.", cure)
    return FIRST if {"mirror_columns", "notifications"} <= names else None


def _layout_table(names: Collection[str]) -> str:
    """What ``mirror_layout`` is called, before and after tables stand apart."""
    return "mirror_layout" if "mirror_layout" in names else "_mirror_layout"


def copy_is_unfinished(connection: Connection) -> bool:
    """Whether a copy into this database was started and is not finished."""
    return inspect(connection).has_table(UNFINISHED_COPY)


def refuse_newer(connection: Connection) -> int | None:
    """The layout's version; raises ``StartupError`` for one that a newer connector made."""
    version = version_of(connection)
    if version is not None and version > NEWEST:
        query = f"SELECT connector FROM _mirror_layout WHERE version = {version}"
        maker = connection.exec_driver_sql(query).scalar_one()
        raise StartupError(
            f"The store's tables have layout {version}, made by connector {maker}; "
            f"this connector ({__version__}) knows layouts up to {NEWEST}.",
            f"run connector {maker} or newer, or restore the database as it was before the upgrade",
        )
    return version


def require(engine: Engine) -> None:
    """Raise ``StartupError`` unless the store has the layout of this connector; changes nothing."""
    with transaction(engine) as connection:
        version = refuse_newer(connection)
    if version is None:
        cure = "start a worker (connector worker), or name the mirror with --database-url"
        raise StartupError("This database holds no mirror yet.", cure)
    if version < NEWEST:
        raise StartupError(older(version), "start a worker (connector worker): it changes the layout")


def older(version: int) -> str:
    """A sentence about a store whose layout is older than this connector's."""
    return f"the store's tables have layout {version}, and this connector's is {NEWEST}"


def record(connection: Connection, version: int) -> None:
    """Note that the tables have this layout."""
    row = (version, __version__, clocks.now())
    names = ", ".join(name for name, _ in RECORD)
    layout = _layout_table(inspect(connection).get_table_names())
    run(connection, f"INSERT INTO {layout} ({names})", Batch(RECORD, [row]), "")


def record_statement(instant: int) -> str:
    """``record`` of the newest layout as a statement, for tables that are made by hand."""
    names = ", ".join(name for name, _ in RECORD)
    values = f"{NEWEST}, '{__version__}', '{events.iso(instant)}'"
    return f"INSERT INTO _mirror_layout ({names}) VALUES ({values})"
