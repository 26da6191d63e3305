"""Requests of background work that goes on by itself: lists, and the audit of single records.

Each waits for its turn at the pace of its bucket, beside the hydrator, which asks the same API meanwhile.
What the API cannot answer now is waited for without end.
"""

import asyncio
import random
from collections.abc import Callable

from connector.config.source_models import SourceSettings
from connector.hydrator.lane import TICK_SECONDS, RequestLane
from connector.hydrator.pace import Pace
from connector.hydrator.ports import Answer, ApiOutage, OversizedAnswer, Transport
from connector.hydrator.record import Records
from connector.hydrator.verdict import OK, Judge, Verdict

# The hydrator asks the same API meanwhile.
PROCESSES = 2


class Asker:
    """Asks for records of one bucket. ``steady`` gives seconds, ``now`` wall time in microseconds."""

    def __init__(
        self,
        sources: SourceSettings,
        records: Records,
        bucket: str,
        *,
        transport: Transport,
        steady: Callable[[], float],
        now: Callable[[], int],
        chance: random.Random | None = None,
    ) -> None:
        self.judge = Judge(sources)
        pace = Pace(sources.rate, bucket, steady=steady, now=now, hidden=self.judge.hidden)
        pace.hydrators = PROCESSES
        chance = chance or random.Random()  # noqa: S311 - no secret depends on it
        self.lane = RequestLane(pace, sources.timeout_seconds, steady=steady, chance=chance)
        self._records = records
        self._transport = transport
        self._now = now

    async def answer(self, path: str) -> tuple[int, Answer | Verdict]:
        """The answer of 200 and when it was asked for; else what it means, the login's refusal included."""
        lane, pace = self.lane, self.lane.pace
        while True:
            await self._turn()
            pace.sent(background=True)
            at = self._now()
            try:
                answer = await self._transport.get(path)
            except ApiOutage as outage:
                pace.failed()
                lane.away(self.judge.hidden(str(outage)))
                continue
            except OversizedAnswer as error:
                pace.failed()
                return at, Verdict("unreadable", self.judge.hidden(str(error)))
            pace.answered(answer.headers)
            if answer.status == OK:
                return at, answer
            verdict = self.judge.failure(self._records, answer)
            if verdict.kind not in ("limited", "away"):
                return at, verdict
            after = pace.retry_after(answer.headers) if verdict.kind == "limited" else None
            lane.away(verdict.text, after or 0.0)

    async def _turn(self) -> None:
        # Another answer may change when it is.
        wait = self.lane.pace.wait(background=True)
        while wait > 0:
            await asyncio.sleep(max(wait, TICK_SECONDS))
            wait = self.lane.pace.wait(background=True)
