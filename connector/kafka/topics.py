"""The topics' creation and checks on the broker.

All topic administration is here (kafka-python). Topics are created before anyone writes, never by
the broker on its own: an idempotent producer can lose records on a topic created just now.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from connector.config import Config, KafkaSettings
from connector.errors import KafkaOutage, named
from connector.kafka.claims import claim
from connector.kafka.routes import Routes

REGISTRATION_SECONDS = 10.0
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be; ``settings`` are Kafka's own names and texts."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str] = field(default_factory=dict)


def plans(config: Config) -> list[TopicPlan]:
    """Every topic of the connector."""
    topics, routes = config.topics, Routes(config)
    retention = -1 if topics.retention_hours < 0 else topics.retention_hours * 3_600_000
    settings = {
        "cleanup.policy": "delete",
        "compression.type": topics.compression,
        "retention.ms": str(retention),
        "max.message.bytes": str(topics.max_message_bytes),
        "min.insync.replicas": str(topics.min_insync_replicas),
        # Each acknowledgement carries the broker's time, and retention counts from the append.
        "message.timestamp.type": "LogAppendTime",
    }
    partitions = {
        routes.topic_of_family[name]: family.partitions or topics.partitions
        for name, family in topics.families.items()
    }
    others = (routes.unrouted_topic, routes.snapshot_topic, routes.dead_letter_topic)
    partitions |= dict.fromkeys(others, topics.partitions)
    return [TopicPlan(name, count, topics.replication_factor, settings) for name, count in partitions.items()]


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something about a topic that is not as planned, and whether ``ensure`` fixes it."""

    topic: str
    what: str
    fixed_by_ensure: bool = True


