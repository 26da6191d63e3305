"""``connector check`` and ``connector verify``: everything looked at, each fault with its cure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from connector.clocks import CURE, LIMIT_SECONDS
from connector.config import Config
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
from connector.mirror.mapping_change import Rehearsed
from connector.mirror.models import MirrorLoss
from connector.mirror.offsets import Held
from connector.simulator import verify as journal_verify
from connector.stream import standing
from connector.stream.standing import Standing

MAKE = (
    "start a worker (connector worker) or run: connector schema apply; both make and fill the schema "
    "(connector schema plan shows what they change)"
)


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at; ``fault`` is None when it is well, and ``warns`` where it works."""

    what: str
    fault: str | None = None
    cure: str = ""
    warns: bool = False


def examine(
    config: Config, missing: Sequence[Finding] = (), *, accept_mapping: bool = False
) -> Iterator[Result]:
    """Look at configuration, broker, topics and database, in this order.

    ``missing`` is what keeps a gateway from starting here: the secrets of hooks.
    """
    tables, actions = len(config.tables), sum(1 for _ in config.actions())
    yield Result(f"configuration: {len(config.hooks)} hooks, {actions} actions, {tables} tables")
    for finding in missing:
        yield Result(f"hooks: no gateway can start here, others can: {finding}")
    for name, hook in config.hooks.items() if not missing else ():
        if hook.verify == "off":
            cure = f"set hooks.{name}.verify to required and give the hook a secret"
            yield Result(f"hook {name}", "takes deliveries without a signature (verify: off)", cure)
        else:
            yield Result(f"hook {name}: secrets set: {len(hook.secrets)}")
    for finding in config.warnings:
        yield Result(finding.where, finding.what, finding.cure, warns=True)
    yield from _examine_kafka(config)
    yield from examine_database(config, accept_mapping=accept_mapping)
    yield from _examine_standing(config)


def _examine_kafka(config: Config) -> Iterator[Result]:
    where = f"Kafka at {config.kafka.bootstrap_servers}"
    try:
        left = topics.deviations(config)
    except KafkaOutage as error:
        cure = "start Kafka (make up brings one), or set KAFKA_BOOTSTRAP_SERVERS or --kafka"
        yield Result(where, str(error), cure)
        return
    yield Result(where)
    for deviation in left:
        cure = (
            "run: connector topics"
            if deviation.mended_by_ensure
            else "set topics.partitions to what is there"
        )
        yield Result(f"topic {deviation.topic}", deviation.what, cure)
    if not left:
        yield Result(f"topics: {len(topics.plans(config))}, all as planned")
    # Its clock shows in acknowledgements alone, and a command that looks publishes nothing.
    yield Result('clock of Kafka: each gateway measures it, xtnd_clock_distance_seconds{to="broker"}')


def _examine_standing(config: Config) -> Iterator[Result]:
    stored = _stored(config)
    if stored is None:
        return  # told already
    yield from _losses(stored.lost)
    found = _standing(config, stored)
    if found is None:
        return  # told already
    yield from _standing_results(config, found)
    for topic, count in found.draining.items():
        state = f"{count} records to read" if count else "empty: take it out of topics.yaml"
        yield Result(f"former topic {topic}: {state}")
    if not (found.forgotten or found.recreated or found.expired):
        yield Result(
            "records on Kafka: none is gone that was not reported, none is on a topic that is not read"
        )


def topic_faults(config: Config) -> list[Result]:
    """What is wrong between Kafka's topics and the mirror, where both are there to be asked."""
    stored = _stored(config)
    if stored is None:
        return []
    found = _standing(config, stored)
    return [*_losses(stored.lost), *(() if found is None else _standing_results(config, found))]


class _Stored(NamedTuple):
    """What the mirror knows of Kafka's topics."""

    held: Held
    lost: list[MirrorLoss]


def _stored(config: Config) -> _Stored | None:
    """Ask the database; None where it is not to be had, which is told elsewhere."""
    if not config.database.url.get_secret_value():
        return None  # connector topics, where it is given none
    try:
        engine = database.connect(config.database, access="read")
        steps.require(engine)
        return _Stored(offsets.held(engine), losses.unacknowledged(engine))
    except ConnectorError:
        return None


def _standing(config: Config, stored: _Stored) -> Standing | None:
    try:
        return standing.standing(config, stored.held)
    except ConnectorError:
        return None


def _losses(found: Iterable[MirrorLoss]) -> Iterator[Result]:
    """What was lost and nobody has acknowledged."""
    for topic, what in losses.sentences(found):
        yield Result(f"topic {topic}", what, losses.FIX)


