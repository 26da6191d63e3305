"""Snapshots: the answer of one GET is an event like any other (docs/contract.md, Events)."""

from connector.events.event import GONE, SNAPSHOT, Event, snapshot_id
from connector.events.values import compact


def snapshot(
    *,
    source: str,
    family: str,
    entity: str,
    key: str,
    at: int,
    received_at: int,
    body: bytes,
    gone: bool = False,
) -> Event:
    """The event that a record is, or of a record that is ``gone``.

    ``source`` is a name of sources.yaml, ``key`` the entity key, ``at`` the version's instant: when the
    request was sent, and later than what asked for it; both instants are microseconds since the epoch.
    ``body`` is a JSON object; of a record that is gone, one with just the parts of its key where a record
    has them, so that tables read keys in one way. Raises ``ValueError`` (msgspec's) for no JSON.
    """
    return Event(
        delivery_id=snapshot_id(family, key, at),
        index=0,
        hook="",
        attempt=1,
        family=family,
        action=entity + (GONE if gone else SNAPSHOT),
        entity_key=key,
        details=compact(body),
        properties="{}",
        received_at=received_at,
        occurred_at=at,
        source_name=source,
    )
