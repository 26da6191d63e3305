"""The rows that events give, as statements that are ready to run.

This is nearly all of the processor time that a batch costs this process. It needs no transaction, so it is
done for one batch while another is being written.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection

from connector.events import Event, Identity
from connector.mirror import dialects, ledger
from connector.mirror.archived_rows import ArchivedTable
from connector.mirror.batches import Encoded, Statement
from connector.mirror.dialects import Dialect
from connector.mirror.fold import fold
from connector.mirror.ledger import LedgerEvent, LedgerRows
from connector.mirror.mapped import Contribution, Key
from connector.mirror.mapping import Mapping, reader
from connector.mirror.projections import Projection
from connector.mirror.statements import on_keys, quoted


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event of a chunk with its contributions; ``origin`` belongs to the caller."""

    ledger_event: LedgerEvent
    contributions: list[Contribution]
    origin: Any = None

    @property
    def identity(self) -> Identity:
        return self.ledger_event.event.identity


@dataclass(frozen=True, slots=True)
class Rows:
    """Events, and their rows when the ledger holds none of them yet."""

    items: Sequence[Item]
    # Of several copies of one event the one that counts.
    distinct: dict[Identity, Item]
    identities: Encoded
    ledger: LedgerRows
    merges: list[Statement]


def rows_of(dialect: Dialect, mapping: Mapping, items: Sequence[Item]) -> Rows:
    """Fold events into rows and statements."""
    distinct = _distinct(items)
    # Without copies as they came: their instants lie together, as in the keys of histories.
    folds = items if len(items) == len(distinct) else distinct.values()
    ids, sources = zip(*distinct, strict=True)
    ledger_events = [item.ledger_event for item in distinct.values()]
    folded = fold([(item.ledger_event.event, item.contributions) for item in folds])
    return Rows(
        items,
        distinct,
        ledger.encoded_identities(dialect, ids, sources),
        ledger.encoded(dialect, ids, sources, ledger_events),
        # In the order of the mapping, so that two workers lock rows in the same order.
        [
            statement
            for table in mapping.tables
            if (rows := folded.get(table.name))
            for statement in table.merge(dialect, rows)
        ],
    )


def _distinct(items: Sequence[Item]) -> dict[Identity, Item]:
    """Each event once, in the order of their ids, as the indexes have them."""
    found: dict[Identity, Item] = {}
    # By the ids alone: to compare pairs costs more than all else that identities do.
    for event_id, item in sorted(
        [(item.ledger_event.event.event_id, item) for item in items], key=itemgetter(0)
    ):
        identity = (event_id, item.ledger_event.event.source)
        other = found.get(identity)
        if other is None or item.ledger_event.event.copy_rank < other.ledger_event.event.copy_rank:
            found[identity] = item
    return found


def touched_by(mapping: Mapping, contributions: Iterable[Contribution]) -> list[tuple[Projection, set[Key]]]:
    """The keys that contributions have in each table."""
    keys: dict[str, set[Key]] = defaultdict(set)
    for one in contributions:
        keys[one.table.name].add(one.key)
    return [(table, keys[table.name]) for table in mapping.tables if table.name in keys]


def refold(connection: Connection, table: Projection, keys: set[Key], now: int) -> None:
    """Fold these rows of a table again from the ledger, with all that are folded together with them.

    ``now`` in microseconds since the epoch.
    """
    groups, columns = table.groups(keys), table.group_columns
    on_keys(connection, table.clear(), columns, groups)
    before = {table.name: ArchivedTable(connection, table).rows(groups)} if table.folded else {}
    pairs = _of_groups(connection, table, groups, ledger.LIVE if table.folded else "")
    if rows := fold(pairs, before).get(table.name):
        for statement in table.merge(dialects.of(connection), rows):
            statement.run(connection, now)
    if table.abandoned:
        delete = f"DELETE FROM {quoted(table.store)}"
        on_keys(connection, delete, columns, groups, f"AND {table.abandoned}")


def refold_archived(connection: Connection, table: Projection, keys: set[Key]) -> None:
    """Fold again what archives give for these rows, because they have other events now."""
    if table.folded:
        groups = table.groups(keys)
        kept = ArchivedTable(connection, table)
        kept.remove(groups)
        kept.add(_of_groups(connection, table, groups, ledger.ARCHIVED))


def events_of(connection: Connection, table: Projection, keys: set[Key], only: str = "") -> Iterable[Event]:
    """Events that may touch these rows; all of the table's where keys do not name them.

    ``only`` as ``ledger.of_entities`` has it, which a table has no use for whose keys name its events.
    """
    if (identities := table.identities(keys)) is not None:
        return ledger.stored(connection, identities).values()
    if (entity_keys := table.entity_keys(keys)) is not None:
        return ledger.of_entities(connection, table.sorts, entity_keys, only)
    return ledger.of_sorts(connection, table.sorts, only)


def _of_groups(
    connection: Connection, table: Projection, groups: set[Key], only: str
) -> list[tuple[Event, list[Contribution]]]:
    read = reader(table)
    return [
        (event, [one for one in read(event) if one.key[: table.group] in groups])
        for event in events_of(connection, table, groups, only)
    ]
