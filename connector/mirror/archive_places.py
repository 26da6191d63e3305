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


def hashed(data: Any) -> tuple[str, int]:
    """SHA-256 and size of a file, which is read from its start again afterwards."""
    data.seek(0)
    digest = hashlib.file_digest(data, "sha256").hexdigest()
    size = data.tell()
    data.seek(0)
    return digest, size


class ArchivePlace:
    """A file of an archive or a folder of such files, by its path or URL."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._is_url = "://" in where

    def within(self, file: str) -> str:
        """A file of this name in the folder, as a path or URL."""
        name = file.rpartition("/")[2]
        if self._is_url:
            return f"{self._where.rstrip('/')}/{name}"
        return str(Path(self._where).resolve() / name)

    def put(self, data: IO[bytes]) -> None:
        """Write the file; once it is there all of it is.

        Raises ``ArchiveAway``.
        """
        data.seek(0)
        with self._named():
            if self._is_url:
                system, path = self._remote()
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
                with system.open(path, "wb") as target:
                    shutil.copyfileobj(data, target)
                return
            to = Path(self._where)
            to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            scratch = to.with_name(f".{to.name}.{os.getpid()}")
            try:
                with open(scratch, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
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

    def refusal(self) -> Exception | None:
        """Why no file can be written into the folder; None where one can.

        It makes no folder, and leaves no file. A folder that is not there yet is one where a folder can be
        made.
        """
        try:
            if self._is_url:
                system, path = self._remote()
                probe = f"{path.rstrip('/')}/.connector-check-{os.getpid()}"
                system.pipe_file(probe, b"")
                system.rm_file(probe)
                return None
            place = Path(self._where).resolve()
            while not place.exists():
                place = place.parent
            with tempfile.TemporaryFile(dir=place):
                return None
        except Exception as error:  # noqa: BLE001 - every file system of fsspec has errors of its own
            return error

    def remove(self) -> None:
        """Remove the file, where there is one; raises ``ArchiveAway``."""
        with self._named():
            if self._is_url:
                system, path = self._remote()
                if system.exists(path):
                    system.rm_file(path)
            else:
                Path(self._where).unlink(missing_ok=True)

    def size(self) -> int | None:
        """How many bytes the file has; None where there is none. Raises ``ArchiveAway``."""
        with suppress(DatabaseDamaged), self._named():
            if self._is_url:
                system, path = self._remote()
                system.invalidate_cache()
                return int(system.info(path)["size"])
            return Path(self._where).stat().st_size
        return None

    def require_size(self, size_bytes: int) -> None:
        """Raise ``DatabaseDamaged`` for a file that is missing or has another size, and ``ArchiveAway``."""
        if (found := self.size()) is None:
            raise self._missing()
        if found != size_bytes:
            written = f"it has {found:,} bytes, and {size_bytes:,} were written."
            raise DatabaseDamaged(f"The archive {self._where} was altered: {written}", MOVED)

    def opened(self, sha256: str) -> IO[bytes]:
        """The file, whose bytes are those that were written; a remote one is fetched, once.

        Raises ``DatabaseDamaged`` for a file that is missing or another one, and ``ArchiveAway``.
        """
        with self._named():
            data: IO[bytes]
            if self._is_url:
                system, path = self._remote()
                data = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads
                with system.open(path, "rb") as source:
                    shutil.copyfileobj(source, data)
            else:
                data = Path(self._where).open("rb")  # noqa: SIM115
        found, _ = hashed(data)
        if found != sha256:
            data.close()
            written = f"its SHA-256 is {found}, and {sha256} was written."
            raise DatabaseDamaged(f"The archive {self._where} was altered: {written}", MOVED)
        return data

    def _remote(self) -> tuple[Any, str]:
        require()
        import fsspec  # noqa: PLC0415

        try:
            system, path = fsspec.core.url_to_fs(self._where)
        except (ImportError, ValueError) as error:
            cure = "correct mirror.retention.archive, or install what fsspec needs for it"
            raise StartupError(f"The archive {self._where} cannot be reached: {error}", cure) from error
        return system, path

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise self._missing() from error
        except (StartupError, ArchiveAway):
            raise
        except Exception as error:  # every file system of fsspec has errors of its own
            raise ArchiveAway(f"The archive {self._where} cannot be reached: {error}") from error

    def _missing(self) -> DatabaseDamaged:
        return DatabaseDamaged(f"The archive {self._where} is missing.", MOVED)
