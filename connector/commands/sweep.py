"""``connector sweep``: look now for what hooks never reported."""

import asyncio
import json
import os
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from connector import failpoints, logs, safe_text
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

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def sweep(
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]…", help="Families of sources.yaml; by default all with a list."),
    ] = None,
    *,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read lists with full_scan_hours whole, not only what changed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the lists, ask for nothing; print what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List what changed since the last sweep, and have the hydrator fetch what is newer than the mirror.

    The hydrator does this by itself, every 15 minutes as shipped.
    """
    logs.configure()
    failpoints.load(os.environ)
    from connector.fetching import sweep as work  # noqa: PLC0415 - each command loads only what it needs

    settings = load_beside(config_dir, data_dir, with_login=True, kafka=kafka, database_url=database_url)
    with progress(err) as report:
        found = asyncio.run(collected(work.sweep(settings, families or [], report, whole=whole, dry=dry_run)))
    if as_json:
        print(json.dumps({"dry_run": dry_run, "families": [asdict(one) for one in found]}))  # noqa: T201
        return
    for one in found:
        were = "would be" if dry_run else "were"
        done = "published from the list" if one.published else "asked for; the hydrator fetches them"
        text = f"{one.family}: {one.listed:,} rows listed; {one.enqueued:,} records {were} {done}"
        out.print(safe_text.plain(f"{text}{one.note and f' ({one.note})'}"))
