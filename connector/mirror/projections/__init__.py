"""Kinds of tables: each is one class, a ``Projection``; no other module asks which kind a table is."""

from collections.abc import Mapping

from connector.mirror.projections.history import HistoryTable
from connector.mirror.projections.projection import Projection
from connector.mirror.projections.state import StateTable

__all__ = ["KINDS", "HistoryTable", "Projection", "StateTable"]

# By what ``tables.yaml`` calls them.
KINDS: Mapping[str, type[Projection]] = {"state": StateTable, "history": HistoryTable}
