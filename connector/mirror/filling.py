"""Columns and tables that are new, or whose rule changed, are filled from the ledger."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from connector.errors import Poison
from connector.events import Event
from connector.mirror import ledger, statements
from connector.mirror.fold import Folded, fold
from connector.mirror.mapped import Contribution, MappedColumn, MappedTable
from connector.mirror.mapping import reader
from connector.mirror.rebuild import dependents_named
from connector.mirror.statements import quoted

log = structlog.get_logger(__name__)

FILL_BATCH = 20_000


def fill(connection: Connection, table: MappedTable, columns: Sequence[MappedColumn] | None) -> None:
    """Fill columns (or all rows, when None) of a table from the ledger, in batches."""
    name = quoted(table.name)
    if columns is None and table.kind == "history":
        connection.exec_driver_sql(f"DELETE FROM {name}")
    elif cleared := statements.clear(table, columns or table.columns, events=columns is None):
        connection.exec_driver_sql(f"UPDATE {name} SET {cleared}")
    pairs: list[tuple[Event, list[Contribution]]] = []
    left_out: list[Poison] = []
    misfits, first = 0, ""
    read = reader(table)
    for event in ledger.of_actions(connection, table.actions):
        pairs.append((event, read(event, left_out)))
        if left_out:
            misfits, first = misfits + 1, first or f"{event.event_id}: {left_out[0].error}"
            left_out.clear()
        if len(pairs) >= FILL_BATCH:
            _merge(connection, table, fold(pairs), columns)
            pairs.clear()
    _merge(connection, table, fold(pairs), columns)
    if columns is None and table.kind == "state":
        with dependents_named(f"Rows that no event gives any longer stay in the table {table.name}"):
            connection.exec_driver_sql(f"DELETE FROM {name} WHERE event_count = 0")
    if misfits:
        log.warning(
            "events of the ledger hold values that a table cannot, which are left out",
            table=table.name,
            events=misfits,
            first=first,
            fix="change the type or the path of the column in tables.yaml",
        )


def _merge(
    connection: Connection, table: MappedTable, folded: Folded, columns: Sequence[MappedColumn] | None
) -> None:
    dialect = connection.dialect.name
    if states := folded.states.get(table.name):
        merge = statements.join_states(dialect, table, states, columns=columns, joins_events=columns is None)
        merge.run(connection)
    if history := folded.histories.get(table.name):
        statements.write_history(dialect, table, history, columns=columns).run(connection)
