"""Records in parts that are read one at a time, on disk once they are many, so that memory stays bounded."""

import tempfile
import zlib
from collections import defaultdict
from collections.abc import Hashable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

T = TypeVar("T")
KEPT = 20_000  # records that memory holds
LEVEL = 1  # of compression: a few microseconds a record, and a quarter of the disk


class Spill:
    """What is added to a part comes out of it in the same order; records are as msgpack has them.

    A context manager, because its file has no name and is gone once it is closed. Raises ``OSError`` where
    the folder for temporary files (``TMPDIR``) is full.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[Any]] = defaultdict(list)
        self._count = 0
        self._places: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._encode = msgspec.msgpack.Encoder().encode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, part: Hashable, record: Any) -> None:
        """Add a record to a part."""
        self._kept[part].append(record)
        self._count += 1
        if self._count >= KEPT:
            self._write()

    def read(self, part: Hashable, type_: type[T]) -> Iterator[T]:
        """The records of a part, which are of this type, as often as it is asked for."""
        decode = msgspec.msgpack.Decoder(list[type_]).decode  # type: ignore[valid-type]
        for at, size in self._places[part]:
            self._file.seek(at)
            yield from decode(zlib.decompress(self._file.read(size)))
        yield from self._kept[part]

    def _write(self) -> None:
        at = self._file.seek(0, 2)
        for part, records in self._kept.items():
            size = self._file.write(zlib.compress(self._encode(records), LEVEL))
            self._places[part].append((at, size))
            at += size
        self._kept.clear()
        self._count = 0
