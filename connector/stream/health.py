"""A worker's health: readiness, lag, and the watchdog's evidence.

Kafka and the database are each asked by a thread of its own (``sampler``): while one is away, the other
is still measured, and a database that hangs freezes no lag.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from itertools import product
from typing import Any

from connector import metric_labels, metrics
from connector.config import Config
from connector.health import Check
from connector.kafka import ends
from connector.kafka.ends import Ends
from connector.mirror.letters import STATES
from connector.mirror.offsets import Partition
from connector.mirror.totals import Offsets, Totals
from connector.retry import Outages
from connector.stream import topic_state
from connector.stream.app import MirrorApp
from connector.stream.sampler import PAUSE_SECONDS, Sampler
from connector.stream.standstill import Standstill

# A standstill of so long makes a worker unready (docs/reliability.md, How).
STANDSTILL_SECONDS = 15.0
# Dead letters are counted, which takes the longer the more there are.
LETTERS_SECONDS = 30.0
# A gateway that still has the former configuration is seen by what it publishes.
TOPICS_SECONDS = 60.0
STAGES = ("gateway", "worker")


class WorkerHealth:
    """Watches a worker's parts while ``measuring``; ``app`` is there once the worker has one."""

    def __init__(
        self,
        config: Config,
        totals: Totals,
        outages: Outages,
        family_of_topic: Mapping[str, str],
        *,
        standstill_seconds: float = STANDSTILL_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``family_of_topic`` has every topic that the worker reads; it may grow."""
        self._outages = outages
        self._families = family_of_topic
        self._standstill_seconds = standstill_seconds
        self._clock = clock
        self._standstill = Standstill()
        read_ends = partial(ends.reading, config, family_of_topic)
        self._kafka: Sampler[Ends] = Sampler("kafka-ends", read_ends, pause_seconds=pause_seconds)
        self._database: Sampler[Offsets] = Sampler(
            "offsets", _calls(totals.offsets), pause_seconds=pause_seconds
        )
        self._letters: Sampler[Any] = Sampler(
            "dead-letters", _calls(totals.dead_letters), pause_seconds=LETTERS_SECONDS
        )
        self._unread_topics: Sampler[str | None] = Sampler(
            "topics", _calls(partial(topic_state.unread_now, config)), pause_seconds=TOPICS_SECONDS
        )
        self.app: MirrorApp | None = None

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Measure in threads until the block ends; a call under way is not waited for."""
        samplers: tuple[Sampler[Any], ...] = (self._kafka, self._database, self._letters, self._unread_topics)
        for sampler in samplers:
            sampler.start()
        try:
            yield
        finally:
            for sampler in samplers:
                sampler.stop()

    # --- Readiness ---

    def checks(self) -> dict[str, Check]:
        return {
            "database": self._check_database,
            "kafka": self._check_kafka,
            "partitions": self._check_partitions,
            "progress": self._check_progress,
        }

    def _check_database(self) -> str | None:
        return self._outages.trouble("database") or self._database.trouble()

    def _check_kafka(self) -> str | None:
        if trouble := self._outages.trouble("kafka") or self._kafka.trouble():
            return trouble
        return "; ".join(self._kafka.newest.trouble.values()) or None if self._kafka.newest else None

    def _check_partitions(self) -> str | None:
        if self.app is None or not self.app.ready:
            return "the consumer group has not given this worker its partitions yet"
        return None

    def _check_progress(self) -> str | None:
        """Measure lag and standstill of each family; report each that does not move."""
        waiting = self._waiting()
        self._show(waiting)
        stood = self._standstill.look(self._clock(), self._lagging(waiting))
        longest = dict.fromkeys(self._families.values(), 0.0)
        stuck: dict[str, list[Partition]] = {}
        for tp, seconds in sorted(stood.items()):
            family = self._families[tp[0]]
            longest[family] = max(longest[family], seconds)
            if seconds >= self._standstill_seconds:
                stuck.setdefault(family, []).append(tp)
        for family, seconds in longest.items():
            metrics.standstill.labels(family).set(seconds)
        sentences = (
            f"{family}: {sum(waiting[tp][1] for tp in tps)} records wait and none was mirrored for "
            f"{longest[family]:.0f} s ({', '.join(f'{topic}/{number}' for topic, number in tps)})"
            for family, tps in stuck.items()
        )
        return "; ".join(sentences) or None

    def _waiting(self) -> dict[Partition, tuple[int, int]]:
        """The mirror's offset of every partition (0 before the first), and the records that wait there."""
        logs, mirror = self._kafka.newest, self._database.newest
        if logs is None or mirror is None:
            return {}
        return {
            tp: (mirror.next.get(tp, 0), max(0, end - mirror.next.get(tp, logs.starts[tp])))
            for tp, end in logs.ends.items()
        }

    def _show(self, waiting: Mapping[Partition, tuple[int, int]]) -> None:
        """Put what was measured into the metrics; an end that Kafka did not give just now is in none."""
        metrics.partitions.set(len(self.app.assigned) if self.app else 0)
        metrics.lag.clear()
        if self._kafka.trouble() is None:
            for (topic, number), (_, lag) in waiting.items():
                metrics.lag.labels(topic, str(number)).set(lag)
        if mirror := self._database.newest:
            for topic, lost in {**dict.fromkeys(self._families, 0), **mirror.records_lost}.items():
                metrics.mirror_records_lost.labels(topic).set(lost)
                metrics.mirror_losses.labels(topic).set(mirror.losses.get(topic, 0))
        if (letters := self._letters.newest) is not None:
            # A letter of another program may have any text as its stage.
            counted = Counter(dict.fromkeys(product((*STAGES, metric_labels.OTHER), STATES), 0))
            for (stage, state), count in letters.items():
                counted[stage if stage in STAGES else metric_labels.OTHER, state] += count
            for labels, count in counted.items():
                metrics.mirror_dead_letters.labels(*labels).set(count)

    def unread_topics(self) -> str | None:
        """Report what was published to topics that are not read, since the worker started."""
        return self._unread_topics.newest

    def losses(self) -> str | None:
        """Name the topics with losses that nobody has acknowledged."""
        lost = self._database.newest.losses if self._database.newest else {}
        if not lost:
            return None
        return f"records of {', '.join(sorted(lost))} were lost; list them with: connector losses"

    # --- For the watchdog's thread ---

    def lagging(self) -> dict[Partition, int]:
        """The mirror's offsets of partitions that lag, without those that an outage explains.

        May be called from any thread.
        """
        outages = self._outages.topics()
        if "" in outages or self._kafka.trouble() or self._database.trouble():
            return {}
        lagging = self._lagging(self._waiting())
        return {tp: offset for tp, offset in lagging.items() if tp[0] not in outages}

    def _lagging(self, waiting: Mapping[Partition, tuple[int, int]]) -> dict[Partition, int]:
        """The mirror's offsets where records wait: in this worker's partitions, or in all while it has none.

        A worker that has dropped out of its group has none, and must not look healthy for that.
        """
        own = self.app.assigned if self.app else frozenset()
        return {tp: offset for tp, (offset, lag) in waiting.items() if lag and (tp in own or not own)}


def _calls(act: Callable[[], Any]) -> Callable[[], nullcontext[Callable[[], Any]]]:
    """A source that needs no opening: what it gives connects by itself."""
    return lambda: nullcontext(act)
