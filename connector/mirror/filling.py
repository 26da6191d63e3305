"""Columns and tables that are new, or whose rule changed, are filled from the ledger."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection

from connector import clocks, events
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import dialects, ledger
from connector.mirror.archived_rows import ArchivedTable
from connector.mirror.fold import fold
from connector.mirror.mapped import Contribution, MappedColumn
from connector.mirror.mapping import reader
from connector.mirror.projections import Projection
from connector.mirror.statements import quoted

REPORT_SECONDS = 10.0

log = structlog.get_logger(__name__)

FILL_BATCH = 20_000
FORMER = "__former"  # no table of tables.yaml has this name in the store


def fill(
    connection: Connection,
    table: Projection,
    columns: Sequence[MappedColumn] | None,
    counts: Mapping[Sort, int],
) -> None:
    """Fill columns (or all rows, when None) of a table from the ledger, in batches.

    ``counts`` are the ledger's events: it is not read for a table that none of them fills, as the many tables
    of records are where no record was ever fetched.
    """
    pairs: list[tuple[Event, list[Contribution]]] = []

    def merge() -> None:
        if rows := fold(pairs).get(table.name):
            for statement in table.merge(dialects.of(connection), rows, columns, stamps=False):
                statement.run(connection, clocks.now())

    with _stamped(connection, table):
        connection.exec_driver_sql(table.clear(columns))
        ArchivedTable(connection, table).remove()  # they are made again when all tables are filled
        left_out: list[Poison] = []
        misfits, first = 0, ""
        read, events_read, report_at = reader(table), 0, time.monotonic() + REPORT_SECONDS
        for event in ledger.of_sorts(connection, table.sorts & counts.keys()):
            pairs.append((event, read(event, left_out)))
            if left_out:
                misfits, first = misfits + 1, first or f"{event.event_id}: {left_out[0].error}"
                left_out.clear()
            if len(pairs) >= FILL_BATCH:
                merge()
                events_read += len(pairs)
                pairs.clear()
                if time.monotonic() >= report_at:
                    total = sum(counts.get(sort, 0) for sort in table.sorts)
                    log.info(
                        "filling a table from the ledger", table=table.name, events=events_read, of=total
                    )
                    report_at = time.monotonic() + REPORT_SECONDS
        merge()
        if columns is None and table.abandoned:
            refusal = f"Rows that no event gives any longer stay in the table {table.name}"
            with dialects.catalogue(connection).dependents_named(refusal):
                connection.exec_driver_sql(f"DELETE FROM {quoted(table.store)} WHERE {table.abandoned}")
        if misfits:
            log.warning(
                "events of the ledger hold values that a table cannot, which are left out",
                table=table.name,
                events=misfits,
                first=first,
                fix="change the type or the path of the column in tables.yaml",
            )


@contextmanager
def _stamped(connection: Connection, table: Projection) -> Iterator[None]:
    """Set ``mirrored_at`` of the existing rows whose values the block changes."""
    name = quoted(table.store)
    if not table.stamped or connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() is None:
        yield
        return
    listed = [quoted(column) for column, _ in table.shown]
    key, cells = listed[: len(table.key)], listed[len(table.key) :]
    connection.exec_driver_sql(f"CREATE TABLE {FORMER} AS SELECT {', '.join(listed)} FROM {name}")
    yield
    differs = dialects.of(connection).differs
    changed = " OR ".join(f"stored.{one} {differs} former.{one}" for one in cells)
    same = " AND ".join(f"stored.{one} = former.{one}" for one in key)
    connection.exec_driver_sql(
        f"UPDATE {name} AS stored SET mirrored_at = '{events.iso(clocks.now())}' "
        # A column that somebody dropped comes back empty: it was never set.
        f"FROM {FORMER} AS former WHERE {same} AND ({changed} OR stored.mirrored_at <= '{events.iso(0)}')"
    )
    connection.exec_driver_sql(f"DROP TABLE {FORMER}")
