"""How fast one bucket may be asked: the limit, what answers say of it, and pauses.

The limit is per minute. In any 60 seconds at most ``SHARE + BURST`` of it is used, in whatever way the API
counts its minutes, so that what is on its way cannot exceed it; ``x-ratelimit-remaining`` holds back what
others who use the same login leave too little for. A header that cannot be true is left aside.
"""

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import structlog

from connector.config.source_models import Rate
from connector.hydrator import metrics
from connector.logs import Reports
from connector.safe_text import plain

log = structlog.get_logger(__name__)

MINUTE = 60.0
# Parts of the limit: what a minute has evenly, and what may come at once after a rest.
SHARE, BURST = 0.96, 0.03
MAX_LIMIT = 10_000_000
# A window is a minute; the reset is given in whole seconds.
LONGEST_WINDOW_SECONDS = 65.0
ROUNDING_SECONDS = 1.0
# Nobody else is presumed to use the limit while at least this part of the even pace remains.
ENOUGH = 0.9
# Requests that are left to others who were seen to use the same limit.
RESERVE = 3
MAX_RETRY_AFTER_SECONDS = 3600.0


class Pace:
    """The pace of one bucket. ``steady`` gives seconds, ``now`` wall time in microseconds.

    ``hidden`` gives a text of the API without any part of the login, as a log may have it.
    """

    def __init__(
        self,
        rate: Rate,
        bucket: str,
        *,
        steady: Callable[[], float],
        now: Callable[[], int],
        hidden: Callable[[str], str] = plain,
    ) -> None:
        self._rate = rate
        self.bucket = bucket
        self._steady = steady
        self._now = now
        self._hidden = hidden
        self._reports = Reports(steady)
        self.limit = rate.limit(bucket)
        self.hydrators = 1
        self.in_flight = 0
        # One request may go at once; the rest of a burst is earned, so that a restart does not repeat it.
        self._tokens = self._background_tokens = 1.0
        self._counted_at = self._sent_at = steady()
        self._paused_until = -math.inf
        # What the API lets pass until the end of its window, as far as is known.
        self._left: float | None = None
        self._window_ends = -math.inf
        self._others = False
        metrics.limit.labels(bucket).set(self.limit)

    @property
    def per_second(self) -> float:
        """Requests of this hydrator, evenly."""
        return SHARE * self.limit / self.hydrators / MINUTE

    def wait(self, *, background: bool = False) -> float:
        """Seconds until the next request may be sent, 0 for at once; ``background`` within its share."""
        now = self._steady()
        self._earn(now)
        tokens = min(self._tokens, self._background_tokens) if background else self._tokens
        per_second = self.per_second * (self._rate.background_share if background else 1)
        waits = [0.0, self._paused_until - now, (1 - tokens) / per_second, self._window_wait(now)]
        return max(waits)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._paused_until = max(self._paused_until, self._steady() + seconds)

    @property
    def paused_seconds(self) -> float:
        """How long nothing will be sent."""
        return max(self._paused_until - self._steady(), 0.0)

    def sent(self, *, background: bool) -> None:
        """Note that a request is sent now; ``background`` when it counts for the share."""
        now = self._steady()
        self._earn(now)
        self._tokens -= 1
        self._background_tokens -= background
        self._sent_at = now
        self.in_flight += 1
        if self._left is not None:
            self._left -= 1

    def failed(self) -> None:
        """Note that a request ended without an answer."""
        self.in_flight -= 1

    def answered(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer."""
        self.in_flight -= 1
        names = self._rate
        limit = self._number(headers, names.limit_header, 1, MAX_LIMIT)
        if limit is not None and limit != self.limit:
            log.info("the API gives another limit", bucket=self.bucket, per_minute=limit, was=self.limit)
            self._earn(self._steady())
            self.limit = limit
            metrics.limit.labels(self.bucket).set(limit)
        seconds = self._seconds_to_reset(headers)
        remaining = self._number(headers, names.remaining_header, 0, self.limit)
        if remaining is not None:
            self._note_remaining(remaining, seconds)

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Seconds that a 429 asks to wait, by Retry-After or the reset; None where it says nothing usable.

        It may be 0; a longer time than ``MAX_RETRY_AFTER_SECONDS`` is shortened.
        """
        seconds: float | None = None
        text = headers.get("retry-after")
        if text is not None:
            try:
                seconds = float(text) if text.strip().isascii() else math.nan
            except ValueError:
                at = _http_date(text)
                seconds = math.nan if at is None else at - self._server_time(headers)
            if not 0 <= seconds < math.inf:
                self._disbelieve("retry-after", text)
                seconds = None
        if seconds is None:
            return self._seconds_to_reset(headers)
        return min(seconds, MAX_RETRY_AFTER_SECONDS)

    def _earn(self, now: float) -> None:
        """Add what the time since the last call has earned."""
        earned = (now - self._counted_at) * self.per_second
        self._counted_at = now
        self._tokens = min(self._tokens + earned, max(BURST * self.limit / self.hydrators, 1.0))
        self._background_tokens = min(self._background_tokens + earned * self._rate.background_share, 1.0)

    def _window_wait(self, now: float) -> float:
        if self._left is None or now >= self._window_ends:
            return 0.0
        others = self._others or self.hydrators > 1
        left, seconds = self._left - RESERVE * others, self._window_ends - now
        if left < 1:
            return seconds
        if left / seconds >= ENOUGH * self.per_second:
            return 0.0
        return self._sent_at + seconds / left - now

    def _note_remaining(self, remaining: int, seconds: float | None) -> None:
        now = self._steady()
        metrics.remaining.labels(self.bucket).set(remaining)
        left = remaining - self.in_flight
        ends = now + (MINUTE if seconds is None else seconds + ROUNDING_SECONDS)
        same = now < self._window_ends and (
            seconds is None or ends < self._window_ends + 2 * ROUNDING_SECONDS
        )
        if same and self._left is not None:
            # Requests that were not ours are missing from what was left.
            self._others = self._others or left + self.in_flight + 1 < self._left
            self._left = min(self._left, left)
        else:
            self._left, self._window_ends, self._others = left, ends, False

    def _seconds_to_reset(self, headers: Mapping[str, str]) -> float | None:
        reset = self._number(headers, self._rate.reset_header, 0, 10**12)
        if reset is None:
            return None
        seconds = reset - self._server_time(headers)
        if not 0 < seconds <= LONGEST_WINDOW_SECONDS:
            self._disbelieve(str(self._rate.reset_header), str(reset))
            return None
        return seconds

    def _server_time(self, headers: Mapping[str, str]) -> float:
        """What the API's clock shows: by it, the clock of this machine may be wrong."""
        at = _http_date(headers.get("date", ""))
        return self._now() / 1_000_000 if at is None else at

    def _number(self, headers: Mapping[str, str], name: str | None, low: int, high: int) -> int | None:
        text = headers.get(name.lower()) if name else None
        if text is None:
            return None
        text = text.strip()
        if text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high:  # noqa: PLR2004
            return int(text)
        self._disbelieve(str(name), text)
        return None

    def _disbelieve(self, name: str, text: str) -> None:
        metrics.headers_ignored.labels(self.bucket).inc()
        suppressed = self._reports.due(name)
        if suppressed is not None:
            log.warning(
                "a header of the API cannot be true and is left aside",
                bucket=self.bucket,
                header=name,
                value=self._hidden(text)[:40],
                suppressed=suppressed or None,
            )


def _http_date(text: str) -> float | None:
    """The instant of an HTTP date as seconds since the epoch."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
