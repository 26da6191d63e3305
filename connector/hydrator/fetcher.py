"""One request and what comes of it: a snapshot, a record that is gone, a later try, or a dead letter."""

import hashlib
import random
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from connector import events, retry
from connector.config.source_models import SourceSettings
from connector.errors import ConnectorError, RecordRefused
from connector.events import DeadLetter, Event
from connector.events.snapshot import snapshot
from connector.hydrator import metrics
from connector.hydrator.lane import Lease, RequestLane
from connector.hydrator.ports import (
    ApiOutage,
    Due,
    OversizedAnswer,
    SnapshotPublisher,
    Store,
    Transport,
    Trouble,
)
from connector.hydrator.record import Records
from connector.hydrator.verdict import OK, Judge, Reason, Verdict
from connector.logs import Reports
from connector.metrics import dead_letters
from connector.retry import Outages

log = structlog.get_logger(__name__)

STAGE = "hydrator"
SHOWN_ID = 12  # letters of an id, which commands take for the whole
# Answers that an API gives that works.
WELL = ("record", "missing", "refused")
# Refusals of one key until it is given up, and the pauses between them.
TRIES = 5
REFUSED_SECONDS = (5.0, 300.0)
# Pauses of one key at which the API fails, beside those of its bucket.
AWAY_SECONDS = (2.0, 300.0)
FIXES: dict[Reason, str] = {
    "record-too-large": "Raise topics.max_message_bytes if such records are real, or exclude parts of them.",
    "answer-too-large": "Raise max_body_bytes in sources.yaml if such records are real.",
    "key-not-askable": "Look whether the hooks' key is right; the record cannot be asked for.",
    "record-unreadable": "Look at what the API answers: base_url and get of the family in sources.yaml.",
    "record-not-storable": "Correct the record at its source.",
    "request-refused": "Look at what the API says, and at get of the family in sources.yaml.",
}


class LeaseOver(ConnectorError):
    """The lease of a key ended before its work did; another hydrator may have it."""


