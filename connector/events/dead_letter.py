"""Dead letters: what can never be mirrored as it is, on its way through Kafka."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec

from connector.errors import Poison
from connector.events.values import JSON_ERRORS

_encoder = msgspec.json.Encoder()


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What can never be mirrored as it is, with its origin (docs/contract.md, Dead letters).

    On Kafka the record value is ``payload``, exactly as received, and everything else stands in the
    header ``dead-letter`` as JSON. ``context`` holds what a replay needs beside the payload.
    """

    dead_letter_id: str
    stage: str
    reason: str
    error: str
    hook: str | None = None
    action: str | None = None
    event_id: str | None = None
    kafka_topic: str | None = None
    kafka_partition: int | None = None
    kafka_offset: int | None = None
    parked_at: str = ""
    context: dict[str, Any] = {}
    payload: bytes = b""

    def headers(self) -> Iterator[tuple[str, bytes]]:
        """Kafka headers that hold everything but the payload."""
        yield ("dead-letter", _encoder.encode({**msgspec.structs.asdict(self), "payload": ""}))

    @staticmethod
    def is_in(headers: Sequence[tuple[str, bytes]]) -> bool:
        """Whether a record is a dead letter, by its headers."""
        return any(name == "dead-letter" for name, _ in headers)

    @classmethod
    def decode(cls, headers: Sequence[tuple[str, bytes]], value: bytes | None) -> Self:
        """Read a record of the dead-letter topic; raises ``Poison`` when its header is not ours."""
        header = dict(headers).get("dead-letter")
        if header is None:
            raise Poison("foreign-dead-letter", "The record has no dead-letter header.")
        try:
            letter = msgspec.json.decode(header, type=cls)
        except JSON_ERRORS as error:
            raise Poison("foreign-dead-letter", f"The dead-letter header cannot be read: {error}.") from None
        return msgspec.structs.replace(letter, payload=value or b"")
