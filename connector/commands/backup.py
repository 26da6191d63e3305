"""``connector backup``: mirror, archives, spool and configuration in one file."""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import __version__, clocks, events, failpoints, logs, private_files, safe_text
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    config_folder,
    load_beside,
)
from connector.commands.progress import Report, progress
from connector.config import FILES, Config

if TYPE_CHECKING:
    from connector.mirror.archives import StoredArchive

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as mirror-2026-01-31.tar.gz.")],
    *,
    without_archives: Annotated[
        bool, typer.Option("--without-archives", help="Leave the files of archives where they are.")
    ] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write mirror, archives, spool and configuration into one file, while gateway and worker go on.

    The mirror in it is of one moment. Secrets are not in it.
    """
    logs.configure(level="WARNING")
    private_files.keep_new_files_private()
    failpoints.load(os.environ)
    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    with progress(err) as report:
        made = BackupRun(file, settings, report)
        made.write(config_folder(config_dir), without_archives=without_archives)
    for line in made.lines():
        out.print(line)


def at(settings: Config, file: Path) -> Config:
    """The configuration with a mirror in this file."""
    given = settings.database.model_copy(update={"url": type(settings.database.url)(f"sqlite:///{file}")})
    return settings.model_copy(update={"database": given})


class BackupRun:
    """Writes what one configuration names into ``file``, which is not there yet."""

    def __init__(self, file: Path, settings: Config, report: Report) -> None:
        from connector.commands import backup_file  # noqa: PLC0415 - each command loads only what it needs

        self._file = file
        self._settings = settings
        self._report = report
        self._manifest = backup_file.Manifest(events.iso(clocks.now()), __version__, 0, None)
        self._texts: dict[str, bytes] = {}
        self._archives: list[StoredArchive] = []
        backup_file.require_new(file)

    def write(self, config_dir: Path, *, without_archives: bool) -> None:
        """Write the file, whole or not at all."""
        from connector.commands import backup_archives, backup_file  # noqa: PLC0415
        from connector.spool import backup as spool  # noqa: PLC0415

        self._read_texts(config_dir)
        with tempfile.TemporaryDirectory(dir=self._file.absolute().parent, prefix=".backup-") as scratch:
            files = [Path(scratch) / backup_file.SPOOL, Path(scratch) / backup_file.MIRROR]
            # The spool first: what leaves it meanwhile is on Kafka, and what is in both is known by its id.
            self._manifest.spooled = spool.save(Path(self._settings.gateway.spool_path), files[0])
            if self._manifest.spooled is None:
                files = files[1:]
            self._save_mirror(files[-1])
            self._archives = backup_archives.of(at(self._settings, files[-1]))
            members = [backup_file.Member.of(one) for one in files]
            if without_archives:
                self._manifest.archives_left_out = [one.file for one in self._archives]
            else:
                members += backup_archives.members(self._archives)
            observe = partial(self._report, "compressing (bytes)")
            backup_file.write(self._file, self._manifest, self._texts, members, observe)

    def lines(self) -> Iterator[str]:
        """What is in the file that was written, and what is not."""
        from connector.commands import backup_archives  # noqa: PLC0415

        manifest, archives = self._manifest, self._archives
        spooled = "no spool on this machine"
        if manifest.spooled is not None:
            spooled = f"{manifest.spooled:,} rows of the spool"
        with_archives = f"{len(archives)} archives, " if archives and not manifest.archives_left_out else ""
        size = self._file.stat().st_size
        counts = f"{with_archives}{spooled}, {len(self._texts)} files, {size:,} bytes"
        yield f"wrote {self._file}: {manifest.events:,} events, {counts}"
        if manifest.archives_left_out:
            where = backup_archives.folders(archives)
            yield safe_text.plain(f"not in it: {len(archives)} archives; keep them, in {where}")
        for name in manifest.left_out:
            yield f"not in it: a secret of the configuration; a restore needs it as the variable {name}"

    def _read_texts(self, config_dir: Path) -> None:
        """Take the configuration's files without the secrets in them."""
        from connector.config import redaction  # noqa: PLC0415

        for name in FILES:
            if (source := config_dir / name).exists():
                text, left_out = redaction.without_secrets(source.read_text(encoding="utf-8"))
                self._texts[name] = text.encode()
                self._manifest.left_out += left_out

    def _save_mirror(self, file: Path) -> None:
        """Write the mirror as it is now into a file of SQLite, and count its events."""
        from connector.mirror import copying, database, steps, verify  # noqa: PLC0415
        from connector.mirror.mapping import Mapping  # noqa: PLC0415
        from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

        reading = database.connect(self._settings.database, access="read")
        try:
            steps.require(reading)
            if not database.save(reading, file, partial(self._report, "copying (pages)")):
                target = at(as_mirrored(reading, self._settings), file)
                writing = database.connect(target.database)
                try:
                    copying.copy(reading, writing, target, Mapping(target), self._report)
                finally:
                    writing.dispose()
        finally:
            reading.dispose()
        saved = database.connect(at(self._settings, file).database, access="read")
        self._manifest.events = verify.count(saved)
        saved.dispose()
