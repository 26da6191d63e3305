"""The whole record of a letter that was cut, read from Kafka."""

import msgspec

from connector.config import KafkaSettings
from connector.errors import Poison
from connector.events import DeadLetter
from connector.kafka import history
from connector.kafka.record_batch import TOO_LARGE, UNREADABLE
from connector.mirror.letters import whole_bytes


def completed(letter: DeadLetter, kafka: KafkaSettings) -> DeadLetter:
    """The letter with all of its payload; a letter that was not cut is given back as it is.

    Raises ``Poison`` when Kafka no longer has the record, or the letter is that of a batch that was not
    read, and ``KafkaOutage``.
    """
    if letter.reason in {TOO_LARGE, UNREADABLE} and not letter.payload:
        raise Poison(letter.reason, letter.error)
    if whole_bytes(letter) is None:
        return letter
    topic, partition, offset = letter.kafka_topic, letter.kafka_partition, letter.kafka_offset
    value = None
    if topic is not None and partition is not None and offset is not None:
        value = history.record_value(kafka, topic, partition, offset)
    if value is None or len(value) != whole_bytes(letter) or not value.startswith(letter.payload):
        where = f"{topic}/{partition}/{offset}"
        what = f"The letter holds the first {len(letter.payload)} of {whole_bytes(letter)} bytes, and Kafka"
        cure = "Find it in XTND by its id and date and re-enter it there, then discard the letter."
        raise Poison("record-gone", f"{what} no longer has the whole record at {where}. {cure}")
    return msgspec.structs.replace(letter, payload=value)
