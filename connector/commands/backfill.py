"""``connector backfill``: have the records fetched that changed in a time without a hook."""

import asyncio
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import events, failpoints, logs, safe_text
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Kafka,
    load_beside,
)
from connector.commands.progress import collected, progress

if TYPE_CHECKING:
    from connector.fetching.backfill import Backfilled

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def _instant(text: str) -> int:
    """An ISO-8601 date or instant, UTC unless it says otherwise, as microseconds since the epoch."""
    try:
        instant = datetime.fromisoformat(text)
        return events.microseconds(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        what = "give a date or a UTC instant, such as 2026-01-31 or 2026-01-31T08:00:00Z"
        raise typer.BadParameter(what) from None


def backfill(
    families: Annotated[
        list[str], typer.Argument(metavar="FAMILY…", help="Families of sources.yaml, such as orders.")
    ],
    *,
    since: Annotated[
        int, typer.Option("--since", parser=_instant, metavar="D", help="Records that changed since then.")
    ],
    until: Annotated[
        int | None,
        typer.Option("--until", parser=_instant, metavar="D", help="And until then; by default until now."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the lists, ask for nothing; print what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the records that changed, and have the hydrator fetch them in the background.

    Interrupted, run it again: it goes on where it was.
    """
    if until is not None and until < since:
        raise typer.BadParameter("it is before --since", param_hint="--until")
    logs.configure()
    failpoints.load(os.environ)
    from connector.fetching import backfill as work  # noqa: PLC0415 - each command loads only what it needs

    settings = load_beside(config_dir, data_dir, with_login=True, kafka=kafka, database_url=database_url)
    try:
        with progress(err) as report:
            listing = work.backfill(settings, families, since, until, report, dry=dry_run)
            found = asyncio.run(collected(listing))
    except KeyboardInterrupt:
        if not dry_run:
            err.print("interrupted: run it again with the same dates, and it goes on where it was")
        raise
    if as_json:
        print(json.dumps({"dry_run": dry_run, "families": [asdict(one) for one in found]}))  # noqa: T201
        return
    for one in found:
        _print(one, dry=dry_run)


def _print(found: "Backfilled", *, dry: bool) -> None:
    if found.published:
        done = "would be published from the list" if dry else "were published from the list"
    else:
        seconds = round(found.records / max(found.per_minute, 1) * 60)
        takes = f"at least {timedelta(seconds=seconds)} at {found.per_minute:,} requests a minute"
        done = f"would be asked for, which takes {takes}"
        if not dry:
            done = f"were asked for; the hydrator fetches them, which takes {takes}"
    out.print(
        safe_text.plain(f"{found.family}: {found.listed:,} rows listed; {found.records:,} records {done}")
    )
    if found.left_out:
        out.print(
            f"  {found.left_out:,} rows were left out: they name no record, or one that cannot be stored"
        )
    for note in found.notes:
        out.print(safe_text.plain(f"  {note}"))
