"""Publishing for tools: some records at a time, blocking, by kafka-python."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from kafka import KafkaProducer
from kafka.errors import KafkaError

from connector.config import Config
from connector.errors import KafkaOutage, named
from connector.kafka.record import RECORD_OVERHEAD_BYTES, Record
from connector.kafka.topics import client_settings

# Longer than a gateway waits, because nobody holds a connection open; shorter than
# database.lock_timeout_seconds, because a replay keeps the letters' rows locked meanwhile.
ACK_SECONDS = 10.0
READY_SECONDS = 20.0
CLOSE_SECONDS = 5.0

Publish = Callable[[Sequence[Record]], None]


@contextmanager
def publishing(config: Config) -> Iterator[Publish]:
    """Give a function that publishes records and returns when Kafka has acknowledged all of them.

    Raises ``KafkaOutage``, as that function does.
    """
    servers = config.kafka.bootstrap_servers
    try:
        producer = KafkaProducer(
            **client_settings(config.kafka, client_id="xtnd-connector-tool")
            | {
                "acks": "all",
                "enable_idempotence": True,
                "allow_auto_create_topics": False,
                "compression_type": config.topics.compression,
                "max_request_size": config.topics.max_message_bytes + RECORD_OVERHEAD_BYTES,
                "max_block_ms": int(ACK_SECONDS * 1000),
                "bootstrap_timeout_ms": int(READY_SECONDS * 1000),
                "request_timeout_ms": int(ACK_SECONDS * 1000),
                "delivery_timeout_ms": int(ACK_SECONDS * 1000) + 1000,
            }
        )
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaOutage(f"Kafka at {servers} does not answer: {named(error)}") from error

    def publish(records: Sequence[Record]) -> None:
        try:
            futures = [
                producer.send(one.topic, key=one.key, value=one.value, headers=one.headers) for one in records
            ]
            for future in futures:
                future.get(timeout=2 * ACK_SECONDS)
        except (KafkaError, OSError) as error:
            what = f"Kafka at {servers} did not take the records: {named(error)}"
            raise KafkaOutage(what) from error

    try:
        yield publish
    finally:
        # What was not acknowledged by now was reported; the process of a tool ends soon.
        with suppress(KafkaError, OSError):
            producer.close(timeout=CLOSE_SECONDS)
