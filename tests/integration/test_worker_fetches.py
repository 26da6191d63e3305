"""What a fetch expands to is bounded: large batches are parked unread, and a worker stays small."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer import fetcher
from kafka.record import MemoryRecords

from connector import events
from connector.errors import Poison
from connector.kafka import history
from connector.replay import Replay
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
    return {row[0]: row[1:] for row in world.rows(f"SELECT {columns} FROM _dead_letters")}


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
        until(lambda: len(parked(world)) == len(ZEROS) + 1, what="the letters")
        letters = parked(world)
        assert list(letters) == [*sent, many + 999_999]
        for offset, (reason, payload, error, topic, partition) in letters.items():
            assert (reason, payload, topic, partition) == ("batch-too-large", b"", world.topic, 0)
            first, count = (many, 1_000_000) if offset > many else (offset, 1)
            assert f"--partition 0 --offset {first} --max-messages {count}" in error
        assert peak_bytes(worker) < MOST_BYTES
        assert worker.metric("xtnd_worker_records_lost_total") == 0
        world.assert_sound()
        outcome = Replay(world.config).run(
            [row[0] for row in world.rows("SELECT dead_letter_id FROM dead_letters")]
        )
        assert {(plan.fault.reason, plan.fault.error) for plan in outcome.still_bad} == {
            ("batch-too-large", row[2]) for row in letters.values()
        }
        with pytest.raises(Poison, match="batch-too-large"):
            history.record_value(world.config.kafka, world.topic, 0, sent[0])
        assert history.record_value(world.config.kafka, world.topic, 0, 0) == events.encode(world.sent[0])
        assert fetcher.MemoryRecords is MemoryRecords  # other consumers of this process read every batch


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


def test_a_batch_that_was_damaged_on_the_disk_is_parked_and_its_partition_goes_on(
    kafka: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    with workers.world(tmp_path, kafka.bootstrap_servers, url) as world:
        world.send(balances(3), partition=0)
        first = send(world, "lz4", [[{"value": b"damaged" * 20}] * 4])[0]
        world.send(balances(3), partition=0)
        (segment,) = (kafka.folder / "log" / f"{world.topic}-0").glob("*.log")
        with segment.open("r+b") as file:
            data = file.read()
            at = data.index(b"damaged")
            file.seek(at)
            file.write(b"DAMAGED")
        worker = world.worker().wait_ready()
        world.wait_caught_up()
        until(lambda: bool(parked(world)), what="the letter")
        ((offset, letter),) = parked(world).items()
        assert (offset, letter[0], letter[1]) == (first + 3, "batch-unreadable", b"")
        assert f"offsets {first} to {first + 3} was not read: its checksum is wrong" in letter[2]
        assert worker.metric("xtnd_worker_records_lost_total") == 0
        assert worker.metric("xtnd_dead_letters_total", reason="batch-unreadable") == 1
        world.assert_sound()


def test_an_offset_length_or_format_that_a_disk_damaged_costs_no_event(kafka: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    with workers.world(tmp_path, kafka.bootstrap_servers, url) as world:
        firsts = []
        for _ in range(8):  # each larger than what the broker's index leaves out
            noise = os.urandom(6000).hex().encode()
            details = b'{"ProductNumber": "P", "Warehouse": "1", "Balance": 1, "Noise": "%s"}' % noise
            some = [balance(next_number(), details=details) for _ in range(3)]
            records = [{"key": one.kafka_key, "value": events.encode(one)} for one in some]
            firsts += send(world, "lz4", [records])
            world.sent += some
        (segment,) = (kafka.folder / "log" / f"{world.topic}-0").glob("*.log")
        damages = {
            firsts[1]: (0, b"\0\0\1"),
            firsts[3]: (9, b"\3"),
            firsts[5]: (16, b"\0"),
            firsts[6]: (5, b"\0\0\0"),
        }
        with segment.open("r+b") as file:
            starts, data, at = {}, file.read(), 0
            while at < len(data):
                starts[int.from_bytes(data[at : at + 8])] = at
                at += 12 + int.from_bytes(data[at + 8 : at + 12])
            for first, (place, bad) in damages.items():
                file.seek(starts[first] + place)
                file.write(bad)
        worker = world.worker().wait_ready()
        world.wait_caught_up()
        world.send(balances(3), partition=0)
        world.wait_caught_up()
        assert parked(world) == {}
        assert worker.metric("xtnd_worker_records_lost_total") == 0
        world.assert_sound()


def test_keys_and_headers_of_any_size_cost_their_own_record_alone(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        worker = world.worker().wait_ready()
        keep_compression(world)
        good = balances(2)
        values = [{"key": one.kafka_key, "value": events.encode(one)} for one in good]
        headers = [[("large", bytes(5 * MIB))], [(f"h{n}", b"v") for n in range(10_000)]]
        sent = [record | {"headers": some} for record, some in zip(values, headers, strict=True)]
        send(world, "lz4", [[one] for one in sent])
        world.sent += good
        bad = send(world, "lz4", [[{"key": bytes(8 * MIB), "value": None}], [{"key": None, "value": None}]])
        world.send(balances(3), partition=0)
        world.wait_caught_up()
        until(lambda: len(parked(world)) == 2, what="the letters")
        assert [(offset, row[0]) for offset, row in parked(world).items()] == [
            (at, "null-record") for at in bad
        ]
        assert peak_bytes(worker) < MOST_BYTES
        world.assert_sound()
