"""Each row of the gateway's answer table, on the running server and a real Kafka.

docs/contract.md, The gateway. Checked are the answer and its effect: what stands on Kafka afterwards.
"""

import asyncio
import json
import socket
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from select import select
from typing import Any

import psutil
import pytest

from connector import config as configuration
from connector import events
from connector.config import Config
from connector.errors import KafkaOutage
from connector.gateway.signature import sign
from connector.kafka import topics
from connector.kafka.record import Record
from tests import gateways
from tests.gateways import KafkaLog, Wire, delivery, head, notification, post, request, signed

ROOT = Path(__file__).parents[2]
MANIFEST = json.loads((ROOT / "tests/data/manifest.json").read_text())
SECRET, FORMER = MANIFEST["secret"], "the former secret, still listed"
CAP = 65_536
HEADER_CAP = 32_768
DEADLINE_SECONDS = 0.6
DEEP: Any = json.loads("[" * 40 + "]" * 40)
BLANK_CHUNK = b"0\r\n\r\n"


def settings(bootstrap: str, **overrides: Any) -> Config:
    fixed: dict[str, object] = {
        "kafka.bootstrap_servers": bootstrap,
        "topics.prefix": (own := f"gateway{uuid.uuid4().hex[:8]}."),
        "worker.group": own,
        "topics.partitions": 2,
        "hooks.xtnd.secrets": [SECRET, FORMER],
        "hooks.xtnd.secret_files": [],
        "hooks.open.verify": "off",
        "hooks.narrow.secrets": [SECRET],
        "hooks.narrow.families": ["orders"],
        "gateway.max_body_bytes": CAP,
        "gateway.max_header_bytes": HEADER_CAP,
    }
    return configuration.load(
        ROOT / "config", {}, fixed | {f"gateway.{key}": v for key, v in overrides.items()}
    )


@pytest.fixture(scope="module")
def config(kafka_bootstrap: str) -> Config:
    made = settings(kafka_bootstrap)
    assert topics.ensure(made) == []
    return made


@pytest.fixture(scope="module")
def port(config: Config) -> Iterator[int]:
    with gateways.running(config) as public:
        gateways.until(lambda: post(public, delivery(), SECRET).status == 202, "the gateway takes deliveries")
        # An empty delivery needs no Kafka; this one does.
        gateways.until(
            lambda: post(public, delivery(notification()), SECRET).status == 202, "Kafka is reached"
        )
        yield public


@pytest.fixture(scope="module")
def reader(config: Config) -> Iterator[KafkaLog]:
    log = KafkaLog(config)
    yield log
    log.close()


@pytest.fixture
def log(reader: KafkaLog) -> KafkaLog:
    reader.mark()
    return reader


@pytest.fixture(scope="module")
def strict(config: Config) -> Iterator[int]:
    """A gateway with short deadlines and few connections, whose Kafka is not needed."""
    tight = settings("127.0.0.1:9", request_deadline_seconds=DEADLINE_SECONDS, max_connections=100)
    with gateways.running(tight) as public:
        yield public


