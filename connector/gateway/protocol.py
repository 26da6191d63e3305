"""The public port's hooks. The whole way of a delivery reads in ``Connection.serve``.

Order of checks (docs/contract.md, The gateway): path and method → header size → content length → body →
signature over the raw bytes → content type → JSON → notifications.
"""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from urllib.parse import parse_qsl

import httptools
import structlog
from typing_extensions import override

from connector import metric_labels, metrics
from connector.config import Config
from connector.errors import ConnectorError, Poison
from connector.gateway import signature
from connector.gateway.head import Head
from connector.gateway.http import HttpConnection
from connector.gateway.limits import Limits
from connector.gateway.problems import Problem, accepted, answer
from connector.gateway.records import STAGE, Translator
from connector.gateway.signature import Keys, SignatureRefused
from connector.kafka.lanes import DeliverySink
from connector.kafka.record import Record

log = structlog.get_logger(__name__)

ALLOW = ((b"allow", b"GET, POST"),)
_ECHO = re.compile(r"[A-Za-z0-9-]{1,128}\Z")
_JSON_TYPE = re.compile(rb"(application|text)/([a-z0-9.!#$&^_+-]+\+)?json[ \t]*(;.*)?", re.IGNORECASE)
# After so many notifications of one delivery, others get their turn on the loop.
TURN = 200
REFUSAL_LOG_SECONDS = 10.0
# Bodies, and records of deliveries with several notifications, of all deliveries under way together.
MAX_UNDER_WAY_BYTES = 134_217_728
TOO_MUCH = "Too many deliveries wait for Kafka already. Send it again later."


class GatewayState:
    """What the connections of a process share."""

    def __init__(
        self,
        config: Config,
        intake: DeliverySink,
        clock: Callable[[], int],
        limits: Limits,
        clock_distance: Callable[[], float | None] = lambda: None,
    ) -> None:
        """``clock`` gives microseconds since the epoch, ``clock_distance`` seconds (``Translator``)."""
        self.intake = intake
        self.clock = clock
        self.limits = limits
        self.max_in_flight = config.gateway.max_requests_in_flight
        self.in_flight = self.in_flight_bytes = 0
        self.translator = Translator(config, clock_distance)
        self.hooks = {
            f"/webhooks/{name}".encode(): Keys.of(name, hook) for name, hook in config.hooks.items()
        }
        self._refusal_logged = -math.inf
        metrics.requests_in_flight.set_function(lambda: self.in_flight)

    def log_refusal(self, hook: str, reason: str) -> None:
        """Log why a signature was refused, once in a while."""
        if time.monotonic() - self._refusal_logged > REFUSAL_LOG_SECONDS:
            self._refusal_logged = time.monotonic()
            log.warning("signature refused", hook=hook, reason=reason)


