"""How all parts and the mirror are at the moment: what ``connector status`` shows."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from prometheus_client.parser import text_string_to_metric_families

from connector import clocks, events
from connector.config import Config
from connector.errors import ConnectorError, StartupError
from connector.kafka import ends, history
from connector.kafka.routes import Routes
from connector.mirror import database, losses, offsets, query, remedies, steps

ANSWER_SECONDS = 6.0  # as long as a slow measurement may take, and a moment
# The time over which a rate is counted.
RATE_SECONDS = 300
# As in ops/alerts.yml: what takes longer is worth a look.
LATE_SECONDS, SPOOLED_SECONDS, STALE_SECONDS = 60.0, 60.0, 1800.0
MICROSECONDS = 1_000_000
RECORDS, LETTERS = "(records)", "(dead letters)"
STATUS = (
    "SELECT family, last_received_at, last_mirrored_at, clock_distance_seconds, records_stale_since, events, "
    "parked_dead_letters, records_lost, lost_hooks, records_stale FROM mirror_status ORDER BY family"
)
Level = Literal["healthy", "degraded", "down"]
EXIT_CODES: dict[Level, int] = {"healthy": 0, "degraded": 1, "down": 2}


@dataclass(slots=True)
class PartStanding:
    """A process, the database or Kafka: ``state`` is ready, degraded, unready, away or off."""

    name: str
    address: str
    state: str = "ready"
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FamilyStanding:
    """A family's events and records; instants are ISO-8601 UTC, None where there is nothing yet."""

    family: str
    events: int = 0
    per_minute: float = 0.0
    last_received_at: str | None = None
    last_mirrored_at: str | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None
    parked_dead_letters: int = 0
    records_lost: int = 0
    records_stale: int = 0
    records_stale_since: str | None = None
    lost_hooks: int = 0
    clock_distance_seconds: float | None = None


@dataclass(slots=True)
class Standing:
    """Everything at one moment; ``reasons`` say why it is not healthy, the worst first."""

    at: str
    status: Level = "healthy"
    reasons: list[str] = field(default_factory=list)
    parts: list[PartStanding] = field(default_factory=list)
    spool: dict[str, float] | None = None
    clocks: dict[str, float] = field(default_factory=dict)
    families: list[FamilyStanding] = field(default_factory=list)

    def down(self) -> Iterator[str]:
        """Why nothing works."""
        for part in self.parts:
            if part.state in ("away", "unready") and part.name != "hydrator":
                yield f"{part.name} {part.address} is {part.state}: {'; '.join(part.troubles.values())}"

    def degraded(self) -> Iterator[str]:
        """Why a person should look."""
        for part in self.parts:
            if part.state == "degraded" or (part.state in ("away", "unready") and part.name == "hydrator"):
                yield f"{part.name} {part.address} is {part.state}: {'; '.join(part.troubles.values())}"
        if self.spool and self.spool["oldest_seconds"] > SPOOLED_SECONDS:
            yield f"the oldest delivery in the spool waits for {self.spool['oldest_seconds']:.0f} s"
        for to, seconds in self.clocks.items():
            if abs(seconds) > clocks.LIMIT_SECONDS:
                yield f"the clock of the {to} is {abs(seconds):.1f} s off. {clocks.CURE}"
        for one in self.families:
            if (one.lag_seconds or 0) > LATE_SECONDS:
                yield f"{one.family}: {one.lag_events} records wait, the oldest for {one.lag_seconds:.0f} s"
            if one.parked_dead_letters:
                count = one.parked_dead_letters
                yield f"{one.family}: {count} dead letters are parked (connector dead-letters list)"
            since = events.from_iso(one.records_stale_since) if one.records_stale_since else clocks.now()
            if (late := (clocks.now() - since) / MICROSECONDS) > STALE_SECONDS:
                yield f"{one.family}: {one.records_stale} records are stale, the first for {late:.0f} s"


