"""The highest time issued by any gateway process of a data folder, in memory that they share.

The file is mapped by each process; its words outlive a process that is killed, and the kernel writes
them to disk within half a minute (a power cut may cost that much of them). Each process has a slot of
its own, locked until the process ends. It writes its own slot only and reads all of them,
so no two processes ever write one word: a read, compare and write needs no lock. Words are aligned and
of the machine's own byte order, so each is read and written whole; the file is for one machine.

Beside each value stands the offset that its process added to the steady clock, valid until the next
boot: a restarted process goes on where the former one was, whatever the wall clock says by then.

Layout in 8-byte words: 0 magic, 1 byte order, 2 slots in use, 4-7 boot id, 8-71 values in microseconds
since the epoch, 72-135 offsets in nanoseconds.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from connector.errors import StartupError

log = structlog.get_logger(__name__)

SLOTS = 64
MAGIC = int.from_bytes(b"xtndclk1", "little")
BYTE_ORDER = 0x0102030405060708
MAGIC_WORD, ORDER_WORD, USED_WORD, BOOT_WORD, VALUES_WORD = 0, 1, 2, 4, 8
OFFSETS_WORD = VALUES_WORD + SLOTS
VALUES_BYTE = VALUES_WORD * 8
SIZE = 4096
BOOT_BYTES = 32
NO_OFFSET = -(2**63)
# What no clock that issued a value can have shown: before 2000 or after 2199 the word is damaged.
EARLIEST, LATEST = 946_684_800_000_000, 7_258_118_400_000_000
# Slots of this process by file: the lock keeps only other processes out.
_own: set[tuple[int, int, int]] = set()


class ClockFile:
    """This process's slot, and read access to all others."""

    def __init__(self, path: Path, boot: str) -> None:
        """``boot`` identifies the boot of the machine; "" where that is not known.

        Raises ``StartupError`` when the file cannot be used.
        """
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._open(boot.encode()[:BOOT_BYTES].ljust(BOOT_BYTES, b"\0"))
        except OSError as error:
            cure = "Put gateway.spool_path into a folder on a local disk that the gateway may write."
            raise StartupError(f"The clock's file {path} cannot be used: {error}", cure) from error

    def _open(self, boot: bytes) -> int:
        while True:
            file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            with _locked(file):
                inode = os.fstat(file)
                if self._path.exists() and self._path.stat().st_ino == inode.st_ino and self._map_in(file):
                    self._start_boot(boot)
                    self._take_slot(file, (inode.st_dev, inode.st_ino))
                    return file
            os.close(file)

    def _map_in(self, file: int) -> bool:
        """Map the file; False when it was damaged and moved aside, so that a new one is made."""
        size = os.fstat(file).st_size
        if size == 0:
            os.pwrite(file, struct.pack("3Q", MAGIC, BYTE_ORDER, 0).ljust(SIZE, b"\0"), 0)
            offsets = struct.pack("q", NO_OFFSET) * SLOTS
            os.pwrite(file, offsets, OFFSETS_WORD * 8)
            os.fsync(file)
        elif size != SIZE or struct.unpack("2Q", os.pread(file, 16, 0)) != (MAGIC, BYTE_ORDER):
            aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
            self._path.rename(aside)
            log.error("the clock's file was damaged; a new one was started", kept_aside=str(aside))
            return False
        self._map = mmap.mmap(file, SIZE)
        self._words = memoryview(self._map).cast("Q")
        self._signed = memoryview(self._map).cast("q")
        return True

    def _start_boot(self, boot: bytes) -> None:
        """Forget the offsets of an earlier boot, and values that no clock can have shown."""
        start = BOOT_WORD * 8
        if not boot.strip(b"\0") or self._map[start : start + BOOT_BYTES] != boot:
            for slot in range(SLOTS):
                self._signed[OFFSETS_WORD + slot] = NO_OFFSET
            self._map[start : start + BOOT_BYTES] = boot
        for slot in range(SLOTS):
            value = self._words[VALUES_WORD + slot]
            if value and not EARLIEST <= value <= LATEST:
                log.error("a value in the clock's file was damaged and is not used", value=value)
                self._words[VALUES_WORD + slot], self._signed[OFFSETS_WORD + slot] = 0, NO_OFFSET

    def _take_slot(self, file: int, identity: tuple[int, int]) -> None:
        for slot in range(SLOTS):
            if (*identity, slot) in _own:
                continue
            with suppress(OSError):  # another process has it
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, SIZE + 1 + slot)
                self._own = (*identity, slot)
                _own.add(self._own)
                self._value_word, self._offset_word = VALUES_WORD + slot, OFFSETS_WORD + slot
                self._words[USED_WORD] = max(self._words[USED_WORD], slot + 1)
                self._used = 0
                return
        what = f"More than {SLOTS} gateways use the data folder {self._path.parent}."
        raise StartupError(what, "Give some of them another folder: gateway.spool_path.")

    def highest(self) -> int:
        """The highest value issued, in microseconds since the epoch; 0 when there is none."""
        return max(self._words[VALUES_WORD : VALUES_WORD + SLOTS])

    def offset(self) -> int | None:
        """The offset of the process that issued the highest value, if one was noted in this boot."""
        values = self._words[VALUES_WORD : VALUES_WORD + SLOTS]
        offsets = self._signed[OFFSETS_WORD : OFFSETS_WORD + SLOTS]
        known = [
            (value, offset) for value, offset in zip(values, offsets, strict=True) if offset != NO_OFFSET
        ]
        return max(known)[1] if known else None

    def note(self, offset: int) -> None:
        """Note this process's offset, before it has issued anything."""
        self._signed[self._offset_word] = offset

    def issue(self, proposed: int, offset: int) -> int:
        """Take a value above all that were issued, ``proposed`` if it is; returns it.

        Every call that starts after another one returned, in any process, gets a higher value.
        """
        if self._words[USED_WORD] != self._used:
            self._used = self._words[USED_WORD]
            self._read = struct.Struct(f"{self._used}Q").unpack_from
        highest = max(self._read(self._map, VALUES_BYTE))
        value = proposed if proposed > highest else highest + 1
        self._words[self._value_word] = value
        self._signed[self._offset_word] = offset
        return value

    def close(self) -> None:
        """Write the words to disk and give the slot back; they stay for the next process."""
        self._map.flush()
        self._words.release()
        self._signed.release()
        self._map.close()
        os.close(self._file)
        _own.discard(self._own)


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Hold the lock under which processes open the file."""
    fcntl.lockf(file, fcntl.LOCK_EX, 1, SIZE)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, SIZE)
