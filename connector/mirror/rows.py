"""What events come to: their rows, as statements that are ready to run.

Working that out is all that a batch costs this process beside the database's own time, and it needs
no transaction: it is done for one batch while another is being written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector.mirror import ledger, statements
from connector.mirror.batches import Encoded, Statement
from connector.mirror.fold import fold
from connector.mirror.ledger import Placed
from connector.mirror.mapping import Contribution, MappedTable, Mapping


@dataclass(frozen=True, slots=True)
class Item:
    """An event of a chunk with what it says for the mirror; ``origin`` is the caller's own."""

    placed: Placed
    contributions: list[Contribution]
    origin: Any = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Events, and what they come to when the ledger holds none of them yet."""

    items: Sequence[Item]
    # Of several copies of one event the one that counts, by event id.
    distinct: dict[str, Item]
    ledger: Encoded
    joins: list[Statement]


def rows_of(dialect: str, mapping: Mapping, items: Sequence[Item]) -> Rows:
    """Work out what events come to."""
    distinct: dict[str, Item] = {}
    for item in items:
        event = item.placed.event
        event_id = event.event_id
        other = distinct.get(event_id)
        if other is None or event.copy_rank < other.placed.event.copy_rank:
            distinct[event_id] = item
    placed = (item.placed for item in distinct.values())
    return Rows(
        items, distinct, ledger.encoded(dialect, placed), joins_of(dialect, mapping, distinct.values())
    )


def joins_of(dialect: str, mapping: Mapping, items: Iterable[Item]) -> list[Statement]:
    """What joins distinct events into their tables, in the order of the mapping."""
    folded = fold((item.placed.event, item.contributions) for item in items)
    found = []
    for table in mapping.tables:
        if states := folded.states.get(table.name):
            found.append(statements.join_states(dialect, table, states))
        if history := folded.histories.get(table.name):
            found.append(statements.write_history(dialect, table, history))
    return found


def refold(connection: Connection, table: MappedTable, keys: set[tuple[Any, ...]]) -> None:
    """Fold these rows of a table anew from the ledger."""
    names = [column.name for column in table.key]
    if table.kind == "history":
        _refold_history(connection, table, {key[0] for key in keys})
        return
    statements.delete_keys(connection, table.name, names, keys)
    said = []
    for event in _events_of(connection, table, keys):
        contributions = [one for one in Mapping.read(table, event) if one.key in keys]
        if contributions:
            said.append((event, contributions))
    if rows := fold(said).states.get(table.name):
        statements.join_states(connection.dialect.name, table, rows).run(connection)


def _refold_history(connection: Connection, table: MappedTable, event_ids: set[str]) -> None:
    statements.delete_keys(connection, table.name, ["event_id"], {(event_id,) for event_id in event_ids})
    events = ledger.held(connection, event_ids).values()
    rows = fold((event, Mapping.read(table, event)) for event in events).histories.get(table.name)
    if rows:
        statements.write_history(connection.dialect.name, table, rows).run(connection)


def _events_of(connection: Connection, table: MappedTable, keys: set[tuple[Any, ...]]) -> Iterable[Any]:
    """Events that may touch these rows; all of the table's where keys do not tell."""
    if table.entities is not None:
        entity_keys = {entity_key for key in keys for entity_key in table.entity_keys(key)}
        return ledger.of_entities(connection, table.actions, entity_keys)
    return ledger.of_actions(connection, table.actions)
