"""Python's garbage collector, set for processes that make many small objects and few cycles."""

import gc

# New objects between two looks for cycles; Python's own 700 has a batch of events walked over for
# ever: a fifth of a worker's time.
YOUNG_OBJECTS = 50_000


def collect_less_often() -> None:
    """Look for cycles rarely, and never among what the process was started with."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