class Connection(HttpConnection):
    """One connection of the public port."""

    def __init__(self, gateway: GatewayState) -> None:
        self._gateway = gateway
        self._hook: Keys | None = None
        self._bytes = 0
        super().__init__(gateway.limits)

    @override
    def handle_head(self, head: Head) -> bool:
        """Find the hook, refuse what is neither a delivery nor an echo check, and answer the latter."""
        hooks, query = self._gateway.hooks, b""
        self._hook = hooks.get(head.target)
        if self._hook is None:
            path, query = path_and_query(head.target)
            self._hook = hooks.get(path)
        if self._hook is None:
            raise Problem(404, "There is no hook at this path; hooks are at /webhooks/<name>.", close=True)
        if head.method == b"POST":
            return False
        if head.method != b"GET":
            raise Problem(405, "A hook takes POST, and GET for the echo check.", headers=ALLOW, close=True)
        self.answer(200, partial(_echoed, echo(query)))
        return True

    @override
    def count(self, status: int) -> None:
        """Count an answer by hook and status; with it the delivery is no longer under way."""
        hook, self._hook = self._hook, None
        self._release()
        metrics.answers.values[hook.hook if hook else metric_labels.NO_HOOK, status] += 1

    def _hold(self, size: int) -> None:
        """Count bytes of this delivery; raises ``Problem`` 429 where others hold too many already."""
        gateway = self._gateway
        self._bytes += size
        gateway.in_flight_bytes += size
        # A lone delivery passes, whatever its size.
        if self._bytes < gateway.in_flight_bytes > MAX_UNDER_WAY_BYTES:
            raise Problem(429, TOO_MUCH)

    def _release(self) -> None:
        self._gateway.in_flight_bytes -= self._bytes
        self._bytes = 0

    @override
    def serve(self, body: bytes) -> None:
        """Go the way of a delivery: verify → parse → publish; the answer follows when it is safe."""
        gateway, hook = self._gateway, self._hook
        assert hook is not None  # noqa: S101 - the head was refused without one
        since, received_at = self._loop.time(), gateway.clock()
        fields = self.head.fields
        try:
            verified = signature.verify(fields.get(signature.HEADER, ()), body, hook)
        except SignatureRefused as refused:
            gateway.log_refusal(hook.hook, refused.reason)
            raise Problem(401, refused.error) from None
        check_content(fields)
        if gateway.in_flight >= gateway.max_in_flight:
            raise Problem(429, TOO_MUCH)
        self._hold(len(body))
        try:
            records = gateway.translator.records(verified, received_at)
        except Poison as poison:
            letter = gateway.translator.parked_body(verified, received_at, poison)
            self._submit((letter,), since, Problem(400, poison.error))
            return
        if isinstance(records, tuple):
            self._submit(records, since)
        else:
            self._go_on(records, [], since)

    def _go_on(self, coming: Iterator[Record], made: list[Record], since: float) -> None:
        """Make the records of a delivery with several, of a large one with turns for the others."""
        if self.gone:
            self._release()
            return
        try:
            before = len(made)
            made += islice(coming, TURN)
            self._hold(sum([record.size for record in made[before:]]))
            if len(made) - before == TURN:
                self._loop.call_soon(self._go_on, coming, made, since)
            else:
                self._submit(made, since)
        except Problem as problem:
            self.refuse(problem)
        except Exception as bug:  # noqa: BLE001 - one request fails, and nobody else's
            self.fail(bug)

    def _submit(self, records: Sequence[Record], since: float, problem: Problem | None = None) -> None:
        """Publish; then answer with ``problem``, or that the delivery was accepted."""
        done = partial(self._published, records, since, problem)
        self._gateway.in_flight += 1
        try:
            if records:
                self._gateway.intake.submit(records, done)
            else:
                done(None)
        except ConnectorError as error:
            done(error)
        except Exception:
            self._gateway.in_flight -= 1
            raise

    def _published(
        self, records: Sequence[Record], since: float, problem: Problem | None, error: Exception | None
    ) -> None:
        """Answer a delivery whose records are safe, or are not."""
        self._gateway.in_flight -= 1
        if error is not None:
            what = "Neither Kafka nor the spool took the delivery; it was not accepted. Send it again."
            self.refuse(Problem(503, what))
            return
        parked = 0
        for record in records:
            if record.parked:
                parked += 1
                metrics.dead_letters.labels(STAGE, record.label).inc()
            else:
                metrics.events_accepted.values[(record.label,)] += 1
        if problem is not None:
            self.refuse(problem)
            return
        metrics.answer_seconds.observe(self._loop.time() - since)
        self.answer(202, partial(accepted, len(records) - parked, parked))


def path_and_query(target: bytes) -> tuple[bytes, bytes]:
    """Split a request target, whose usual form starts with a slash; the other one is a whole URL."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return b"", b""
    return url.path or b"/", url.query or b""


def echo(query: bytes) -> bytes:
    """The value of XTND's registration check, which comes back as it is; raises ``Problem`` 400."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
    except ValueError:
        pairs = []
    values = [value for name, value in pairs if name == "echo"]
    if len(values) != 1 or not _ECHO.match(values[0]):
        raise Problem(400, "GET is for the echo check: ?echo=<1 to 128 letters, digits or '-'>.")
    return values[0].encode("ascii")


def _echoed(value: bytes, connection: bytes) -> bytes:
    """The answer to the registration check: nothing but text."""
    lines = ((b"content-type", b"text/plain"), (b"x-content-type-options", b"nosniff"))
    return answer(200, lines, value, connection)


@lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    return _JSON_TYPE.fullmatch(content_type) is not None


def check_content(fields: dict[bytes, list[bytes]]) -> None:
    """Refuse what is not plain JSON; raises ``Problem`` 415."""
    types = fields.get(b"content-type", ())
    if len(types) != 1 or not _is_json(types[0]):
        raise Problem(415, "The content type must be application/json.")
    for value in fields.get(b"content-encoding", ()):
        if value.lower() not in (b"", b"identity"):
            raise Problem(415, "The body must not be encoded (Content-Encoding other than identity).")
