"""``connector restore``: what a backup holds, made again."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import config as configuration
from connector import failpoints, logs, private_files, safe_text
from connector.commands.backup import at
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DatabaseUrl,
    DataDir,
)
from connector.commands.progress import Report, progress
from connector.config import Config
from connector.errors import StartupError

if TYPE_CHECKING:
    from connector.commands import backup_file

SHOWN = 20
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that connector backup wrote.")],
    *,
    archives: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder or URL for the archives, instead of mirror.retention.archive.",
        ),
    ] = None,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make what a backup holds again, on SQLite or PostgreSQL; never over what is there.

    A worker on it goes on from the backup's own offsets, while Kafka still has what follows.
    """
    logs.configure(level="WARNING")
    private_files.keep_new_files_private()
    failpoints.load(os.environ)
    from connector.commands import backup_file  # noqa: PLC0415 - each command loads only what it needs
    from connector.local import endpoints  # noqa: PLC0415

    for variable, value in endpoints(data_dir, named=True).items():
        os.environ.setdefault(variable, value)
    os.environ.setdefault("XTND_DATA_DIR", str(data_dir.absolute()))
    with backup_file.Backup(file).opened() as found, progress(err) as report:
        given = {"database.url": database_url} if database_url else {}
        unused = ("kafka", "database")
        settings = configuration.parse(found.texts, os.environ, given, with_secrets=False, unused=unused)
        if not settings.database.url.get_secret_value():
            what = "The configuration in the backup names its database with a password, which is not in it."
            raise StartupError(what, "name the database with --database-url")
        retention = settings.mirror.retention
        folder = archives or (retention.archive if retention else str(data_dir / "archive"))
        run = RestoreRun(file, found, settings, report)
        sentences = run.make(folder)
    out.print(f"restored {found.manifest.events:,} events of {found.manifest.made_at}")
    for sentence in sentences:
        out.print(safe_text.plain(sentence))
    for name, text in found.texts.items():
        run.write_text(config_dir / name, text)
    for name in found.manifest.left_out:
        out.print(f"not restored: a secret; set the variable {name}")
    raise typer.Exit(_look(settings))


class RestoreRun:
    """Makes what a backup holds, ``found`` in ``file`` and open, as one configuration names it."""

    def __init__(self, file: Path, found: "backup_file.Backup", settings: Config, report: Report) -> None:
        self._file = file
        self._found = found
        self._settings = settings
        self._report = report

    def make(self, folder: str) -> list[str]:
        """Make the mirror, the archives in ``folder`` and the spool.

        What is there already is refused before anything is made. Gives a sentence for each thing to know of
        archives.
        """
        from connector.commands import backup_archives, backup_file  # noqa: PLC0415
        from connector.mirror import copying, database  # noqa: PLC0415

        found, settings = self._found, self._settings
        spool = Path(settings.gateway.spool_path) if backup_file.SPOOL in found.manifest.members else None
        file = database.file_of(settings.database)
        places = []
        for one, setting in ((spool, "gateway.spool_path"), (file, "database.url")):
            if one is not None:
                backup_file.require_new(one)
                places.append((one, setting))
        if file is None:
            with self._naming_option():
                copying.require_empty(settings)
        archives = backup_archives.ArchivesOfBackup(found, folder)
        archives.require_place()
        for one, setting in places:
            private_files.own_folder(one.absolute().parent, setting=setting)
        with self._scratch(spool) as spool_scratch, self._scratch(file) as scratch, ExitStack() as stack:
            if spool_scratch is not None:
                observe = partial(self._report, "reading the spool (bytes)")
                found.extract(backup_file.SPOOL, spool_scratch, observe)
            saved = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory())) / backup_file.MIRROR
            found.extract(backup_file.MIRROR, saved, partial(self._report, "reading (bytes)"))
            sentences = archives.put_back(at(settings, saved), self._report)
            if scratch is None:
                self._fill(saved)
            # The mirror last: a restore that is ended before that is run again once the spool is removed.
            for made, one in ((spool_scratch, spool), (scratch, file)):
                if made is not None and one is not None:
                    os.link(made, one)
        return sentences

    def write_text(self, file: Path, text: str) -> None:
        """Write a file of the configuration where there is none."""
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("x", encoding="utf-8") as made:
                made.write(text)
        except FileExistsError:
            if file.read_text(encoding="utf-8") != text:
                inside = f"config/{file.name}"
                out.print(
                    f"kept: {file} is not the backup's (tar -xzOf {self._file} {inside} prints that one)"
                )
        else:
            out.print(f"wrote {file}")

    def _fill(self, saved: Path) -> None:
        """Copy the mirror of a file into the database of a server."""
        from connector.mirror import copying, database  # noqa: PLC0415
        from connector.mirror.mapping import Mapping  # noqa: PLC0415
        from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

        reading = database.connect(at(self._settings, saved).database, access="read")
        writing = database.connect(self._settings.database)
        try:
            target = as_mirrored(reading, self._settings)
            with self._naming_option():
                copying.copy(reading, writing, target, Mapping(target), self._report)
        finally:
            reading.dispose()
            writing.dispose()

    @staticmethod
    @contextmanager
    def _scratch(file: Path | None) -> Iterator[Path | None]:
        """A name beside a file that is to be made; what stands there is removed at the end."""
        scratch = file and file.with_name(f".{file.name}.{os.getpid()}")
        try:
            yield scratch
        finally:
            if scratch is not None:
                scratch.unlink(missing_ok=True)

    @staticmethod
    @contextmanager
    def _naming_option() -> Iterator[None]:
        """Have errors of the database that is to be filled name the option of ``connector restore``."""
        try:
            yield
        except StartupError as error:
            raise StartupError(error.what, error.cure.replace("--to", "--database-url")) from error


def _look(settings: Config) -> int:
    """Compare the mirror with its own ledger, and say what Kafka has of what follows."""
    from connector.commands.copying import report_kafka  # noqa: PLC0415
    from connector.mirror import database, offsets, steps, verify  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    looking = database.connect(settings.database, access="read")
    try:
        steps.require(looking)
        differences = verify.differences(looking, Mapping(as_mirrored(looking, settings)))
        for difference in differences[:SHOWN]:
            err.print(safe_text.plain(difference))
        if not differences:
            out.print(f"verified: {database.shown(settings.database)} equals the fold of its ledger")
        report_kafka(settings, offsets.stored(looking))
    finally:
        looking.dispose()
    out.print(
        "Next: start a worker on it (connector worker, or connector up); it goes on from its own offsets"
    )
    return 1 if differences else 0
