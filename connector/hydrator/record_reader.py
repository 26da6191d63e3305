"""Single records that are read as background work, each as the snapshot that it is."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from connector import clocks
from connector.config.source_models import SourceSettings, resource
from connector.errors import Poison, StartupError
from connector.events import Event
from connector.events.snapshot import snapshot
from connector.hydrator.asking import Asker
from connector.hydrator.ports import Transport
from connector.hydrator.record import Records
from connector.hydrator.verdict import LOGIN_FIX, Verdict

log = structlog.get_logger(__name__)

# How often an answer that is no record is asked for, before the record is left out.
TRIES = 3


class RecordReader:
    """Reads the records of one family; ``works`` is whether the API was seen to give them.

    ``steady`` gives seconds that never go back, ``now`` wall time in microseconds.
    """

    def __init__(
        self,
        sources: SourceSettings,
        family: str,
        *,
        transport: Transport,
        steady: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = clocks.now,
    ) -> None:
        self._source = sources.name
        self._entity = sources.entities[family]
        self._records = Records(family, self._entity, sources.exclude)
        self._family = family
        self._transport = transport
        self._steady = steady
        self._now = now
        bucket = resource(self._entity.get)
        self._asker = Asker(sources, self._records, bucket, transport=transport, steady=steady, now=now)
        self._left_out = 0
        self.works = False

    async def read(self, key: str, after: int) -> Event | None:
        """The record, or that there is none, as a snapshot later than an instant; None: it cannot be read.

        Raises ``StartupError`` where the login is refused, and where no record can be read at all.
        """
        asker, lane, text = self._asker, self._asker.lane, ""
        try:
            path = self._records.path(key)
        except Poison as poison:
            self._leave_out(key, poison.error)
            return None
        for _ in range(TRIES):
            started = self._steady()
            at, answer = await asker.answer(path)
            verdict = answer
            if not isinstance(verdict, Verdict):
                verdict = asker.judge.verdict(self._records, key, verdict)
            text = verdict.text
            match verdict.kind:
                case "record":
                    lane.proof.seen()
                    lane.work(started)
                    self.works = True
                    return self._event(key, max(at, after + 1), verdict.record)
                case "missing":
                    lane.work(started)
                    await self._find_resource()
                    return self._event(key, max(at, after + 1), self._records.gone(key), gone=True)
                case "login" | "forbidden":
                    raise StartupError(text.removesuffix(f" {LOGIN_FIX}"), LOGIN_FIX)
                case "unreadable":
                    lane.away(text)
                case _:
                    lane.work(started)
        self._leave_out(key, text)
        return None

    def of_row(self, key: str, row: bytes, at: int) -> Event | None:
        """A row of a list that is the record as its snapshot of an instant; None: it cannot be kept."""
        try:
            return self._event(key, at, self._records.kept(row))
        except Poison as poison:
            log.warning("a record is left out", family=self._family, key=key, error=poison.error)
            return None

    async def _find_resource(self) -> None:
        """Return once the resource is known to be there: only then is a record of it gone."""
        lane, passes = self._asker.lane, partial(self._asker.judge.passes, self._records)
        patient = self._entity.gone_after_seconds
        while not await lane.proof.found(self._entity, self._transport, patient, passes):
            if lane.proof.trouble:
                raise StartupError(lane.proof.trouble, "set XTND_API_URL to the address that XTND gave")
            await asyncio.sleep(max(lane.proof.wait_seconds, 1.0))
        self.works = True

    def _leave_out(self, key: str, text: str) -> None:
        """Leave out a record that cannot be read, unless none ever could."""
        self._left_out += 1
        if self._left_out >= TRIES and not self.works:
            what = f"No record of {self._family} can be read. {text}"
            raise StartupError(what, "look at base_url, and at get of the family, in sources.yaml")
        log.warning("a record is left out", family=self._family, key=key, error=text)

    def _event(self, key: str, at: int, body: bytes, *, gone: bool = False) -> Event:
        return snapshot(
            source=self._source,
            family=self._family,
            entity=self._entity.entity,
            key=key,
            at=at,
            received_at=max(self._now(), at),
            body=body,
            gone=gone,
        )
