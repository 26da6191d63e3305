"""The journal: one JSON line per attempt, with its answer.

A line has the time of sending, the delivery's Id, the attempt, the answer's status and text or the
error, and the latency. The line that opens a course (everything but a retry) also carries the
notifications as they stood in the body, so that a journal alone says what XTND sent. A delivery that was
withheld has one line of the kind ``withheld``, attempt 0.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from connector.errors import StartupError
from connector.simulator import wire

FLUSH_SECONDS = 0.5
MAX_ANSWER = 500  # characters of an answer that are kept


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt. ``status`` is missing when there was no answer; then ``error`` says why."""

    sent_at: str
    id: str
    attempt: int
    kind: str
    # Of the hook that it was posted to, as events have it.
    source: str = ""
    latency_ms: float
    status: int | None = None
    answer: str = ""
    error: str = ""
    notifications: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def acknowledged(self) -> bool:
        return self.status in wire.SUCCESS

    def answered(self, status: int, answer: bytes, seconds: float) -> "JournalEntry":
        """Return this attempt with the answer that came after ``seconds``."""
        text = answer[: 4 * MAX_ANSWER].decode("utf-8", "replace")[:MAX_ANSWER]
        latency = round(seconds * 1000, 3)
        return msgspec.structs.replace(self, status=status, answer=text, latency_ms=latency)

    def failed(self, error: str, seconds: float) -> "JournalEntry":
        """Return this attempt with the reason why there is no answer."""
        return msgspec.structs.replace(self, error=error[:MAX_ANSWER], latency_ms=round(seconds * 1000, 3))


class Sent(msgspec.Struct, kw_only=True):
    """A delivery with all its attempts, as read from a journal."""

    delivery_id: str
    source: str = ""
    notifications: tuple[bytes, ...] = ()
    attempts: list[JournalEntry]

    @property
    def acknowledged(self) -> bool:
        """Whether any attempt was answered with 2xx."""
        return any(entry.acknowledged for entry in self.attempts)

    @property
    def withheld(self) -> bool:
        """Whether it never left."""
        return all(entry.kind == "withheld" for entry in self.attempts)


_encoder = msgspec.json.Encoder()
_entry = msgspec.json.Decoder(JournalEntry)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])


class Journal:
    """Writes entries; flushed twice a second and at the end. Without a path it writes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._flush_at = 0.0

    def __enter__(self) -> Self:
        if self._path is not None:
            with self._named():
                self._file = self._path.open("wb", buffering=1 << 18)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with self._named():
                self._file.close()

    def write(self, entry: JournalEntry) -> None:
        if self._file is None:
            return
        with self._named():
            self._file.write(_encoder.encode(entry) + b"\n")
            if (now := time.monotonic()) >= self._flush_at:
                self._file.flush()
                self._flush_at = now + FLUSH_SECONDS

    def flush(self) -> None:
        """Have all of it in the file."""
        if self._file is not None:
            with self._named():
                self._file.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say which file it is that cannot be written."""
        try:
            yield
        except OSError as error:
            why = f"The journal {self._path} cannot be written: {error.strerror}."
            raise StartupError(why, "Name a file on a disk with space, in a folder that exists.") from None


def entries(path: Path) -> Iterator[JournalEntry]:
    """Every attempt in the order in which its outcome was known.

    A last line without its end was torn by a crash and is left out; any other line that cannot be
    read raises ``StartupError`` with its number.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _entry.decode(line)
            except msgspec.DecodeError as error:
                cure = "Give the file that connector simulate --journal wrote."
                raise StartupError(f"{path}:{number} is no line of a journal: {error}.", cure) from None


def read(path: Path) -> dict[str, Sent]:
    """Delivery Id → delivery with its attempts, in the order of their first lines."""
    deliveries: dict[str, Sent] = {}
    for entry in entries(path):
        sent = deliveries.setdefault(entry.id, Sent(delivery_id=entry.id, source=entry.source, attempts=[]))
        sent.attempts.append(entry)
        if not sent.notifications and isinstance(entry.notifications, msgspec.Raw):
            sent.notifications = tuple(bytes(raw) for raw in _raw_list.decode(entry.notifications))
    return deliveries


def acknowledged(path: Path) -> set[str]:
    """Ids of the deliveries with any 2xx: those that the receiver must never lose."""
    return {entry.id for entry in entries(path) if entry.acknowledged}


def sent_notifications(delivery: wire.ShopDelivery) -> msgspec.Raw:
    """Write a delivery's notifications as they stand in its body, without white space."""
    return msgspec.Raw(wire.compact(delivery.notifications))
