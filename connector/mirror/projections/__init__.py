"""Kinds of tables: each is one class, a ``Projection``; no other module asks which kind a table is."""

from collections.abc import Mapping

from connector.mirror.projections.history import HistoryTable
from connector.mirror.projections.hydration import HydrationTable
from connector.mirror.projections.implied import ImpliedTable
from connector.mirror.projections.projection import Projection
from connector.mirror.projections.snapshot import SnapshotRows, SnapshotTable
from connector.mirror.projections.state import StateTable

__all__ = [
    "CHILDREN",
    "KINDS",
    "HistoryTable",
    "HydrationTable",
    "ImpliedTable",
    "Projection",
    "SnapshotRows",
    "SnapshotTable",
    "StateTable",
]

# By what ``tables.yaml`` calls them; of those with a parent in ``CHILDREN``.
KINDS: Mapping[str, type[Projection]] = {
    "state": StateTable,
    "history": HistoryTable,
    "snapshot": SnapshotTable,
}
CHILDREN: Mapping[str, type[Projection]] = {"snapshot": SnapshotRows}
