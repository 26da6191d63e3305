"""What a configuration must know of each kind of table; the rest its class in the mirror says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableKind:
    """A kind of table, by what ``tables.yaml`` may say of one and what it has by itself."""

    # Columns that every table has by itself (docs/contract.md, Tables).
    columns: tuple[str, ...]
    # Those of them that a view may read as instants of a row.
    instants: tuple[str, ...]
    # The key of every table; empty where ``tables.yaml`` names it, and what has one key is one row.
    key: tuple[str, ...]
    # Whether several events meet in one row, so that each column needs a rule.
    folds: bool
    # Kinds of views that read such tables.
    views: tuple[str, ...]
    # Whether it takes snapshots of a family, instead of what hooks bring of some actions.
    of_sources: bool = False


KINDS = {
    "state": TableKind(
        columns=(
            *("first_seen_at", "as_of", "last_action", "last_event_id", "event_count"),
            # The newest event's version, which a late one must not pass.
            *("last_version", "mirrored_at"),
        ),
        instants=("first_seen_at", "as_of"),
        key=(),
        folds=True,
        views=("lead_times", "full"),
    ),
    "history": TableKind(
        # The instant with which the store's key starts is the connector's own.
        columns=("event__version", "event_id", "row_index", "source"),
        instants=(),
        key=("event_id", "row_index", "source"),
        folds=False,
        views=("movements", "intervals", "daily"),
    ),
    "snapshot": TableKind(
        # Their versions, which a late one must not pass, are the connector's own.
        columns=("fetched_at", "gone_at", "snapshot__version", "gone__version", "mirrored_at"),
        instants=("fetched_at", "gone_at"),
        key=(),
        folds=False,
        views=(),
        of_sources=True,
    ),
}
