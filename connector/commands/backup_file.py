"""The file of a backup: a compressed tar with a list of what is in it, and a digest of each member."""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from connector.errors import StartupError

# 2 has archives; what has none is read alike.
FORMATS = (1, 2)
MANIFEST, MIRROR, SPOOL, CONFIG, ARCHIVES = "manifest.json", "mirror.db", "spool.db", "config/", "archives/"
MEMBER = re.compile(r"mirror\.db|spool\.db|config/[a-z]+\.yaml|archives/[0-9a-f-]+\.parquet")
PIECE_BYTES = 1_048_576
LEVEL = 1  # a ledger shrinks to a third by it; more takes several times as long
Observe = Callable[[int, int], None]


@dataclass(slots=True)
class Manifest:
    """What a backup holds: the SHA-256 of each member, and the variables that stand for secrets."""

    made_at: str
    connector: str
    events: int
    spooled: int | None
    left_out: list[str] = field(default_factory=list)
    members: dict[str, str] = field(default_factory=dict)
    # Paths or URLs of archives that the mirror has and the backup has not.
    archives_left_out: list[str] = field(default_factory=list)
    format: int = FORMATS[-1]


class Member(NamedTuple):
    """A file that goes into a backup: its SHA-256 and size in bytes, and what opens it."""

    name: str
    sha256: str
    size_bytes: int
    opened: Callable[[], IO[bytes]]

    @classmethod
    def of(cls, file: Path) -> "Member":
        """A file of this machine."""
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return cls(file.name, digest, file.stat().st_size, lambda: file.open("rb"))


def write(
    file: Path, manifest: Manifest, texts: dict[str, bytes], members: Sequence[Member], observe: Observe
) -> None:
    """Write a backup, whole or not at all; raises ``StartupError`` where there is such a file.

    Raises as ``Member.opened`` does.
    """
    total = sum(one.size_bytes for one in members)
    done = 0
    manifest.members |= {CONFIG + name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    manifest.members |= {one.name: one.sha256 for one in members}

    class Watched:
        def __init__(self, data: IO[bytes]) -> None:
            self._data = data

        def read(self, size: int = -1, /) -> bytes:
            nonlocal done
            piece = self._data.read(size)
            done += len(piece)
            observe(done, total)
            return piece

    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tarfile.open(scratch, "w:gz", compresslevel=LEVEL) as tar:
            listed = json.dumps(asdict(manifest), indent=1).encode()
            for name, text in {
                MANIFEST: listed,
                **{CONFIG + one: text for one, text in texts.items()},
            }.items():
                about = tarfile.TarInfo(name)
                about.size, about.mode = len(text), 0o600
                tar.addfile(about, io.BytesIO(text))
            for one in members:
                about = tarfile.TarInfo(one.name)
                about.size, about.mode = one.size_bytes, 0o600
                with one.opened() as data:
                    tar.addfile(about, Watched(data))
        with scratch.open("rb") as written:
            os.fsync(written.fileno())
        require_new(file)
        os.link(scratch, file)  # unlike a rename it replaces nothing
    finally:
        scratch.unlink(missing_ok=True)


def require_new(file: Path) -> None:
    """Raise ``StartupError`` where there is such a file already."""
    if os.path.lexists(file):
        raise StartupError(f"{file} is there already.", "name a file that is not there, or remove it")


class Backup:
    """A backup that is read; its members come in the order in which they are asked for."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.manifest = Manifest("", "", 0, None)
        self.texts: dict[str, str] = {}

    @contextmanager
    def opened(self) -> Iterator["Backup"]:
        """Read the list and the configuration; raises ``StartupError`` for no backup or a damaged one."""
        try:
            with tarfile.open(self._file, "r:gz") as self._tar:
                found = json.loads(self._member(MANIFEST))
                if found["format"] not in FORMATS:
                    what = f"{self._file} is of another version of the connector ({found['connector']})."
                    raise StartupError(what, "restore it with that version or a newer one")
                self.manifest = Manifest(**found)
                for name in self.manifest.members:
                    if name.startswith(CONFIG) and MEMBER.fullmatch(name):
                        self.texts[name.removeprefix(CONFIG)] = self._checked(name).decode()
                yield self
        except (
            tarfile.TarError,
            EOFError,
            zlib.error,
            gzip.BadGzipFile,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def extract(self, name: str, into: Path, observe: Observe) -> None:
        """Write a member into a new file; raises ``StartupError`` unless it is as it was."""
        about = self._tar.getmember(name)
        digest, done = hashlib.sha256(), 0
        opened: Any = self._tar.extractfile(about)
        with opened, into.open("xb") as out:
            while piece := opened.read(PIECE_BYTES):
                digest.update(piece)
                out.write(piece)
                observe(done := done + len(piece), about.size)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != self.manifest.members[name]:
            raise self._damaged(f"{name} is not what was written")

    def _member(self, name: str) -> bytes:
        opened: Any = self._tar.extractfile(name)
        with opened:
            return bytes(opened.read())

    def _checked(self, name: str) -> bytes:
        data = self._member(name)
        if hashlib.sha256(data).hexdigest() != self.manifest.members[name]:
            raise self._damaged(f"{name} is not what was written")
        return data

    def _damaged(self, why: str) -> StartupError:
        what = f"{self._file} is no backup of a mirror, or it was damaged: {why}."
        return StartupError(
            what, "name a file that connector backup wrote, and copy it again from where it is whole"
        )
