"""The own tables of fetched records: how far hydrator, backfills, sweeps and audits are."""

from sqlalchemy import Index

from connector.mirror.models.own import Own, column, only


class HydrationWork(Own, table=True):
    """How far the hydrator is with records that it is asked for (connector's own)."""

    __tablename__ = "_hydration_work"
    indexes = (
        Index("ix_hydration_work_again_at", "family", "again_at", **only("again_at IS NOT NULL")),
        Index("ix_hydration_work_asked_at", "family", "asked_at", **only("asked_at IS NOT NULL")),
        Index("ix_hydration_work_leased", "leased_until", "leased_by", **only("leased_until IS NOT NULL")),
        Index("ix_hydration_work_swept_at", "family", "swept_at", **only("swept_at IS NOT NULL")),
    )

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    entity_key: str = column("exact", "Which record of it, as in notifications.", key=True)
    asked_at: str | None = column("timestamp", "When a backfill, sweep or audit asked for it (UTC).")
    again_at: str | None = column("timestamp", "When it is fetched once more (UTC).")
    answered_at: str | None = column("timestamp", "Up to when wants of hooks are published or parked (UTC).")
    marked_at: str | None = column("timestamp", "The newest snapshot that is published (UTC).")
    # In microseconds since the epoch; no two leases of a key have the same.
    lease: int | None = column("integer", "Beyond which instant the snapshot of the last lease lies (µs).")
    leased_by: str | None = column("text", "The hydrator that has it.")
    leased_at: str | None = column("timestamp", "Since when it has it (UTC).")
    leased_until: str | None = column("timestamp", "Until when no other hydrator takes it (UTC).")
    not_before: str | None = column("timestamp", "When it is tried again at the earliest (UTC).")
    trouble: str = column("text", "Why it was not fetched: away, missing or refused; else empty.")
    tries: int = column("small", "How often in a row it was not.")
    swept_at: str | None = column("timestamp", "The start of the newest sweep that asked for it (UTC).")
    changed_at: str | None = column("timestamp", "When the record changed, as that sweep's list says (UTC).")
    row_digest: str | None = column("text", "Digest of what a sweep's list had of it last.")
    audited_at: str | None = column("timestamp", "The start of the newest audit whose list had it (UTC).")


class BackfillWork(Own, table=True):
    """How far a family's newest backfill is with its list (connector's own)."""

    __tablename__ = "_backfills"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    changed_since: str = column("timestamp", "Since when the records changed (UTC).")
    changed_until: str | None = column("timestamp", "Until when they changed; null: until its start (UTC).")
    started_at: str = column("timestamp", "When it was started (UTC).")
    finished_at: str | None = column("timestamp", "When the list was read to its end (UTC).")
    part: int = column("small", "Which window of changes is read, from 0.")
    reading: int = column("small", "Whether it is read for the first time (0) or for the second (1).")
    page: int | None = column("small", "The last page that was read; null before the first.")
    listed: int = column("integer", "Rows that were listed.")
    asked: int = column("integer", "Records that were asked for, or published from the list itself.")


class Sweep(Own, table=True):
    """What the sweeps of a family's list found (connector's own)."""

    __tablename__ = "_sweeps"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When it started (UTC).", key=True)
    alive_until: str = column("timestamp", "Until when it is taken to run while it is not finished (UTC).")
    finished_at: str | None = column("timestamp", "When the list was read to its end (UTC).")
    whole: int = column("small", "1 where the whole list was read, 0 where what changed was.")
    listed: int = column("integer", "Records that were listed.")
    enqueued: int = column("integer", "Records that were asked for, or published from the list itself.")
    repaired: int = column("integer", "Those of them that were fetched since.")
    lost_hooks: int = column("integer", "Hooks that never came, by what records imply and what changed.")


class Audit(Own, table=True):
    """How far the newest audit of a family's records is (connector's own)."""

    __tablename__ = "_audits"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When it was started (UTC).")
    finished_at: str | None = column("timestamp", "When all records were read (UTC).")
    entity_key: str = column("exact", "The last record that was read; empty before the first.")
    compared: int = column("integer", "Records that were compared.")
    moved: int = column("integer", "Records that were left to the hydrator, because they changed meanwhile.")
    left_out: int = column("integer", "Records that the API did not give.")
    page: int | None = column("small", "The last page of the list that was read; null before the first.")


class Drift(Own, table=True):
    """Where the mirror was not as the source (connector's own)."""

    __tablename__ = "_drift"

    shop: str = column("exact", "The shop that it is of; empty without shops.", key=True)
    family: str = column("exact", "Family of topics.yaml.", key=True)
    started_at: str = column("timestamp", "When the audit was started that found it (UTC).", key=True)
    entity_key: str = column("exact", "Which record of the family, as in notifications.", key=True)
    table_name: str = column("exact", "Table of the mirror.", key=True)
    row_key: str = column("exact", "Which of the record's rows there; empty where it has one.", key=True)
    column_name: str = column("exact", "Column; empty where only one of both has the row.", key=True)
    found_at: str = column("timestamp", "When the record was asked for (UTC).")
    hooked_at: str | None = column(
        "timestamp", "When the newest hook for it occurred that was mirrored (UTC)."
    )
    mirrored: str | None = column("text", "What the mirror had; of a row its columns as JSON.")
    source: str | None = column("text", "What the source had; of a row its columns as JSON.")
