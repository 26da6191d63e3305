"""One JSON line per log event, on standard error.

Secrets never reach a log: no call passes one, and the config models show them only as ``**********``.

Libraries log the same trouble again at every try, hundreds of times in a minute of outage. Of what
they repeat, the first line is kept, then one after 10 s, a minute, ten minutes and each hour, with
the number that was left out (``suppressed``).
"""

import logging
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Self, TextIO

import structlog
from typing_extensions import override

OWN = "connector"
LIBRARY_LEVELS = {
    "kafka": logging.CRITICAL,  # it raises what it logs, and our own events and commands say that once
    "aiokafka": logging.ERROR,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "uvicorn": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "asyncio": logging.WARNING,
    # Of services that have archives.
    "aiobotocore": logging.WARNING,
    "botocore": logging.WARNING,
    "azure": logging.WARNING,
}

STEPS_SECONDS = (10.0, 60.0, 600.0, 3600.0)
# Lines that differ in numbers and addresses only are one kind. So many kinds of a logger and level are
# kept apart, and so many in all; beyond them a logger's lines count as one kind.
KINDS_OF_LOGGER = 32
KINDS = 512
# Only so much of a line is compared.
LOOK_LETTERS = 300
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")


class GrowingSteps:
    """Lets the first of many equal reports through, and then one after each growing pause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = clock()
        self._passed = 0
        self._suppressed = 0
        self._seen_at = 0.0

    def due(self) -> int | None:
        """How many reports were suppressed since the last one that passed; None to suppress this one."""
        now = self._seen_at = self._clock()
        if now < self._next_at:
            self._suppressed += 1
            return None
        pause = STEPS_SECONDS[min(self._passed, len(STEPS_SECONDS) - 1)]
        self._next_at = now + pause
        self._passed += 1
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed

    def is_over(self, now: float) -> bool:
        """Whether nothing was reported for so long that the next report is news."""
        return now - self._seen_at > max(self._next_at - self._seen_at, STEPS_SECONDS[1])


class Reports:
    """Growing steps for our own lines that come with every delivery, by their subject, such as a topic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps: dict[str, GrowingSteps] = {}

    def due(self, subject: str) -> int | None:
        """As ``GrowingSteps.due``; the first report after a long silence passes."""
        steps = self._steps.get(subject)
        if steps is None or steps.is_over(self._clock()):
            if len(self._steps) >= KINDS:
                self._steps.clear()
            steps = self._steps[subject] = GrowingSteps(self._clock)
        return steps.due()


class LineKind(NamedTuple):
    """What makes two lines of a library the same; ``text`` is None for all that a logger has too many of."""

    logger: str
    level: int
    text: str | None

    @classmethod
    def of(cls, record: logging.LogRecord) -> Self:
        """The line without what varies from one try to the next, and with the kind of its exception."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a library's own slip; the handler reports it
            text = str(record.msg)
        exception = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        return cls(record.name, record.levelno, _VARYING.sub("#", text[:LOOK_LETTERS]) + exception)


class RepeatFilter(logging.Filter):
    """Lets lines of libraries through once and then in growing steps; ours pass.

    What it remembers is bounded, whatever a broken broker makes a library say.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # The most recently seen stand last.
        self._kinds: OrderedDict[LineKind, GrowingSteps] = OrderedDict()
        self._lock = threading.Lock()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == OWN or record.levelno < logging.WARNING:
            return True
        with self._lock:
            suppressed = self._steps(record).due()
        if suppressed is None:
            return False
        if suppressed:
            record.suppressed = suppressed
        return True

    def _steps(self, record: logging.LogRecord) -> GrowingSteps:
        kind = LineKind.of(record)
        known = self._kinds.get(kind)
        if known is None or known.is_over(self._clock()):
            kind = self._free_slot(kind)
        steps = self._kinds.setdefault(kind, GrowingSteps(self._clock))
        self._kinds.move_to_end(kind)
        return steps

    def _free_slot(self, kind: LineKind) -> LineKind:
        """Forget what is over; gives the kind, or its logger's common one when there are too many."""
        now = self._clock()
        for known in [known for known, steps in self._kinds.items() if steps.is_over(now)]:
            del self._kinds[known]
        if sum(known[:2] == kind[:2] for known in self._kinds) >= KINDS_OF_LOGGER:
            kind = kind._replace(text=None)
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            self._kinds.popitem(last=False)
        return kind


def configure(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog's and the libraries' records through one JSON renderer.

    Called by the commands, never at import. ``level`` is a name of the ``logging`` module.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(RepeatFilter())
    extra = structlog.stdlib.ExtraAdder(allow=["suppressed"])
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, extra, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, library_level in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(library_level)
