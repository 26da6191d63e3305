"""The Faust app with every setting that its guarantees depend on (docs/reliability.md, Inside the worker)."""

import logging
import ssl
from typing import Any, cast

import faust
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from typing_extensions import override

from connector.config import Config
from connector.kafka.producer import client_settings
from connector.mirror.offsets import Partition
from connector.stream.expansion import BATCH_BYTES
from connector.stream.fetched import Locator
from connector.stream.transport import ChunkConsumer, ChunkTransport


class MirrorApp(faust.App):
    """A Faust app that consumes through the chunk transport.

    Its consumer finds here what it needs: ``locator``, ``budget``, the records of one topic that may
    wait for their transaction, and ``batch_bytes``, what a compressed batch may expand to.
    """

    locator: Locator
    budget: int
    batch_bytes: int

    @property
    def assigned(self) -> frozenset[TP]:
        """Partitions of this worker; none before the first assignment. Safe from any thread."""
        try:
            return frozenset(self._consumer.assignment() if self._consumer else ())
        except ConsumerNotStarted:
            return frozenset()

    @property
    def ready(self) -> bool:
        """Whether the group has settled and every partition of this worker is being fetched from."""
        consumer = cast("ChunkConsumer | None", self._consumer)
        return bool(self.started and consumer and consumer.settled and not self.rebalancing)

    def reread(self, partitions: set[Partition]) -> None:
        """Have partitions read again from the mirror's offset."""
        cast("ChunkConsumer", self.consumer).reassign(TP(*partition) for partition in partitions)

    @override
    def _new_transport(self) -> ChunkTransport:
        return ChunkTransport(self.conf.broker_consumer, self)

    @override
    def _create_directories(self) -> None:
        """Nothing is kept on disk: all state is in Kafka and the database."""


MirrorApp.logger = faust.App.logger  # so that logs.py sets its level with Faust's


def build_app(config: Config, locator: Locator) -> MirrorApp:
    """The worker's app, not started."""
    credentials, tls = _credentials(config)
    worker = config.worker
    app = MirrorApp(
        worker.group,
        broker=[f"kafka://{server}" for server in config.kafka.servers],
        broker_credentials=credentials,
        ssl_context=tls,
        store="memory://",
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        # Bytes of one partition in one fetch; keeps a worker small whatever the backlog.
        consumer_max_fetch_size=262_144,
        # How soon a topic that was re-created, or got more partitions, is seen.
        consumer_metadata_max_age_ms=10_000,
        broker_max_poll_records=worker.max_batch_events,
        broker_max_poll_interval=worker.max_poll_interval_seconds,
        broker_session_timeout=worker.session_timeout_seconds,
        broker_heartbeat_interval=worker.session_timeout_seconds / 4,
        broker_request_timeout=max(60.0, worker.session_timeout_seconds + 5),
        broker_commit_interval=1.0,
        broker_commit_every=None,
        stream_wait_empty=False,
        # Counts chunks; the consumer's own budget of records is what limits.
        stream_buffer_maxsize=4096,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_acks=-1,
        producer_compression_type=config.topics.compression,
        producer_max_request_size=config.topics.max_message_bytes + 65_536,
    )
    app.locator = locator
    app.budget = 2 * worker.max_batch_events
    app.batch_bytes = max(BATCH_BYTES, 2 * config.topics.max_message_bytes)
    app.finalize()
    # Of the group coordinator all but that a new group is being made.
    logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(
        lambda one: one.msg != "Group Coordinator Request failed: %s" or "[Error 15]" not in one.getMessage()
    )
    return app


def _credentials(config: Config) -> tuple[Any, ssl.SSLContext | None]:
    kafka = config.kafka
    tls: ssl.SSLContext | None = client_settings(kafka).get("ssl_context")
    if kafka.security_protocol.startswith("SASL") and kafka.sasl_password:
        password = kafka.sasl_password.get_secret_value()
        credentials = faust.SASLCredentials(
            username=kafka.sasl_username, password=password, ssl_context=tls, mechanism=kafka.sasl_mechanism
        )
        return credentials, tls
    return (faust.SSLCredentials(context=tls) if tls else None), tls
