"""Which records hooks ask for, and which are fetched: the table ``hydration`` (docs/contract.md, Tables).

It is folded from events as every table is, so that a rebuild makes it again. ``wanted_at`` is when the
newest hook occurred that asks for a record (``wanted_on`` of ``sources.yaml``), ``fetched_at`` is the time
of the newest snapshot, or of the newest answer that there is no such record. Where the first is later than
the second, the record is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Index
from typing_extensions import override

from connector.config import Config, paths
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror.mapped import Cells, Contribution, MappedColumn, MappedTable, Row, RowSpec
from connector.mirror.models import only
from connector.mirror.projections.record_fold import KEY, RecordFold, keys_of, shops

NAME = "hydration"
# SQL for what hooks want and the mirror has not; an index holds just these rows.
DUE = "wanted_at IS NOT NULL AND (fetched_at IS NULL OR fetched_at < wanted_at)"


class Ask(NamedTuple):
    """What events of a sort say of records of a family.

    Hooks ask for them, and ``key_paths`` lead to the parts of the entity key in their row objects; else
    ``source`` is the source whose snapshots they are.
    """

    family: str
    source: str | None = None
    key_paths: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class HydrationTable(RecordFold):
    """One row per record that a hook asked for or that was fetched; empty while no source is configured."""

    asks: Mapping[Sort, Sequence[Ask]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> "HydrationTable":
        """The table as ``sources.yaml`` has it."""
        asks = _asks(config)
        of_hooks, shop = shops(config)
        columns = (
            MappedColumn("wanted_at", "timestamp", "max", "When a hook last asked for the record (UTC)."),
            MappedColumn("fetched_at", "timestamp", "max", "When the newest snapshot was asked for (UTC)."),
        )
        rule = [(str(sort), [*map(tuple, asks[sort])]) for sort in sorted(asks)]
        written = f"hydration {rule}" + (f" {shop or None} {of_hooks.of_hook}" if of_hooks else "")
        return cls(
            name=NAME,
            description="Records that hooks ask for: due where wanted_at is later than fetched_at.",
            key=KEY,
            columns=columns,
            indexes=(),
            each=None,
            requires=(),
            row_specs=dict.fromkeys(asks, RowSpec((), ())),
            written=written,
            asks=asks,
            shop_of=of_hooks.reader() if of_hooks else lambda _: "",
            shop=shop,
        )

    @override
    def own_reading(self, sort: Sort) -> "_HydrationReading":
        return _HydrationReading(self, self.asks[sort])

    @override
    def own_indexes(self) -> list[Index]:
        return [Index("ix_hydration_due", "family", "wanted_at", **only(DUE))]


class _HydrationReading:
    """Reads the events of one sort for the table; what has no key of a record is left out."""

    def __init__(self, table: HydrationTable, asks: Sequence[Ask]) -> None:
        self._table = table
        self._wants = [ask for ask in asks if ask.source is None]
        self._fetched = [ask for ask in asks if ask.source is not None]

    def contributions(
        self, event: Event, rows: Sequence[Row], _left_out: list[Poison] | None = None
    ) -> list[Contribution]:
        """See ``Reading.contributions``; never raises."""
        table: MappedTable = self._table
        shop = self._table.shop
        if event.source_name is not None:
            cells: Cells = (None, event.occurred_at)
            return [
                Contribution(table, (shop, ask.family, event.entity_key), cells)
                for ask in self._fetched
                if ask.source == event.source_name and event.entity_key
            ]
        if not self._wants or self._table.shop_of(event) != shop:
            return []
        cells = (event.occurred_at, None)
        return [
            Contribution(table, (shop, ask.family, key), cells)
            for ask in self._wants
            for key in keys_of(event, rows, ask.key_paths)
        ]


def _asks(config: Config) -> dict[Sort, list[Ask]]:
    """By sort of events what they say of records; nothing while no source is configured."""
    asks: dict[Sort, list[Ask]] = {}
    if (sources := config.sources) is None:
        return asks
    routes = {action: route.paths for _, action, route in config.actions()}
    for family, entity in sources.entities.items():
        for action in entity.wanted_on:
            key_paths = tuple([paths.keys(path) for path in routes.get(action, ())])
            asks.setdefault(Sort(action), []).append(Ask(family, None, key_paths))
        asks[Sort(family, of_source=True)] = [Ask(family, sources.name)]
    return asks
