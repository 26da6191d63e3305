"""Replays dead letters with the present configuration (docs/contract.md, Dead letters).

A letter of the gateway is translated again from the raw notification (or the raw body) by the
gateway's own code, as received then: same event id, same instants, so a late replay ends in the same
rows as a timely arrival. A letter of the worker is the event itself, routed again. One of the hydrator
names a record, which is asked for again as background work. What is still bad stays parked and says why;
the rest is published, acknowledged, and marked ``replayed``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from connector import clocks, events
from connector.config import Config
from connector.errors import KafkaOutage, Poison, StartupError
from connector.events import DeadLetter, Event, Identity
from connector.kafka.tool import Publish, publishing
from connector.mirror import database, schema
from connector.mirror.dry_run import DryRun, Effects
from connector.mirror.hydration import DueKeys
from connector.mirror.letters import PARKED, REPLAYED, REPLAYED_AT, Letters, StoredLetter
from connector.mirror.mapping import Mapping
from connector.replay.origin import completed
from connector.replay.plans import Planner, ReplayPlan, is_body

# Letters per transaction; each may hold a body of the gateway's largest size.
PAGE = 32


@dataclass(slots=True)
class Outcome:
    """What was done, or would be."""

    done: list[ReplayPlan] = field(default_factory=list)
    still_bad: list[ReplayPlan] = field(default_factory=list)
    # Letters that were not parked (any more): id → state.
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing was left and nothing came back as a dead letter."""
        return not (self.still_bad or self.refused or any(plan.new_letters for plan in self.done))

    def sort(self, plans: Sequence[ReplayPlan]) -> None:
        """Add plans, by whether they can be replayed."""
        for plan in plans:
            (self.still_bad if plan.fault else self.done).append(plan)


class Replay:
    """Replays dead letters of one mirror; blocking."""

    def __init__(
        self, config: Config, *, dry_run: bool = False, clock: Callable[[], int] = clocks.now
    ) -> None:
        """Raises ``StartupError`` when the mirror was made with another configuration.

        With ``dry_run`` nothing is published or changed, and it only reads a mirror in SQLite. ``clock``
        gives microseconds since the epoch.
        """
        self._clock = clock
        self._config = config
        reads = dry_run and database.file_of(config.database) is not None
        self._engine = database.connect(config.database, access="read" if reads else "write")
        self._mapping = Mapping(config)
        self._planner = Planner(config, self._mapping)
        self._letters = Letters(self._engine)
        self._letters.require()
        if state := schema.state(self._engine, self._mapping):
            cure = "start the worker with this configuration first: it brings the tables up to it"
            raise StartupError(f"The mirror is not as this configuration says: {state}.", cure)

    # --- Dry run ---

    def preview(self, ids: Sequence[str]) -> tuple[Outcome, Effects]:
        """What a replay would publish and change; nothing is published or changed.

        An event that only the database refuses counts as still bad.
        """
        outcome = Outcome()
        for plans in self._pages(ids, outcome):
            outcome.sort(plans)
        by_identity = {event.identity: event for plan in outcome.done for event in plan.events}
        unmappable = self._unmappable(by_identity.values())
        sink = DryRun(self._engine, self._mapping, schema.fingerprint(self._mapping), self._clock)
        effects = sink.run([event for event in by_identity.values() if event.identity not in unmappable])
        effects.refused |= unmappable
        for plan in outcome.done[:]:
            fault = (
                None if is_body(plan.letter) or plan.asks else effects.refused.get(plan.events[0].identity)
            )
            if fault:
                outcome.done.remove(plan)
                outcome.sort([ReplayPlan(plan.letter, fault=fault)])
        return outcome, effects

    def _unmappable(self, events_: Iterable[Event]) -> dict[Identity, Poison]:
        """Events, out of whole bodies, that the worker would park."""
        found: dict[Identity, Poison] = {}
        for event in events_:
            try:
                self._mapping.contributions(event)
            except Poison as poison:
                found[event.identity] = poison
        return found

    # --- Replay ---

    def run(self, ids: Sequence[str]) -> Outcome:
        """Replay these letters; raises ``Outage``, and what was done before it stays done."""
        outcome = Outcome()
        try:
            with publishing(self._config) as publish:
                for plans in self._pages(ids, outcome):
                    self._replay(publish, plans, outcome)
        except KafkaOutage as error:
            done = len(outcome.done)
            what = f"{error} {done} dead letters were replayed before that, the others stay parked."
            raise KafkaOutage(f"{what} Run it again when Kafka is back.") from error
        return outcome

    def _replay(self, publish: Publish, plans: Sequence[ReplayPlan], outcome: Outcome) -> None:
        """Publish a page of plans and mark their letters, or neither.

        The mark is made before and committed after the acknowledgements, so that what the worker
        parks in answer waits for the lock; and a crash in between leaves the letters parked: to
        publish twice has no effect, to forget one would. Its instant lies after the letters and goes
        with the records, so that the answer lies after it whatever the clocks say (``letters.py``).
        """
        page = Outcome()
        page.sort(plans)
        good = [plan.letter.dead_letter_id for plan in page.done]
        at = max([self._clock(), *(events.from_iso(plan.letter.parked_at) for plan in page.done)])
        # Before the mark: to ask twice costs a request. On SQLite the mark holds the lock of all writers.
        shop = self._config.sources.shop if self._config.sources and self._config.shops is not None else None
        DueKeys(self._engine, shop=shop or "", hydrator="").ask(plan.asks for plan in page.done if plan.asks)
        replayed_at = (REPLAYED_AT, events.iso(at).encode())
        with self._letters.change(good, REPLAYED, at) as marked:
            going = [plan for plan in page.done if plan.letter.dead_letter_id in marked]
            publish(
                [  # a new dead letter answers no replay
                    one if one.parked else one._replace(headers=[*one.headers, replayed_at])
                    for plan in going
                    for one in plan.records
                ]
            )
        outcome.sort([plan.light() for plan in (*going, *page.still_bad)])
        gone = [letter_id for letter_id in good if letter_id not in marked]
        outcome.refused |= {stored.id: stored.state for stored in self._letters.load(gone)}

    def _pages(self, ids: Sequence[str], outcome: Outcome) -> Iterator[list[ReplayPlan]]:
        """Plans of the letters that are parked, in pages; the others are noted as refused."""
        for start in range(0, len(ids), PAGE):
            page: list[StoredLetter] = self._letters.load(ids[start : start + PAGE])
            outcome.refused |= {one.id: one.state for one in page if one.state != PARKED}
            yield [self._plan(one.letter) for one in page if one.state == PARKED]

    def _plan(self, letter: DeadLetter) -> ReplayPlan:
        try:
            return self._planner.plan(completed(letter, self._config.kafka))
        except Poison as poison:
            return ReplayPlan(letter, fault=poison)
