"""Faust's Kafka transport with one message per fetched chunk instead of one per record.

Faust spends about 130 µs on every message, nearly all of it on tasks and queue hops. Here a message
is a chunk: the consecutive records of one partition out of one fetch, which is also the natural
database transaction. Everything else (agents, streams, rebalances) is Faust's.

What Faust keeps about offsets is bookkeeping only. A partition is fetched from only while it has a
``FetchState``, made from the database's offset. A rebalance removes all states, and a gap or a log that
started again removes that of one partition; each is then located again. A chunk is acked after its
transaction, so the highest ack of a partition may always be committed to Kafka (docs/reliability.md, Inside
the worker).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiokafka
import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from typing_extensions import override

from connector.errors import KafkaOutage
from connector.stream.expansion import Expansion, first_offset
from connector.stream.fetched import Fetched, FetchState, Host, Position, ReadOffsets, allowance, pieces

log = structlog.get_logger(__name__)

# How long a fetch may wait for data at the broker, and how long one turn waits for a fetch. A
# partition that was just drained is asked for only with the next fetch, so this bounds the delay of
# a lone event; Faust's own 1.5 s would be felt.
FETCH_WAIT_MS = 50
TURN_SECONDS = 0.05
LOCATE_AGAIN_SECONDS = 1.0
# How often the logs are compared with what they were when their partitions were located.
LOOK_SECONDS = 10.0
# Bytes of records that are decoded together: what is made of them takes many times as much.
PIECE_BYTES = 2_097_152
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
        self._states: dict[TP, FetchState] = {}
        self._restarted: set[TP] = set()
        self._locating: asyncio.Future[None] | None = None
        self._watching: asyncio.Future[None] | None = None
        self._assigned_once = False
        # Locked while records are fetched, so that no seek happens in between.
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
        """Yield a message per partition that has records, or several where these are large."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        async with self._turn:
            generation = self.app.consumer_generation_id
            states = self._fetchable()
            records = await self._fetch(set(states))
        for tp, state in states.items():
            for piece, size in pieces(records.get(tp, []), PIECE_BYTES):
                if self.should_stop or not self.flow_active or generation != self.app.consumer_generation_id:
                    return  # what was fetched is read again from the next position
                if state is self._states.get(tp):
                    message = self._chunk(tp, piece, size, state)
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

    def _fetchable(self) -> dict[TP, FetchState]:
        """Partitions with a state, without those of a topic of which enough records wait already."""
        records: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for message, waiting in self._waiting.items():
            records[message.topic] += waiting[0]
            size[message.topic] += waiting[1]
        most_records = allowance(records, cast("Host", self.app).budget)
        most_bytes = allowance(size, WAITING_BYTES)
        active = self._get_active_partitions() | self._buffered_partitions
        return {
            tp: state
            for tp, state in self._states.items()
            if tp in active and records[tp.topic] < most_records and size[tp.topic] < most_bytes
        }

    def _chunk(self, tp: TP, records: Sequence[Any], size: int, state: FetchState) -> ConsumerMessage | None:
        """The message of a chunk; None when there is nothing, or the log is not the one that was read before.

        A log of which nothing is left gives a chunk without records, so that the mirror goes on behind
        the missing offsets.
        """
        if not records and not (state.empty and state.next_offset < state.expected):
            return None
        first = first_offset(records[0], state.expected) if records else state.expected
        if first < state.expected or (first > state.expected and not state.fresh):
            self.reassign([tp], restarted=first < state.expected)
            return None
        value = Fetched(
            tp.topic, tp.partition, state.next_offset, tuple(records), state.topic_id, first, size
        )
        state.next_offset = state.expected = value.next_offset
        state.fresh = False
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
        self._waiting[message] = (len(records), size)
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
        """Do nothing: our own watchdog detects a standstill; Faust's check counts messages, not chunks."""

    # --- Fetch states ---

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Remove all states: partitions that stay are located again with the others."""
        self._states.clear()
        await super().on_partitions_revoked(revoked)

    @override
    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that the group has given this worker its share, which may be none."""
        self._assigned_once = True
        await super().on_partitions_assigned(assigned, generation_id)

    @override
    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Locate every partition; called by Faust at every assignment, which must not wait."""
        self._restarted.clear()
        self.reassign(self.assignment())
        if self._watching is None:
            self._watching = self.add_future(self._watch())
        return {}

    @property
    def settled(self) -> bool:
        """Whether partitions were assigned and each has a state."""
        return self._assigned_once and self.assignment() <= set(self._states)

    def reassign(self, partitions: Iterable[TP], *, restarted: bool = False) -> None:
        """Stop fetching from partitions until they are located by the mirror's offset."""
        for tp in partitions:
            self._states.pop(tp, None)
            if restarted:
                self._restarted.add(tp)
        if self._locating is None or self._locating.done():
            self._locating = self.add_future(self._locate_all())

    async def _locate_all(self) -> None:
        """FetchState partitions that have no state, for as long as it takes."""
        host = cast("Host", self.app)
        while not self.should_stop and (missing := self.assignment() - set(self._states)):
            try:
                positions = await host.locator.locate(self, missing, self._restarted & missing)
                await self._go_to(positions)
            except (KafkaError, KafkaOutage, TimeoutError) as error:
                # Kafka is away, or the partitions went to another worker meanwhile.
                log.warning("partitions not located yet", error=repr(error))
                positions = {}
            if not missing <= set(positions):  # some may be of a topic that does not exist at the moment
                await self.sleep(LOCATE_AGAIN_SECONDS)

    async def _go_to(self, positions: Mapping[TP, Position]) -> None:
        """Seek partitions between two fetches, and let them be fetched from."""
        async with self._turn:
            here = {tp: position for tp, position in positions.items() if tp in self.assignment()}
            await self.seek_wait({tp: position.seek for tp, position in here.items()})
            for tp, position in here.items():
                self._states[tp] = FetchState(
                    position.next_offset, position.seek, position.topic_id, position.empty
                )
                self._restarted.discard(tp)
                if position.next_offset < (self._committed_offset.get(tp) or 0):
                    self._committed_offset[tp] = None  # it counted in another log

    async def _watch(self) -> None:
        """FetchState again what stands in a log that is not the same any more."""
        host = cast("Host", self.app)
        while not self.should_stop:
            await self.sleep(LOOK_SECONDS)
            states = dict(self._states)
            try:
                moved = await host.locator.moved(self, states)
            except (KafkaError, KafkaOutage, TimeoutError) as error:
                log.info("logs not compared", error=repr(error))
                continue
            self.reassign(tp for tp in moved if states[tp] is self._states.get(tp))


class ChunkTransport(driver.Transport):
    """The transport that the worker's app uses for consuming."""

    Consumer = ChunkConsumer


# Faust's own services log under Faust's name and level.
ChunkThread.logger = ChunkConsumer.logger = driver.logger