def client_settings(kafka: KafkaSettings, *, client_id: str) -> dict[str, Any]:
    """kafka-python settings for reaching the cluster: addresses, TLS and SASL."""
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka.servers,
        "client_id": client_id,
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": int(kafka.request_timeout_seconds * 1000),
    }
    if kafka.sasl_mechanism and kafka.sasl_password:
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        settings["sasl_plain_username"] = kafka.sasl_username
        settings["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    if kafka.security_protocol.endswith("SSL"):
        settings["ssl_cafile"] = kafka.ssl_ca_file
        settings["ssl_certfile"] = kafka.ssl_certificate_file
        settings["ssl_keyfile"] = kafka.ssl_key_file
    return settings


@contextmanager
def admin_client(kafka: KafkaSettings, *, timeout_seconds: float = 10) -> Iterator[KafkaAdminClient]:
    """An admin client; raises ``KafkaOutage`` when no broker answers in time."""
    client: KafkaAdminClient | None = None
    try:
        client = KafkaAdminClient(
            **client_settings(kafka, client_id="xtnd-connector-admin")
            | {
                "bootstrap_timeout_ms": int(timeout_seconds * 1000),
                "request_timeout_ms": int(timeout_seconds * 1000),
            }
        )
        yield client
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaOutage(f"Kafka at {kafka.bootstrap_servers}: {named(error)}") from error
    finally:
        if client is not None:
            client.close()


def deviations(config: Config, *, timeout_seconds: float = 10) -> list[Deviation]:
    """What is not as planned on the broker; raises ``KafkaOutage``."""
    with admin_client(config.kafka, timeout_seconds=timeout_seconds) as client:
        return TopicAdmin(client, plans(config)).deviations()


def ensure(config: Config, *, timeout_seconds: float = 30) -> list[Deviation]:
    """Create missing topics, add partitions, set settings; return what is still not as planned.

    Partitions are never taken away: Kafka cannot. A replication factor is not changed here.
    Raises ``KafkaOutage``.
    """
    with admin_client(config.kafka, timeout_seconds=timeout_seconds) as client:
        admin = TopicAdmin(client, plans(config))
        existing = admin.create_missing()
        mark = claim(config.topics.prefix, config.worker.group)
        if mark not in existing:
            # Without the right to it there is no mark: the topics that a worker has read are known anyway.
            one = {"num_partitions": 1, "replication_factor": config.topics.replication_factor}
            client.create_topics({mark: one}, raise_errors=False)
        admin.change(existing)
        # The brokers may not know yet what the controller has just changed.
        settled: Retrying = Retrying(
            retry=retry_if_result(lambda found: any(one.fixed_by_ensure for one in found)),
            stop=stop_after_delay(SETTLE_SECONDS),
            wait=wait_fixed(0.1),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
        )
        left: list[Deviation] = settled(admin.deviations)
        return left


class TopicAdmin:
    """Compares the topics of one cluster with what is planned, and changes them."""

    def __init__(self, client: KafkaAdminClient, planned: list[TopicPlan]) -> None:
        self._client = client
        self._planned = planned

    def create_missing(self) -> set[str]:
        """Create topics that are not there; gives those that were."""
        existing = set(self._client.list_topics())
        missing = {
            plan.name: {
                "num_partitions": plan.partitions,
                "replication_factor": plan.replication_factor,
                "configs": dict(plan.settings),
            }
            for plan in self._planned
            if plan.name not in existing
        }
        if not missing:
            return existing
        # A broker that has just started answers before its controller counts it, and a topic with one
        # copy is then refused for want of brokers.
        counted = Retrying(
            retry=retry_if_exception_type(InvalidReplicationFactorError),
            stop=stop_after_delay(REGISTRATION_SECONDS),
            wait=wait_fixed(0.2),
            reraise=True,
        )
        try:
            counted(self._client.create_topics, dict(missing), wait_for_metadata=True)
        except TopicAlreadyExistsError:
            # Another process created some of them meanwhile; each alone, so that the rest come too.
            for name, options in missing.items():
                self._client.create_topics({name: options}, raise_errors=False)
            self._client.wait_for_topics(list(missing))
        return existing

    def change(self, existing: Collection[str]) -> None:
        """Add partitions to topics that are there, and set their settings."""
        present, counts = self._present(existing)
        if more := {plan.name: plan.partitions for plan in present if counts[plan.name] < plan.partitions}:
            self._client.create_partitions(more)
        if wrong := [plan for plan in present if self._wrong_settings(plan)]:
            self._client.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, plan.name, dict(plan.settings)) for plan in wrong]
            )

    def deviations(self) -> list[Deviation]:
        """What is not as planned now."""
        existing = set(self._client.list_topics())
        found = [
            Deviation(plan.name, "does not exist") for plan in self._planned if plan.name not in existing
        ]
        present, counts = self._present(existing)
        for plan in present:
            count = counts[plan.name]
            if count < plan.partitions:
                found.append(Deviation(plan.name, f"has {count} partitions instead of {plan.partitions}"))
            elif count > plan.partitions:
                what = f"has {count} partitions, more than the {plan.partitions} of topics.yaml"
                found.append(Deviation(plan.name, what, fixed_by_ensure=False))
            for key, value in self._wrong_settings(plan).items():
                found.append(Deviation(plan.name, f"{key} is {value} instead of {plan.settings[key]}"))
        return found

    def _present(self, existing: Collection[str]) -> tuple[list[TopicPlan], dict[str, int]]:
        """Plans of topics that are there, and by name how many partitions each has."""
        present = [plan for plan in self._planned if plan.name in existing]
        described = self._client.describe_topics([plan.name for plan in present]) if present else []
        return present, {topic["name"]: len(topic["partitions"]) for topic in described}

    def _wrong_settings(self, plan: TopicPlan) -> dict[str, str]:
        resource = ConfigResource(ConfigResourceType.TOPIC, plan.name, dict.fromkeys(plan.settings, ""))
        answer = self._client.describe_configs([resource], config_filter="all")
        actual = next(iter(answer.values()))[plan.name]
        return {
            key: str(actual[key]["value"])
            for key, planned in plan.settings.items()
            if key in actual and str(actual[key]["value"]) != planned
        }
