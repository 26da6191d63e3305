"""The simulated API without a network: a request and an instant in, an answer out.

What is known of the real API, and where it misbehaves, stands in docs/simulator.md.
"""

import base64
import hmac
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from connector.simulator.api.bodies import Bodies, Body
from connector.simulator.api.listings import LISTS
from connector.simulator.api.lists import BadRequest, Lists
from connector.simulator.api.quirks import ApiOptions, Quirk
from connector.simulator.api.rate import Bucket
from connector.simulator.chance import Chance
from connector.simulator.records import FAMILIES, RecordState, ShopRecord, ShopRecords

# Resource → the family of its single records.
FAMILY_OF = {
    "CustomerOrders": "orders",
    "PurchaseOrders": "purchases",
    "Products": "products",
    "Customers": "customers",
    "Offers": "offers",
    "CustomerInvoices": "invoices",
    "ReturnOrders": "returns",
}
# For tests: all that is true, an object a line; the real API has nothing like it.
TRUTH = "/simulator/truth"
LOGIN_HEADER = "extendbasicauthorization"
MAX_COOKIES = 20
HUGE = 50 * 1024 * 1024  # bytes
OK, FOUND, BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_ALLOWED, TOO_MANY = 200, 302, 400, 401, 404, 405, 429
DEADLOCK = (
    "Transaction (Process ID 63) was deadlocked on lock resources with another process and has been chosen "
    "as the deadlock victim. Rerun the transaction."
)
TIMEOUT = (
    "Timeout expired. The timeout period elapsed prior to completion of the operation or the server is not "
    "responding."
)
LIES = (
    {"x-ratelimit-remaining": "-7", "x-ratelimit-reset": "0"},
    {"x-ratelimit-limit": "many", "x-ratelimit-remaining": "99999999999999999999"},
    {"x-ratelimit-reset": "9999999999999"},
    {"x-ratelimit-limit": "0", "x-ratelimit-remaining": ""},
)
JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"
_encoder = msgspec.json.Encoder(decimal_format="number")


class ApiAnswer(NamedTuple):
    """What goes back, ``delay_seconds`` after the request; it is what was true when the request came."""

    status: int
    body: bytes
    headers: dict[str, str]
    delay_seconds: float = 0.0


class _Request(NamedTuple):
    parts: list[str]
    query: dict[str, str]
    # How often this very request came before.
    before: int


