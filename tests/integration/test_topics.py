"""Topics on a real Apache Kafka: created, checked, and mended as topics.yaml says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from connector.config import Config
from connector.errors import KafkaOutage
from connector.kafka import topics
from connector.local.ports import free_port
from tests.conftest import MakeConfig
from tests.gateways import until

Make = Any


@pytest.fixture
def on_kafka(make_config: MakeConfig, kafka_bootstrap: str) -> Make:
    base: dict[str, object] = {"kafka.bootstrap_servers": kafka_bootstrap, "topics.partitions": 2}

    def make(overrides: dict[str, object] | None = None) -> Config:
        return make_config(base | (overrides or {}))

    return make


@pytest.fixture
def client(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    found = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield found
    found.close()


def settings_of(client: KafkaAdminClient, topic: str) -> dict[str, str]:
    answer = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    return {name: str(one["value"]) for name, one in next(iter(answer.values()))[topic].items()}


def same(config: Config, **changes: object) -> Config:
    """The same topics with other settings."""
    return config.model_copy(update={"topics": config.topics.model_copy(update=changes)})


def test_topics_that_are_missing_are_reported_and_created_once_as_planned(
    on_kafka: Make, client: KafkaAdminClient
) -> None:
    config = on_kafka({"topics.families.offers.partitions": 3, "topics.retention_hours": 7})
    told = topics.deviations(config)
    assert len(told) == 10
    assert {one.what for one in told} == {"does not exist"}
    assert topics.ensure(config) == []
    assert topics.deviations(config) == []
    prefix = config.topics.prefix
    counts = {
        one["name"]: len(one["partitions"])
        for one in client.describe_topics([f"{prefix}offers", f"{prefix}orders"])
    }
    assert counts == {f"{prefix}offers": 3, f"{prefix}orders": 2}
    found = settings_of(client, f"{prefix}orders")
    assert (found["retention.ms"], found["compression.type"]) == (str(7 * 3_600_000), "lz4")
    assert (found["cleanup.policy"], found["max.message.bytes"]) == ("delete", "4194304")
    assert topics.ensure(config) == []


def test_partitions_are_added_and_never_taken_away(on_kafka: Make) -> None:
    config = on_kafka()
    topics.ensure(config)
    more = same(config, partitions=4)
    assert {one.what for one in topics.deviations(more)} == {"has 2 partitions instead of 4"}
    assert topics.ensure(more) == []
    left = topics.ensure(config)
    assert {one.what for one in left} == {"has 4 partitions, more than the 2 of topics.yaml"}
    assert not any(one.fixed_by_ensure for one in left)


def test_a_setting_that_differs_is_reported_and_set_and_others_are_left_alone(
    on_kafka: Make, client: KafkaAdminClient
) -> None:
    config = on_kafka()
    topics.ensure(config)
    orders = f"{config.topics.prefix}orders"
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, orders, {"segment.bytes": "1048576"})])
    assert topics.deviations(config) == []
    longer = same(config, retention_hours=-1)
    told = {one.topic: one.what for one in topics.deviations(longer)}
    assert told[orders] == f"retention.ms is {168 * 3_600_000} instead of -1"
    assert topics.ensure(longer) == []
    found = settings_of(client, orders)
    assert (found["retention.ms"], found["segment.bytes"]) == ("-1", "1048576")


def test_every_acknowledgement_tells_the_brokers_time_also_on_a_topic_that_was_there(
    on_kafka: Make, client: KafkaAdminClient
) -> None:
    config = on_kafka()
    topics.ensure(config)
    new, old = (f"{config.topics.prefix}{name}" for name in ("offers", "orders"))
    own = {"message.timestamp.type": "CreateTime"}
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, old, own)])
    [found] = until(lambda: topics.deviations(config), "the changed setting is told")
    assert found == topics.Deviation(old, "message.timestamp.type is CreateTime instead of LogAppendTime")
    assert topics.ensure(config) == []
    producer = KafkaProducer(bootstrap_servers=config.kafka.servers, acks="all")
    for topic in (new, old):
        before = time.time_ns() // 1_000_000
        sent = producer.send(topic, b"x", timestamp_ms=5).get(20)
        assert before <= sent.timestamp <= time.time_ns() // 1_000_000
    producer.close()


def test_two_processes_may_create_the_topics_at_once(on_kafka: Make) -> None:
    config = on_kafka()
    with ThreadPoolExecutor(2) as pool:
        assert [one.result(60) for one in [pool.submit(topics.ensure, config) for _ in range(2)]] == [[], []]


def test_a_broker_that_does_not_answer_is_an_outage_in_time(make_config: MakeConfig) -> None:
    config = make_config({"kafka.bootstrap_servers": f"127.0.0.1:{free_port()}"})
    with pytest.raises(KafkaOutage, match=r"127\.0\.0\.1"):
        topics.deviations(config, timeout_seconds=1)
    with pytest.raises(KafkaOutage):
        topics.ensure(config, timeout_seconds=1)


def test_the_longest_and_oddest_topic_names_that_validation_takes_are_taken_by_kafka(on_kafka: Make) -> None:
    prefix = f"{'P' * 40}-{free_port()}._-"
    longest = "l" * (249 - len(prefix))
    config = on_kafka(
        {
            "topics.prefix": prefix,
            "worker.group": "longest",
            "topics.unrouted": longest,
            "topics.dead_letters": "...__--",
            "topics.partitions": 1,
        }
    )
    assert len(config.topics.unrouted_topic) == 249
    assert topics.ensure(config) == []
    assert topics.deviations(config) == []
