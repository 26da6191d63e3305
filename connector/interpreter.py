"""Python's interpreter, set for processes that make many small objects in a few busy threads."""

import gc
import sys

# New objects between two looks for cycles; Python's own 700 has a batch of events walked over for
# ever: a fifth of a worker's time.
YOUNG_OBJECTS = 50_000
# How long a busy thread may keep the others waiting, in seconds. A thread that comes back from the
# database or the network waits for so long, and a transaction comes back six times; with Python's own
# 5 ms a worker stood still for a third of its time.
SWITCH_SECONDS = 0.0005


def set_for_batches() -> None:
    """Look for cycles rarely, never among what the process was started with, and share the time finely."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
    sys.setswitchinterval(SWITCH_SECONDS)
