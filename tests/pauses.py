"""A clock for durations that are promised: it stands still while the machine gives the tests no time."""

import threading
import time

TICK_SECONDS = 0.02
# A wake-up that is later than this is a pause of the machine, or of this process.
NOTICED_SECONDS = 0.05


class _Watch(threading.Thread):
    """Wakes up at every tick, and adds up what the ticks are late."""

    def __init__(self) -> None:
        super().__init__(name="pauses", daemon=True)
        # The last tick, and what was lost before it: one tuple, so that both are of one instant.
        self._seen = (time.monotonic(), 0.0)

    def run(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            self._seen = (now := time.monotonic(), now - self.awake(now))

    def awake(self, now: float) -> float:
        last, lost = self._seen
        late = now - last - TICK_SECONDS
        return now - lost - (late if late > NOTICED_SECONDS else 0.0)


_watch = _Watch()
_watch.start()


def awake() -> float:
    """Seconds, as ``time.monotonic`` without the pauses so far; never goes back."""
    return _watch.awake(time.monotonic())
