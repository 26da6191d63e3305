"""Whether a resource is there at all: only then is a record that it does not know gone.

An address that leads elsewhere, and a server whose application is being replaced, answer 404 for every
record. A record that the resource gave since the key was first missing shows that it is there; otherwise its
list is asked.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import structlog

from connector.config.source_models import EntitySettings, resource
from connector.hydrator.pace import Pace
from connector.hydrator.ports import Answer, ApiOutage, OversizedAnswer, Transport
from connector.logs import Reports

log = structlog.get_logger(__name__)

OK = 200
# How often a list is asked at most, and a key whose resource is not there waits; and the same where the API
# is away or busy, which says nothing of the list.
PROBE_SECONDS, AWAY_SECONDS = 60.0, 5.0


class ResourceProof:
    """What is known of one bucket's resource. ``steady`` gives seconds."""

    def __init__(self, pace: Pace, *, steady: Callable[[], float]) -> None:
        self._pace = pace
        self._steady = steady
        self._reports = Reports(steady)
        self._seen_at = self._next_at = -math.inf
        # Why nothing is believed to be gone.
        self.trouble: str | None = None

    def seen(self) -> None:
        """Note that it gave a record, or a list without one."""
        self._seen_at, self.trouble = self._steady(), None

    @property
    def wait_seconds(self) -> float:
        """Until its list may be asked again."""
        return max(self._next_at - self._steady(), 0.0)

    async def found(
        self, entity: EntitySettings, transport: Transport, seconds: float, passes: Callable[[Answer], bool]
    ) -> bool:
        """Whether it was there within so many seconds, or is there now; True where it has no list to ask.

        ``passes`` says of an answer whether the API is away or busy.
        """
        now = self._steady()
        if entity.list is None or self._seen_at >= now - seconds:
            return True
        if self._next_at > now:
            return False
        self._next_at = now + AWAY_SECONDS
        self._pace.sent(background=False)
        try:
            answer = await transport.get(first_page(entity))
        except ApiOutage:
            self._pace.failed()
            what = ""
        except OversizedAnswer:
            self._pace.failed()
            self.seen()
            return True
        else:
            self._pace.answered(answer.headers)
            if answer.status == OK and answer.body.lstrip()[:1] in (b"[", b"{"):
                self.seen()
                return True
            what = f"answers {answer.status}" if answer.status != OK else "is no list"
            if answer.status != OK and passes(answer):
                what = ""
        if what:
            self._next_at = now + PROBE_SECONDS
            self._complain(what)
        return False

    def _complain(self, what: str) -> None:
        name = self._pace.bucket
        self.trouble = (
            f"The API knows no record of {name}, and its list {what}: no record is marked as gone. "
            "Look whether XTND_API_URL is the address that XTND gave."
        )
        suppressed = self._reports.due("gone")
        if suppressed is not None:
            log.warning("records may be gone", bucket=name, error=self.trouble, suppressed=suppressed or None)


def first_page(entity: EntitySettings) -> str:
    """A request that costs little: the first page of what changed since now, or of the list."""
    listing = entity.list
    if listing is None:
        return "/".join(quote(part, safe="") for part in (resource(entity.get), "0"))
    parameters = {listing.paginator.page_param: str(listing.paginator.first)}
    if listing.paginator.size_param:
        parameters[listing.paginator.size_param] = "1"
    if listing.incremental:
        parameters[listing.incremental.start_param] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    return f"{listing.path}{'&' if '?' in listing.path else '?'}{query}"
