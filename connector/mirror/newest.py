"""The newest events of the ledger, a few of each sort, on which a changed mapping is tried."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true
from sqlmodel import col

from connector.events import Identity, Sort, iso
from connector.mirror import dialects
from connector.mirror.ledger import SORT
from connector.mirror.models import LedgerRow


def newest_identities(
    connection: Connection,
    limits: Mapping[Sort, int],
    since: int | None,
    until: int | None,
    deadline: float,
) -> list[tuple[Sort, Identity]]:
    """The newest events that were received in a range of time, newest first, with a limit for each sort.

    Archived ones are left out. Instants are microseconds since the epoch, None is open. Fails as in an
    outage when it is not done at ``deadline``, on the monotonic clock.
    """
    received_at = col(LedgerRow.received_at)
    event_id, source = col(LedgerRow.event_id), col(LedgerRow.source)
    order = [received_at.desc(), event_id.desc(), source.desc()]
    rank = func.row_number().over(partition_by=SORT, order_by=order).label("rank")
    ranked = (
        select(*SORT, event_id, source, rank)
        .where(
            _of(limits),
            col(LedgerRow.archive).is_(None),
            true() if since is None else received_at >= iso(since),
            true() if until is None else received_at < iso(until),
        )
        .subquery()
    )
    query = (
        select(ranked)
        .where(ranked.c.rank <= max(limits.values()))
        .order_by(ranked.c.of_source, ranked.c.name, ranked.c.rank)
    )
    with dialects.of(connection).until(connection, deadline):
        rows = connection.execute(query).fetchall()
    return [(Sort(row[0], bool(row[1])), (row[2], row[3])) for row in rows]


def _of(sorts: Collection[Sort]) -> ColumnElement[bool]:
    """Events of these sorts."""
    actions, families = (
        [sort.name for sort in sorts if sort.of_source is of_source] for of_source in (False, True)
    )
    hook = col(LedgerRow.hook)
    return or_(
        and_(col(LedgerRow.action).in_(actions), hook.is_not(None)),
        and_(col(LedgerRow.family).in_(families), hook.is_(None)),
    )
