"""The limit of one resource: so many requests in each window of time."""

import math


class Bucket:
    """``limit`` requests per window; a window starts with the first request after the last one's end."""

    def __init__(self, limit: int, window_seconds: float) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._resets_at = -math.inf  # seconds since 1970
        self._left = limit
        self.accepted = 0
        self.refused = 0

    def accept(self, now: float) -> bool:
        """Count a request at ``now`` (seconds since 1970); False beyond the limit."""
        if now >= self._resets_at:
            self._resets_at, self._left = now + self._window_seconds, self._limit
        if not self._left:
            self.refused += 1
            return False
        self._left -= 1
        self.accepted += 1
        return True

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._left),
            "x-ratelimit-reset": str(math.ceil(self._resets_at)),
        }

    def seconds_left(self, now: float) -> int:
        """Whole seconds until the window ends, at least 1."""
        return max(1, math.ceil(self._resets_at - now))
