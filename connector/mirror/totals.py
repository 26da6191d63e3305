"""Figures of the whole mirror, the same for every worker: offsets, losses, dead letters."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from connector.config import DatabaseSettings
from connector.mirror import dialects
from connector.mirror.database import connect, translate

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Offsets:
    """The mirror's next offset by partition; by topic the records that Kafka no longer had.

    ``losses`` are those losses that nobody has acknowledged.
    """

    next: Mapping[Partition, int]
    records_lost: Mapping[str, int]
    losses: Mapping[str, int]


class Totals:
    """Reads them over connections of its own, so that it waits for no writer; blocks.

    Every method but ``versions`` raises as ``database.transaction`` does.
    """

    def __init__(self, database: DatabaseSettings) -> None:
        self._engine = connect(database, connections=2)

    def offsets(self) -> Offsets:
        """Where the mirror stands."""
        rows = self._select("SELECT topic, partition, next_offset, records_lost FROM _consumer_offsets")
        lost: Counter[str] = Counter()
        for topic, _, _, count in rows:
            lost[topic] += count
        query = "SELECT topic, count(*) FROM _mirror_losses WHERE acknowledged_at IS NULL GROUP BY topic"
        return Offsets(
            {(topic, partition): offset for topic, partition, offset, _ in rows},
            lost,
            dict(self._select(query)),
        )

    def dead_letters(self) -> dict[tuple[str, str], int]:
        """How many dead letters there are by stage and state."""
        rows = self._select("SELECT stage, state, count(*) FROM _dead_letters GROUP BY stage, state")
        return {(stage, state): count for stage, state, count in rows}

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of the databases' libraries."""
        return dialects.versions()

    def _select(self, statement: str) -> list[Any]:
        """Rows of one SELECT on the driver's connection: SQLite's write lock is not taken for it."""
        try:
            with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        except dialects.ERRORS as error:
            raise translate(error) from error
