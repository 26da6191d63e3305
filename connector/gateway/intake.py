"""Where verified deliveries become safe: on Kafka, else in the spool.

``submit`` calls back when a 2xx may be answered. It tries Kafka unless Kafka is known not to take it,
then the spool; within ``gateway.ack_timeout_seconds`` for each it succeeds or reports why not. Order does
not matter to the mirror, so new deliveries do not queue behind the spool.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from connector.errors import ConnectorError, SpoolOutage
from connector.kafka.lanes import Done, RecordPublisher
from connector.kafka.record import Record
from connector.spool.spool import Spool


class Intake:
    """Kafka with the spool behind it."""

    def __init__(self, kafka: RecordPublisher, spool: Spool, *, spool_timeout_seconds: float) -> None:
        self._kafka = kafka
        self._spool = spool
        self._spool_timeout = spool_timeout_seconds
        self._puts: set[asyncio.Task[None]] = set()

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Call ``done`` once, later: with None when the records are on Kafka or fsynced, else with the error.

        What Kafka can never take goes to the spool as well, which sets it aside: it was sent with a good
        signature, and nobody would send it again for long enough.
        """
        try:
            self._kafka.submit(records, partial(self._published, records, done))
        except ConnectorError:
            self._keep(records, done)

    def _published(self, records: Sequence[Record], done: Done, error: ConnectorError | None) -> None:
        if error is None:
            done(None)
        else:
            self._keep(records, done)

    def _keep(self, records: Sequence[Record], done: Done) -> None:
        task = asyncio.create_task(self._spooled(records, done))
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def _spooled(self, records: Sequence[Record], done: Done) -> None:
        try:
            # Withdrawn when it is late, unless its commit is under way: then the delivery may stand
            # in the spool beside what the sender sends again, which has no effect.
            await asyncio.wait_for(self._spool.put(records), self._spool_timeout)
        except TimeoutError:
            done(SpoolOutage("The spool's disk did not answer in time."))
        except ConnectorError as error:
            done(error)
        else:
            done(None)

    def trouble(self) -> str | None:
        """Why no delivery can be taken at this moment, or None while Kafka or the spool can."""
        kafka = self._kafka.trouble()
        spool = self._spool.trouble()
        return f"Kafka: {kafka}; spool: {spool}" if kafka and spool else None
