"""Random bytes at the public port: no 5xx but 503 by design, no crash, and good ones still get in."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import config as configuration
from tests import gateways
from tests.gateways import Wire, delivery, head, notification, post, signed

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests"
ROUNDS = 400
# No Kafka: a delivery that gets as far as being published is answered 503, by design.
EXPECTED = {200, 202, 400, 401, 404, 405, 408, 413, 415, 429, 431, 503}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = configuration.load(
        ROOT / "config",
        {},
        {
            "hooks.xtnd.secrets": [SECRET],
            "hooks.xtnd.secret_files": [],
            "kafka.bootstrap_servers": "127.0.0.1:9",
            "gateway.request_deadline_seconds": 0.3,
            "gateway.ack_timeout_seconds": 0.1,
        },
    )
    with gateways.running(config) as public:
        yield public


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Good bytes with a few spoilt: changed, cut out, doubled, or strangers put in."""
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(spoilt))
        what = chance.randrange(4)
        if what == 0:
            spoilt[at] = chance.randrange(256)
        elif what == 1:
            del spoilt[at : at + chance.randint(1, 20)]
        elif what == 2:
            spoilt[at:at] = spoilt[at : at + chance.randint(1, 40)]
        else:
            spoilt[at:at] = chance.choice(
                [b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"chunked", b"0\r\n\r\n"]
            )
        if not spoilt:
            return b"x"
    return bytes(spoilt)


def attempt(chance: random.Random) -> bytes:
    body = delivery(notification(str(chance.randrange(1000))))
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randint(1, 600))
    if kind == 1:  # a signed body that is not what it should be
        body = mutated(chance, body)
        return head("POST", gateways.PATH, signed(body, SECRET)) + body
    if kind == 2:
        headers = signed(body, SECRET, Content_Length=None, Transfer_Encoding="chunked")
        return mutated(
            chance, head("POST", gateways.PATH, headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        )
    return mutated(chance, head("POST", gateways.PATH, signed(body, SECRET)) + body)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_random_makes_the_gateway_fail(port: int, seed: int) -> None:
    chance = random.Random(seed)
    statuses: dict[int, int] = {}
    for _ in range(ROUNDS // 4):
        data = attempt(chance)
        with Wire(port) as wire:
            status = wire.send(data).answer().status
        assert status in EXPECTED, (status, data)
        statuses[status] = statuses.get(status, 0) + 1
    assert len(statuses) > 3
    assert post(port, delivery(), SECRET).status == 202
