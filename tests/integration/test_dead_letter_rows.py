"""Whatever stands on the dead-letter topic becomes a row: the way of last resort has no dead end."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.events import DeadLetter
from connector.mirror import database
from connector.stream import decode
from connector.stream.fetched import Fetched
from tests.conftest import MakeConfig
from tests.strategies import NOON, Mirror

TOPIC = "xtnd.dead-letters"
# "\\u0000" in JSON text within JSON, as Properties of a delivery can hold it.
WILD = st.one_of(
    st.text(),
    st.just('{"a":"\\u0000"}'),
    st.just("\x00"),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(), max_size=2),
)
LETTERS = st.builds(
    DeadLetter,
    dead_letter_id=st.text(max_size=3000),
    stage=st.text(max_size=3000),
    reason=st.text(max_size=3000),
    error=st.text(),
    hook=st.none() | st.text(),
    action=st.none() | st.text(),
    event_id=st.none() | st.text(),
    kafka_topic=st.none() | st.text(),
    kafka_partition=st.none() | st.integers(-(2**63), 2**63 - 1),
    kafka_offset=st.none() | st.integers(-(2**63), 2**63 - 1),
    parked_at=st.text() | st.just("2026-01-02T03:04:05.000006Z"),
    context=st.dictionaries(st.text(), WILD, max_size=3),
    payload=st.binary(max_size=50),
)


@pytest.fixture
def mirror(make_config: MakeConfig, database_url: str) -> Mirror:
    config = make_config({"database.url": database_url})
    return Mirror(database.connect(config.database), config)


def test_any_record_of_the_topic_becomes_a_row(mirror: Mirror) -> None:
    offsets = itertools.count()

    @settings(max_examples=60)
    @given(LETTERS, st.booleans())
    def check(letter: DeadLetter, readable: bool) -> None:
        offset = next(offsets)
        headers = list(letter.headers()) if readable else [("dead-letter", letter.payload)]
        record = SimpleNamespace(
            topic=TOPIC, partition=0, offset=offset, key=b"k", value=letter.payload, headers=headers
        )
        fetched = Fetched(TOPIC, 0, offset, (record,))
        chunk = decode.decode_dead_letters(fetched, NOON).chunk
        written = mirror.sink.write([chunk])
        assert written.positions == {(TOPIC, 0): offset + 1}

    check()
    assert mirror.rows("dead_letters")


def test_a_payload_is_kept_to_the_byte(mirror: Mirror) -> None:
    letter = DeadLetter(
        dead_letter_id="x",
        stage="gateway",
        reason="r",
        error="e",
        payload=bytes(range(256)),
        context={"a": "\x00"},
    )
    record: Any = SimpleNamespace(
        topic=TOPIC, partition=0, offset=0, key=b"x", value=letter.payload, headers=list(letter.headers())
    )
    mirror.sink.write([decode.decode_dead_letters(Fetched(TOPIC, 0, 0, (record,)), NOON).chunk])
    assert bytes(mirror.row("_dead_letters", dead_letter_id="x")["payload"]) == bytes(range(256))
