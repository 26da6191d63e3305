"""Faust's Kafka transport with one message per fetched chunk instead of one per record.

Faust spends about 130 µs on every message, nearly all of it on tasks and queue hops. Here a message
is a chunk: the consecutive records of one partition out of one fetch, which is also the natural
database transaction. Everything else (agents, streams, rebalances) is Faust's.

What Faust keeps about offsets is bookkeeping only. A partition is fetched from only while it has a
``Place``: its position, put there from the database's offset. A rebalance takes all places away,
and a hole or a log that began anew that of one partition; each is then placed again. A chunk is
acked after the transaction that holds it, so the highest ack of a partition may always be committed
to Kafka (reliability.md, part 3).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiokafka
import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from typing_extensions import override

from connector.errors import KafkaOutage
from connector.stream.expansion import Expansion, first_offset, size_of
from connector.stream.fetched import Fetched, Host, Place, Position, ReadOffsets, allowance

log = structlog.get_logger(__name__)

# How long a fetch may wait for data at the broker, and how long one turn waits for a fetch. A
# partition that was just drained is asked for only with the next fetch, so this bounds the delay of
# a lone event; Faust's own 1.5 s would be felt.
FETCH_WAIT_MS = 50
TURN_SECONDS = 0.05
PLACE_AGAIN_SECONDS = 1.0
# How often the logs that are read are held against what they were when they were placed.
LOOK_SECONDS = 10.0
# Bytes of one topic's records that may wait beside each other, as ``allowance`` has it.
WAITING_BYTES = 8_388_608


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The thread of Faust's consumer; what its fetches expand to is bounded by ``expansion``."""

    expansion: Expansion

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust writes 1500 here and offers no setting; versions are pinned, and a test looks.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        self.expansion.install()
        return consumer

    @override
    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit to Kafka; a failure is no reason to stop, because the database holds the truth."""
        try:
            await self._ensure_consumer().commit(
                {
                    aiokafka.TopicPartition(tp.topic, tp.partition): offset
                    for tp, offset in offsets.items()
                    if tp in self.assignment()
                }
            )
        except KafkaError as error:
            log.info("offsets not committed to Kafka; the database holds them", error=repr(error))
            return False
        return True

    async def stay(self) -> None:
        """Count as a poll: aiokafka leaves the group for good when nobody polls for too long."""
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        with self._ensure_consumer()._fetcher._subscriptions.fetch_context():  # noqa: SLF001
            pass


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, fetching chunks."""

    logger = driver.logger
    _thread: ChunkThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._places: dict[TP, Place] = {}
        self._restarted: set[TP] = set()
        self._placing: asyncio.Future[None] | None = None
        self._watching: asyncio.Future[None] | None = None
        self._assigned_once = False
        # Held while records are fetched, so that no seek happens in the middle.
        self._turn = asyncio.Lock()
        # Records and bytes of each message that is not acked; one that Faust drops vanishes by itself.
        self._waiting: WeakKeyDictionary[Message, tuple[int, int]] = WeakKeyDictionary()
        super().__init__(*args, **kwargs)
        self._read_offset = ReadOffsets()  # type: ignore[assignment]  # keeps nothing, whatever it is given

    @override
    def _new_consumer_thread(self) -> ChunkThread:
        thread = ChunkThread(self, loop=self.loop, beacon=self.beacon)
        thread.expansion = Expansion(cast("Host", self.app).batch_bytes)
        return thread

    # --- Chunks out of fetches ---

    @override
    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message per partition that has records."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        async with self._turn:
            generation = self.app.consumer_generation_id
            places = self._fetchable()
            records = await self._fetch(set(places))
        for tp, place in places.items():
            if self.should_stop or not self.flow_active or generation != self.app.consumer_generation_id:
                return  # what was fetched is read again from where it will be placed
            if place is self._places.get(tp):
                message = self._chunk(tp, records.get(tp, []), place)
                if message is not None:
                    yield tp, message

    async def _fetch(self, partitions: set[TP]) -> Mapping[TP, list[Any]]:
        if partitions:
            self._thread.expansion.next_turn()
            records: Mapping[TP, list[Any]] = await self._getmany(partitions, TURN_SECONDS)
            return records
        await self._thread.stay()
        await self.sleep(TURN_SECONDS)
        return {}

    def _fetchable(self) -> dict[TP, Place]:
        """Placed partitions, without those of a topic of which enough records wait already."""
        records: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for message, waiting in self._waiting.items():
            records[message.topic] += waiting[0]
            size[message.topic] += waiting[1]
        most_records = allowance(records, cast("Host", self.app).budget)
        most_bytes = allowance(size, WAITING_BYTES)
        active = self._get_active_partitions() | self._buffered_partitions
        return {
            tp: place
            for tp, place in self._places.items()
            if tp in active and records[tp.topic] < most_records and size[tp.topic] < most_bytes
        }

    def _chunk(self, tp: TP, records: list[Any], place: Place) -> ConsumerMessage | None:
        """The message of a chunk; None when there is nothing, or the log is another than was read before.

        A log of which nothing is left gives a chunk without records, so that the mirror goes on behind
        what it lacks.
        """
        if not records and not (place.empty and place.wanted < place.expected):
            return None
        first = first_offset(records[0], place.expected) if records else place.expected
        if first < place.expected or (first > place.expected and not place.fresh):
            self.place_again([tp], restarted=first < place.expected)
            return None
        value = Fetched(tp.topic, tp.partition, place.wanted, tuple(records), place.topic_id, first)
        place.wanted = place.expected = value.next_offset
        place.fresh = False
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            value.next_offset - 1,
            records[-1].timestamp / 1000.0 if records else time.time(),
            records[-1].timestamp_type if records else 1,
            None,
            None,
            value,  # type: ignore[arg-type]  # raw serializers hand it on untouched
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._waiting[message] = (len(records), sum(map(size_of, records)))
        return message

    @override
    def ack(self, message: Message) -> bool:
        """Note that a chunk is in the mirror; frees its share of the budget."""
        self._waiting.pop(message, None)
        done: bool = super().ack(message)
        return done

    @override
    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed: one past the highest chunk that is in the mirror."""
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return int(highest) + 1

    @override
    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave standstills to our own watchdog: Faust's look counts messages, not chunks."""

    # --- Places ---

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Give up all places: partitions that stay will be placed again with the others."""
        self._places.clear()
        await super().on_partitions_revoked(revoked)

    @override
    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that the group has given this worker its share, which may be none."""
        self._assigned_once = True
        await super().on_partitions_assigned(assigned, generation_id)

    @override
    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Have every partition placed; called by Faust at every assignment, which must not wait."""
        self._restarted.clear()
        self.place_again(self.assignment())
        if self._watching is None:
            self._watching = self.add_future(self._watch())
        return {}

    @property
    def settled(self) -> bool:
        """Whether partitions were assigned and each has its place."""
        return self._assigned_once and self.assignment() <= set(self._places)

    def place_again(self, partitions: Iterable[TP], *, restarted: bool = False) -> None:
        """Stop fetching from partitions until they are placed by the mirror's offset."""
        for tp in partitions:
            self._places.pop(tp, None)
            if restarted:
                self._restarted.add(tp)
        if self._placing is None or self._placing.done():
            self._placing = self.add_future(self._place_all())

    async def _place_all(self) -> None:
        """Place what has no place, for as long as it takes."""
        host = cast("Host", self.app)
        while not self.should_stop and (missing := self.assignment() - set(self._places)):
            try:
                positions = await host.locator.locate(self, missing, self._restarted & missing)
                await self._go_to(positions)
            except (KafkaError, KafkaOutage, TimeoutError) as error:
                # Kafka is away, or the partitions went to another worker meanwhile.
                log.warning("partitions not placed yet", error=repr(error))
                positions = {}
            if not missing <= set(positions):  # some may be of a topic that does not exist at the moment
                await self.sleep(PLACE_AGAIN_SECONDS)

    async def _go_to(self, positions: Mapping[TP, Position]) -> None:
        """Seek partitions between two fetches, and let them be fetched from."""
        async with self._turn:
            here = {tp: position for tp, position in positions.items() if tp in self.assignment()}
            await self.seek_wait({tp: position.seek for tp, position in here.items()})
            for tp, position in here.items():
                self._places[tp] = Place(position.wanted, position.seek, position.topic_id, position.empty)
                self._restarted.discard(tp)
                if position.wanted < (self._committed_offset.get(tp) or 0):
                    self._committed_offset[tp] = None  # it counted in another log

    async def _watch(self) -> None:
        """Place again what stands in a log that is not the same any more."""
        host = cast("Host", self.app)
        while not self.should_stop:
            await self.sleep(LOOK_SECONDS)
            places = dict(self._places)
            try:
                moved = await host.locator.moved(self, places)
            except (KafkaError, KafkaOutage, TimeoutError) as error:
                log.info("logs not compared", error=repr(error))
                continue
            self.place_again(tp for tp in moved if places[tp] is self._places.get(tp))


class ChunkTransport(driver.Transport):
    """The transport that the worker's app uses for consuming."""

    Consumer = ChunkConsumer


# What Faust's own services have to say is told under Faust's name and level.
ChunkThread.logger = ChunkConsumer.logger = driver.logger
