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
from connector.mirror import apart_step, archive_step, dialects, locks, source_step
from connector.mirror.batches import Batch, run
from connector.mirror.database import lock_schema, transaction
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


def _make_routes(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_routes``, which the views read: one more action is one more row, and changes no view."""
    dialect = dialects.of(connection)
    text = dialect.declared("exact")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS mirror_routes (family {text} NOT NULL, action {text} NOT NULL, "
        f"topic TEXT NOT NULL, PRIMARY KEY (family, action)){dialect.table_options}"
    )


def _make_losses(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_losses``; of what was lost before, only number and partition are known."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS mirror_losses (topic {text} NOT NULL, partition INTEGER NOT NULL, "
        f"first_offset {count} NOT NULL, next_offset {count}, records {count}, sent_after {instant}, "
        f"sent_before {instant}, found_at {instant} NOT NULL, acknowledged_at {instant}, "
        f"PRIMARY KEY (topic, partition, first_offset, found_at)){dialect.table_options}"
    )
    connection.exec_driver_sql(
        "INSERT INTO mirror_losses (topic, partition, first_offset, next_offset, records, sent_before, "
        "found_at) SELECT topic, partition, 0, next_offset, records_lost, updated_at, updated_at "
        "FROM consumer_offsets WHERE records_lost > 0"
    )


def _make_counters(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``mirror_counters`` and count the ledger once; the sink goes on from there."""
    if inspect(connection).has_table("mirror_counters"):
        raise StartupError(
            "The database holds a table or view mirror_counters that is not the connector's.",
            "rename it (ALTER TABLE mirror_counters RENAME TO another_name), and start the worker",
        )
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    instants = ("first_received_at", "last_received_at", "last_mirrored_at")
    connection.exec_driver_sql(
        f"CREATE TABLE mirror_counters (topic {text} NOT NULL, partition INTEGER NOT NULL, "
        f"family {text} NOT NULL, events {count} NOT NULL, "
        f"{', '.join(f'{name} {instant} NOT NULL' for name in instants)}, "
        f"PRIMARY KEY (topic, partition, family)){dialect.table_options}"
    )
    connection.exec_driver_sql(
        f"INSERT INTO mirror_counters (topic, partition, family, events, {', '.join(instants)}) "
        "SELECT kafka_topic, kafka_partition, family, COUNT(*), MIN(received_at), MAX(received_at), "
        "MAX(mirrored_at) FROM notifications GROUP BY kafka_topic, kafka_partition, family"
    )


def _add_clock_distance(connection: Connection, _mapped: Collection[str]) -> None:
    """Have a column for what events say about the gateway's clock; unknown until the next event."""
    integer = dialects.of(connection).declared("integer")
    connection.exec_driver_sql(f"ALTER TABLE _consumer_offsets ADD COLUMN clock_distance_ms {integer}")


def _make_hydration_work(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_hydration_work``; ``_hydration`` is made and filled as a table that is new."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    early = ("asked_at", "again_at", "answered_at", "marked_at")
    late = ("leased_at", "leased_until", "not_before")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _hydration_work (shop {text} NOT NULL, family {text} NOT NULL, "
        f"entity_key {text} NOT NULL, {', '.join(f'{name} {instant}' for name in early)}, lease {count}, "
        "leased_by TEXT, "
        f"{', '.join(f'{name} {instant}' for name in late)}, trouble TEXT NOT NULL, tries INTEGER NOT NULL, "
        f"PRIMARY KEY (shop, family, entity_key)){dialect.table_options}"
    )


def _make_backfills(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_backfills``."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _backfills (shop {text} NOT NULL, family {text} NOT NULL, "
        f"changed_since {instant} NOT NULL, changed_until {instant}, started_at {instant} NOT NULL, "
        f"finished_at {instant}, part INTEGER NOT NULL, reading INTEGER NOT NULL, page INTEGER, "
        f"listed {count} NOT NULL, asked {count} NOT NULL, "
        f"PRIMARY KEY (shop, family)){dialect.table_options}"
    )


def _make_sweeps(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_sweeps``, and columns for what a sweep knows of a record."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    for name, type_ in (("swept_at", instant), ("changed_at", instant), ("row_digest", "TEXT")):
        connection.exec_driver_sql(f"ALTER TABLE _hydration_work ADD COLUMN {name} {type_}")
    counts = ("listed", "enqueued", "repaired", "lost_hooks")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _sweeps (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, alive_until {instant} NOT NULL, finished_at {instant}, "
        f"whole INTEGER NOT NULL, {', '.join(f'{name} {count} NOT NULL' for name in counts)}, "
        f"PRIMARY KEY (shop, family, started_at)){dialect.table_options}"
    )


def _make_audits(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_audits`` and ``_drift``."""
    dialect = dialects.of(connection)
    text, count, instant = map(dialect.declared, ("exact", "integer", "timestamp"))
    counts = ("compared", "moved", "left_out")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _audits (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, finished_at {instant}, entity_key {text} NOT NULL, "
        f"{', '.join(f'{name} {count} NOT NULL' for name in counts)}, "
        f"PRIMARY KEY (shop, family)){dialect.table_options}"
    )
    names = ("entity_key", "table_name", "row_key", "column_name")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _drift (shop {text} NOT NULL, family {text} NOT NULL, "
        f"started_at {instant} NOT NULL, {', '.join(f'{name} {text} NOT NULL' for name in names)}, "
        f"found_at {instant} NOT NULL, hooked_at {instant}, mirrored TEXT, source TEXT, "
        f"PRIMARY KEY (shop, family, started_at, {', '.join(names)})){dialect.table_options}"
    )


def _make_forgotten(connection: Connection, _mapped: Collection[str]) -> None:
    """Make ``_forgotten``."""
    dialect = dialects.of(connection)
    text, instant = map(dialect.declared, ("exact", "timestamp"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS _forgotten (shop {text} NOT NULL, family {text} NOT NULL, "
        f"entity_key {text} NOT NULL, forgotten_at {instant} NOT NULL, ended_at {instant}, "
        f"changed_at {instant} NOT NULL, PRIMARY KEY (shop, family, entity_key)){dialect.table_options}"
    )


STEPS: tuple[Step, ...] = (
    Step(2, "an event is identified by its source and its id", source_step.act),
    Step(3, "the actions of the families are rows", _make_routes),
    Step(4, "each loss is a row, with the time in which XTND sent what is missing", _make_losses),
    Step(5, "the events of each partition and family are counted", _make_counters),
    Step(6, "tables stand apart from what people read", apart_step.act),
    Step(7, "how far the gateways' clocks are from Kafka's stands beside the offsets", _add_clock_distance),
    Step(8, "how far the hydrator is with each record is a row", _make_hydration_work),
    Step(9, "how far backfills are is a row for each family", _make_backfills),
    Step(10, "what sweeps find is a row for each", _make_sweeps),
    Step(11, "how far audits are, and where the mirror was not as the source, are rows", _make_audits),
    Step(12, "entities that were removed are rows", _make_forgotten),
    # 13 is another one's.
    Step(14, "what events say may stand in archives", archive_step.act),
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
    while locks.until_granted(partial(_take_next, engine, mapped, clear)):
        pass


def _take_next(engine: Engine, mapped: Collection[str], clear: Callable[[Connection], None]) -> bool:
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
        tables = {"notifications", "dead_letters", "consumer_offsets", *mapped}
        _lock(connection, tables | {*map(stored, tables)})
        step.act(connection, mapped)
        record(connection, step.version)
    log.info("layout changed", version=step.version, seconds=round(time.monotonic() - started, 1))
    return True


def _lock(connection: Connection, tables: Collection[str]) -> None:
    """Lock tables before the work: the step starts again where a lock is not granted."""
    existing = sorted(set(inspect(connection).get_table_names()) & set(tables))
    dialects.of(connection).lock_tables(connection, existing)


def lock_for_change(connection: Connection) -> None:
    """Lock the schema exclusively until the transaction ends; waits for locks are short (``locks``)."""
    locks.wait_briefly(connection)
    lock_schema(connection)


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