class SimulatedApi:
    """The API of one shop; the instant is that of the records' clock."""

    def __init__(self, records: ShopRecords, seed: int, options: ApiOptions) -> None:
        self._records = records
        self._options = options
        self._quirks = options.all_quirks
        self._chance = Chance(f"api {seed}")
        self._bodies = Bodies(seed)
        self._lists = Lists(self._bodies, records.family, self._view, self._quirks, options.page_size)
        self.client = options.client
        self._counts: Counter[str] = Counter()
        login = base64.b64encode(f"{options.user}:{options.password}".encode())
        self._login = b"Basic " + login
        # Resource → its limit, and what it has accepted and refused so far.
        self.buckets: dict[str, Bucket] = {}

    def truth(self) -> dict[tuple[str, str], Body | None]:
        """Every record as it is: family and entity key → body; None where it was deleted."""
        return {
            (family, key): None if record.state is None else self._bodies.body(record, record.state)
            for family in FAMILIES
            for key, record in self._records.family(family).items()
        }

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> ApiAnswer:
        """ApiAnswer a request for ``target``, its path and query as they stand in it.

        The names of ``headers`` are in lowercase.
        """
        path, _, query = target.partition("?")
        if path == TRUTH:
            return ApiAnswer(OK, self._truth_lines(), {"content-type": "application/x-ndjson"})
        root = f"/RESTAPI/v1_0/{self._options.client}/"
        if not path.startswith(root):
            return self._message(NOT_FOUND, "No HTTP resource was found that matches the request URI.")
        if method != "GET":
            return self._message(NOT_ALLOWED, f"The requested resource does not support {method}.")
        if not hmac.compare_digest(headers.get(LOGIN_HEADER, "").encode(), self._login):
            return self._message(UNAUTHORIZED, "Authorization has been denied for this request.")
        parts = [unquote(part) for part in path.removeprefix(root).split("/")]
        request = _Request(parts, dict(parse_qsl(query)), self._counts[target])
        self._counts[target] += 1
        answer = self._limited(request, headers)
        if Quirk.COOKIES in self._quirks:
            cookie = f"affinity{self._counts.total()}={self._chance.number(10**9, target)}; path=/"
            answer.headers["set-cookie"] = cookie
        return answer

    def _truth_lines(self) -> bytes:
        lines = [{"family": family, "key": key, "body": body} for (family, key), body in self.truth().items()]
        return _encoder.encode_lines(lines)

    def _limited(self, request: _Request, headers: Mapping[str, str]) -> ApiAnswer:
        """ApiAnswer within the limit of the resource, with the headers that tell of it."""
        resource, now = request.parts[0], self._records.clock() / 1_000_000
        if resource not in LISTS:
            return self._message(NOT_FOUND, "No HTTP resource was found that matches the request URI.")
        options = self._options
        bucket = self.buckets.setdefault(resource, Bucket(options.rate, options.rate_window_seconds))
        if bucket.accept(now):
            answer = self._accepted(request, headers)
        else:
            answer = self._message(TOO_MANY, "API calls quota exceeded.")
            if Quirk.RETRY_AFTER_ZERO in self._quirks:
                answer.headers["retry-after"] = "0"
            elif self._chance.hit(0.5, "retry after", *request):
                answer.headers["retry-after"] = str(bucket.seconds_left(now))
        answer.headers.update(bucket.headers())
        if self._meets(Quirk.LYING_HEADERS, request):
            answer.headers.update(self._chance.choice(LIES, "lie", *request))
        return answer

    def _accepted(self, request: _Request, headers: Mapping[str, str]) -> ApiAnswer:
        if Quirk.COOKIES in self._quirks and headers.get("cookie", "").count("=") > MAX_COOKIES:
            return self._message(BAD_REQUEST, "Bad Request - Request Too Long")
        if self._meets(Quirk.OUTAGES, request):
            return self._message(BAD_REQUEST, self._chance.choice((DEADLOCK, TIMEOUT), "outage", *request))
        if (broken := self._broken(request)) is not None:
            return broken
        try:
            answer = self._list(request) if len(request.parts) == 1 else self._single(request)
        except BadRequest as error:
            return self._message(BAD_REQUEST, str(error))
        return answer._replace(delay_seconds=answer.delay_seconds + self._options.latency_seconds)

    def _broken(self, request: _Request) -> ApiAnswer | None:
        """What stands between the caller and the API at times."""
        if self._meets(Quirk.HTML, request):
            return ApiAnswer(OK, b"<html><body>Underh\xc3\xa5ll</body></html>", {"content-type": HTML})
        if self._meets(Quirk.EMPTY_BODIES, request):
            return ApiAnswer(OK, b"", {"content-type": JSON})
        if self._meets(Quirk.HUGE_BODIES, request):
            return ApiAnswer(OK, b"{" + b" " * HUGE + b"}", {"content-type": JSON})
        if self._meets(Quirk.REDIRECTS, request):
            return ApiAnswer(FOUND, b"", {"location": "/login?ReturnUrl=%2F", "content-type": HTML})
        return None

    def _list(self, request: _Request) -> ApiAnswer:
        resource = request.parts[0]
        if (
            resource == "CustomerOrders"
            and Quirk.SLOW_LISTS in self._quirks
            and not LISTS[resource].has_date_filter(request.query)
        ):
            return self._message(BAD_REQUEST, TIMEOUT)._replace(delay_seconds=self._options.slow_seconds)
        shrinks = Quirk.SHRINKING_LISTS in self._quirks and self._chance.hit(0.5, "shrinks", *request)
        repeats = self._meets(Quirk.REPEATED_PAGES, request)
        page = self._lists.page(resource, request.query, shrinks=shrinks, repeats=repeats)
        return ApiAnswer(OK, _encoder.encode(page), {"content-type": JSON})

    def _single(self, request: _Request) -> ApiAnswer:
        family, key = FAMILY_OF.get(request.parts[0]), "/".join(request.parts[1:])
        records = self._records.family(family) if family else {}
        record = records.get(key)
        if record is not None and self._meets(Quirk.OTHER_RECORDS, request):
            record = next((one for one in records.values() if one is not record and one.state), record)
        state = self._view(record) if record is not None else None
        if record is None or state is None:
            if family == "purchases" and self._chance.hit(0.5, "gone", key):
                return self._message(BAD_REQUEST, "There is no row at position 0.")
            return self._message(NOT_FOUND, f"{request.parts[0]} {key} was not found.")
        late = self._options.late_seconds if self._meets(Quirk.LATE_ANSWERS, request) else 0.0
        body = _encoder.encode(self._bodies.body(record, state))
        return ApiAnswer(OK, body, {"content-type": JSON}, late)

    def _view(self, record: ShopRecord) -> RecordState | None:
        """The record as it is, or for some time after a change as it was before."""
        if Quirk.FORMER_RECORDS in self._quirks:
            most = round(self._options.former_seconds * 1_000_000)
            lag = self._chance.number(most + 1, "lag", record.family, record.key, record.touched_at)
            if self._records.clock() < record.touched_at + lag:
                return record.former
        return record.state

    def _meets(self, quirk: Quirk, request: _Request) -> bool:
        return quirk in self._quirks and self._chance.hit(self._options.share, quirk, *request)

    @staticmethod
    def _message(status: int, text: str) -> ApiAnswer:
        return ApiAnswer(status, _encoder.encode({"Message": text}), {"content-type": JSON})
