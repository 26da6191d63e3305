"""Files and folders that one user alone may read: the data folder, the spool, a mirror in SQLite.

They hold what customers bought and the secret that deliveries are signed with.
"""

import contextlib
import os
import stat
from pathlib import Path

import structlog

from connector.errors import StartupError

log = structlog.get_logger(__name__)

FOLDER_MODE = 0o700
OTHERS = 0o077
# Folders that others use too, even where they belong to the user, as everything does to root.
SYSTEM_FOLDERS = frozenset(
    map(
        Path,
        (
            *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/media", "/mnt", "/opt", "/proc", "/run"),
            *("/sbin", "/srv", "/sys", "/usr", "/usr/local", "/usr/share", "/var", "/var/lib", "/var/log"),
        ),
    )
)
# Files that SQLite keeps beside a database, with the database's own mode.
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def keep_new_files_private() -> None:
    """Give new files and folders of this process and its children to this user only."""
    os.umask(OTHERS)


def own_folder(folder: Path, *, setting: str) -> bool:
    """Make a folder of this user only, or narrow one that is there; whether it is the connector's alone.

    A folder that is not the connector's alone (``/tmp``, ``/srv``, the working directory and what is
    above it) stays as it is, with a warning. Raises ``StartupError``, which names ``setting``, for
    one that cannot be made or that belongs to somebody else.
    """
    cure = f"name another folder, or one inside it that the connector makes itself: {setting}"
    try:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=FOLDER_MODE, exist_ok=True)
        found = folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise StartupError(f"{folder} is no folder", cure)
        if found.st_uid != os.geteuid():
            what = f"The folder {folder} is another user's (uid {found.st_uid}), who could read all in it"
            raise StartupError(what, cure)
        shared = bool(found.st_mode & stat.S_ISVTX) or _is_shared(folder.resolve())
        if found.st_mode & OTHERS and not shared:
            folder.chmod(FOLDER_MODE)
    except OSError as error:
        what = f"The folder {folder} cannot be made private: {error.strerror or error}"
        raise StartupError(what, cure) from error
    if found.st_mode & OTHERS:
        kept = "the folder is not the connector's alone: only its files are private"
        narrowed = "the folder was open to other users and is now of its owner only"
        bits = f"{stat.S_IMODE(found.st_mode):o}"
        log.warning(kept if shared else narrowed, folder=str(folder), mode_before=bits)
    return not shared


def own_files(*files: Path) -> None:
    """Take other users' rights from files and folders of ours that are there.

    Links and other users' files stay as they are. Raises ``StartupError`` where the rights cannot
    be changed.
    """
    narrowed = [file for file in files if _take_rights(file)]
    if narrowed:
        log.warning(
            "files were open to other users and are now of their owner only",
            files=len(narrowed),
            first=str(narrowed[0]),
        )


def _take_rights(file: Path) -> bool:
    try:
        found = file.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        what = f"{file} cannot be read: {error.strerror}"
        raise StartupError(what, f"run chmod u+rwx {file.parent}, or name a file elsewhere") from error
    try:
        theirs = found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode)
        if theirs or not found.st_mode & OTHERS:
            return False
        file.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StartupError(
            f"{file} is open to other users, and that cannot be changed: {error.strerror}",
            f"run chmod go= {file}",
        ) from error
    return True


def own_tree(folder: Path) -> None:
    """Take other users' rights from everything below a folder."""
    own_files(
        *(Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    )


def own_database(file: Path, *, setting: str) -> None:
    """Make the folder of a SQLite file private, and the file with what stands beside it."""
    own_folder(file.absolute().parent, setting=setting)
    own_files(*(file.with_name(file.name + suffix) for suffix in SQLITE_SUFFIXES))


def _is_shared(folder: Path) -> bool:
    """Whether more than the connector's data may lie in a folder, however it was named."""
    used = []
    for place in (Path.cwd, Path.home):
        with contextlib.suppress(OSError, RuntimeError):  # removed meanwhile; a user without a home
            used.append(place())
    return folder in SYSTEM_FOLDERS or any(folder in (place, *place.parents) for place in used)
