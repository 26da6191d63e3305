"""The ends of logs: asked each time, while topics are described now and then and when something is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import UnknownTopicOrPartitionError

from connector.kafka import ends
from connector.kafka.ends import DESCRIBED_SECONDS, Ends


class Broker:
    """As much of a broker's admin client as is asked; ``logs`` is the length of each partition."""

    def __init__(self) -> None:
        self.logs = {"orders": [3, 5], "offers": [7]}
        self.descriptions = 0
        self.now = 0.0

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        self.descriptions += 1
        return [
            {
                "name": name,
                "partitions": [
                    {"partition_index": number, "leader_id": 1 if length >= 0 else -1}
                    for number, length in enumerate(self.logs.get(name, ()))
                ],
            }
            for name in names
        ]

    def list_partition_offsets(self, asked: dict[TopicPartition, Any], *, timeout_ms: int) -> dict[Any, Any]:
        assert timeout_ms
        found = {}
        for tp, which in asked.items():
            if tp.partition >= len(self.logs.get(tp.topic, ())) or self.logs[tp.topic][tp.partition] < 0:
                raise UnknownTopicOrPartitionError(tp.topic)
            length = self.logs[tp.topic][tp.partition]
            found[tp] = SimpleNamespace(offset=length if which is ends.OffsetSpec.LATEST else 0)
        return found


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()

    @contextmanager
    def client(_config: object, **_settings: object) -> Iterator[Broker]:
        yield broker

    monkeypatch.setattr("connector.kafka.topics.admin_client", client)
    return broker


def reading(broker: Broker, names: list[str], former: tuple[str, ...] = ()) -> Any:
    settings: Any = SimpleNamespace(
        kafka=SimpleNamespace(request_timeout_seconds=1.0), topics=SimpleNamespace(former=former)
    )
    return ends.reading(settings, names, clock=lambda: broker.now)


def test_ends_are_asked_each_time_and_topics_are_described_now_and_then(broker: Broker) -> None:
    with reading(broker, ["orders", "offers"]) as read:
        starts = {("orders", 0): 0, ("orders", 1): 0, ("offers", 0): 0}
        assert read() == Ends(starts, {("orders", 0): 3, ("orders", 1): 5, ("offers", 0): 7})
        broker.logs["orders"][1] = 6
        assert read() == Ends(starts, {("orders", 0): 3, ("orders", 1): 6, ("offers", 0): 7})
        broker.logs["orders"].append(1)
        assert ("orders", 2) not in read().ends
        assert broker.descriptions == 1
        broker.now += DESCRIBED_SECONDS
        assert read().ends["orders", 2] == 1
        assert broker.descriptions == 2


@pytest.mark.parametrize(
    ("former", "change", "trouble"),
    [
        ((), ("orders", []), "Kafka does not have the topic orders; make it with: connector topics"),
        ((), ("orders", [3, -1]), "Kafka has no leader for partitions [1] of orders; look at its brokers"),
        (("orders",), ("orders", []), None),
    ],
)
def test_what_goes_wrong_with_a_topic_shows_at_once_and_hides_no_other(
    broker: Broker, former: tuple[str, ...], change: tuple[str, list[int]], trouble: str | None
) -> None:
    with reading(broker, ["orders", "offers"], former) as read:
        assert not read().trouble
        broker.logs.update([change])
        broker.logs["offers"] = [8]
        found = read()
        assert found.trouble == ({"orders": trouble} if trouble else {})
        assert found.ends["offers", 0] == 8
        assert ("orders", 1) not in found.ends
        if trouble:
            broker.logs["orders"] = [3, 6]
            found = read()
            assert not found.trouble
            assert found.ends["orders", 1] == 6


def test_a_topic_that_is_added_is_described_at_once(broker: Broker) -> None:
    names = ["orders"]
    with reading(broker, names) as read:
        assert ("offers", 0) not in read().ends
        names.append("offers")
        assert read().ends["offers", 0] == 7
