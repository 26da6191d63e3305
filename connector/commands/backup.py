"""``connector backup`` and ``connector restore``: mirror, archives, spool and configuration in one file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import __version__, clocks, events, failpoints, logs, private_files, safe_text
from connector import config as configuration
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
from connector.errors import StartupError

if TYPE_CHECKING:
    from connector.commands import backup_file

SHOWN = 20
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
    from connector.commands import (  # noqa: PLC0415 - each command loads only what it needs
        backup_archives,
        backup_file,
    )
    from connector.config import redaction  # noqa: PLC0415
    from connector.mirror import database, verify  # noqa: PLC0415
    from connector.spool import backup as spool  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    backup_file.require_new(file)
    manifest = backup_file.Manifest(events.iso(clocks.now()), __version__, 0, None)
    texts: dict[str, bytes] = {}
    for name in FILES:
        if (source := config_folder(config_dir) / name).exists():
            text, left_out = redaction.without_secrets(source.read_text(encoding="utf-8"))
            texts[name] = text.encode()
            manifest.left_out += left_out
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as scratch:
        files = [Path(scratch) / backup_file.SPOOL, Path(scratch) / backup_file.MIRROR]
        # The spool first: what leaves it meanwhile is on Kafka, and what is in both is known by its id.
        manifest.spooled = spool.save(Path(settings.gateway.spool_path), files[0])
        if manifest.spooled is None:
            files = files[1:]
        with progress(err) as report:
            _save(settings, files[-1], report)
            mirror = _at(settings, files[-1])
            saved = database.connect(mirror.database, access="read")
            manifest.events = verify.count(saved)
            saved.dispose()
            archives = backup_archives.of(mirror)
            members = [backup_file.Member.of(one) for one in files]
            if without_archives:
                manifest.archives_left_out = [one.file for one in archives]
            else:
                members += backup_archives.members(archives)
            backup_file.write(file, manifest, texts, members, partial(report, "compressing (bytes)"))
    spooled = (
        "no spool on this machine" if manifest.spooled is None else f"{manifest.spooled:,} rows of the spool"
    )
    size = file.stat().st_size
    with_archives = f"{len(archives)} archives, " if archives and not without_archives else ""
    counts = f"{manifest.events:,} events, {with_archives}{spooled}, {len(texts)} files, {size:,} bytes"
    out.print(f"wrote {file}: {counts}")
    if manifest.archives_left_out:
        where = backup_archives.folders(archives)
        out.print(safe_text.plain(f"not in it: {len(archives)} archives; keep them, in {where}"))
    for name in manifest.left_out:
        out.print(f"not in it: a secret of the configuration; a restore needs it as the variable {name}")


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
        sentences = _put_back(found, settings, folder, report)
    out.print(f"restored {found.manifest.events:,} events of {found.manifest.made_at}")
    for sentence in sentences:
        out.print(safe_text.plain(sentence))
    for name, text in found.texts.items():
        _write_text(file, config_dir / name, text)
    for name in found.manifest.left_out:
        out.print(f"not restored: a secret; set the variable {name}")
    raise typer.Exit(_look(settings))


def _at(settings: Config, file: Path) -> Config:
    """The configuration with a mirror in this file."""
    given = settings.database.model_copy(update={"url": type(settings.database.url)(f"sqlite:///{file}")})
    return settings.model_copy(update={"database": given})


def _save(settings: Config, file: Path, report: Report) -> None:
    """Write the mirror as it is now into a file of SQLite."""
    from connector.mirror import copying, database, steps  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    reading = database.connect(settings.database, access="read")
    try:
        steps.require(reading)
        if database.save(reading, file, partial(report, "copying (pages)")):
            return
        target = _at(as_mirrored(reading, settings), file)
        writing = database.connect(target.database)
        try:
            copying.copy(reading, writing, target, Mapping(target), report)
        finally:
            writing.dispose()
    finally:
        reading.dispose()


def _put_back(found: "backup_file.Backup", settings: Config, folder: str, report: Report) -> list[str]:
    """Make the mirror, the archives and the spool; what is there already is refused before anything is made.

    Gives a sentence for each thing to know of archives.
    """
    from connector.commands import backup_archives, backup_file  # noqa: PLC0415
    from connector.mirror import copying, database  # noqa: PLC0415

    spool = Path(settings.gateway.spool_path) if backup_file.SPOOL in found.manifest.members else None
    file = database.file_of(settings.database)
    places = []
    for one, setting in ((spool, "gateway.spool_path"), (file, "database.url")):
        if one is not None:
            backup_file.require_new(one)
            places.append((one, setting))
    if file is None:
        with _naming_option():
            copying.require_empty(settings)
    backup_archives.require_place(found, folder)
    for one, setting in places:
        private_files.own_folder(one.absolute().parent, setting=setting)
    with _scratch(spool) as spool_scratch, _scratch(file) as scratch, ExitStack() as stack:
        if spool_scratch is not None:
            found.extract(backup_file.SPOOL, spool_scratch, partial(report, "reading the spool (bytes)"))
        saved = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory())) / backup_file.MIRROR
        found.extract(backup_file.MIRROR, saved, partial(report, "reading (bytes)"))
        sentences = backup_archives.put_back(found, _at(settings, saved), folder, report)
        if scratch is None:
            _fill(saved, settings, report)
        # The mirror last: a restore that is ended before that is run again once the spool is removed.
        for made, one in ((spool_scratch, spool), (scratch, file)):
            if made is not None and one is not None:
                os.link(made, one)
    return sentences


@contextmanager
def _scratch(file: Path | None) -> Iterator[Path | None]:
    """A name beside a file that is to be made; what stands there is removed at the end."""
    scratch = file and file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield scratch
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)


def _fill(saved: Path, settings: Config, report: Report) -> None:
    """Copy the mirror of a file into the database of a server."""
    from connector.mirror import copying, database  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    reading = database.connect(_at(settings, saved).database, access="read")
    writing = database.connect(settings.database)
    try:
        target = as_mirrored(reading, settings)
        with _naming_option():
            copying.copy(reading, writing, target, Mapping(target), report)
    finally:
        reading.dispose()
        writing.dispose()


@contextmanager
def _naming_option() -> Iterator[None]:
    """Have errors of the database that is to be filled name the option of ``connector restore``."""
    try:
        yield
    except StartupError as error:
        raise StartupError(error.what, error.cure.replace("--to", "--database-url")) from error


def _write_text(backup: Path, file: Path, text: str) -> None:
    """Write a file of the configuration where there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as made:
            made.write(text)
    except FileExistsError:
        if file.read_text(encoding="utf-8") != text:
            inside = f"config/{file.name}"
            out.print(f"kept: {file} is not the backup's (tar -xzOf {backup} {inside} prints that one)")
    else:
        out.print(f"wrote {file}")


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
