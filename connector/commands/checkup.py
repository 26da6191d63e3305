"""``connector check`` and ``connector verify``: every check, each fault with its fix."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from connector.clocks import CURE, LIMIT_SECONDS
from connector.config import SOURCES_FILE, Config
from connector.errors import ConnectorError, Finding, KafkaOutage, StartupError
from connector.kafka import topics
from connector.mirror import (
    database,
    frozen,
    losses,
    mapping_change,
    offsets,
    remedies,
    schema,
    schema_trial,
    steps,
)
from connector.mirror import verify as mirror_verify
from connector.mirror.mapping import Mapping
from connector.mirror.mapping_change import Fit
from connector.mirror.mirrored_sources import as_mirrored
from connector.simulator import verify as journal_verify
from connector.stream import topic_state
from connector.stream.topic_state import TopicState

MAKE = (
    "start a worker (connector worker) or run: connector schema apply; both make and fill the schema "
    "(connector schema plan shows what they change)"
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check; ``fault`` is None when it passed, and ``warns`` for one that stops nothing."""

    what: str
    fault: str | None = None
    cure: str = ""
    warns: bool = False


class Checkup:
    """The checks of one configuration and of what it names: broker, topics and database."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def results(
        self, missing: Sequence[Finding] = (), *, accept_mapping: bool = False
    ) -> Iterator[CheckResult]:
        """Look at configuration, broker, topics and database, in this order.

        ``missing`` keeps a gateway or a hydrator from starting here: secrets of hooks, the API's login.
        """
        config = self._config
        tables, actions = len(config.tables), sum(1 for _ in config.actions())
        yield CheckResult(f"configuration: {len(config.hooks)} hooks, {actions} actions, {tables} tables")
        of_hooks = [one for one in missing if not one.where.startswith(SOURCES_FILE)]
        for finding in missing:
            what = "hooks: no gateway" if finding in of_hooks else "API: no hydrator"
            yield CheckResult(f"{what} can start here, others can: {finding}")
        for name, hook in config.hooks.items() if not of_hooks else ():
            if hook.verify == "off":
                cure = f"set hooks.{name}.verify to required and give the hook a secret"
                yield CheckResult(f"hook {name}", "takes deliveries without a signature (verify: off)", cure)
            else:
                yield CheckResult(f"hook {name}: secrets set: {len(hook.secrets)}")
        for finding in config.warnings:
            yield CheckResult(finding.where, finding.what, finding.cure, warns=True)
        yield from self._kafka()
        yield from self.database(accept_mapping=accept_mapping)
        yield from self._topics()

    def _kafka(self) -> Iterator[CheckResult]:
        where = f"Kafka at {self._config.kafka.bootstrap_servers}"
        try:
            left = topics.deviations(self._config)
        except KafkaOutage as error:
            cure = "start Kafka (make up brings one), or set KAFKA_BOOTSTRAP_SERVERS or --kafka"
            yield CheckResult(where, str(error), cure)
            return
        yield CheckResult(where)
        for deviation in left:
            fixed = "run: connector topics"
            cure = fixed if deviation.fixed_by_ensure else "set topics.partitions to what is there"
            yield CheckResult(f"topic {deviation.topic}", deviation.what, cure)
        if not left:
            yield CheckResult(f"topics: {len(topics.plans(self._config))}, all as planned")
        # Its clock shows in acknowledgements alone, and a check publishes nothing.
        yield CheckResult(
            'clock of Kafka: each gateway measures it, xtnd_clock_distance_seconds{to="broker"}'
        )

    def database(self, *, accept_mapping: bool) -> Iterator[CheckResult]:
        """Look at the database: whether it answers, its schema, and what a start would change."""
        config = self._config
        where = f"database {database.shown(config.database)}"
        try:
            engine = database.connect(config.database, access="read")
            config = as_mirrored(engine, config)
            mapping = Mapping(config)
            state = schema.state(engine, mapping)
            kept = frozen.standing(engine, config)
            ahead = database.clock_distance(engine)
        except StartupError as error:  # it answers, but what it holds is not for this connector
            yield CheckResult(where, error.what, error.cure)
            return
        except ConnectorError as error:
            yield CheckResult(where, str(error), remedies.fix(error) or remedies.START_IT)
            return
        yield CheckResult(where)
        yield CheckResult("schema", state, MAKE) if state else CheckResult("schema: as tables.yaml says")
        if config is not self._config:
            yield CheckResult(
                "API: no XTND_API_URL here; the mirror is compared with what its worker asks for"
            )
        for one in kept:
            yield CheckResult(f"{one.name} in the database", str(one), frozen.FIX, warns=True)
        examine = partial(mapping_change.examine, engine, config, mapping)
        yield from self._mapping(examine, accept=accept_mapping)
        yield from self.schema_trial(mapping)
        yield clock_result(ahead)

    @staticmethod
    def _mapping(examine: Callable[[], Fit | None], *, accept: bool) -> Iterator[CheckResult]:
        """Try a changed mapping on the newest events, as a worker does at its start."""
        try:
            fit = examine()
        except ConnectorError as error:
            cure = remedies.fix(error) or remedies.START_IT
            yield CheckResult("events and tables.yaml", str(error), cure)
            return
        if fit is None:
            return
        yield CheckResult(f"tables.yaml was changed: tried on the {fit.events} newest events of its actions")
        for misfit in fit.misfits:
            warns = accept or misfit.sort not in fit.refused
            yield CheckResult("tables.yaml", str(misfit), mapping_change.CURE, warns=warns)
        for what in fit.emptied:
            cure = "compare the column's path with what XTND sends"
            yield CheckResult("tables.yaml", what, cure, warns=True)
        for action in fit.unrouted:
            what = "no family claims the action any more; its events go to unrouted"
            cure = "list it in topics.yaml if it is still needed"
            yield CheckResult(f"action {action}", what, cure, warns=True)

    def schema_trial(self, mapping: Mapping) -> Iterator[CheckResult]:
        """Run what a start would run, on empty copies."""
        try:
            why_not = schema_trial.run(self._config, mapping)
        except StartupError as error:
            yield CheckResult("start of a worker", error.what, error.cure)
        except ConnectorError as error:
            yield CheckResult("start of a worker", str(error), "rename what it names in tables.yaml")
        else:
            if why_not:
                yield CheckResult(f"schema: its statements were not tried: {why_not}")
            else:
                yield CheckResult("schema: its statements work (tried on empty copies, and undone)")

    def topic_faults(self) -> list[CheckResult]:
        """What is wrong between Kafka's topics and the mirror, where both are there to be asked."""
        return [result for result in self._topics() if result.fault]

    def _topics(self) -> Iterator[CheckResult]:
        """Compare topics and mirror; what cannot be asked is reported elsewhere."""
        config = self._config
        if not config.database.url.get_secret_value():
            return  # connector topics, where it is given none
        try:
            engine = database.connect(config.database, access="read")
            steps.require(engine)
            stored, lost = offsets.stored(engine), losses.unacknowledged(engine)
        except ConnectorError:
            return
        for topic, what in losses.sentences(lost):
            yield CheckResult(f"topic {topic}", what, losses.FIX)
        try:
            found = topic_state.compare(config, stored)
        except ConnectorError:
            return
        yield from self._gaps(found)
        for topic, count in found.draining.items():
            state = f"{count} records to read" if count else "empty: take it out of topics.yaml"
            yield CheckResult(f"former topic {topic}: {state}")
        if not (found.unread or found.recreated or found.expired):
            yield CheckResult(
                "records on Kafka: all losses are reported, and every topic with records is read"
            )

    def _gaps(self, found: TopicState) -> Iterator[CheckResult]:
        """What Kafka's topics have, or had, that the mirror has not read."""
        if found.unread:
            yield CheckResult("former topics", found.sentence(), found.fix(self._config))
        for topic in found.recreated:
            what = "was re-created since the mirror read it; what it had beyond the mirror's offsets is gone"
            cure = "let a worker run (connector worker): it reads the topic from its start"
            yield CheckResult(f"topic {topic}", what, cure)
        for topic, count in found.expired.items():
            what = f"{count} records expired before they were mirrored; a worker has not reported them yet"
            cure = "start a worker (connector worker): its log says from when to when"
            yield CheckResult(f"topic {topic}", what, cure)

    def verify(self, journal: Path | None, *, deep: bool = False) -> tuple[list[str], int]:
        """What differs from the fold of the ledger, ``deep``: and of its archives; how many events it has."""
        config = self._config
        engine = database.connect(config.database, access="read")
        steps.require(engine)
        mapping = Mapping(as_mirrored(engine, config))
        found = mirror_verify.differences(engine, mapping, deep=deep)
        with suppress(KafkaOutage):
            # What is known to be lost no worker can bring back; what is not read it can.
            stands = replace(topic_state.compare(config, offsets.stored(engine)), expired={})
            found += [f"{one.what}: {one.fault} (fix: {one.cure})" for one in self._gaps(stands)]
        if journal is not None:
            must = {event.identity for event in journal_verify.must(journal)}
            found += [
                f"{event_id} of {source or 'any hook'}: acknowledged, but not in the ledger"
                for event_id, source in mirror_verify.missing(engine, must)
            ]
        return found, mirror_verify.count(engine)


def clock_result(ahead: float | None) -> CheckResult:
    """How far this host's clock is ahead of the database's, in seconds; None where they are one."""
    if ahead is not None and abs(ahead) > LIMIT_SECONDS:
        where = "ahead of" if ahead > 0 else "behind"
        return CheckResult("clock of the database", f"this host's is {abs(ahead):.1f} s {where} it", CURE)
    shown = "this host's" if ahead is None else f"within {max(abs(ahead), 0.1):.1f} s of this host's"
    return CheckResult(f"clock of the database: {shown}")
