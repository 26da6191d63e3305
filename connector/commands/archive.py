"""``connector archive``: whole months leave the ledger for Parquet files."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import clocks, failpoints, logs, private_files, safe_text
from connector.commands.options import CONFIG_DIR, DATA_DIR, ConfigDir, DatabaseUrl, DataDir, load_beside
from connector.commands.progress import Report, progress
from connector.config import Config
from connector.errors import StartupError

if TYPE_CHECKING:
    from connector.mirror.archives import StoredArchive
    from connector.mirror.archiving import DueMonth

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def archive(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due; change nothing.")] = False,
    moved_to: Annotated[
        str | None,
        typer.Option(
            "--moved-to", metavar="FOLDER", help="Note that all files were moved to this folder or URL."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take months that are older than mirror.retention says out of the ledger, into Parquet files.

    The rows of tables stay, and so does each event without what it says. Interrupted, run it again.
    """
    logs.configure()
    failpoints.load(os.environ)
    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    archiving = Archiving(settings, moved_to)
    if dry_run and moved_to is None:
        due = archiving.due()
        if as_json:
            print(json.dumps({"dry_run": True, "months": [one._asdict() for one in due]}))  # noqa: T201
        else:
            for one in due:
                out.print(f"{one.month}: {one.events:,} events to be archived")
            if not due:
                out.print("nothing is due")
        return
    found: list[StoredArchive] = []
    try:
        with progress(err) as report:
            for made in archiving.run(report):
                found.append(made)
                if not as_json:
                    what = f"{made.month}: {made.events:,} events in {made.file} ({made.size_bytes:,} bytes)"
                    out.print(safe_text.plain(what))
    except KeyboardInterrupt:
        err.print("interrupted: what is printed above is done; run it again for the rest")
        raise
    if as_json:
        print(json.dumps({"dry_run": False, "archives": [one._asdict() for one in found]}))  # noqa: T201
    elif not found:
        out.print("nothing is due")


class Archiving:
    """What one run does; with ``moved_to`` it notes where all files are now, and archives nothing."""

    def __init__(self, settings: Config, moved_to: str | None) -> None:
        self._settings = settings
        self._moved_to = moved_to

    def due(self) -> "list[DueMonth]":
        """The months that a run would archive."""
        from connector.mirror import archiving, database, steps  # noqa: PLC0415 - only what a command needs

        _, months = self._retention()
        engine = database.connect(self._settings.database, access="read")
        steps.require(engine)
        with database.transaction(engine) as connection:
            return list(archiving.due(connection, months, clocks.now()))

    def run(self, report: Report) -> "Iterator[StoredArchive]":
        """Archive what is due, or note the move; gives each archive once it is done."""
        from connector.mirror import archiving, database  # noqa: PLC0415
        from connector.mirror.mapping import Mapping  # noqa: PLC0415
        from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

        private_files.keep_new_files_private()
        folder, months = self._retention() if self._moved_to is None else (self._moved_to, 0)
        engine = database.connect(self._settings.database, access="write")
        mapping = Mapping(as_mirrored(engine, self._settings))
        if self._moved_to is not None:
            yield from archiving.move(engine, mapping, self._moved_to)
            return
        yield from archiving.archive(engine, mapping, folder, months, report)

    def _retention(self) -> tuple[str, int]:
        """Where archives go, and how many months stay."""
        retention = self._settings.mirror.retention
        if retention is None:
            raise StartupError(
                "The configuration does not say what is archived.",
                "write into connector.yaml: mirror: {retention: {months: 12, archive: data/archive}}",
            )
        return retention.archive, retention.months
