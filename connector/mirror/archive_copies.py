"""Archives of a mirror that is copied, by ``connector copy`` or into a backup and out of it.

A copy reads the files of its source until it has files of its own. Two mirrors with the same files are no
mirrors for long: what ``connector forget`` replaces for one is missing for the other.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import IO

from sqlalchemy import Connection, inspect

from connector.errors import DatabaseDamaged, StartupError
from connector.mirror import archiving
from connector.mirror.archive_places import ArchivePlace
from connector.mirror.archives import Archives, StoredArchive


def of_copy(connection: Connection) -> list[StoredArchive]:
    """The archives that a copy of a mirror has; none where its layout is of before there were any."""
    return (
        list(Archives(connection).readable().values()) if inspect(connection).has_table("_archives") else []
    )


def leave(connection: Connection) -> list[str]:
    """Have a copy not know files that its source alone may remove; gives these.

    They are of a run of ``connector archive`` that was interrupted or goes on, or were replaced.
    """
    if not inspect(connection).has_table("_archives"):
        return []
    known = Archives(connection).stored().values()
    connection.exec_driver_sql("DELETE FROM _archives WHERE read_at IS NULL")
    connection.exec_driver_sql("UPDATE _archives SET former = NULL WHERE former IS NOT NULL")
    return [one.file for one in known if one.read_at is None] + [one.former for one in known if one.former]


def is_there(file: str, sha256: str) -> bool:
    """Whether a file of these bytes is there; raises ``StartupError`` for one of others, and ``ArchiveAway``.

    Nothing is put in the place of what is there.
    """
    place = ArchivePlace(file)
    if place.size() is None:
        return False
    with suppress(DatabaseDamaged):
        place.opened(sha256).close()
        return True
    raise StartupError(
        f"{file} is there already, and is not the archive of this name.",
        "remove it, or name another folder with --archives",
    )


def put_back(
    connection: Connection, archive: StoredArchive, folder: str, given: Callable[[], IO[bytes]]
) -> bool:
    """Have an archive stand in a folder, from the bytes that ``given`` opens; False where it stood there.

    Raises ``StartupError`` where another file has its name, and where it is not read back as it was written;
    ``ArchiveAway``.
    """
    file = ArchivePlace(folder).within(archive.file)
    if not (was_there := is_there(file, archive.sha256)):
        with given() as data:
            ArchivePlace(file).put(data)
        ArchivePlace(file).opened(archive.sha256).close()
    archiving.record(connection, archive.archive, file=file)
    return not was_there
