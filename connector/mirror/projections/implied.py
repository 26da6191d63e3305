"""Hooks that records imply, and those that came: the table ``implied_hooks`` (docs/contract.md, Tables).

A record whose rows are picked implies that the hook OrderPicked came (``implied`` of ``sources.yaml``).
``implied_at`` is the time of the oldest snapshot that says so, ``hooked_at`` is when the first such hook
occurred, ``created_at`` is since when the record is there, as it says itself. The table is folded from events
as every table is, so a hook that comes late is no longer missing, and a rebuild makes the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Index
from typing_extensions import override

from connector.config import Config, paths
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import values
from connector.mirror.mapped import Contribution, MappedColumn, MappedTable, Row, RowSpec
from connector.mirror.models import only
from connector.mirror.projections.record_fold import KEY, RecordFold, keys_of, shops

NAME = "implied_hooks"
# SQL for what a record implies and no hook brought; an index holds just these rows.
MISSING = "implied_at IS NOT NULL AND hooked_at IS NULL"
# Of local times in records, as tables of records have it where they name none.
TIME_ZONE = "Europe/Stockholm"


class Implies(NamedTuple):
    """What events of a sort say: hooks are an action of a family, records imply actions of theirs.

    ``key_paths`` lead to the parts of the entity key in row objects of hooks. ``signs`` have by action where
    a record says so and with which texts, and ``created`` leads to its date.
    """

    family: str
    action: str = ""
    key_paths: tuple[tuple[str, ...], ...] = ()
    source: str = ""
    created: tuple[str, ...] = ()
    signs: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()


@dataclass(frozen=True, eq=False)
class ImpliedTable(RecordFold):
    """One row per record and action that it implies, or that a hook brought."""

    rules: Mapping[Sort, Implies] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> "ImpliedTable":
        """The table as ``sources.yaml`` has it."""
        rules = _rules(config)
        of_hooks, shop = shops(config)
        columns = (
            MappedColumn(
                "implied_at", "timestamp", "min", "When a record was fetched that implies it (UTC)."
            ),
            MappedColumn("hooked_at", "timestamp", "min", "When the first such hook occurred (UTC)."),
            MappedColumn("created_at", "timestamp", "min", "Since when the record is there (UTC)."),
        )
        written = f"implied {[(str(sort), tuple(rules[sort])) for sort in sorted(rules)]}"
        return cls(
            name=NAME,
            description="Hooks that records imply; missing where implied_at is set and hooked_at is not.",
            key=(*KEY, MappedColumn("action", "text", "plain", "Action of the hook.")),
            columns=columns,
            indexes=(),
            each=None,
            requires=(),
            row_specs=dict.fromkeys(rules, RowSpec((), ())),
            written=written + (f" {shop} {of_hooks.of_hook}" if of_hooks else ""),
            rules=rules,
            shop_of=of_hooks.reader() if of_hooks else lambda _: "",
            shop=shop,
        )

    @override
    def own_reading(self, sort: Sort) -> "_ImpliedReading":
        return _ImpliedReading(self, self.rules[sort])

    @override
    def own_indexes(self) -> list[Index]:
        return [Index("ix_implied_hooks_missing", "family", "implied_at", **only(MISSING))]


class _ImpliedReading:
    """Reads the events of one sort for the table; what has no key of a record is left out."""

    def __init__(self, table: ImpliedTable, rule: Implies) -> None:
        self._table = table
        self._rule = rule
        self._instant = values.timestamp_of_record(TIME_ZONE)

    def contributions(
        self, event: Event, rows: Sequence[Row], _left_out: list[Poison] | None = None
    ) -> list[Contribution]:
        """See ``Reading.contributions``; never raises."""
        table: MappedTable = self._table
        rule, shop = self._rule, self._table.shop
        if event.source_name is None:
            if not rule.action or self._table.shop_of(event) != shop:
                return []
            return [
                Contribution(table, (shop, rule.family, key, rule.action), (None, event.occurred_at, None))
                for key in keys_of(event, rows, rule.key_paths)
            ]
        if event.source_name != rule.source or not event.entity_key or event.is_gone:
            return []
        return [
            Contribution(
                table,
                (shop, rule.family, event.entity_key, action),
                (event.occurred_at, None, self._created(record)),
            )
            for record in rows[:1]
            for action, path, texts in rule.signs
            if any(not texts or one in texts for one in _found(record, path))
        ]

    def _created(self, record: Row) -> int | None:
        for found in _found(record, self._rule.created):
            with suppress(Poison):
                instant: int | None = self._instant(found)
                return instant
        return None


def _found(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands at a path of a record, in each object of arrays on the way; nothing that is null."""
    if isinstance(value, list):
        for one in value:
            yield from _found(one, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from _found(value.get(path[0]), path[1:])


def _rules(config: Config) -> dict[Sort, Implies]:
    """By sort of events what they say; nothing while no source is configured."""
    rules: dict[Sort, Implies] = {}
    if (sources := config.sources) is None:
        return rules
    routes = {action: route.paths for _, action, route in config.actions()}
    for family, entity in sources.entities.items():
        if (implied := entity.implied) is None:
            continue
        for action in implied.actions:
            key_paths = tuple([paths.keys(path) for path in routes.get(action, ())])
            rules[Sort(action)] = Implies(family, action, key_paths)
        rules[Sort(family, of_source=True)] = Implies(
            family,
            source=sources.name,
            created=paths.keys(implied.created_path),
            signs=tuple(
                [(action, paths.keys(one.path), one.texts) for action, one in implied.actions.items()]
            ),
        )
    return rules
