"""Is the mirror the fold of its ledger? Reads every table and says what differs.

The law (docs/contract.md, The law) as a command, ``connector verify``, and as the last check of the fault
tests: the ledger is read back, folded in Python, and compared with the rows that many transactions made.
"""

from collections.abc import Collection, Iterable
from collections.abc import Mapping as Mapping_

from sqlalchemy import Connection, Engine

from connector import events
from connector.events import Identity
from connector.mirror import counters, dialects, ledger
from connector.mirror.archives import Archives
from connector.mirror.comparison import Comparison, PlainRows, Values
from connector.mirror.database import transaction
from connector.mirror.fold import fold
from connector.mirror.mapped import Key, Rows
from connector.mirror.mapping import Mapping, Read, reader
from connector.mirror.projections import Projection
from connector.mirror.spill import Spill
from connector.mirror.statements import on_keys


def differences(engine: Engine, mapping: Mapping, *, deep: bool = False) -> list[str]:
    """One sentence per row that is not as the ledger says; empty when the one law holds.

    Goes on from what archives gave for each row (``archived_rows``), and leaves out histories of archived
    events; ``deep``: reads the archives. Memory does not grow with the events (``comparison``). Raises
    ``DatabaseOutage``, and ``DatabaseDamaged`` for an archive that is not as it was written.
    """
    with transaction(engine) as connection:
        # What no event fills is not compared: which records hooks ask for is not known without a source.
        found, wrong = _compare(
            connection, {table: None for table in mapping.tables if table.sorts}, deep=deep
        )
        if wrong:
            more, _ = _compare(connection, wrong, deep=deep)
            found += [one for one in more if one not in found]
        found += counters.differences(connection)
    return found


def missing(engine: Engine, identities: Iterable[Identity]) -> list[Identity]:
    """Which of these events the ledger does not have; an empty source stands for any."""
    with transaction(engine) as connection:
        asked = list(identities)
        absent: list[Identity] = []
        for start in range(0, len(asked), ledger.PAGE):
            page = asked[start : start + ledger.PAGE]
            known = ledger.identities_of(connection, (event_id for event_id, _ in page))
            known |= {(event_id, "") for event_id, _ in known}
            absent += [identity for identity in page if identity not in known]
        return absent


def count(engine: Engine) -> int:
    """How many events the ledger holds."""
    with transaction(engine) as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM _notifications").scalar_one())


def expected(
    table: Projection, of: Iterable[events.Event], read: Read | None = None, before: Rows | None = None
) -> dict[Key, Values]:
    """The rows that a table must have for these events, by key, as ``actual`` gives them.

    ``read`` is the table's ``reader``, where there is one already; ``before`` is what other events gave.
    """
    read = read or reader(table)
    rows = fold(((event, read(event)) for event in of), {table.name: before or {}}).get(table.name, {})
    plain = PlainRows(table)
    return plain.by_key(plain.due(rows))


def actual(
    table: Projection, connection: Connection, groups: Collection[Key] | None = None
) -> dict[Key, Values]:
    """The rows that a table has, by key: instants and numbers as text, whatever somebody wrote there.

    Of these groups of rows alone (``group_columns``), where given.
    """
    rows = PlainRows(table)
    query = rows.query(dialects.of(connection))
    if groups is not None:
        return rows.by_key(map(tuple, on_keys(connection, query, table.group_columns, groups)))
    return rows.by_key(map(tuple, connection.exec_driver_sql(query)))


def _compare(
    connection: Connection, tables: Mapping_[Projection, Collection[int] | None], *, deep: bool
) -> tuple[list[str], dict[Projection, Collection[int] | None]]:
    """A sentence for each row that differs, and parts of tables that have to be read again for that."""
    sorts = frozenset(sort for table in tables for sort in table.sorts)
    read = reader(*tables)
    found: list[str] = []
    with Spill() as spill:
        comparisons = {
            table.name: Comparison(connection, table, spill, "" if deep else table.live, only)
            for table, only in tables.items()
        }
        archived = Archives(connection).whole(sorts, found) if deep else ()
        for is_archived, given in ((True, archived), (False, ledger.live(connection, sorts))):
            for event in given:
                version = event.version
                for one in read(event):
                    comparisons[one.table.name].add(event, version, one, archived=is_archived)
        wrong: dict[Projection, Collection[int] | None] = {}
        for table in tables:
            sentences, parts = comparisons[table.name].result(deep=deep)
            found += sentences
            if parts:
                wrong[table] = parts
    return found, wrong