def refused(answer: gateways.Answer, status: int) -> None:
    """Every refusal is a problem of RFC 9457 with a sentence."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["type"] == "about:blank"
    assert len(answer.json["detail"]) > 15
    assert "Traceback" not in answer.json["detail"]
    assert "location" not in answer.headers


# --- Accepted ------------------------------------------------------------------------------------


def test_a_good_delivery_is_on_kafka_when_it_is_accepted(port: int, log: KafkaLog, config: Config) -> None:
    delivery_id = uuid.uuid4().hex
    answer = post(port, delivery(notification("77"), delivery_id=delivery_id, attempt=2), SECRET)
    assert (answer.status, answer.body) == (202, b'{"accepted": 1, "parked": 0}')
    assert answer.headers["content-type"] == "application/json"
    [record] = log.since()
    event = events.decode(record.value)
    assert record.topic == config.topics.prefix + "orders"
    assert record.key == b"77"
    assert events.CONTENT_TYPE in record.headers
    assert (event.delivery_id, event.index, event.hook, event.attempt) == (delivery_id, 0, "xtnd", 2)
    assert event.received_at - event.occurred_at == 60_000_000
    assert event.details == b'{"OrderNumber":"77","OrderType":"NormalOrder"}'


@pytest.mark.parametrize("entry", MANIFEST["deliveries"], ids=lambda entry: Path(entry["file"]).stem)
def test_every_wire_file_is_accepted_byte_for_byte(port: int, log: KafkaLog, entry: dict[str, Any]) -> None:
    body = (ROOT / "tests/data" / entry["file"]).read_bytes()
    answer = post(port, body, SECRET, ms_signature=entry["ms-signature"])
    sent = json.loads(body)
    assert answer.json == {"accepted": len(sent["Notifications"]), "parked": 0}
    found = {events.decode(record.value).index: events.decode(record.value) for record in log.since()}
    assert [json.loads(found[index].details) for index in sorted(found)] == [
        notification["Details"] for notification in sent["Notifications"]
    ]


def test_the_same_delivery_again_is_accepted_and_has_the_same_event_id(port: int, log: KafkaLog) -> None:
    body = delivery(notification())
    assert [post(port, body, SECRET).status for _ in range(3)] == [202, 202, 202]
    # One effect: the mirror folds by event id, and all copies carry the same.
    assert len({events.decode(record.value).event_id for record in log.since()}) == 1


def test_an_unknown_action_is_stored_as_unrouted(port: int, log: KafkaLog, config: Config) -> None:
    body = delivery({"Action": "SomethingNew", "Details": {"What": 1}})
    assert post(port, body, SECRET).json == {"accepted": 1, "parked": 0}
    [record] = log.since()
    assert record.topic == config.topics.prefix + "unrouted"
    assert events.decode(record.value).action == "SomethingNew"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"Details": {"OrderNumber": "1"}}, "no-action"),
        ({"Action": None, "Details": {"OrderNumber": "1"}}, "no-action"),
        ({"Action": 7, "Details": {"OrderNumber": "1"}}, "no-action"),
        ({"Action": "OrderCreated", "Details": {}}, "key-missing"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": None}}, "key-missing"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": ""}}, "key-empty"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": "9" * 513}}, "key-too-long"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": ["1"]}}, "key-kind"),
        ({"Action": "OrderCreated", "Details": "text"}, "details-kind"),
        ({"Action": "OrderCreated", "Details": [1, 2]}, "details-kind"),
        ({"Action": "OrderCreated"}, "details-kind"),
        ("no object", "notification-kind"),
        (None, "notification-kind"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": "1", "Name": "\0"}}, "nul-character"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": "1", "Size": 10**2000}}, "number-range"),
        ({"Action": "OrderCreated", "Details": {"OrderNumber": "1", "Deep": DEEP}}, "too-deep"),
    ],
)
def test_a_bad_notification_is_parked_and_its_neighbours_accepted(
    port: int, log: KafkaLog, config: Config, bad: Any, reason: str
) -> None:
    delivery_id = uuid.uuid4().hex
    body = delivery(notification("1"), bad, notification("2"), delivery_id=delivery_id, Properties={"P": "é"})
    for _ in range(2):
        assert post(port, body, SECRET).json == {"accepted": 2, "parked": 1}
    records = log.since()
    dead = [record for record in records if record.topic == config.topics.prefix + "dead-letters"]
    letters = [events.DeadLetter.decode(record.headers, record.value) for record in dead]
    letter = letters[0]
    assert len(records) == 6
    assert {letter.dead_letter_id for letter in letters} == {dead[0].key.decode()}
    assert (letter.stage, letter.reason, letter.hook) == ("gateway", reason, "xtnd")
    assert letter.event_id == f"{delivery_id}:1"
    # Exactly as received, with its blanks and line ends.
    assert letter.payload in body
    assert json.loads(letter.payload) == bad
    assert letter.context["index"] == 1
    assert letter.context["attempt"] == 1
    assert letter.context["delivery_id"] == delivery_id
    assert json.loads(letter.context["properties"]) == {"P": "é"}
    assert letter.context["received_at"] == letter.parked_at
    assert events.from_iso(letter.parked_at) > 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'"Spel \\ud83d"', "lone-surrogate"),
        (b"1e99999999999999999999", "number-range"),
        (b"1" * 5000, "number-range"),
    ],
)
@pytest.mark.parametrize("field", ["OrderNumber", "Unmapped"])
def test_a_value_that_cannot_be_read_costs_its_own_notification_only(
    port: int, log: KafkaLog, value: bytes, reason: str, field: str
) -> None:
    whole = delivery(notification("1"), {"Action": "OrderCreated", "Details": {field: 0}}, notification("2"))
    body = whole.replace(b": 0", b": " + value)
    assert post(port, body, SECRET).json == {"accepted": 2, "parked": 1}
    [parked] = [record for record in log.since() if record.topic.endswith("dead-letters")]
    letter = events.DeadLetter.decode(parked.headers, parked.value)
    assert (letter.reason, letter.context["index"]) == (reason, 1)
    assert f"Details.{field} " in letter.error
    assert value in letter.payload
    assert letter.payload in body


def test_a_delivery_of_too_many_notifications_is_one_dead_letter(port: int, log: KafkaLog) -> None:
    body = b'{"Id": "1", "Notifications": [' + b"1," * 20_000 + b"1]}"
    assert post(port, body, SECRET).json == {"accepted": 0, "parked": 1}
    [record] = log.since()
    letter = events.DeadLetter.decode(record.headers, record.value)
    assert (letter.reason, letter.payload) == ("too-many-notifications", body)
    assert "gateway.max_notifications" in letter.error


def test_a_family_that_the_hook_may_not_bring_is_parked(port: int, log: KafkaLog) -> None:
    product = {"Action": "ProductCreated", "Details": {"ProductNumber": "1"}}
    body = delivery(notification("1"), product)
    assert post(port, body, SECRET, path="/webhooks/narrow").json == {"accepted": 1, "parked": 1}
    assert {record.topic.rpartition(".")[2] for record in log.since()} == {"orders", "dead-letters"}


def test_no_notifications_are_accepted_without_effect(port: int, log: KafkaLog) -> None:
    assert post(port, delivery(), SECRET).json == {"accepted": 0, "parked": 0}
    assert log.since() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{'test':'test2'}", "not-json"),
        (b"", "not-json"),
        (b"[]", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b'{"Id": "1"}', "no-notifications"),
        (b'{"Id": "1", "Notifications": {}}', "no-notifications"),
        (b'{"Id": "1", "Notifications": null}', "no-notifications"),
        (b'{"Id": "1", "Notifications": [], "New": ' + b"[" * 40 + b"]" * 40 + b"}", "too-deep"),
        (b'{"Id": "1", "Notifications": [{"Action": "A", "Details": {"a": NaN}}]}', "not-json"),
        (b'{"Id": "1", "Notifications": [{"Action": "A", "Details": {"a": -Infinity}}]}', "not-json"),
        (b'{"Id": "1", "Notifications": ["\xff"]}', "not-utf8"),
        (b'{"Notifications": []}', "no-delivery-id"),
    ],
)
def test_what_is_signed_but_no_delivery_is_refused_and_parked(
    port: int, log: KafkaLog, config: Config, body: bytes, reason: str
) -> None:
    refused(post(port, body, SECRET), 400)
    refused(post(port, body, SECRET), 400)
    records = log.since()
    assert {record.topic for record in records} == {config.topics.prefix + "dead-letters"}
    letters = [events.DeadLetter.decode(record.headers, record.value) for record in records]
    assert len(letters) == 2
    assert len({letter.dead_letter_id for letter in letters}) == 1
    assert (letters[0].stage, letters[0].reason, letters[0].payload) == ("gateway", reason, body)
    assert set(letters[0].context) == {"received_at"}


# --- Signatures ----------------------------------------------------------------------------------

BODY = delivery(notification("401"))
DIGITS = sign(BODY, SECRET).removeprefix("sha256=")


@pytest.mark.parametrize(
    "values",
    [
        [],
        [f"sha256={DIGITS}", f"sha256={DIGITS}"],
        [""],
        [f"sha1={DIGITS}"],
        [DIGITS],
        [f"sha256={DIGITS[:-1]}"],
        [f"sha256={DIGITS}00"],
        [f"sha256={DIGITS[:10]} {DIGITS[10:]}"],
        [f"sha256={DIGITS[:10]} {DIGITS[11:]}"],
        ["sha256=" + "\xe9" * 64],
        [f"sha256={'0' * 64}"],
        [sign(BODY + b" ", SECRET)],
        [sign(BODY, "another secret")],
    ],
    ids=[
        "missing", "twice", "empty", "other prefix", "no prefix", "63 digits", "66 digits", "inner blank",
        "blank for a digit", "not ASCII", "zeros", "other body", "other secret",
    ],
)  # fmt: skip
def test_without_one_good_signature_nothing_is_stored(port: int, log: KafkaLog, values: list[str]) -> None:
    lines = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
    answer = request(
        port, head("POST", gateways.PATH, [*lines, *(("ms-signature", v) for v in values)]) + BODY
    )
    refused(answer, 401)
    assert log.since() == []


def test_unsigned_nonsense_is_refused_before_it_is_read_as_json(port: int, log: KafkaLog) -> None:
    refused(post(port, b"not json", SECRET, ms_signature=None), 401)
    assert log.since() == []


def test_each_listed_secret_is_good_and_a_dropped_one_is_not(port: int, kafka_bootstrap: str) -> None:
    assert post(port, BODY, SECRET).status == 202
    assert post(port, BODY, FORMER).status == 202
    alone = settings(kafka_bootstrap)
    hooks = alone.hooks | {
        "xtnd": alone.hooks["xtnd"].model_copy(update={"secrets": alone.hooks["xtnd"].secrets[:1]})
    }
    with gateways.running(alone.model_copy(update={"hooks": hooks})) as rotated:
        assert post(rotated, delivery(), SECRET).status == 202
        assert post(rotated, delivery(), FORMER).status == 401


def test_a_hook_with_verification_off_takes_unsigned_deliveries(port: int, log: KafkaLog) -> None:
    answer = post(port, BODY, "whatever", path="/webhooks/open", ms_signature=None)
    assert answer.json == {"accepted": 1, "parked": 0}
    [record] = log.since()
    assert events.decode(record.value).hook == "open"


# --- Paths and methods ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/", "/webhooks", "/webhooks/", "/webhooks/nobody", "/webhooks/xtnd/", "/webhooks/xtnd/..",
        "/webhooks/../webhooks/xtnd", "/webhooks/%2e%2e/webhooks/xtnd", "/webhooks/./xtnd", "//webhooks/xtnd",
        "/webhooks//xtnd", "/webhooks/%78tnd", "/WEBHOOKS/XTND", "/webhooks/xtnd%00", "/webhooks/xtnd;a",
        "/metrics", "/healthz", "/readyz", "/docs",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_the_exact_path_of_a_hook_is_there(port: int, log: KafkaLog, path: str, method: str) -> None:
    body = BODY if method == "POST" else b""
    refused(request(port, head(method, path, signed(body, SECRET)) + body), 404)
    assert log.since() == []


def test_the_callback_url_may_carry_a_query(port: int) -> None:
    assert post(port, BODY, SECRET, path=gateways.PATH + "?shop=1&x=%2e%2e").status == 202


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"])
def test_other_methods_get_the_list_of_allowed_ones(port: int, method: str) -> None:
    answer = request(port, head(method, gateways.PATH, {}))
    refused(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


def test_head_is_no_method_of_a_hook(port: int) -> None:
    with Wire(port) as wire:
        status = wire.send(head("HEAD", gateways.PATH, {})).line_end(b"\r\n\r\n")
    assert b" 405 " in status
    assert b"allow: GET, POST" in status


@pytest.mark.parametrize("value", ["a", "0123456789abcdef" * 2, "A-b-9", "x" * 128])
def test_the_echo_check_returns_the_exact_value(port: int, value: str) -> None:
    answer = request(port, head("GET", f"{gateways.PATH}?echo={value}", {}))
    assert (answer.status, answer.body) == (200, value.encode())
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    ["", "?", "?echo", "?echo=", "?other=1", "?echo=" + "x" * 129, "?echo=a_b", "?echo=<script>",
     "?echo=%3Cscript%3E", "?echo=a+b", "?echo=a%0d%0ab", "?echo=%C3%A9", "?echo=a&echo=b"],
)  # fmt: skip
def test_a_get_that_is_no_echo_check_is_refused(port: int, query: str) -> None:
    refused(request(port, head("GET", gateways.PATH + query, {})), 400)


# --- Sizes and types -----------------------------------------------------------------------------


def test_a_body_over_the_cap_is_refused_by_its_length_alone(port: int, log: KafkaLog) -> None:
    headers = signed(b"", SECRET) | {"Content-Length": str(CAP + 1)}
    with Wire(port) as wire:
        refused(wire.send(head("POST", gateways.PATH, headers)).answer(), 413)
        assert wire.closed()
    assert log.since() == []


def test_a_sender_that_goes_on_sending_can_still_read_the_413(port: int) -> None:
    headers = signed(b"", SECRET) | {"Content-Length": str(20 * CAP)}
    with Wire(port) as wire:
        wire.send(head("POST", gateways.PATH, headers))
        answer = wire.answer()
        # Not through ``send``, which takes a reset: the connection must not be reset under the sender.
        wire.socket.sendall(b"x" * 20 * CAP)
        refused(answer, 413)
        assert answer.closed
        assert wire.closed()


def test_chunks_over_the_cap_are_refused_and_not_kept(port: int, log: KafkaLog) -> None:
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    before = psutil.Process().memory_info().rss
    with Wire(port) as wire:
        wire.send(head("POST", gateways.PATH, headers))
        chunk = b"%x\r\n" % CAP + b"x" * CAP + b"\r\n"
        for _ in range(2000):
            wire.send(chunk)
        answer = wire.answer()
        refused(answer, 413)
        assert answer.closed
        assert wire.closed()
    assert psutil.Process().memory_info().rss - before < 64 * CAP
    assert log.since() == []


def test_a_body_of_exactly_the_cap_is_taken_at_once_and_in_chunks(port: int) -> None:
    body = delivery(notification())
    body = body[:-1] + b" " * (CAP - len(body)) + body[-1:]
    assert post(port, body, SECRET).status == 202
    headers = signed(body, SECRET, Content_Length=None, Transfer_Encoding="chunked")
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:5000], body[5000:])
    )
    assert request(port, head("POST", gateways.PATH, headers) + chunks + BLANK_CHUNK).status == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
        {"Content-Encoding": "identity, gzip"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": ""},
        {"Content-Type": None},
    ],
)
def test_what_is_not_plain_json_is_refused(port: int, log: KafkaLog, changes: dict[str, str | None]) -> None:
    body = zlib.compress(BODY) if changes.get("Content-Encoding") == "gzip" else BODY
    headers = {k: v for k, v in (signed(body, SECRET) | changes).items() if v is not None}
    refused(request(port, head("POST", gateways.PATH, headers) + body), 415)
    assert log.since() == []


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON;charset=UTF-8", "application/vnd.x+json"]
)
def test_json_by_any_of_its_names_is_taken(port: int, kind: str) -> None:
    assert post(port, BODY, SECRET, Content_Type=kind, Content_Encoding="identity").status == 202


@pytest.mark.parametrize("filler", [[("X", "y" * 40_000)], [(f"X{n}", "y" * 100) for n in range(400)]])
def test_headers_over_the_cap_are_refused(port: int, log: KafkaLog, filler: list[tuple[str, str]]) -> None:
    data = head("POST", gateways.PATH, [*signed(BODY, SECRET).items(), *filler]) + BODY
    with Wire(port) as wire:
        answer = wire.send(data).answer()
        refused(answer, 431)
        assert wire.closed()
    assert log.since() == []


def test_headers_that_never_end_are_refused_at_the_cap(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST /webhooks/xtnd HTTP/1.1\r\n" + b"X: y\r\n" * 6000)
        refused(wire.answer(), 431)


def test_headers_just_below_the_cap_are_taken(port: int) -> None:
    room = HEADER_CAP - len(head("POST", gateways.PATH, signed(BODY, SECRET))) - len("X: \r\n")
    assert post(port, BODY, SECRET, X="y" * room).status == 202
    assert post(port, BODY, SECRET, X="y" * (room + 1)).status == 431


def test_trailers_do_not_become_headers(port: int, log: KafkaLog) -> None:
    headers = signed(BODY, SECRET, Content_Length=None, Transfer_Encoding="chunked", ms_signature=None)
    chunks = b"%x\r\n%s\r\n0\r\nms-signature: %s\r\n\r\n" % (len(BODY), BODY, sign(BODY, SECRET).encode())
    refused(request(port, head("POST", gateways.PATH, headers) + chunks), 401)
    assert log.since() == []


# --- Malformed HTTP ------------------------------------------------------------------------------

LINE = b"POST /webhooks/xtnd HTTP/1.1\r\nHost: gateway\r\n"
REST = b"".join(
    f"{name}: {value}\r\n".encode() for name, value in signed(BODY, SECRET, Content_Length=None).items()
)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED_BODY = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "data",
    {
        "both": LINE + REST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED_BODY,
        "both, turned": LINE + b"transfer-encoding: chunked\r\n" + LENGTH + REST + b"\r\n" + CHUNKED_BODY,
        "differing lengths": LINE + REST + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
        "length list": LINE + REST + b"Content-Length: 5, 5\r\n\r\n" + BODY,
        "length sign": LINE + REST + b"Content-Length: +5\r\n\r\n" + BODY,
        "length minus": LINE + REST + b"Content-Length: -5\r\n\r\n" + BODY,
        "length hex": LINE + REST + b"Content-Length: 0x5\r\n\r\n" + BODY,
        "length empty": LINE + REST + b"Content-Length: \r\n\r\n" + BODY,
        "length huge": LINE + REST + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
        "blank before colon": LINE + REST + b"Content-Length : 5\r\n\r\n" + BODY,
        "bare LF line": LINE + REST + LENGTH[:-2] + b"\n\r\n" + BODY,
        "bare LF all": (LINE + REST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
        "bare CR": LINE + REST + b"X: a\rb\r\n" + LENGTH + b"\r\n" + BODY,
        "obs-fold": LINE + REST + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
        "obs-fold tab": LINE + REST + b"X: a\r\n\tb\r\n" + LENGTH + b"\r\n" + BODY,
        "NUL in value": LINE + REST + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
        "NUL in name": LINE + REST + b"X\0: a\r\n" + LENGTH + b"\r\n" + BODY,
        "NUL in path": b"POST /webhooks/xtnd\0 HTTP/1.1\r\n" + REST + LENGTH + b"\r\n" + BODY,
        "encoding identity": LINE + REST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
        "encoding xchunked": LINE + REST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_BODY,
        "encoding list": LINE + REST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED_BODY,
        "encoding twice": LINE + REST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNKED_BODY,
        "chunk size no number": LINE + REST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
        "chunk with bare LF": LINE + REST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        "HTTP/2.0": LINE.replace(b"1.1", b"2.0") + REST + LENGTH + b"\r\n" + BODY,
        "no version": b"GET /webhooks/xtnd?echo=a\r\n\r\n",
        "no header name": LINE + REST + b": a\r\n" + LENGTH + b"\r\n" + BODY,
        "fragment": LINE.replace(b"xtnd", b"xtnd#x") + REST + LENGTH + b"\r\n" + BODY,
        "TLS": bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n",
        "nonsense": b"hello\r\n\r\n",
    }.values(),
    ids=lambda data: None,
)
def test_malformed_http_is_refused_and_the_connection_closed(port: int, log: KafkaLog, data: bytes) -> None:
    with Wire(port) as wire:
        # What follows would be taken as a second request by a server that mistakes where the first ends.
        answer = wire.send(data + LINE + REST + LENGTH + b"\r\n" + BODY).answer()
        refused(answer, 400)
        assert answer.closed
        assert wire.closed()
    assert log.since() == []


# --- Connections ---------------------------------------------------------------------------------


def test_a_connection_carries_many_requests_also_sent_ahead(port: int) -> None:
    one = head("POST", gateways.PATH, signed(BODY, SECRET)) + BODY
    other = head("GET", gateways.PATH + "?echo=abc", {})
    with Wire(port) as wire:
        wire.send((one + other) * 5)
        assert [wire.answer().status for _ in range(10)] == [202, 200] * 5


def test_a_request_may_come_byte_by_byte(port: int) -> None:
    data = head("POST", gateways.PATH, signed(BODY, SECRET)) + BODY
    with Wire(port) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(data)):
            wire.send(data[index : index + 1])
        assert wire.answer().status == 202


def test_a_sender_that_has_finished_sending_still_gets_its_answer(port: int) -> None:
    with Wire(port) as wire:
        wire.send(head("POST", gateways.PATH, signed(BODY, SECRET)) + BODY)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer().status == 202


def test_after_a_chunked_body_the_connection_ends(port: int, log: KafkaLog) -> None:
    headers = signed(BODY, SECRET, Content_Length=None, Transfer_Encoding="chunked")
    one = head("POST", gateways.PATH, headers) + CHUNKED_BODY
    with Wire(port) as wire:
        answer = wire.send(one + one).answer()
        assert (answer.status, answer.closed) == (202, True)
        assert wire.closed()
    assert len(log.since()) == 1


def test_expect_100_continue_is_answered_and_then_the_delivery(port: int) -> None:
    with Wire(port) as wire:
        wire.send(head("POST", gateways.PATH, signed(BODY, SECRET, Expect="100-continue")))
        assert wire.line_end(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        assert wire.send(BODY).answer().status == 202


def test_expect_100_continue_is_refused_at_once_where_no_body_is_needed(port: int) -> None:
    headers = signed(b"", SECRET, Expect="100-continue") | {"Content-Length": str(CAP + 1)}
    refused(request(port, head("POST", gateways.PATH, headers)), 413)
    refused(request(port, head("POST", "/webhooks/nobody", headers)), 404)


@pytest.mark.parametrize(
    "start",
    [b"", b"POST ", LINE + b"X: y\r\n", LINE + REST + LENGTH + b"\r\n" + BODY[:5],
     LINE + REST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"],
    ids=["nothing", "line", "head", "body", "chunk"],
)  # fmt: skip
def test_a_request_that_is_not_complete_in_time_is_ended(strict: int, start: bytes) -> None:
    with Wire(strict) as wire:
        answer = wire.send(start).answer()
        refused(answer, 408)
        assert wire.closed()


def test_a_trickle_does_not_extend_the_deadline(strict: int) -> None:
    with Wire(strict) as wire:
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.05):
                wire.send(b"x")

        thread = threading.Thread(target=trickle)
        wire.send(LINE)
        thread.start()
        try:
            refused(wire.answer(), 408)
        finally:
            stop.set()
            thread.join()


def test_the_second_request_of_a_connection_has_a_deadline_too(strict: int) -> None:
    with Wire(strict) as wire:
        assert wire.send(head("GET", gateways.PATH + "?echo=a", {})).answer().status == 200
        refused(wire.send(LINE).answer(), 408)


def test_thousands_of_slow_connections_do_not_starve_good_ones(config: Config) -> None:
    patient = settings("127.0.0.1:9", request_deadline_seconds=60, max_connections=200)
    with gateways.running(patient) as public, ExitStack() as slow:
        wires = [slow.enter_context(Wire(public)) for _ in range(100)]
        for number in range(2000):
            wire = slow.enter_context(Wire(public))
            wires.append(wire)
            wire.send(LINE + REST + LENGTH + b"\r\n" + BODY[:5] if number % 2 else LINE)
            if number % 100 == 99:
                assert post(public, delivery(), SECRET).status == 202
        # The slowest made space for the others: those that had said nothing, then the next.
        assert all(wire.closed() for wire in wires[:100])
        assert all(wire.answer().status == 408 for wire in wires[100:1000])


# --- Kafka away, and too much at once ------------------------------------------------------------


def test_without_kafka_nothing_is_acknowledged(config: Config) -> None:
    away = settings("127.0.0.1:9", ack_timeout_seconds=0.4)
    with gateways.running(away) as public:
        refused(post(public, delivery(notification()), SECRET), 503)
        refused(post(public, b"not json", SECRET), 503)
        assert post(public, delivery(), SECRET).status == 202
        assert post(public, delivery(), "wrong").status == 401


class Late:
    """An intake that says, when it is asked to, that it took nothing."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []

    def submit(self, records: Sequence[Record], done: Callable[[Exception | None], None]) -> None:
        assert records
        loop, error = asyncio.get_running_loop(), KafkaOutage("It was late.")
        self._waiting.append(lambda: loop.call_soon_threadsafe(done, error))

    def give_up(self) -> None:
        for answer in self._waiting:
            answer()


def test_too_many_deliveries_in_flight_are_put_off(config: Config) -> None:
    away = settings("127.0.0.1:9", max_requests_in_flight=3)
    data = head("POST", gateways.PATH, signed(BODY, SECRET)) + BODY
    with gateways.running(away, late := Late()) as public, ExitStack() as stack:
        wires = [stack.enter_context(Wire(public)).send(data) for _ in range(8)]
        gateways.until(
            lambda: len(select([wire.socket for wire in wires], [], [], 0)[0]) == 5, "five answers"
        )
        late.give_up()
        statuses = sorted(wire.answer().status for wire in wires)
    assert statuses == [429] * 5 + [503] * 3
