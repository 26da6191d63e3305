"""What a fetch expands to is bounded: large batches are parked unread, and a worker stays small."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from connector import events
from tests import workers
from tests.workers import WorkerProcess, World, balance, balances, next_number, until

MIB = 1_048_576
MOST_BYTES = 300 * MIB
# What each compresses to stays below the topic's largest message.
ZEROS = {"lz4": 200 * MIB, "zstd": 200 * MIB, "gzip": 100 * MIB, "snappy": 60 * MIB}

Records = Sequence[dict[str, Any]]


def send(world: World, codec: str, batches: Sequence[Records], *, partition: int = 0) -> list[int]:
    """Write records as batches of the test's own choice; gives the first offset of each."""

    async def write() -> list[int]:
        most = 400 * MIB
        producer = AIOKafkaProducer(
            bootstrap_servers=world.environ["KAFKA_BOOTSTRAP_SERVERS"],
            compression_type=codec,
            max_batch_size=most,
            max_request_size=most,
        )
        await producer.start()
        offsets = []
        for records in batches:
            builder = producer.create_batch()
            for record in records:
                builder.append(**{"key": b"k", "value": b"", "timestamp": None} | record)
            sent = await producer.send_batch(builder, world.topic, partition=partition)
            offsets.append((await sent).offset)
        await producer.stop()
        return offsets

    return asyncio.run(write())


def keep_compression(world: World) -> None:
    """Have the broker keep what producers compressed, as it was."""
    settings = {"compression.type": "producer"}
    world.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, world.topic, settings)])


def peak_bytes(worker: WorkerProcess) -> int:
    """The most memory that a process has had in use at once."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def parked(world: World) -> dict[int, tuple[Any, ...]]:
    columns = "kafka_offset, reason, payload, error, kafka_topic, kafka_partition"
    return {row[0]: row[1:] for row in world.rows(f"SELECT {columns} FROM dead_letters")}


def test_batches_of_zeros_are_parked_without_being_expanded(kafka_bootstrap: str, tmp_path: Path) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        worker = world.worker().wait_ready()
        keep_compression(world)
        sent = []
        for codec, size in ZEROS.items():
            world.send(balances(3), partition=0)
            sent += send(world, codec, [[{"value": bytes(size)}]])
        world.send(balances(3), partition=0)
        many = send(world, "zstd", [[{"value": b"one of many"}] * 1_000_000])[0]
        world.send(balances(3), partition=0)
        world.wait_caught_up()
        until(lambda: len(parked(world)) == len(ZEROS) + 1, 20, what="the letters")
        letters = parked(world)
        assert list(letters) == [*sent, many + 999_999]
        for offset, (reason, payload, error, topic, partition) in letters.items():
            assert (reason, payload, topic, partition) == ("batch-too-large", b"", world.topic, 0)
            first, count = (many, 1_000_000) if offset > many else (offset, 1)
            assert f"--partition 0 --offset {first} --max-messages {count}" in error
        assert peak_bytes(worker) < MOST_BYTES
        assert worker.metric("xtnd_records_lost_total") == 0
        world.assert_sound()


def test_many_large_records_in_one_fetch_are_expanded_a_few_at_a_time(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        blanks = b" " * MIB
        details = [
            b'{"ProductNumber": "P%d", "Warehouse": "1", "Balance": 1%s}' % (n, blanks) for n in range(150)
        ]
        large = [balance(next_number(), details=one) for one in details]
        worker = world.worker().wait_ready()
        keep_compression(world)
        send(world, "zstd", [[{"key": one.kafka_key, "value": events.encode(one)}] for one in large])
        world.sent += large
        world.wait_caught_up()
        assert peak_bytes(worker) < MOST_BYTES
        world.assert_sound()
