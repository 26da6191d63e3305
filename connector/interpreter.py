"""Python's interpreter, tuned for processes that make many small objects in a few busy threads."""

import ctypes
import gc
import sys
from contextlib import suppress

# New objects between two garbage collections of generation 0. With Python's own 700 a worker spends a fifth
# of its time on them, and makes next to no cycles. A refused request is a cycle, so a gateway collects more
# often.
WORKER_GENERATION_0 = 300_000
GATEWAY_GENERATION_0 = 50_000
# How long a busy thread may keep the others waiting, in seconds. A thread that returns from the database or
# the network waits for so long, and a transaction returns six times; with Python's own 5 ms a worker was idle
# for a third of its time.
SWITCH_SECONDS = 0.0002
# glibc's own number for mallopt (malloc.h); other libraries have neither.
M_ARENA_MAX = -8


def tune(*, generation_0: int) -> None:
    """Collect garbage after so many new objects, switch threads sooner, and share one heap.

    What the process was started with is never collected. With a heap per thread, a worker that mirrors seven
    topics into SQLite kept 50 MB of free memory; one heap gives back what one thread made and another frees.
    """
    gc.freeze()
    gc.set_threshold(generation_0, 20, 100)
    sys.setswitchinterval(SWITCH_SECONDS)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
