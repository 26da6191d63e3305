"""``tables.yaml`` → a compiled mapping that reads an event into contributions.

Nothing here knows a table, a column or an action by name. ``Mapping.contributions`` is pure: one
event in, its contribution to each row that it touches out, or ``Poison`` when a value cannot be kept.
The fold then merges contributions (``fold.py``).
"""

from collections.abc import Sequence
from typing import Any, Protocol, Self

from pydantic import BaseModel

from connector import events
from connector.config import (
    Config,
    EntitySettings,
    FamilySettings,
    HookSettings,
    MirrorSettings,
    SourceSettings,
    Table,
)
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import storable
from connector.mirror.compiler import Compiler
from connector.mirror.entities import Entities
from connector.mirror.mapped import Contribution
from connector.mirror.projections import HydrationTable, ImpliedTable, Projection
from connector.mirror.reading import Reading

# Former names of tables and columns change nothing in a mapping.
NO_FORMER_NAMES: Any = {
    "tables": {"__all__": {"was": True, "key": {"__all__": {"was"}}, "columns": {"__all__": {"was"}}}}
}


class WrittenMapping(BaseModel):
    """What a mapping is compiled from, so that it can be compiled again when it is the former one."""

    families: dict[str, FamilySettings]
    tables: dict[str, Table]
    shops: dict[str, str] | None = None
    shop_of_source: tuple[str, str] | None = None
    # What is asked for which records; nothing of where and by whom.
    sources: SourceSettings | None = None

    @classmethod
    def of(cls, config: Config) -> Self:
        """What a mapping of this configuration is compiled from."""
        if (sources := config.sources) is not None:
            names = ("entity", "wanted_on", "get", "key", "implied")
            entities = {
                family: EntitySettings.model_construct(**{name: getattr(entity, name) for name in names})
                for family, entity in sources.entities.items()
            }
            sources = SourceSettings.model_construct(name=sources.name, shop=sources.shop, entities=entities)
        return cls(
            families=config.topics.families,
            tables=config.tables,
            shops=config.shops,
            shop_of_source=config.shop_of_source,
            sources=sources,
        )


class Mapping:
    """Every table, compiled; the same for the worker, the schema and the verifier.

    ``written`` is what it was compiled from, as JSON; ``by_shop`` says whether its tables keep shops apart;
    ``entities`` reads the entities of events; ``routed`` are the actions that a family claims, ``sorts``
    those of the events that a table takes. A table stands before those that hang on it, so that the lock of
    its row is theirs too.
    """

    def __init__(self, config: Config) -> None:
        compiler = Compiler(config)
        in_order = sorted(config.tables.items(), key=lambda named: named[1].parent is not None)
        mapped = [compiler.projection(name, table) for name, table in in_order]
        self.tables = (*mapped, HydrationTable.of(config), ImpliedTable.of(config))
        self.by_shop = config.shops is not None
        written = WrittenMapping.of(config)
        self.written = written.model_dump_json(exclude_defaults=True, exclude=NO_FORMER_NAMES)
        self.entities = Entities(config)
        self.routed = frozenset([action for _, action, _ in config.actions()])
        self._by_name = {table.name: table for table in self.tables}
        self.sorts = frozenset([sort for table in self.tables for sort in table.sorts])
        readings = {
            sort: _readings(sort, [table for table in self.tables if sort in table.row_specs])
            for sort in self.sorts
        }
        self._of_hooks = {sort.name: found for sort, found in readings.items() if not sort.of_source}
        self._of_sources = {sort.name: found for sort, found in readings.items() if sort.of_source}
        self._stored = reader(*self.tables)

    def table(self, name: str) -> Projection:
        """The table of that name; ``KeyError`` when there is none."""
        return self._by_name[name]

    def contributions(self, event: Event) -> list[Contribution]:
        """What ``event`` says for each row that it touches.

        Raises ``Poison`` when the event can never be mirrored: then no table takes any of it.
        """
        details = storable.details(event)
        of_hook = event.source_name is None
        readings = self._of_hooks.get(event.action) if of_hook else self._of_sources.get(event.family)
        if readings is None:
            return []
        rows = events.row_objects(details)
        if not rows or not (of_hook or isinstance(details, dict)):
            raise _no_rows(event)
        found: list[Contribution] = []
        for reading in readings:
            found += reading.contributions(event, rows)
        return found

    def stored_contributions(self, event: Event) -> list[Contribution]:
        """What an event of the ledger says for each row that it touches."""
        return self._stored(event)


