"""Files of archives: Parquet with zstd (``connector archive``).

A file has a row for each event, sorted by identity, with what it says and when it came. It is never
changed: one that is to say less is written under another name, because the name holds the hash.
"""

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, NamedTuple, Self

import msgspec

from connector import failpoints
from connector.errors import StartupError
from connector.events import SOURCES, Event, Sort
from connector.mirror.archive_places import ArchivePlace, hashed, require

ROWS = 10_000  # of a row group, which is what memory takes
# Names and Arrow types, as ``WrittenArchive`` has them.
COLUMNS = {
    "event_id": "string",
    "source": "string",
    "delivery_id": "string",
    "notification_index": "int32",
    "hook": "string",
    "attempt": "int32",
    "family": "string",
    "action": "string",
    "entity_key": "string",
    "details": "string",
    "properties": "string",
    "received_at": "timestamp",
    "occurred_at": "timestamp",
}


class Archived(NamedTuple):
    """An event as an archive has it: its columns are those of the ledger; instants in microseconds."""

    event_id: str
    source: str
    delivery_id: str | None
    notification_index: int | None
    hook: str | None
    attempt: int | None
    family: str
    action: str
    entity_key: str | None
    details: str
    properties: str
    received_at: int
    occurred_at: int

    @property
    def copy(self) -> tuple[int | None, int]:
        """Which of several copies of the event it is."""
        return (self.attempt, self.received_at)

    @classmethod
    def of(cls, one: Event) -> Self:
        """The row of an event."""
        of_hook = one.source_name is None
        return cls(
            *one.identity,
            one.delivery_id if of_hook else None,
            one.index if of_hook else None,
            one.hook if of_hook else None,
            one.attempt if of_hook else None,
            one.family,
            one.action,
            one.entity_key,
            one.details.decode(),
            one.properties,
            one.received_at,
            one.occurred_at,
        )

    def event(self) -> Event:
        """The event that it is the row of."""
        of_hook = self.hook is not None
        return Event(
            delivery_id=self.event_id if self.delivery_id is None else self.delivery_id,
            index=self.notification_index or 0,
            hook=self.hook or "",
            attempt=1 if self.attempt is None else self.attempt,
            family=self.family,
            action=self.action,
            entity_key=self.entity_key,
            details=self.details.encode(),
            properties=self.properties,
            received_at=self.received_at,
            occurred_at=self.occurred_at,
            source_name=None if of_hook else self.source.removeprefix(SOURCES),
        )


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """A file that was made, open and not in its place yet: its name has the hash."""

    data: IO[bytes]
    name: str
    sha256: str
    size_bytes: int
    events: int
    unkeyed: int
    # Of the rows themselves, to compare them with what is read back.
    digest: str

    def put(self, file: str) -> None:
        """Put it in its place, and read it again.

        Raises ``StartupError`` where it is not what was written, and ``ArchiveAway``.
        """
        ArchivePlace(file).put(self.data)
        failpoints.reach("archive-put")
        with closing(Reader(file, self.sha256)) as reader:
            if reader.digest() != (self.events, self.digest):
                raise StartupError(
                    f"The archive {file} does not have what was written into it; nothing was emptied.",
                    "check the disk or service that has it, and run this again",
                )


@contextmanager
def made(month: str, rows: Iterable[Archived]) -> Iterator[WrittenArchive]:
    """Write rows into a file without a name, which is gone with the block or the process."""
    require()
    import pyarrow as pa  # noqa: PLC0415 - large, and few commands need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {"string": pa.string(), "int32": pa.int32(), "timestamp": pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, types[type_]) for name, type_ in COLUMNS.items()])
    left, digest = iter(rows), _Digest()
    with tempfile.TemporaryFile() as data:
        with pq.ParquetWriter(data, schema, compression="zstd") as writer:
            while page := list(islice(digest.through(left), ROWS)):
                columns = [
                    pa.array(values, type_)
                    for values, type_ in zip(zip(*page, strict=True), schema.types, strict=True)
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
        sha256, size = hashed(data)
        yield WrittenArchive(
            data, f"{month}-{sha256[:16]}.parquet", sha256, size, digest.count, digest.unkeyed, digest.value
        )


class Reader:
    """A file whose bytes are those that were written; closed with ``close``."""

    def __init__(self, file: str, sha256: str) -> None:
        """Raises ``DatabaseDamaged`` for a file that is missing or another one, and ``ArchiveAway``."""
        require()
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._pa: Any = pa
        self._pc: Any = pc
        self._data = ArchivePlace(file).opened(sha256)
        self._parquet: Any = pq.ParquetFile(self._data)

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def rows(self, sorts: Collection[Sort] = (), *, unkeyed: bool = False) -> Iterator[list[Archived]]:
        """The rows in groups, of these sorts or of all, whether they count or not.

        ``unkeyed``: those that ``WrittenArchive.unkeyed`` counts.
        """
        pc = self._pc
        names, families = (
            sorted(sort.name for sort in sorts if sort.of_source is of_source) for of_source in (False, True)
        )
        for group in range(self._parquet.num_row_groups):
            table = self._parquet.read_row_group(group, use_threads=False)
            if sorts:
                of_source = pc.is_null(table["hook"])
                of_hooks = pc.and_(pc.invert(of_source), self._in(table["action"], names))
                table = table.filter(
                    pc.or_(of_hooks, pc.and_(of_source, self._in(table["family"], families)))
                )
            if unkeyed:
                is_array = pc.starts_with(table["details"], "[")
                table = table.filter(pc.or_(is_array, pc.is_null(table["entity_key"])))
            if table.num_rows:
                yield self._archived(table)

    def some(self, identities: Iterable[tuple[str, str]]) -> Iterator[Archived]:
        """The rows with these identities, as far as the file has them."""
        asked = set(identities)
        ids = sorted({event_id for event_id, _ in asked})
        for group in range(self._parquet.num_row_groups):
            of_ids = self._parquet.metadata.row_group(group).column(0).statistics
            within = [one for one in ids if of_ids is None or of_ids.min <= one <= of_ids.max]
            if not within:
                continue
            table = self._parquet.read_row_group(group, use_threads=False)
            table = table.filter(self._in(table["event_id"], within))
            yield from (row for row in self._archived(table) if (row.event_id, row.source) in asked)

    def digest(self) -> tuple[int, str]:
        """How many rows there are, and ``WrittenArchive.digest`` of them."""
        digest = _Digest()
        for rows in self.rows():
            for _ in digest.through(iter(rows)):
                pass
        return digest.count, digest.value

    def _archived(self, table: Any) -> list[Archived]:
        instants = [name for name, type_ in COLUMNS.items() if type_ == "timestamp"]
        columns = [
            (table[name].cast(self._pa.int64()) if name in instants else table[name]).to_pylist()
            for name in COLUMNS
        ]
        return list(map(Archived._make, zip(*columns, strict=True)))

    def _in(self, column: Any, values: Sequence[str]) -> Any:
        return self._pc.is_in(column, self._pa.array(values, self._pa.string()))


class _Digest:
    """The hash of rows, in their order."""

    def __init__(self) -> None:
        self.count = self.unkeyed = 0
        self._hash = hashlib.sha256()
        self._encode = msgspec.msgpack.Encoder().encode

    def through(self, rows: Iterator[Archived]) -> Iterator[Archived]:
        """Give the rows on, each counted and hashed."""
        for row in rows:
            self.count += 1
            self.unkeyed += row.entity_key is None or row.details.startswith("[")
            self._hash.update(self._encode(row))
            yield row

    @property
    def value(self) -> str:
        return self._hash.hexdigest()
