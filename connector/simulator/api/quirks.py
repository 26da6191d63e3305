"""What the simulated API does wrong, each by its name, and how it is set up."""

from dataclasses import dataclass, field
from enum import StrEnum


class Quirk(StrEnum):
    """What goes wrong (docs/simulator.md, Quirks); ``PRACTICAL`` stands for the seven that follow it."""

    PRACTICAL = "practical"
    OUTAGES = "outages"
    SHRINKING_LISTS = "shrinking-lists"
    SLOW_LISTS = "slow-lists"
    UNCHANGED_PRODUCTS = "unchanged-products"
    DAY_FILTER = "day-filter"
    UNDATED_ROWS = "undated-rows"
    COOKIES = "cookies"
    FORMER_RECORDS = "former-records"
    LATE_ANSWERS = "late-answers"
    MOVING_ROWS = "moving-rows"
    SILENT_PRICES = "silent-prices"
    RETRY_AFTER_ZERO = "retry-after-zero"
    LYING_HEADERS = "lying-headers"
    HTML = "html"
    EMPTY_BODIES = "empty-bodies"
    OTHER_RECORDS = "other-records"
    REPEATED_PAGES = "repeated-pages"
    ENDLESS_LISTS = "endless-lists"
    HUGE_BODIES = "huge-bodies"
    REDIRECTS = "redirects"


# What users of the real API report.
PRACTICAL = frozenset(
    {
        Quirk.OUTAGES,
        Quirk.SHRINKING_LISTS,
        Quirk.SLOW_LISTS,
        Quirk.UNCHANGED_PRODUCTS,
        Quirk.DAY_FILTER,
        Quirk.UNDATED_ROWS,
        Quirk.COOKIES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the simulated API answers.

    ``rate`` is requests per resource and ``rate_window_seconds``. ``share`` of the requests meet each quirk
    that befalls single requests. ``latency_seconds`` is how long each answer takes.
    """

    client: str = "demo"
    user: str = "simulator"
    password: str = field(default="simulator", repr=False)
    quirks: frozenset[Quirk] = frozenset()
    share: float = 0.1
    rate: int = 300
    rate_window_seconds: float = 60.0
    page_size: int = 100
    latency_seconds: float = 0.0
    former_seconds: float = 2.0
    late_seconds: float = 4.0
    slow_seconds: float = 120.0

    @property
    def all_quirks(self) -> frozenset[Quirk]:
        """The quirks, with those that ``Quirk.PRACTICAL`` stands for."""
        return self.quirks | PRACTICAL if Quirk.PRACTICAL in self.quirks else self.quirks