def former_config(config: Config, written: str) -> Config | None:
    """A configuration with the tables of a mapping's ``written``; None where that cannot be read."""
    try:
        former = WrittenMapping.model_validate_json(written, strict=True)
    except ValueError:  # of a connector before this one, or after it
        return None
    parts: dict[str, Any] = {
        "topics": config.topics.model_copy(update={"families": former.families}),
        "tables": former.tables,
        "hooks": {hook: HookSettings(shop=shop) for hook, shop in (former.shops or {}).items()},
        "mirror": MirrorSettings(key_by_shop=former.shops is not None),
    }
    if former.sources is not None:
        parts["sources"] = former.sources
    elif config.sources is not None:
        name, shop = former.shop_of_source or (config.sources.name, None)
        parts["sources"] = config.sources.model_copy(update={"name": name, "shop": shop})
    return config.model_copy(update=parts).with_shop_of_source(former.shop_of_source)


def former_mapping(config: Config, written: str) -> Mapping | None:
    """The same, compiled; None where this connector cannot do that either."""
    try:
        former = former_config(config, written)
        return None if former is None else Mapping(former)
    except (ValueError, LookupError):
        return None


def sources_of(written: str) -> SourceSettings | None:
    """The sources of a mapping's ``written``, without their address; None where it has none."""
    try:
        return WrittenMapping.model_validate_json(written, strict=True).sources
    except ValueError:
        return None


class Read(Protocol):
    """Reads an event of the ledger for tables; ``left_out`` takes what does not fit."""

    def __call__(self, event: Event, left_out: list[Poison] | None = None) -> list[Contribution]:
        """What the event says; never raises for what it holds."""


def reader(*tables: Projection) -> Read:
    """Reads events of the ledger for these tables.

    The ledger holds what was accepted, so nothing in it is refused: no limit of intake applies, and what
    a table cannot hold, because the mapping or the connector was another one then, is left out.
    """
    by_sort = {
        sort: _readings(sort, [table for table in tables if sort in table.row_specs], stored=True)
        for sort in {sort for table in tables for sort in table.row_specs}
    }

    def read(event: Event, left_out: list[Poison] | None = None) -> list[Contribution]:
        readings = by_sort.get(event.sort)
        if readings is None or (event.entity_key is None and event.source_name is not None):
            return []  # a record without a key is a forgotten one
        try:
            rows = events.row_objects(events.exact_json.decode(event.details))
        except events.JSON_ERRORS:
            rows = []
        if not rows and left_out is not None:
            left_out.append(_no_rows(event))
        return [one for reading in readings for one in reading.contributions(event, rows, left_out)]

    return read


def _no_rows(event: Event) -> Poison:
    what = "Details must be an object or an array of objects."
    return Poison("details-kind", what if event.source_name is None else "A record must be an object.")


def _readings(sort: Sort, tables: Sequence[Projection], *, stored: bool = False) -> list[Any]:
    """One reading for all parts of tables that split the row objects of a sort of events alike."""
    own = {table: reading for table in tables if (reading := table.own_reading(sort))}
    parts = [part for table in tables if table not in own for part in table.parts(sort)]
    ways = dict.fromkeys(part.each for part in parts)
    shared = [Reading([part for part in parts if part.each == each], stored=stored) for each in ways]
    return [*shared, *own.values()]
