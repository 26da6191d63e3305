"""A changed mapping is tried on the newest events of the ledger before it takes effect.

A deploy that does not fit what XTND sends would park every event, and dead letters stop no worker
(docs/reliability.md, Promised). So a mapping that differs from the one that wrote last is tried first.
Events that could be mirrored and no longer can are counted, both by the mapping and by the database.

An action that no family claims any more, or that a table no longer names, is no misfit. Somebody took
the name out on purpose; its events stay in the ledger, and all of them come back with the name.
"""

import time
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Readonly
from dataclasses import dataclass, field
from itertools import zip_longest

import structlog
from sqlalchemy import Engine
from typing_extensions import override

from connector import clocks
from connector.config import Config
from connector.errors import ConfigError, DatabaseOutage, Finding, Poison
from connector.events import Identity, Sort
from connector.mirror import ledger, rules, scratch, steps
from connector.mirror.database import transaction
from connector.mirror.mapping import Mapping, former_mapping
from connector.mirror.newest import newest_identities
from connector.mirror.trial import Trial
from connector.safe_text import plain

log = structlog.get_logger(__name__)

MOST_SECONDS = 60.0
# How many events of each action are tried together, so that every action is tried when time is up.
ROUND = 50
HOUR = 3_600_000_000
# The ledger is looked through from its end, so far back at a time (µs).
LOOKS = (HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR, 365 * 24 * HOUR, None)
SHOWN = 300
CURE = (
    "Change the path, type or key in tables.yaml. If they shall be parked from now on, start once with "
    "--accept-mapping (XTND_ACCEPT_MAPPING=1); dead letters can be replayed"
)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Events of one sort that fitted the former mapping and do not fit this one, for one reason."""

    sort: Sort
    error: str
    event_id: str
    count: int
    # How many events of the sort were tried and fitted the former mapping.
    tried: int

    @override
    def __str__(self) -> str:
        error = plain(self.error if len(self.error) <= SHOWN else f"{self.error[:SHOWN]}…")
        return (
            f"{self.count} of the {self.tried} newest {plain(str(self.sort))} that were mirrored no longer "
            f"can be: {error} (event {plain(self.event_id)})"
        )


@dataclass(slots=True)
class Fit:
    """What the events of the ledger say about a changed mapping."""

    events: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    # Sorts of which more no longer fit than the configuration allows.
    refused: set[Sort] = field(default_factory=set)
    # Actions that were in a family and are in none.
    unrouted: list[str] = field(default_factory=list)
    # Sentences about columns that were given values and get none.
    emptied: list[str] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """What keeps a worker from starting."""
        return [
            Finding("tables.yaml", str(misfit).rstrip("."), CURE)
            for misfit in self.misfits
            if misfit.sort in self.refused
        ]


def require_fit(engine: Engine, config: Config, mapping: Mapping, *, accept: bool) -> None:
    """Try a mapping that differs from the one that wrote last, before anything is changed for it.

    Raises ``ConfigError`` when too much of what used to fit does not fit it, unless ``accept``;
    ``DatabaseOutage``.
    """
    if (fit := examine(engine, config, mapping)) is None:
        return
    log.info("the mapping changed: tried on the newest events", events=fit.events)
    for action in fit.unrouted:
        log.warning("no family claims the action any more; its events go to unrouted", action=action)
    for what in fit.emptied:
        log.warning("a column loses its values", what=what)
    if not accept and (findings := fit.findings()):
        raise ConfigError(findings)
    for misfit in fit.misfits:
        log.warning("events no longer fit the mapping", action=str(misfit.sort), what=str(misfit))


def examine(engine: Engine, config: Config, mapping: Mapping) -> Fit | None:
    """Try a mapping on the newest events of the ledger; None when it is the one that wrote last.

    Changes nothing. Raises ``DatabaseOutage``.
    """
    with transaction(engine) as connection:
        if steps.version_of(connection) != steps.NEWEST:
            return None
        recorded = rules.recorded(connection)
    if rules.stands(recorded, mapping):
        return None
    deadline = time.monotonic() + MOST_SECONDS
    former = former_mapping(config, recorded.get(rules.MAPPING, ""))
    rounds = _newest(engine, mapping.sorts, config.worker.rehearsal.events_per_action, deadline)
    mapped_before = None if former is None else Trial(None, former, deadline)
    trial = _try(engine, mapping, rounds, deadline, beside=mapped_before)
    # What the former mapping would refuse as well, such as events that came before it, does not count.
    before = _refused_before(engine, former, trial.refused)
    found = Fit(sum(trial.tried.values()))
    for sort, count in trial.tried.items():
        refused = {
            identity: poison
            for identity, (its_sort, poison) in trial.refused.items()
            if its_sort == sort and identity not in before
        }
        fitted = count - sum(trial.refused[identity][0] == sort for identity in before)
        if refused:
            found.misfits += _misfits(sort, refused, fitted)
            if len(refused) > config.worker.rehearsal.max_refused_share * fitted:
                found.refused.add(sort)
    if former is not None and mapped_before is not None:
        found.unrouted = sorted(former.routed - mapping.routed)
        emptied = _emptied(mapping, mapped_before, trial)
        # Refused events give no column a value; their refusal is reported once.
        found.emptied = [what for sort, what in emptied if sort not in found.refused]
    return found


def _misfits(sort: Sort, refused: Readonly[Identity, Poison], fitted: int) -> Iterator[Misfit]:
    """Refused events by what is wrong with them, the newest as the example."""
    kinds: dict[tuple[str, str], list[Identity]] = {}
    for identity, poison in refused.items():
        # Up to the colon an error names the field; what follows shows the value.
        kinds.setdefault((poison.reason, poison.error.partition(": ")[0]), []).append(identity)
    for identities in kinds.values():
        newest = identities[0]
        yield Misfit(sort, refused[newest].error, newest[0], len(identities), fitted)


def _refused_before(
    engine: Engine,
    former: Mapping | None,
    refused: Readonly[Identity, tuple[Sort, Poison]],
) -> set[Identity]:
    if former is None or not refused:
        return set()
    identities = list(refused)
    pages = [identities[start : start + ROUND] for start in range(0, len(identities), ROUND)]
    return set(_try(engine, former, pages, time.monotonic() + MOST_SECONDS).refused)


def _emptied(mapping: Mapping, before: Trial, now: Trial) -> Iterator[tuple[Sort, str]]:
    """Sorts with a column that they no longer give values: a path with a typing error fits all."""
    columns = {
        (sort, table.name, column.name)
        for table in mapping.tables
        for sort in table.row_specs
        for column in table.columns
    }
    for key in sorted(columns & before.filled.keys() - now.filled.keys()):
        sort, table, column = key
        what = f"{table}.{column} gets no value of {plain(str(sort))} any more"
        yield sort, f"{what}; {before.filled[key]} of the newest events gave it one"


def _try(
    engine: Engine,
    mapping: Mapping,
    rounds: Sequence[Sequence[Identity]],
    deadline: float,
    *,
    beside: Trial | None = None,
) -> Trial:
    """Try events; ``beside`` tries the same ones."""
    with scratch.empty_copies(engine, mapping) as copies:
        if copies is None:
            log.warning("the database's role may not create temporary tables: only the mapping is tried")
        trial = Trial(copies, mapping, deadline)
        for identities in rounds:
            if trial.over:
                break
            with transaction(engine) as connection:
                events = ledger.stored(connection, identities)
            here = [events[identity] for identity in identities if identity in events]
            trial.run(here)
            if beside is not None:
                beside.run(here)
    return trial


def _newest(engine: Engine, sorts: frozenset[Sort], per_sort: int, deadline: float) -> list[list[Identity]]:
    """Some of the newest events of every sort, then some more of every sort, newest first.

    They are fewer when the ledger is too large to look further back in time.
    Busy sorts are found in the first looks, so that the last, through all of it, is for rare ones.
    """
    found: dict[Sort, list[Identity]] = {sort: [] for sort in sorted(sorts)}
    until, now = None, clocks.now()
    for back in LOOKS:
        short = {sort: per_sort - len(some) for sort, some in found.items() if len(some) < per_sort}
        if not short:
            break
        since = None if back is None else now - back
        try:
            with transaction(engine) as connection:
                rows = newest_identities(connection, short, since, until, deadline)
        except DatabaseOutage:
            if time.monotonic() < deadline:
                raise
            log.warning("fewer events are tried: there was no time to look further back")
            break
        for sort, identity in rows:
            if len(found[sort]) < per_sort:
                found[sort].append(identity)
        until = since
    pages = [[some[start : start + ROUND] for start in range(0, len(some), ROUND)] for some in found.values()]
    return [[identity for page in turn for identity in page] for turn in zip_longest(*pages, fillvalue=())]
