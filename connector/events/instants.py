"""Instants as integers: microseconds since 1970-01-01 UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Instants of events have 16 digits at most (until the year 2286), so that versions sort as text.
MAX_INSTANT = 10**16 - 1


def microseconds(instant: datetime) -> int:
    """An aware datetime as microseconds since the epoch."""
    return (instant - EPOCH) // MICROSECOND


def iso(instant: int) -> str:
    """Microseconds since the epoch as ISO-8601 UTC text that sorts: 27 characters ending in Z."""
    seconds, micros = divmod(instant, 1_000_000)
    return f"{_iso_seconds(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=8192)  # instants come in the order of time, or nearly
def _iso_seconds(seconds: int) -> str:
    # Not strftime, which writes the year 1 with one digit.
    return (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds")[:19]


EARLIEST = microseconds(datetime.min.replace(tzinfo=UTC))
LATEST = microseconds(datetime.max.replace(tzinfo=UTC))


def from_iso(text: str) -> int:
    """ISO-8601 text with an offset as microseconds since the epoch; ``ValueError`` otherwise."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    since = microseconds(instant)
    if not EARLIEST <= since <= LATEST:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC")
    return since
