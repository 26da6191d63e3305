"""Archives in a backup: taken along or left out, and put back where the configuration has them."""

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import IO

from connector.commands.backup_file import ARCHIVES, MEMBER, Backup, Member
from connector.commands.progress import Report
from connector.config import Config
from connector.errors import DatabaseDamaged, StartupError
from connector.mirror import archive_copies, archive_places, database
from connector.mirror.archives import StoredArchive

NAME_ANOTHER = "name another folder or URL with --archives"


def of(mirror: Config) -> list[StoredArchive]:
    """The archives that a mirror which was saved has."""
    engine = database.connect(mirror.database, access="read")
    try:
        with database.transaction(engine) as connection:
            return archive_copies.of_copy(connection)
    finally:
        engine.dispose()


def members(archives: Iterable[StoredArchive]) -> list[Member]:
    """Their files as members of a backup; opened, they raise ``StartupError`` and ``ArchiveAway``."""
    return [Member(_member(one), one.sha256, one.size_bytes, partial(_opened, one)) for one in archives]


def require_place(found: Backup, folder: str) -> None:
    """Raise ``StartupError`` where the archives of a backup cannot be put, before anything is made."""
    within = [name for name in found.manifest.members if name.startswith(ARCHIVES)]
    if not within:
        return
    if why := archive_places.refusal(folder):
        raise StartupError(f"Archives cannot be written into {folder}: {why}", NAME_ANOTHER)
    for name in within:
        archive_copies.is_there(archive_places.within(folder, name), found.manifest.members[name])


def put_back(found: Backup, mirror: Config, folder: str, report: Report) -> list[str]:
    """Put a backup's archives into a folder, where the mirror that was read from it has them from now on.

    Gives what was done and what was not as sentences. Raises ``StartupError`` and ``ArchiveAway``.
    """
    engine = database.connect(mirror.database, access="write")
    try:
        with database.transaction(engine) as connection, tempfile.TemporaryDirectory() as scratch:
            unfinished = archive_copies.leave(connection)
            known = archive_copies.of_copy(connection)
            given = [one for one in known if _member(one) in found.manifest.members]
            made = 0
            for one in given:
                file = Path(scratch) / "archive"
                made += archive_copies.put_back(
                    connection, one, folder, partial(_extracted, found, one, file, report)
                )
    finally:
        engine.dispose()
    return list(_sentences(folder, len(given), made, [one for one in known if one not in given], unfinished))


def folders(archives: Iterable[StoredArchive]) -> str:
    """The folders in which archives stand, for people."""
    return ", ".join(sorted({one.file.rpartition("/")[0] for one in archives}))


def unfinished_sentence(file: str) -> str:
    """A sentence about a file that a copy of a mirror does not know."""
    return (
        f"left behind: {file}, of a run of connector archive or forget that was not finished: the former "
        "mirror's next run removes or finishes it; remove it yourself where that mirror is gone"
    )


def _sentences(
    folder: str, given: int, made: int, left: list[StoredArchive], unfinished: list[str]
) -> Iterable[str]:
    if given:
        there = f" ({given - made} stood there)" if made < given else ""
        yield f"archives: {given} in {folder}{there}; each is as it was written"
    if left:
        yield (
            f"not in the backup: {len(left)} archives. The mirror reads them where they were, in "
            f"{folders(left)}; where they stand elsewhere, say so: connector archive --moved-to FOLDER"
        )
    yield from map(unfinished_sentence, unfinished)


def _extracted(found: Backup, archive: StoredArchive, file: Path, report: Report) -> IO[bytes]:
    file.unlink(missing_ok=True)
    found.extract(_member(archive), file, partial(report, f"reading the archive {archive.month} (bytes)"))
    return file.open("rb")


def _opened(archive: StoredArchive) -> IO[bytes]:
    try:
        return archive_places.opened(archive.file, archive.sha256)
    except DatabaseDamaged as error:
        cure = (
            "run it again where connector forget or archive --moved-to ran beside it; for a backup that has "
            f"no archives add --without-archives; else {error.cure}"
        )
        raise StartupError(f"{error.what} There is no backup.", cure) from error


def _member(archive: StoredArchive) -> str:
    name = ARCHIVES + archive.file.rpartition("/")[2]
    if not MEMBER.fullmatch(name):
        raise StartupError(f"The archive {archive.file} has not the name of one.", "rename it as it was")
    return name
