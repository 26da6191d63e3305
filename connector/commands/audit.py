"""``connector audit``: read records again, and say where the mirror is not as the source."""

import asyncio
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

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
from connector.commands.progress import progress
from connector.config import Config

if TYPE_CHECKING:
    from connector.fetching.audit import Audited
    from connector.fetching.backfill import Report

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def audit(
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]…", help="Families of sources.yaml; by default all."),
    ] = None,
    *,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, metavar="N", help="Read so many records of each, by chance."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare only: note no drift, repair nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Read each record of the mirror again from the source, note what differs (view drift), and repair it.

    Ends with 1 where something differs. Interrupted, run it again: it goes on where it was.
    """
    logs.configure()
    failpoints.load(os.environ)
    settings = load_beside(config_dir, data_dir, with_login=True, kafka=kafka, database_url=database_url)
    try:
        with progress(err) as report:
            found = asyncio.run(_run(settings, families or [], sample, report, dry=dry_run))
    except KeyboardInterrupt:
        if not dry_run and sample is None:
            err.print("interrupted: run it again, and it goes on where it was")
        raise
    if as_json:
        print(json.dumps({"dry_run": dry_run, "families": [asdict(one) for one in found]}))  # noqa: T201
    else:
        for one in found:
            _print(one)
    if any(one.drifted for one in found):
        raise typer.Exit(1)


async def _run(
    settings: Config, families: list[str], sample: int | None, report: "Report", *, dry: bool
) -> list["Audited"]:
    from connector.fetching import audit as work  # noqa: PLC0415 - each command loads only what it needs

    return [one async for one in work.audit(settings, families, sample, report, dry=dry)]


def _print(found: "Audited") -> None:
    drift = f"{found.drifted:,} drifted (cells or rows: {found.cells:,})" if found.drifted else "no drift"
    out.print(safe_text.plain(f"{found.family}: {found.compared:,} records compared; {drift}"))
    if found.moved:
        out.print(
            f"  {found.moved:,} were left to the hydrator: hooks asked for them, or they changed meanwhile"
        )
    if found.left_out:
        out.print(f"  {found.left_out:,} could not be read")
