"""``connector audit``: read records again, and say where the mirror is not as the source."""

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
    from connector.fetching import audit as work  # noqa: PLC0415 - each command loads only what it needs

    settings = load_beside(config_dir, data_dir, with_login=True, kafka=kafka, database_url=database_url)
    try:
        with progress(err) as report:
            found = asyncio.run(collected(work.audit(settings, families or [], sample, report, dry=dry_run)))
    except KeyboardInterrupt:
        if not dry_run and sample is None:
            err.print("interrupted: run it again, and it goes on where it was")
        raise
    if as_json:
        print(json.dumps({"dry_run": dry_run, "families": [asdict(one) for one in found]}))  # noqa: T201
    for one in found if not as_json else ():
        drift = f"{one.drifted:,} drifted (cells or rows: {one.cells:,})" if one.drifted else "no drift"
        out.print(safe_text.plain(f"{one.family}: {one.compared:,} records compared; {drift}"))
        if one.moved:
            out.print(
                f"  {one.moved:,} were left to the hydrator: hooks asked for them, or they changed meanwhile"
            )
        if one.left_out:
            out.print(f"  {one.left_out:,} could not be read")
    if any(one.drifted for one in found):
        raise typer.Exit(1)
