"""The time of receipt: it never goes back within a data folder, and no jump ahead is followed unconfirmed.

Time is the steady clock (which no one sets) plus an offset. The wall clock is followed as long as it
goes with the steady one; a step of more than 2 s, ahead or back, is followed only once the broker's
clock agrees with the wall clock better than with the time before the step. Until then time goes on as
if there had been no step, so order is kept and a wrong time is never stored.

- A step back that the broker confirms means that the time before was wrong: values go on at the
  highest one issued plus 1 us each until the clock has caught up. They stay as near to the truth, and
  to what other hosts write, as they can without going back.
- At a start in the same boot the offset of the former process holds, so a restart does not bypass this.
- After a boot there is no steady clock to compare with. A wall clock that stands behind the highest
  value issued is not believed before the broker confirms it: time goes on from that value. One ahead
  of it is believed, because the machine may have been off for long.
- At the very first start there is nothing to compare with: the wall clock is believed, and the first
  acknowledgement shows how far it is from the broker's.
- A broker on the same machine has the same clock, and confirms what that clock does.

Clocks of other hosts are measured only (``clocks``).
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from connector.clocks import CURE, LIMIT_SECONDS, ClockDistance, outside, steady_nanoseconds
from connector.gateway.clock_file import EARLIEST, LATEST, ClockFile

log = structlog.get_logger(__name__)

FILE_NAME = "clock"
LIMIT = int(LIMIT_SECONDS * 1_000_000_000)
# The broker's time comes in whole milliseconds.
GRANULARITY = 1_000_000
# All batches of one answer carry the same time, and a busy gateway gets hundreds of answers a second.
OBSERVE_MICROSECONDS = 10_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """What identifies the machine's boot, or "" where that is not known."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
    except OSError:
        return ""


class Clock:
    """The clock of one gateway process; for its event loop's thread alone."""

    def __init__(
        self,
        folder: Path,
        *,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = steady_nanoseconds,
        boot: str | None = None,
    ) -> None:
        """``folder`` is the data folder; ``wall`` and ``steady`` give nanoseconds.

        Raises ``StartupError`` when the folder's file cannot be used.
        """
        self._wall = wall
        self._steady = steady
        self._path = folder / FILE_NAME
        self._file = ClockFile(self._path, boot_id() if boot is None else boot)
        self._distance = ClockDistance("broker", monotonic=lambda: steady() / 1e9)
        # Where the broker's time lies above the steady clock, in nanoseconds, and how wide that is.
        self._broker: tuple[int, int] | None = None
        # When it was last looked at, in microseconds of the steady clock.
        self._observed_at = -OBSERVE_MICROSECONDS
        # The wall clock's offset that is not followed, or None while it is.
        self._refused: int | None = None
        self._offset = self._first_offset()
        self._file.note(self._offset)

    def _first_offset(self) -> int:
        elapsed = self._steady()
        offset = self._wall() - elapsed
        known = self._file.offset()
        if known is not None and EARLIEST <= (elapsed + known) // 1000 <= LATEST:
            return known
        highest = self._file.highest() * 1000
        return highest - elapsed if highest > elapsed + offset + LIMIT else offset

    def now(self) -> int:
        """The time of receipt, in microseconds since 1970-01-01 UTC: above every one issued before."""
        elapsed = self._steady()
        offset = self._wall() - elapsed
        if -LIMIT <= offset - self._offset <= LIMIT and self._refused is None:
            self._offset = offset
        else:
            self._judge(offset)
        return self._file.issue((elapsed + self._offset) // 1000, self._offset)

    # --- A step of the wall clock ---

    def _judge(self, offset: int) -> None:
        """Follow the wall clock, or not, after a step."""
        if abs(offset - self._offset) > LIMIT:
            # Read once more: the process may have been paused between the two readings.
            offset = self._wall() - self._steady()
        step = offset - self._offset
        if -LIMIT <= step <= LIMIT:
            log.info("the clock is back from its jump, which was not followed")
        elif self._confirmed(offset):
            log.warning("the clock jumped; the broker's clock confirms it", seconds=round(step / 1e9, 3))
        else:
            if self._refused is None or abs(offset - self._refused) > LIMIT:
                seconds = round(step / 1e9, 3)
                log.warning("the clock jumped; not followed before the broker confirms it", seconds=seconds)
            self._refused = offset
            return
        self._refused = None
        self._offset = offset

    def _confirmed(self, offset: int) -> bool:
        """Whether the broker's clock agrees with an offset, and better than with the present one."""
        if self._broker is None or self._broker[1] - self._broker[0] > LIMIT:
            return False
        distance = abs(outside(offset, *self._broker))
        return distance <= LIMIT and distance < abs(outside(self._offset, *self._broker))

    # --- The broker's clock ---

    def observe(self, sent_at: int, acknowledged_at: int, broker_ms: int | None) -> None:
        """Take note of the time at which the broker appended what was sent.

        ``sent_at`` and ``acknowledged_at`` are microseconds of the steady clock, which no step comes
        between; ``broker_ms`` is the acknowledgement's LogAppendTime in milliseconds since the epoch,
        None or negative where the broker gave none.
        """
        if broker_ms is None or broker_ms < 0 or acknowledged_at - self._observed_at < OBSERVE_MICROSECONDS:
            return
        self._observed_at = acknowledged_at
        broker = broker_ms * 1_000_000
        low = broker - GRANULARITY - acknowledged_at * 1000
        high = broker + 2 * GRANULARITY - sent_at * 1000
        if high - low <= LIMIT or self._broker is None:
            # A slow answer is less precise than a fast one before it.
            self._broker = (low, high)
        self._measure()

    def _measure(self) -> None:
        """Look at the wall clock without issuing a time, and at how far it is from the broker's."""
        offset = self._wall() - self._steady()
        if self._refused is not None or not -LIMIT <= offset - self._offset <= LIMIT:
            self._judge(offset)
        if self._broker is not None:
            self._distance.set(outside(offset, *self._broker) / 1e9)

    def distance(self) -> float | None:
        """Seconds by which this clock was ahead of the broker's when it was last measured; None before."""
        return self._distance.seconds

    def trouble(self) -> str | None:
        """What is wrong with the clock, for a person; None when nothing is. Also sets the metric."""
        self._measure()
        found = []
        if self._refused is not None:
            jump = (self._refused - self._offset) / 1e9
            found.append(
                f"This host's clock jumped by {jump:+.1f} s and the broker's clock does not confirm it: "
                f"received_at goes on without the jump. {CURE}"
            )
        elif distance := self._distance.trouble():
            found.append(distance)
        ahead = self._file.highest() / 1e6 - (self._steady() + self._offset) / 1e9
        if ahead > LIMIT_SECONDS:
            found.append(
                f"received_at stands {ahead:.1f} s ahead of the clock, which was ahead before: "
                "it goes on slowly until the clock has caught up. If that is too long, stop the gateways of "
                f"this data folder and remove {self._path}."
            )
        return " ".join(found) or None

    def close(self) -> None:
        """Write the highest time to disk."""
        self._file.close()
