"""What libraries repeat in an outage: the first line, and then one after each growing pause."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import logs
from connector.config.models import KafkaSettings
from connector.errors import KafkaOutage
from connector.kafka import topics
from connector.logs import KINDS, GrowingSteps, RepeatFilter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(
    text: str, *arguments: Any, logger: str = "aiokafka", level: int = logging.ERROR
) -> logging.LogRecord:
    return logging.LogRecord(logger, level, __file__, 1, text, arguments, None)


def passed_at(seconds: int, *, every: float = 1.0) -> list[tuple[float, int]]:
    """When reports that come so often pass, and how many each says were suppressed."""
    clock = Clock()
    steps, found = GrowingSteps(clock), []
    for number in range(int(seconds / every)):
        clock.now = 1000 + number * every
        if (suppressed := steps.due()) is not None:
            found.append((number * every, suppressed))
    return found


def test_repeats_pass_at_once_then_after_10_s_a_minute_ten_minutes_and_each_hour() -> None:
    assert passed_at(9000) == [(0, 0), (10, 9), (70, 59), (670, 599), (4270, 3599), (7870, 3599)]


def test_lines_that_differ_in_numbers_and_addresses_only_are_one_kind() -> None:
    kept = RepeatFilter(Clock())
    assert kept.filter(record("Unable to connect to node %s at %s", 1, "10.0.0.1:9092"))
    assert not kept.filter(record("Unable to connect to node %s at %s", 2, "10.0.0.7:9093"))
    assert not kept.filter(record(f"Unable to connect to node {3} at 10.0.0.7:9094"))
    assert kept.filter(record("Unable to connect to node %s at %s", 2, "kafka:9093"))
    assert kept.filter(record("<Task 0x7f00ab> failed", logger="asyncio"))
    assert not kept.filter(record("<Task 0x7f11cd> failed", logger="asyncio"))


def test_other_levels_loggers_and_topics_are_other_kinds() -> None:
    kept = RepeatFilter(Clock())
    assert all(kept.filter(record("gone", logger=name)) for name in ("kafka", "aiokafka", "faust", "mode"))
    assert kept.filter(record("gone", level=logging.WARNING))
    assert kept.filter(record("Topic %s is missing", "xtnd.orders"))
    assert kept.filter(record("Topic %s is missing", "xtnd.balances"))


def test_our_own_lines_and_quiet_ones_always_pass() -> None:
    kept = RepeatFilter(Clock())
    for _ in range(100):
        assert kept.filter(record("event parked", logger="connector.stream.processor"))
        assert kept.filter(record("rebalancing", logger="faust", level=logging.INFO))


def test_an_outage_after_a_quiet_time_is_news() -> None:
    clock = Clock()
    kept = RepeatFilter(clock)
    for _ in range(100):
        kept.filter(record("broker gone"))
        clock.now += 1
    assert not kept.filter(record("broker gone"))
    clock.now += 1000
    assert kept.filter(record("broker gone"))
    clock.now += 11
    assert kept.filter(record("broker gone"))


def test_what_a_library_says_in_ever_new_words_is_bounded_in_lines_and_in_memory() -> None:
    kept = RepeatFilter(Clock())
    words = [f"{'abcdefghij'[number % 10]}{chr(0x4E00 + number)}" for number in range(5000)]
    lines = sum(kept.filter(record(f"unexpected {word}")) for word in words)
    assert lines <= logs.KINDS_OF_LOGGER + 1
    for number in range(5000):
        kept.filter(record("gone", logger=f"library{chr(0x4E00 + number)}"))
    assert len(kept._kinds) <= KINDS


@given(st.text(), st.lists(st.one_of(st.integers(), st.text(), st.none()), max_size=3))
def test_no_line_however_malformed_stops_the_log(text: str, arguments: list[Any]) -> None:
    assert RepeatFilter(Clock()).filter(record(text, *arguments))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What ``configure`` makes the process log; undone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    made = io.StringIO()
    logs.configure(stream=made)
    yield made
    root.handlers = handlers
    root.setLevel(level)


def test_a_line_says_how_many_were_left_out(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    repeats = next(one for one in logging.getLogger().handlers[0].filters if isinstance(one, RepeatFilter))
    monkeypatch.setattr(repeats, "_clock", clock)
    for _ in range(30):
        logging.getLogger("aiokafka.client").error("Unable to update metadata from %s", [1])
        clock.now += 1
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("suppressed") for line in lines] == [None, 9]
    assert {(line["event"], line["logger"]) for line in lines} == {
        ("Unable to update metadata from [1]", "aiokafka.client")
    }


def test_our_own_reports_of_one_subject_hide_no_other_and_no_news() -> None:
    clock = Clock()
    reports = logs.Reports(clock)
    assert [reports.due("orders"), reports.due("orders"), reports.due("offers")] == [0, None, 0]
    clock.now += 11
    assert reports.due("orders") == 1
    clock.now += 1000
    assert reports.due("orders") == 0


def test_what_is_remembered_of_our_own_reports_is_bounded() -> None:
    reports = logs.Reports()
    sizes = []
    for number in range(5000):
        reports.due(str(number))
        sizes.append(len(vars(reports)["_steps"]))
    assert max(sizes) <= KINDS


def test_kafkas_client_logs_nothing_beside_what_it_raises_and_names_its_error_once(
    stream: io.StringIO,
) -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaOutage) as caught, topics.admin_client(kafka, timeout_seconds=0.2):
        pass
    assert re.findall(r"\w+(?=: )", str(caught.value)) == ["1", "KafkaTimeoutError"]
    assert stream.getvalue() == ""
