"""A mirror in one SQLite file: how it is opened for each use, and how its write-ahead log stays small."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event

from connector.errors import DatabaseDamaged, StartupError
from connector.mirror.dialects.dialect import Access, rebuilt_by

MINIMUM = (3, 37, 0)  # STRICT tables
MIB = 1_048_576
# What stays of the log after a checkpoint; a batch under way takes about as much.
LOG_KEPT_BYTES = 16 * MIB
# Beyond this somebody reads for so long that no checkpoint can free space.
LOG_LIMIT_BYTES = 64 * MIB
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    f"journal_size_limit={LOG_KEPT_BYTES}",
    # Pages of 4 KiB. By SQLite's own 1,000 each batch writes its pages into the file, most of them again.
    f"wal_autocheckpoint={LOG_KEPT_BYTES // 4096}",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    # KiB. Ids are random, so a batch touches pages all over; with SQLite's 2 MB most were read again.
    "cache_size=-8000",
)
# A command sorts and groups the whole ledger: what does not fit into the cache goes to disk.
READING_PRAGMAS = ("temp_store=FILE", PRAGMAS[-1])

OPENED = "opened"  # in a connection's info: which file it is on
SNAPSHOT = "xtnd_snapshot"  # execution option of a connection that writes, where it only reads
MODES: dict[Access, str] = {"create": "rwc", "write": "rw", "read": "ro"}
NAME_IT = "name the mirror with --database-url or DATABASE_URL, or the folder of connector up with --data-dir"


def engine(file: Path, *, lock_timeout_seconds: float, access: Access) -> Engine:
    """An engine on this file; raises ``StartupError`` where no mirror can be or, but for ``create``, is."""
    if sqlite3.sqlite_version_info < MINIMUM:
        raise StartupError(
            f"This Python's SQLite is {sqlite3.sqlite_version}; the mirror needs 3.37 or newer.",
            "use a newer Python build, or PostgreSQL with DATABASE_URL=postgresql://…",
        )
    file = file.absolute()
    _require(file, access)
    made = create_engine(
        f"sqlite+pysqlite:///{quote(str(file))}",
        pool_size=2,
        max_overflow=1,
        creator=lambda: _open(file, access, lock_timeout_seconds),
    )

    @event.listens_for(made, "connect")
    def _on_connect(_connection: sqlite3.Connection, record: Any) -> None:
        record.info[OPENED] = _identity(file)

    @event.listens_for(made, "checkout")
    def _on_checkout(_connection: sqlite3.Connection, record: Any, _proxy: object) -> None:
        # What is written into a file without a name nobody ever reads, and no error says so.
        if access != "read" and record.info[OPENED] != _identity(file):
            raise DatabaseDamaged(
                f"The mirror's file {file} was moved, deleted or replaced while this process had it open.",
                "start this again: it goes on with the file that is there then, or makes one from what Kafka "
                "holds (topics.retention_hours). Stop every worker before a mirror is moved or restored",
            )

    @event.listens_for(made, "begin")
    def _on_begin(connection: Connection) -> None:
        # A writer takes the lock at once, so that no transaction fails half-way for want of it. A reader
        # never takes it, and sees one state of the database until its transaction ends.
        reads = access == "read" or connection.get_execution_options().get(SNAPSHOT)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return made


def _open(file: Path, access: Access, timeout_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?mode={MODES[access]}",
        uri=True,
        timeout=timeout_seconds,
        check_same_thread=False,
        isolation_level=None,  # each transaction starts with an explicit BEGIN
    )
    try:
        for pragma in READING_PRAGMAS if access == "read" else PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file stands under this name; None for none, and where that cannot be seen."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _require(file: Path, access: Access) -> None:
    try:
        if access == "create":
            file.parent.mkdir(parents=True, exist_ok=True)
        there = file.exists()
        if there and not file.is_file():
            kind = "a folder" if file.is_dir() else "no ordinary file"
            raise StartupError(
                f"{file} is {kind}, and the mirror is one file.",
                "name a file in DATABASE_URL: sqlite:///path/to/mirror.db",
            )
        size = file.stat().st_size if there else 0
    except OSError as error:
        raise StartupError(f"{file} cannot be examined: {error.strerror or error}.", NAME_IT) from error
    if not there and access != "create":
        raise StartupError(
            f"This database holds no mirror yet: there is no file {file}.",
            f"start a worker (connector worker), or {NAME_IT}",
        )
    if access != "read":
        _require_writable_folder(file.parent)
    if there and not size:
        raise damaged(str(file), "it is empty (0 bytes)")
    needed = os.R_OK if access == "read" else os.R_OK | os.W_OK
    if there and not os.access(file, needed):
        verb = "read" if access == "read" else "written"
        raise StartupError(
            f"{file} cannot be {verb} by {_user()}.",
            "run as the user whose file it is, give it to this one (chown), or mount its disk for writing",
        )


def _require_writable_folder(folder: Path) -> None:
    # SQLite makes its log beside the database. As an outage this would be waited for without end.
    if os.access(folder, os.W_OK | os.X_OK):
        return
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    raise StartupError(
        f"The mirror's folder {folder} "
        + ("is on a disk that is mounted read-only." if read_only else f"is not writable for {_user()}."),
        "mount the disk for writing, or name a file on another in DATABASE_URL: sqlite:///path/to/mirror.db"
        if read_only
        else f"run as the user whose folder it is, or give it to this one (chown {os.geteuid()} {folder})",
    )


def _user() -> str:
    return f"this user (uid {os.geteuid()})"


def damaged(file: str, reason: str) -> DatabaseDamaged:
    """The error for a file that SQLite cannot use, with the way back."""
    return DatabaseDamaged(
        f"The mirror's file {file} is damaged: {reason}. It is left as it is, and no offset moved.",
        "stop everything that uses it and restore a backup; or move it away with its log "
        f"(mv {file} {file}.damaged; mv {file}-wal {file}.damaged-wal) and start connector worker, which "
        "makes it again from what Kafka holds (topics.retention_hours). What is older may still be read: "
        f'sqlite3 {file}.damaged ".recover"',
    )


# --- One rebuild at a time -----------------------------------------------------------------------


@contextlib.contextmanager
def rebuilding(file: Path) -> Iterator[None]:
    """Be the only rebuild of this file; raises ``StartupError``, which names the other one.

    The lock is on a file beside it, which has the id of the process that holds it.
    """
    beside = file.with_name(f"{file.name}-rebuild")
    descriptor = _locked(beside)
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(file: Path) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise rebuilt_by(f"process {holder}" if holder else "another process") from None
        # The last holder removes the file before it frees the lock.
        if file.exists() and os.path.samestat(file.stat(), os.fstat(descriptor)):
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return descriptor
        os.close(descriptor)


# --- The write-ahead log -------------------------------------------------------------------------


def log_bytes(file: Path) -> int:
    """The size of the file's write-ahead log, 0 where there is none."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size
    except OSError:
        return 0


def log_watch(
    file: Path, observe: Callable[[int], Any], *, kept: int = LOG_KEPT_BYTES, limit: int = LOG_LIMIT_BYTES
) -> Callable[[], str | None]:
    """A look at the log, to be repeated: keeps it small, and says when somebody keeps it from that.

    ``observe`` is given its size in bytes. The look may take as long as the disk takes to write the log.
    """
    file = file.resolve()  # as SQLite names the log

    def look() -> str | None:
        if log_bytes(file) > kept:
            # Carried into the database and cut, unless somebody reads or writes just now: this waits for
            # nobody, and the next look does what is locked.
            with (
                contextlib.suppress(sqlite3.OperationalError),
                contextlib.closing(_open(file, "write", 0)) as connection,
            ):
                # Most of the work is done without the write lock, so that the worker's next batch does not
                # wait.
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        size = log_bytes(file)
        observe(size)
        if size <= limit:
            return None
        return (
            f"{file}-wal has grown to {size // MIB} MiB, because a program keeps a transaction open in which "
            f"it reads. End it (fuser -v {file} lists who has the file open), or have it commit between its "
            "queries; the log shrinks by itself then."
        )

    return look
