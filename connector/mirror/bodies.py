"""Bodies of records, each stored once: a record that is fetched again unchanged brings no second one.

An event of the ledger refers to its body by a digest of the text. A body belongs to one entity key of one
source, so that few events can have it and an index finds them. Events of hooks, those with a short body, and
those that came before there was this table hold it themselves.
"""

import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from connector.events import Event
from connector.mirror.batches import Encoded, run
from connector.mirror.dialects import Dialect
from connector.mirror.models import BODY, BodyRow, names
from connector.mirror.statements import on_keys

# Bytes up to which a body stands in its event, where a reference would be no shorter.
SHORT = 64
DIGEST_BYTES = 16
# What an event holds instead of its body.
ELSEWHERE = "{}"
COLUMNS = BodyRow.columns()
OWNER = BodyRow.key()[:2]
INSERT = f"INSERT INTO _bodies ({names(COLUMNS)})"
UNUSED = f"NOT EXISTS (SELECT 1 FROM _notifications WHERE {BODY})"


def digest(event: Event) -> bytes | None:
    """What an event refers to its body by; None where it holds it itself."""
    if event.source_name is None or len(event.details) <= SHORT:
        return None
    return hashlib.blake2b(event.details, digest_size=DIGEST_BYTES).digest()


def encoded(dialect: Dialect, found: Sequence[Event], digests: Sequence[bytes | None]) -> Encoded | None:
    """The bodies of events with these digests, ready for ``put``; None where there is none."""
    rows = {
        (event.entity_key, event.source, body): event.details.decode()
        for event, body in zip(found, digests, strict=True)
        if body is not None
    }
    if not rows:
        return None
    # In one order, so that two workers wait for each other in that order.
    return dialect.encode(COLUMNS, list(zip(*((*key, rows[key]) for key in sorted(rows)), strict=True)))


def put(connection: Connection, bodies: Encoded) -> None:
    """Store those bodies that are not there; before the events that refer to them."""
    run(connection, INSERT, bodies, "ON CONFLICT DO NOTHING")


def any_unused(connection: Connection) -> bool:
    """Whether there are bodies that no event refers to; reads all of them."""
    found = connection.exec_driver_sql(f"SELECT 1 FROM _bodies WHERE {UNUSED} LIMIT 1")
    return found.first() is not None


def drop_unused(connection: Connection, owners: Iterable[tuple[str | None, str]] | None = None) -> int:
    """Delete bodies that no event refers to, of these entity keys and sources, or of all; gives how many.

    No batch may run beside it: a worker that finds a body there relies on it.
    """
    if owners is None:
        return connection.exec_driver_sql(f"DELETE FROM _bodies WHERE {UNUSED}").rowcount
    return len(on_keys(connection, "DELETE FROM _bodies", OWNER, owners, f"AND {UNUSED} RETURNING digest"))
