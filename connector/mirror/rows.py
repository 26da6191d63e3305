"""What events come to: their rows, as statements that are ready to run.

Working that out is all that a batch costs this process beside the database's own time, and it needs
no transaction: it is done for one batch while another is being written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection

from connector.events import Identity
from connector.mirror import ledger, statements
from connector.mirror.batches import Encoded, Statement
from connector.mirror.fold import fold
from connector.mirror.ledger import Placed
from connector.mirror.mapped import Contribution, MappedTable
from connector.mirror.mapping import Mapping, reader
from connector.mirror.statements import quoted


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event of a chunk with what it says for the mirror; ``origin`` is the caller's own."""

    placed: Placed
    contributions: list[Contribution]
    origin: Any = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Events, and what they come to when the ledger holds none of them yet."""

    items: Sequence[Item]
    # Of several copies of one event the one that counts.
    distinct: dict[Identity, Item]
    identities: Encoded
    ledger: Encoded
    joins: list[Statement]


def rows_of(dialect: str, mapping: Mapping, items: Sequence[Item]) -> Rows:
    """Work out what events come to."""
    distinct = _distinct(items)
    ids, sources = zip(*distinct, strict=True)
    placed = [item.placed for item in distinct.values()]
    return Rows(
        items,
        distinct,
        ledger.encoded_identities(dialect, ids, sources),
        ledger.encoded(dialect, ids, sources, placed),
        _joins(dialect, mapping, distinct.values()),
    )


def _distinct(items: Sequence[Item]) -> dict[Identity, Item]:
    """Each event once, in the order of their ids, as the indexes have them."""
    found: dict[Identity, Item] = {}
    # By the ids alone: to compare pairs costs more than all else that identities do.
    for event_id, item in sorted([(item.placed.event.event_id, item) for item in items], key=itemgetter(0)):
        identity = (event_id, item.placed.event.source)
        other = found.get(identity)
        if other is None or item.placed.event.copy_rank < other.placed.event.copy_rank:
            found[identity] = item
    return found


def _joins(dialect: str, mapping: Mapping, items: Iterable[Item]) -> list[Statement]:
    """What joins distinct events into their tables, in the order of the mapping."""
    folded = fold([(item.placed.event, item.contributions) for item in items])
    found = []
    for table in mapping.tables:
        if states := folded.states.get(table.name):
            found.append(statements.join_states(dialect, table, states))
        if history := folded.histories.get(table.name):
            found.append(statements.write_history(dialect, table, history))
    return found


def refold(connection: Connection, table: MappedTable, keys: set[tuple[Any, ...]], now: int) -> None:
    """Fold these rows of a table again from the ledger; ``now`` in microseconds since the epoch."""
    names = [column.name for column in table.key]
    if table.kind == "history":
        _refold_history(connection, table, {(event_id, source) for event_id, _, source in keys}, now)
        return
    name = quoted(table.store)
    cleared = statements.clear(table, table.columns, events=True)
    statements.on_keys(connection, f"UPDATE {name} SET {cleared}", names, keys)
    read, said = reader(table), []
    for event in events_of(connection, table, keys):
        contributions = [one for one in read(event) if one.key in keys]
        if contributions:
            said.append((event, contributions))
    if rows := fold(said).states.get(table.name):
        statements.join_states(connection.dialect.name, table, rows).run(connection, now)
    statements.on_keys(connection, f"DELETE FROM {name}", names, keys, "AND event_count = 0")


def _refold_history(connection: Connection, table: MappedTable, identities: set[Identity], now: int) -> None:
    delete = f"DELETE FROM {quoted(table.store)}"
    statements.on_keys(connection, delete, ["event_id", "source"], identities)
    read = reader(table)
    events = ledger.held(connection, identities).values()
    rows = fold((event, read(event)) for event in events).histories.get(table.name)
    if rows:
        statements.write_history(connection.dialect.name, table, rows).run(connection, now)


def events_of(connection: Connection, table: MappedTable, keys: set[tuple[Any, ...]]) -> Iterable[Any]:
    """Events that may touch these rows; all of the table's where keys do not tell."""
    if table.entities is not None:
        entity_keys = {entity_key for key in keys for entity_key in table.entity_keys(key)}
        return ledger.of_entities(connection, table.actions, entity_keys)
    return ledger.of_actions(connection, table.actions)
