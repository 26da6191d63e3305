"""Publishes dead letters to Kafka: many at once, cut where they are too large, never lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from aiokafka.errors import MessageSizeTooLargeError

from connector import events, metrics
from connector.errors import KafkaOutage, RecordRefused
from connector.events import DeadLetter
from connector.logs import Reports
from connector.mirror.letters import REPLAYED_AT, WHOLE_BYTES
from connector.retry import Outages
from connector.stream.alarm import Alarm
from connector.stream.fetched import Fetched

log = structlog.get_logger(__name__)

# Letters of error and key that a cut letter keeps; Kafka bounds neither by itself.
CUT_TEXT = 2000
# Letters that are published at once: one by one, a batch of bad events over a far broker would take
# longer than the watchdog waits.
GROUP_LETTERS = 256
GROUP_BYTES = 8_388_608
PublishLetter = Callable[[DeadLetter], Awaitable[None]]


class Parking:
    """Parks what cannot be mirrored; one for all agents of a worker."""

    def __init__(self, publish: PublishLetter, outages: Outages, alarm: Alarm) -> None:
        """``publish`` puts a dead letter on Kafka and returns when it is acknowledged.

        It raises ``KafkaOutage``, and ``RecordRefused`` for what Kafka does not take.
        """
        self._publish = publish
        self._outages = outages
        self._alarm = alarm
        self._reports = Reports()

    async def park(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Put letters on Kafka, many at once; gives those that Kafka does not take."""
        refused: list[DeadLetter] = []
        for some in self._groups(letters):
            self._report(some)
            publish = partial(self._publish_left, list(some), refused)
            await self._outages.retry_until_available("kafka", publish, topic=some[0].kafka_topic or "")
        return refused

    async def _publish_left(self, left: list[DeadLetter], refused: list[DeadLetter]) -> None:
        """Publish letters and take them off ``left``; what Kafka does not take goes to ``refused``.

        Raises ``KafkaOutage`` when some are left.
        """
        asked = tuple(left)
        left.clear()
        acts = [self._publish_what_fits(letter) for letter in asked]
        failure: BaseException | None = None
        for letter, end in zip(asked, await asyncio.gather(*acts, return_exceptions=True), strict=True):
            if isinstance(end, BaseException):
                left.append(letter)
                failure = failure or end
            elif not end:
                refused.append(letter)
        if failure is not None:
            raise failure

    def _report(self, letters: Sequence[DeadLetter]) -> None:
        """Count letters and log them, those of one kind in growing steps."""
        self._alarm.count(0, len(letters))
        for letter in letters:
            metrics.dead_letters.labels(stage="worker", reason=letter.reason).inc()
            suppressed = self._reports.due(f"{letter.kafka_topic} {letter.reason}")
            if suppressed is not None:
                log.warning(
                    "event parked",
                    reason=letter.reason,
                    error=letter.error,
                    event_id=letter.event_id,
                    topic=letter.kafka_topic,
                    partition=letter.kafka_partition,
                    offset=letter.kafka_offset,
                    suppressed=suppressed,
                )
        trouble = self._alarm.trouble()
        if trouble and self._reports.due("many") is not None:
            log.error("many events cannot be mirrored", trouble=trouble)

    async def _publish_what_fits(self, letter: DeadLetter) -> bool:
        """Publish a letter; of one that is larger than its topic takes, as much as goes in.

        The gateway writes no such record (its size check leaves space for a letter), but another program
        can, or a limit was lowered. It must neither stop the worker nor be lost: what Kafka does not take
        at all (False) is kept by the mirror alone.
        """
        size = len(letter.payload)
        fitting = letter
        while True:
            try:
                await self._publish(fitting)
            except (RecordRefused, KafkaOutage) as error:
                if size and self._is_too_large(error):
                    size //= 2
                    fitting = _cut(letter, size)
                    continue
                if isinstance(error, KafkaOutage) and not self._is_too_large(error):
                    raise
                if self._reports.due("refused") is not None:
                    log.error("Kafka refuses a dead letter; the mirror keeps it", error=str(error))
                return False
            if fitting is not letter:
                log.warning("dead letter cut", event_id=letter.event_id, error=fitting.error)
            return True

    @staticmethod
    def _groups(letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
        """Letters that go to Kafka together, bounded in number and bytes."""
        group: list[DeadLetter] = []
        size = 0
        for letter in letters:
            if group and (len(group) >= GROUP_LETTERS or size + len(letter.payload) > GROUP_BYTES):
                yield group
                group, size = [], 0
            group.append(letter)
            size += len(letter.payload)
        if group:
            yield group

    @staticmethod
    def _is_too_large(error: BaseException | None) -> bool:
        """Whether producer or broker refused a record for its size, and for nothing that passes."""
        while error is not None and not isinstance(error, MessageSizeTooLargeError):
            error = error.__cause__
        return error is not None


def after_replays(letters: Sequence[DeadLetter], fetched: Sequence[Fetched]) -> list[DeadLetter]:
    """Letters dated after the replays, if any, that sent their records."""
    if not letters:
        return []
    sent = {(one.topic, one.partition, record.offset): record for one in fetched for record in one.records}
    return [
        after_replay(one, sent[one.kafka_topic, one.kafka_partition, one.kafka_offset])  # type: ignore[index]
        for one in letters
    ]


def after_replay(letter: DeadLetter, record: Any) -> DeadLetter:
    """The letter, dated after the replay that sent its record even where this machine's clock lags."""
    sent_at = dict(record.headers).get(REPLAYED_AT)
    if sent_at is None:
        return letter
    try:
        after = min(events.from_iso(sent_at.decode()) + 1, events.LATEST)
    except ValueError:  # not of a replay of ours
        return letter
    return msgspec.structs.replace(letter, parked_at=max(letter.parked_at, events.iso(after)))


def _cut(letter: DeadLetter, size: int) -> DeadLetter:
    """The letter with the first bytes of its payload, saying so and where all of them are."""
    where = f"{letter.kafka_topic}/{letter.kafka_partition}/{letter.kafka_offset}"
    what = (
        f"The letter is larger than its topic takes and holds the first {size} of {len(letter.payload)} bytes"
    )
    cure = (
        f"Kafka holds all of them at {where} while topics.retention_hours lasts; a replay reads them there."
    )
    key = letter.context.get("key")
    return msgspec.structs.replace(
        letter,
        error=f"{letter.error[:CUT_TEXT]} {what}. {cure}",
        context={"key": key[:CUT_TEXT] if key else key, WHOLE_BYTES: len(letter.payload)},
        payload=letter.payload[:size],
    )
