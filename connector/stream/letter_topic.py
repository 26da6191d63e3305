"""The topic of dead letters, as the worker writes to it."""

import asyncio
import time
from typing import Any

from aiokafka.errors import InvalidTopicError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from connector.config import Config
from connector.errors import KafkaOutage, RecordRefused
from connector.events import DeadLetter
from connector.kafka import topics
from connector.stream.app import MirrorApp

PUBLISH_SECONDS = 15.0
# With these a topic refuses a record for good; whatever else fails is tried again.
REFUSALS = (MessageSizeTooLargeError, TopicAuthorizationFailedError, InvalidTopicError)
# A topic that is not there looks like a slow one; so after this long the broker is asked, once for all
# letters that wait.
ASK_SECONDS = 3.0
ASK_AGAIN_SECONDS = 10.0


class LetterTopic:
    """Puts dead letters on Kafka through the app's producer."""

    def __init__(self, app: MirrorApp, config: Config) -> None:
        self._app = app
        self._kafka = config.kafka
        self._topic = config.topics.dead_letter_topic
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._missing = False

    async def publish(self, letter: DeadLetter) -> None:
        """Publish a letter and wait for the acknowledgement of all replicas.

        Raises ``KafkaOutage``, and ``RecordRefused`` for what the topic does not take.
        """
        producer = await self._app.maybe_start_producer()
        key, headers = letter.dead_letter_id.encode(), dict(letter.headers())
        send: Any = producer.send_and_wait(self._topic, key, letter.payload, None, None, headers)
        sending = asyncio.ensure_future(send)
        try:
            done, _ = await asyncio.wait([sending], timeout=ASK_SECONDS)
            if not done:
                await self._refuse_missing()
            await asyncio.wait_for(sending, PUBLISH_SECONDS - ASK_SECONDS)
        except RecordRefused:
            raise
        except REFUSALS as error:
            what = f"The topic {self._topic} does not take a dead letter of {len(letter.payload)} bytes"
            raise RecordRefused(f"{what}: {error!r}.") from error
        except Exception as error:
            raise KafkaOutage(f"a dead letter was not acknowledged: {error!r}") from error
        finally:
            sending.cancel()

    async def _refuse_missing(self) -> None:
        """Raise ``RecordRefused`` when the broker answers and does not have the topic."""
        async with self._asking:
            if time.monotonic() - self._asked_at > ASK_AGAIN_SECONDS:
                self._missing = await asyncio.to_thread(self._ask)
                self._asked_at = time.monotonic()
        if self._missing:
            raise RecordRefused(f"There is no topic {self._topic}; a worker's start makes it.")

    def _ask(self) -> bool:
        try:
            with topics.admin_client(self._kafka) as client:
                return self._topic not in client.list_topics()
        except KafkaOutage:
            return False
