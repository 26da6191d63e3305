"""Python's interpreter, set for processes that make many small objects in a few busy threads."""

import ctypes
import gc
import sys
from contextlib import suppress

# New objects between two looks for cycles; Python's own 700 has a batch of events walked over for
# ever: a fifth of a worker's time. A worker makes next to no cycles. A refused request is one, so a
# gateway looks more often.
WORKER_YOUNG_OBJECTS = 300_000
GATEWAY_YOUNG_OBJECTS = 50_000
# How long a busy thread may keep the others waiting, in seconds. A thread that comes back from the
# database or the network waits for so long, and a transaction comes back six times; with Python's own
# 5 ms a worker stood still for a third of its time.
SWITCH_SECONDS = 0.0002
# glibc's own number for mallopt (malloc.h); other libraries have neither.
M_ARENA_MAX = -8


def set_for_batches(*, young_objects: int) -> None:
    """Look for cycles after so many new objects, and share the time finely.

    What the process was started with is never looked at again.
    """
    gc.freeze()
    gc.set_threshold(young_objects, 20, 100)
    sys.setswitchinterval(SWITCH_SECONDS)
    _share_one_heap()


def _share_one_heap() -> None:
    """Have all threads allocate from one heap, which gives back what one thread made and another frees.

    With a heap per thread a worker that mirrors seven topics into SQLite held 50 MB of free memory.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
