"""Kafka's log changed under a worker that runs on; no HTTP takes part."""

import secrets
import time

import pytest
from kafka import TopicPartition

from connector.kafka import topics
from tests.faults.conftest import MakeStack
from tests.faults.report import TIMEOUT_SECONDS, Line
from tests.workers import balance, balances, next_number, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT_SECONDS)]


def test_a_log_recreated_under_a_running_worker_is_read_from_its_start(
    make_stack: MakeStack, line: Line
) -> None:
    stack = make_stack()
    worker = stack.worker().wait_ready()
    stack.send(balances(100), partition=0)
    stack.wait_caught_up()
    stack.admin.delete_topics([stack.topic])
    until(lambda: stack.topic not in stack.admin.list_topics(), what="topic deleted")
    topics.ensure(stack.config)
    stack.send(balances(130), partition=0)
    began = time.monotonic()
    stack.wait_caught_up()
    line.fault, line.recovery = "a topic recreated under a running worker", time.monotonic() - began
    assert worker.said_event("topic was re-created")
    stack.judge()
    assert not worker.ended()


def test_records_that_retention_took_under_a_slow_worker_are_counted(
    make_stack: MakeStack, line: Line
) -> None:
    stack = make_stack(max_batch_events=10)
    worker = stack.worker("slow-database@2=6").wait_ready()
    stack.send(balances(10), partition=0)
    stack.wait_caught_up()
    # More than is fetched ahead, while the second transaction waits; then all of it is deleted.
    padding = [f'{{"padding": "{secrets.token_hex(1000)}"}}' for _ in range(1500)]
    stack.send([balance(next_number(), properties=text) for text in padding], partition=0)
    stack.admin.delete_records({TopicPartition(stack.topic, 0): 1510})
    stack.send(balances(10), partition=0)
    began = time.monotonic()
    stack.wait_caught_up()
    line.recovery = time.monotonic() - began
    told = int(worker.metric("xtnd_worker_records_lost_total"))
    line.fault = f"retention took {told} records before a slow worker read them: all reported"
    assert 0 < told < 1500
    assert worker.said_event("expired before they were mirrored")
    assert stack.rows("SELECT SUM(records_lost) FROM consumer_offsets") == [(told,)]
    stack.judge(told=told)
    assert not worker.ended()
