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
from connector.mirror import archive_copies, database
from connector.mirror.archive_places import ArchivePlace
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


def folders(archives: Iterable[StoredArchive]) -> str:
    """The folders in which archives stand, for people."""
    return ", ".join(sorted({one.file.rpartition("/")[0] for one in archives}))


def unfinished_sentence(file: str) -> str:
    """A sentence about a file that a copy of a mirror does not know."""
    return (
        f"left behind: {file}, of a run of connector archive or forget that was not finished: the former "
        "mirror's next run removes or finishes it; remove it yourself where that mirror is gone"
    )


class ArchivesOfBackup:
    """A backup's archives on their way into ``folder``, where a mirror that was read from it finds them."""

    def __init__(self, found: Backup, folder: str) -> None:
        self._found = found
        self._folder = folder

    def require_place(self) -> None:
        """Raise ``StartupError`` where the archives cannot be put, before anything is made."""
        listed = self._found.manifest.members
        within = [name for name in listed if name.startswith(ARCHIVES)]
        if not within:
            return
        place = ArchivePlace(self._folder)
        if why := place.refusal():
            raise StartupError(f"Archives cannot be written into {self._folder}: {why}", NAME_ANOTHER)
        for name in within:
            archive_copies.is_there(place.within(name), listed[name])

    def put_back(self, mirror: Config, report: Report) -> list[str]:
        """Put them into the folder, where the mirror that was read from the backup has them from now on.

        Gives what was done and what was not as sentences. Raises ``StartupError`` and ``ArchiveAway``.
        """
        engine = database.connect(mirror.database, access="write")
        try:
            with database.transaction(engine) as connection, tempfile.TemporaryDirectory() as scratch:
                unfinished = archive_copies.leave(connection)
                known = archive_copies.of_copy(connection)
                given = [one for one in known if _member(one) in self._found.manifest.members]
                made = 0
                for one in given:
                    extracted = partial(self._extracted, one, Path(scratch) / "archive", report)
                    made += archive_copies.put_back(connection, one, self._folder, extracted)
        finally:
            engine.dispose()
        sentences = []
        if given:
            there = f" ({len(given) - made} stood there)" if made < len(given) else ""
            sentences.append(f"archives: {len(given)} in {self._folder}{there}; each is as it was written")
        if left := [one for one in known if one not in given]:
            sentences.append(
                f"not in the backup: {len(left)} archives. The mirror reads them where they were, in "
                f"{folders(left)}; where they stand elsewhere, say so: connector archive --moved-to FOLDER"
            )
        return [*sentences, *map(unfinished_sentence, unfinished)]

    def _extracted(self, archive: StoredArchive, file: Path, report: Report) -> IO[bytes]:
        file.unlink(missing_ok=True)
        observe = partial(report, f"reading the archive {archive.month} (bytes)")
        self._found.extract(_member(archive), file, observe)
        return file.open("rb")


def _opened(archive: StoredArchive) -> IO[bytes]:
    try:
        return ArchivePlace(archive.file).opened(archive.sha256)
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
