"""Layout 15 → 16: the key of a history starts with the instant of its event.

Ids are random, so that in an index which they lead each new row is on another page: with two millions of
rows the key of a history took a fifth of all that PostgreSQL did for an event.
"""

from collections.abc import Collection

from sqlalchemy import Connection, inspect

from connector.mirror import dialects
from connector.mirror.dialects.base_catalogue import Key
from connector.mirror.dialects.dialect import quoted

FORMER = {"event_id", "row_index", "source"}
COLUMN = "event__version"
COMMENT = "When the event occurred: microseconds since the epoch."


def act(connection: Connection, _mapped: Collection[str]) -> None:
    """Put the instant into every history, also of a table that tables.yaml does not have now.

    A row whose event the ledger lacks, because somebody deleted it, has none: verify says so as before.
    """
    instant = dialects.of(connection).microseconds("event.occurred_at")
    for (_, table), key in sorted(inspect(connection).get_multi_pk_constraint().items()):
        if {*key["constrained_columns"]} == FORMER:
            same = " AND ".join(f"event.{one} = {quoted(table)}.{one}" for one in ("event_id", "source"))
            value = f"COALESCE((SELECT {instant} FROM _notifications AS event WHERE {same}), 0)"
            of_key = Key(COLUMN, COMMENT, usual="0", value=value, first=True, type="integer")
            dialects.catalogue(connection).add_to_key(table, of_key)
