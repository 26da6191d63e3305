"""Where files of archives stand: a folder, or where fsspec reaches (``mirror.retention.archive``).

A file is never changed. Only here and in ``archive_files`` is anything of the extra ``archive`` used.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from connector.errors import ArchiveAway, DatabaseDamaged, StartupError

REACH = "bring back the folder or service that has it; the login of a service is in its own variables"
INSTALL = "pip install 'xtnd-connector[archive]'"
MOVED = "bring it back from a backup; where archives were moved, say where to: connector archive --moved-to"


def require() -> None:
    """Raise ``StartupError`` where the extra is not installed."""
    try:
        import fsspec  # noqa: F401, PLC0415
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        raise StartupError("Archives need pyarrow and fsspec, which are not installed.", INSTALL) from error


def within(folder: str, file: str) -> str:
    """A file of this name in a folder, as a path or URL."""
    name = file.rpartition("/")[2]
    return f"{folder.rstrip('/')}/{name}" if _is_url(folder) else str(Path(folder).resolve() / name)


def beside(file: str, name: str) -> str:
    """A file of another name in the folder of a file."""
    return f"{file.rpartition('/')[0]}/{name}"


def put(file: str, data: IO[bytes]) -> None:
    """Write a file; once it is there all of it is.

    Raises ``ArchiveAway``.
    """
    data.seek(0)
    with _named(file):
        if _is_url(file):
            system, path = _remote(file)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            with system.open(path, "wb") as target:
                shutil.copyfileobj(data, target)
            return
        to = Path(file)
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = to.with_name(f".{to.name}.{os.getpid()}")
        try:
            with open(scratch, "xb", opener=_private) as target:
                shutil.copyfileobj(data, target)
                target.flush()
                os.fsync(target.fileno())
            scratch.replace(to)
            folder = os.open(to.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            scratch.unlink(missing_ok=True)


def refusal(folder: str) -> Exception | None:
    """Why no file can be written into a folder; None where one can. It makes no folder, and leaves no file.

    A folder that is not there yet is one where a folder can be made.
    """
    try:
        if _is_url(folder):
            system, path = _remote(folder)
            probe = f"{path.rstrip('/')}/.connector-check-{os.getpid()}"
            system.pipe_file(probe, b"")
            system.rm_file(probe)
            return None
        place = Path(folder).resolve()
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            return None
    except Exception as error:  # noqa: BLE001 - every file system of fsspec has errors of its own
        return error


def remove(file: str) -> None:
    """Remove a file, where there is one; raises ``ArchiveAway``."""
    with _named(file):
        if _is_url(file):
            system, path = _remote(file)
            if system.exists(path):
                system.rm_file(path)
        else:
            Path(file).unlink(missing_ok=True)


def size(file: str) -> int | None:
    """How many bytes a file has; None where there is none. Raises ``ArchiveAway``."""
    with suppress(DatabaseDamaged), _named(file):
        if _is_url(file):
            system, path = _remote(file)
            system.invalidate_cache()
            return int(system.info(path)["size"])
        return Path(file).stat().st_size
    return None


def require_size(file: str, size_bytes: int) -> None:
    """Raise ``DatabaseDamaged`` for a file that is missing or has another size, and ``ArchiveAway``."""
    if (found := size(file)) is None:
        raise _missing(file)
    if found != size_bytes:
        raise DatabaseDamaged(
            f"The archive {file} was altered: it has {found:,} bytes, and {size_bytes:,} were written.", MOVED
        )


def opened(file: str, sha256: str) -> IO[bytes]:
    """A file whose bytes are those that were written.

    Raises ``DatabaseDamaged`` for a file that is missing or another one, and ``ArchiveAway``.
    """
    data = _fetched(file)
    found, _ = hashed(data)
    if found != sha256:
        data.close()
        raise DatabaseDamaged(
            f"The archive {file} was altered: its SHA-256 is {found}, and {sha256} was written.", MOVED
        )
    return data


def hashed(data: Any) -> tuple[str, int]:
    """SHA-256 and size of a file, which is read from its start again afterwards."""
    data.seek(0)
    digest = hashlib.file_digest(data, "sha256").hexdigest()
    size = data.tell()
    data.seek(0)
    return digest, size


def _is_url(file: str) -> bool:
    return "://" in file


def _remote(file: str) -> tuple[Any, str]:
    require()
    import fsspec  # noqa: PLC0415

    try:
        system, path = fsspec.core.url_to_fs(file)
    except (ImportError, ValueError) as error:
        cure = "correct mirror.retention.archive, or install what fsspec needs for it"
        raise StartupError(f"The archive {file} cannot be reached: {error}", cure) from error
    return system, path


def _fetched(file: str) -> IO[bytes]:
    """A file of this machine, of the same bytes: a remote one is fetched once."""
    with _named(file):
        if not _is_url(file):
            return Path(file).open("rb")
        system, path = _remote(file)
        data = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads
        with system.open(path, "rb") as source:
            shutil.copyfileobj(source, data)
        return data


@contextmanager
def _named(file: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(file) from error
    except (StartupError, ArchiveAway):
        raise
    except Exception as error:  # every file system of fsspec has errors of its own
        raise ArchiveAway(f"The archive {file} cannot be reached: {error}") from error


def _missing(file: str) -> DatabaseDamaged:
    return DatabaseDamaged(f"The archive {file} is missing.", MOVED)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
