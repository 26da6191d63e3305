"""What the hydrator's core works with here: the mirror's due keys, and Kafka's topics."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from connector import events
from connector.events import DeadLetter, Event
from connector.hydrator.ports import Due, Leased, Slots
from connector.kafka.publisher import Publisher
from connector.kafka.record import Record
from connector.kafka.routes import Routes
from connector.mirror.hydration import DueKey, DueKeys

T = TypeVar("T")


class MirrorStore:
    """Due keys of the mirror, asked in threads: a ``connector.hydrator.ports.Store``."""

    def __init__(self, keys: DueKeys, executor: Executor) -> None:
        self._keys = keys
        self._executor = executor

    async def lease(self, slots: Mapping[str, Slots], seconds: float) -> Leased:
        """See ``Store.lease``; raises ``DatabaseOutage``, as every method does."""
        dues, hydrators = await self._in_thread(partial(self._keys.lease, slots, seconds))
        return Leased([Due(*due) for due in dues], hydrators)

    async def mark(self, due: Due, at: int, again_after_seconds: float | None) -> None:
        """See ``Store.mark``."""
        await self._in_thread(partial(self._keys.mark, DueKey(*due), at, again_after_seconds))

    async def back_off(self, due: Due, seconds: float, trouble: str, tries: int) -> None:
        """See ``Store.back_off``."""
        await self._in_thread(partial(self._keys.back_off, DueKey(*due), seconds, trouble, tries))

    async def give_up(self, due: Due) -> None:
        """See ``Store.give_up``."""
        await self._in_thread(partial(self._keys.give_up, DueKey(*due)))

    async def release(self, dues: Iterable[Due]) -> None:
        """See ``Store.release``."""
        await self._in_thread(partial(self._keys.release, [DueKey(*due) for due in dues]))

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)


class KafkaTopics:
    """Snapshots and dead letters on their topics: a ``connector.hydrator.ports.SnapshotPublisher``."""

    def __init__(self, publisher: Publisher, routes: Routes) -> None:
        self._publisher = publisher
        self._routes = routes

    async def publish(self, event: Event) -> None:
        """See ``SnapshotPublisher.publish``."""
        topic, value = self._routes.snapshot_topic, events.encode(event)
        record = Record(topic, event.kafka_key, value, [events.CONTENT_TYPE], event.family)
        await self._publisher.publish([record])

    async def park(self, letter: DeadLetter) -> None:
        """See ``SnapshotPublisher.park``."""
        key, headers = letter.dead_letter_id.encode(), list(letter.headers())
        topic = self._routes.dead_letter_topic
        await self._publisher.publish(
            [Record(topic, key, letter.payload, headers, letter.reason, parked=True)]
        )