class Fetcher:
    """Does all of one leased key; what happens to it is known to the store afterwards, or its lease ends."""

    def __init__(
        self,
        sources: SourceSettings,
        *,
        transport: Transport,
        store: Store,
        publisher: SnapshotPublisher,
        outages: Outages,
        steady: Callable[[], float],
        now: Callable[[], int],
        chance: random.Random,
        stop: Callable[[str], None],
    ) -> None:
        """``steady`` gives seconds, ``now`` wall time in microseconds; ``stop`` ends all requests."""
        self._source = sources.name
        self._judge = Judge(sources)
        self._transport = transport
        self._store = store
        self._publisher = publisher
        self._outages = outages
        self._steady = steady
        self._now = now
        self._chance = chance
        self._stop = stop
        self._reports = Reports(steady)

    async def fetch(self, lane: RequestLane, lease: Lease) -> None:
        """Ask for the record and do what the answer needs."""
        # The time of the snapshot is when its request is sent, and after all that is older than it.
        at = max(self._now(), lease.due.after + 1)
        started = self._steady()
        try:
            verdict = await self._ask(lane, lease)
        finally:
            metrics.seconds.observe(self._steady() - started)
        metrics.requests.labels(lease.due.family, verdict.kind).inc()
        if verdict.kind in WELL:
            lane.work(started)
        try:
            await self._conclude(lane, lease, at, verdict)
        except LeaseOver:
            log.warning(
                "a record came too late and is fetched again", family=lease.due.family, key=lease.due.key
            )

    async def release(self, *dues: Due) -> None:
        """End leases of keys that are to be fetched as before."""
        await self._note(lambda: self._store.release(dues))

    async def give_up(self, due: Due, records: Records, reason: Reason, text: str) -> None:
        """Park a dead letter for a key; the next hook asks for it again."""
        name = f"{self._source}/{due.family}/{due.key}@{due.wanted_at}"
        letter_id = hashlib.sha256(name.encode()).hexdigest()[:32]
        again = f"connector dead-letters replay {letter_id[:SHOWN_ID]}"
        letter = DeadLetter(
            dead_letter_id=letter_id,
            stage=STAGE,
            reason=reason,
            error=f"{text} {FIXES[reason]} Then its next hook asks again, and so does: {again}",
            action=f"{records.entity.entity}Snapshot",
            parked_at=events.iso(self._now()),
            context={"source": self._source, "family": due.family, "entity_key": due.key},
        )
        await self._outages.retry_until_available("kafka", lambda: self._publisher.park(letter))
        await self._note(lambda: self._store.give_up(due))
        dead_letters.labels(STAGE, reason).inc()
        log.error("a record cannot be fetched", family=due.family, key=due.key, reason=reason, error=text)

    async def _ask(self, lane: RequestLane, lease: Lease) -> Verdict:
        try:
            answer = await self._transport.get(lease.path)
        except ApiOutage as outage:
            lane.pace.failed()
            return Verdict("away", self._judge.hidden(str(outage)))
        except OversizedAnswer as error:
            lane.pace.failed()
            return Verdict("refused", self._judge.hidden(str(error)), reason="answer-too-large")
        lane.pace.answered(answer.headers)
        verdict = self._judge.verdict(lease.records, lease.due.key, answer)
        if answer.status == OK and verdict.kind in ("record", "missing"):
            lane.proof.seen()
        if verdict.kind == "limited":
            # Not the key's fault, and it holds for all keys: the pause is the bucket's.
            lane.away(verdict.text, lane.pace.retry_after(answer.headers) or 0.0)
        return verdict

    async def _conclude(self, lane: RequestLane, lease: Lease, at: int, verdict: Verdict) -> None:
        match verdict.kind:
            case "record":
                await self._publish(lease, at, verdict.record)
            case "missing":
                await self._missing(lane, lease, at)
            case "limited":
                await self.release(lease.due)
            case "away":
                lane.away(verdict.text)
                await self._back_off(lease.due, "away", AWAY_SECONDS)
            case "login":
                self._stop(verdict.text)
                await self.release(lease.due)
            case "forbidden":
                lane.stop(verdict.text)
                await self.release(lease.due)
            case "unreadable" if not lane.works:
                # Nothing else of the API can be read either: an outage, of which no key is the cause.
                lane.away(verdict.text)
                await self._back_off(lease.due, "away", AWAY_SECONDS)
            case "unreadable":
                lane.away(verdict.text)
                await self._refused(lease, verdict)
            case "refused":
                await self._refused(lease, verdict)

    async def _publish(self, lease: Lease, at: int, body: bytes, *, gone: bool = False) -> None:
        """Publish a snapshot, then note it: a crash in between costs one more fetch."""
        due, records = lease.due, lease.records
        event = snapshot(
            source=self._source,
            family=due.family,
            entity=records.entity.entity,
            key=due.key,
            at=at,
            received_at=max(self._now(), at),
            body=body,
            gone=gone,
        )
        try:
            await self._outages.retry_until_available("kafka", lambda: self._to_kafka(lease, event))
        except RecordRefused as error:
            await self.give_up(due, records, "record-too-large", str(error))
            return
        look = None if due.background or due.look else records.entity.again_after_seconds
        await self._note(lambda: self._store.mark(due, at, look))
        metrics.latency.observe(max(self._now() - due.wanted_at, 0) / 1_000_000)

    async def _to_kafka(self, lease: Lease, event: Event) -> None:
        if self._steady() > lease.until:
            raise LeaseOver
        await self._publisher.publish(event)

    async def _missing(self, lane: RequestLane, lease: Lease, at: int) -> None:
        """Believe that there is no such record once it was missing for ``gone_after_seconds``.

        Its resource must be there, or else no record of it is.
        """
        due, patient = lease.due, lease.records.entity.gone_after_seconds
        tries = due.so_often().get("missing", 0)
        # The pauses are 1, 2, 4 … seconds, so their sum is known from their number.
        passed = 2.0 ** min(tries, 64) - 1
        entity, passes = lease.records.entity, partial(self._judge.passes, lease.records)
        if passed >= patient and not await lane.proof.found(entity, self._transport, patient, passes):
            trouble, _ = due.once_more("missing")
            wait = max(lane.proof.wait_seconds, 1.0)
            await self._note(lambda: self._store.back_off(due, wait, trouble, tries))
            return
        if passed >= patient:
            await self._publish(lease, at, lease.records.gone(due.key), gone=True)
            return
        pause = min(passed + 1, patient - passed)
        await self._note(lambda: self._store.back_off(due, pause, *due.once_more("missing")))

    async def _refused(self, lease: Lease, verdict: Verdict) -> None:
        due = lease.due
        if due.so_often().get("refused", 0) >= TRIES - 1:
            await self.give_up(due, lease.records, verdict.reason, verdict.text)
            return
        suppressed = self._reports.due(verdict.reason)
        if suppressed is not None:
            log.warning(
                "a record cannot be fetched; it is tried again",
                family=due.family,
                key=due.key,
                error=verdict.text,
                suppressed=suppressed or None,
            )
        await self._back_off(due, "refused", REFUSED_SECONDS)

    async def _back_off(self, due: Due, kind: Trouble, pauses: tuple[float, float]) -> None:
        trouble, tries = due.once_more(kind)
        seconds = retry.growing(*pauses)(tries) * self._chance.uniform(0.5, 1)
        await self._note(lambda: self._store.back_off(due, seconds, trouble, tries))

    async def _note(self, act: Callable[[], Awaitable[None]]) -> None:
        await self._outages.retry_until_available("database", act)