class Looking:
    """Looks at what one configuration names; ``addresses`` are the admin ports by part, each HOST:PORT."""

    def __init__(self, config: Config, addresses: Mapping[str, Sequence[str]]) -> None:
        seconds = min(config.kafka.request_timeout_seconds, ANSWER_SECONDS)
        kafka = config.kafka.model_copy(update={"request_timeout_seconds": seconds})
        self._config = config.model_copy(update={"kafka": kafka})
        self._addresses = addresses
        routes = Routes(config)
        self._topics = routes.event_topics() | {
            RECORDS: routes.snapshot_topic,
            LETTERS: routes.dead_letter_topic,
        }

    def look(self) -> Standing:
        """Ask each part, the database and Kafka; raises nothing that one of them answers."""
        found = Standing(events.iso(clocks.now()))
        for name, addresses in self._addresses.items():
            found.parts += [self._process(found, name, address) for address in addresses]
        if self._config.sources is None and not self._addresses.get("hydrator"):
            found.parts.append(PartStanding("hydrator", "", "off"))
        mirror = PartStanding("database", database.shown(self._config.database))
        kafka = PartStanding("kafka", self._config.kafka.bootstrap_servers)
        found.parts += [mirror, kafka]
        families: dict[str, FamilyStanding] = {}
        unacknowledged: list[str] = []
        stored: offsets.StoredOffsets | None = None
        try:
            stored = self._mirror(families, unacknowledged)
        except ConnectorError as error:
            what, fix = (error.what, error.cure) if isinstance(error, StartupError) else (str(error), None)
            fix = fix or remedies.fix(error) or remedies.START_IT
            mirror.state, mirror.troubles = "away", {"database": f"{what} Fix: {fix}"}
        try:
            self._lag(families, stored)
        except ConnectorError as error:
            kafka.state, kafka.troubles = "away", {"kafka": str(error)}
        found.families = list(families.values())
        down, degraded = list(found.down()), [*found.degraded(), *unacknowledged]
        found.reasons = down + degraded
        found.status = "down" if down else "degraded" if degraded else "healthy"
        return found

    def _process(self, found: Standing, name: str, address: str) -> PartStanding:
        """A process by its own account, and what only its metrics say."""
        part = PartStanding(name, address)
        try:
            report = json.loads(self._page(address, "/readyz"))
            part.state = report["status"]
            part.troubles = {**report["failures"], **report.get("warnings", {})}
            page = self._page(address, "/metrics").decode()
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            part.state, part.troubles = "away", {"admin port": f"{type(error).__name__}: {error}"}
            return part
        samples = [one for family in text_string_to_metric_families(page) for one in family.samples]
        for one in samples:
            if one.name == "xtnd_clock_distance_seconds" and one.value == one.value:
                known = found.clocks.get(one.labels["to"], 0.0)
                found.clocks[one.labels["to"]] = max(known, one.value, key=abs)
        if name == "gateway":
            value = {one.name: one.value for one in samples}
            oldest = value["xtnd_gateway_spool_oldest_timestamp_seconds"]
            spool = found.spool = found.spool or {"deliveries": 0, "bytes": 0, "oldest_seconds": 0.0}
            spool["deliveries"] += int(value["xtnd_gateway_spool_deliveries"])
            spool["bytes"] += int(value["xtnd_gateway_spool_bytes"])
            age = max(0.0, round(clocks.now() / MICROSECONDS - oldest, 1)) if oldest else 0.0
            spool["oldest_seconds"] = max(spool["oldest_seconds"], age)
        return part

    def _mirror(
        self, families: dict[str, FamilyStanding], unacknowledged: list[str]
    ) -> offsets.StoredOffsets:
        """Fill in what the mirror knows of each family; gives its offsets."""
        engine = database.connect(self._config.database, access="read")
        try:
            steps.require(engine)
            shown = query.run(engine, STATUS)
            for row in shown.rows:
                value = dict(zip(shown.columns, row, strict=True))
                family = families[value["family"]] = FamilyStanding(value["family"])
                for name in ("events", "parked_dead_letters", "records_lost", "lost_hooks"):
                    setattr(family, name, int(value[name]))
                family.records_stale = int(value["records_stale"])
                for name in ("last_received_at", "last_mirrored_at"):
                    setattr(family, name, self._instant(value[name]))
                family.records_stale_since = self._instant(value["records_stale_since"])
                distance = value["clock_distance_seconds"]
                family.clock_distance_seconds = None if distance is None else float(distance)
            since = events.iso(clocks.now() - RATE_SECONDS * MICROSECONDS)
            counting = (
                f"SELECT family, COUNT(*) FROM notifications WHERE received_at > '{since}' GROUP BY family"  # noqa: S608 - our own clock's
            )
            for name, count in query.run(engine, counting).rows:
                families.setdefault(name, FamilyStanding(name)).per_minute = round(
                    count * 60 / RATE_SECONDS, 1
                )
            for topic, what in losses.sentences(losses.unacknowledged(engine)):
                unacknowledged.append(f"topic {topic}: {what} (fix: {losses.FIX})")
            return offsets.stored(engine)
        finally:
            engine.dispose()

    def _lag(self, families: dict[str, FamilyStanding], stored: offsets.StoredOffsets | None) -> None:
        """Compare the mirror's offsets with the ends of the logs, and see how old the first record is."""
        with ends.reading(self._config, self._topics.values()) as read:
            logs = read()
        if stored is None:
            return
        waiting: dict[tuple[str, int], tuple[int, int]] = {}
        counts: Counter[str] = Counter()
        for tp, end in logs.ends.items():
            first = max(logs.starts[tp], stored[tp].next if tp in stored else 0)
            if first < end:
                waiting[tp] = (first, first + 1)
                counts[tp[0]] += end - first
        oldest: dict[str, int] = {}
        for records in history.read(self._config.kafka, waiting):
            for one in records:
                oldest[one.topic] = min(one.timestamp, oldest.get(one.topic, one.timestamp))
        for name, topic in self._topics.items():
            if name in (RECORDS, LETTERS) and not counts[topic]:
                continue
            family = families.setdefault(name, FamilyStanding(name))
            family.lag_events, family.lag_seconds = counts[topic], 0.0
            if topic in oldest:
                family.lag_seconds = max(0.0, round(clocks.now() / MICROSECONDS - oldest[topic] / 1000, 1))

    @staticmethod
    def _page(address: str, path: str) -> bytes:
        """A page of an admin port, whatever its status; raises ``OSError`` or ``HTTPException``."""
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_SECONDS)
        try:
            # The name of a container is in no list of hosts that the admin port answers to.
            connection.request("GET", path, headers={"Host": "localhost"})
            return connection.getresponse().read()
        finally:
            connection.close()

    @staticmethod
    def _instant(value: Any) -> str | None:
        """An instant of a query, which PostgreSQL gives as such and SQLite as text."""
        return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value