def _standing_results(config: Config, found: Standing) -> Iterator[Result]:
    """What is wrong between Kafka's topics and the mirror."""
    if found.forgotten:
        fix = standing.forgotten_fix(config, found.forgotten)
        yield Result("former topics", standing.forgotten_sentence(found.forgotten), fix)
    for topic in found.recreated:
        what = "was re-created since the mirror read it; what it held beyond the mirror's offsets is gone"
        yield Result(
            f"topic {topic}", what, "let a worker run (connector worker): it reads the topic from its start"
        )
    for topic, count in found.expired.items():
        what = f"{count} records expired before they were mirrored; a worker has not reported them yet"
        yield Result(
            f"topic {topic}", what, "start a worker (connector worker): its log says from when to when"
        )


def examine_database(config: Config, *, accept_mapping: bool) -> Iterator[Result]:
    """Look at the database: whether it answers, its schema, and what a start would change."""
    where = f"database {database.shown(config.database)}"
    mapping = Mapping(config)
    try:
        engine = database.connect(config.database, access="read")
        state = schema.state(engine, mapping)
        kept = frozen.standing(engine, mapping)
        ahead = database.clock_distance(engine)
    except StartupError as error:  # it answers, but what it holds is not for this connector
        yield Result(where, error.what, error.cure)
        return
    except ConnectorError as error:
        yield Result(where, str(error), remedies.fix(error) or remedies.START_IT)
        return
    yield Result(where)
    if state:
        yield Result("schema", state, MAKE)
    else:
        yield Result("schema: as tables.yaml says")
    for one in kept:
        yield Result(f"{one.name} in the database", str(one), frozen.FIX, warns=True)
    yield from _examine_mapping(
        partial(mapping_change.rehearse, engine, config, mapping), accept=accept_mapping
    )
    yield from try_schema(config, mapping)
    yield from _examine_clock(ahead)


def _examine_mapping(rehearse: Callable[[], Rehearsed | None], *, accept: bool) -> Iterator[Result]:
    """Try a changed mapping on the newest events, as a worker does at its start."""
    try:
        rehearsed = rehearse()
    except ConnectorError as error:
        yield Result("events and tables.yaml", str(error), remedies.fix(error) or remedies.START_IT)
        return
    if rehearsed is None:
        return
    yield Result(f"tables.yaml was changed: tried on the {rehearsed.events} newest events of its actions")
    for misfit in rehearsed.misfits:
        warns = accept or misfit.action not in rehearsed.refused
        yield Result("tables.yaml", str(misfit), mapping_change.CURE, warns=warns)
    for what in rehearsed.emptied:
        yield Result("tables.yaml", what, "compare the column's path with what XTND sends", warns=True)
    for action in rehearsed.unrouted:
        what = "no family claims the action any more; its events go to unrouted"
        yield Result(f"action {action}", what, "list it in topics.yaml if it is still wanted", warns=True)


def try_schema(config: Config, mapping: Mapping) -> Iterator[Result]:
    """Run what a start would run, on empty copies."""
    try:
        why_not = schema_trial.run(config, mapping)
    except StartupError as error:
        yield Result("start of a worker", error.what, error.cure)
    except ConnectorError as error:
        yield Result("start of a worker", str(error), "rename what it names in tables.yaml")
    else:
        if why_not:
            yield Result(f"schema: its statements were not tried: {why_not}")
        else:
            yield Result("schema: its statements work (tried on empty copies, and undone)")


def _examine_clock(ahead: float | None) -> Iterator[Result]:
    """Compare clocks; None where the database has this host's."""
    if ahead is not None and abs(ahead) > LIMIT_SECONDS:
        where = "ahead of" if ahead > 0 else "behind"
        yield Result("clock of the database", f"this host's is {abs(ahead):.1f} s {where} it", CURE)
    else:
        shown = "this host's" if ahead is None else f"within {max(abs(ahead), 0.1):.1f} s of this host's"
        yield Result(f"clock of the database: {shown}")


def verify(config: Config, journal: Path | None) -> tuple[list[str], int]:
    """What differs from the fold of the ledger, and how many events the ledger holds."""
    mapping = Mapping(config)
    engine = database.connect(config.database, access="read")
    steps.require(engine)
    found = mirror_verify.differences(engine, mapping)
    with suppress(KafkaOutage):
        # What is known to be lost no worker can bring back; what is not read it can.
        stands = replace(standing.standing(config, offsets.held(engine)), expired={})
        results = _standing_results(config, stands)
        found += [f"{one.what}: {one.fault} (fix: {one.cure})" for one in results]
    if journal is not None:
        must = {event.identity for event in journal_verify.must(journal)}
        found += [
            f"{event_id} of {source or 'any hook'}: acknowledged, but not in the ledger"
            for event_id, source in mirror_verify.missing(engine, must)
        ]
    return found, mirror_verify.count(engine)
