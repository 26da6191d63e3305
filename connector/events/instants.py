"""Instants as integers: microseconds since 1970-01-01 UTC."""

import re
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


# RFC 3339, part 5.6: what it leaves open is read (lower case, a blank for the T, any number of decimals).
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:(?P<seconds>[0-9]{2})"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LEAP = "60"
_DAY_SECONDS = 86_400
_SECOND = 1_000_000
_ISO_LENGTH = 27


def from_iso(text: str) -> int:
    """RFC 3339 text as microseconds since the epoch, decimals beyond the sixth cut off.

    A leap second is the first second of the next day, as it is for databases. Raises ``ValueError``
    for all else.
    """
    decimals = text[20:26]
    if (
        len(text) == _ISO_LENGTH
        and text[19] == "."
        and text[26] == "Z"
        and decimals.isascii()
        and decimals.isdecimal()
    ):
        return _since_epoch(f"{text[:19]}Z") + int(
            decimals
        )  # as ``iso`` writes them, and every event has two
    return _since_epoch(text)


@lru_cache(maxsize=8192)
def _since_epoch(text: str) -> int:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no RFC 3339 instant")
    leaps = found["seconds"] == _LEAP
    if leaps:
        text = f"{text[:17]}59{text[19:]}"
    since = microseconds(datetime.fromisoformat(text.upper()))
    if leaps:
        since += _SECOND
        if since // _SECOND % _DAY_SECONDS:
            raise ValueError(f"{text!r} is no moment of a leap second")
    if not EARLIEST <= since <= LATEST:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC")
    return since
