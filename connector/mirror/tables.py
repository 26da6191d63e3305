"""The mirror's tables as SQLAlchemy has them: the connector's own (``models/``) and those of the mapping.

All are in one metadata per ``Tables``, so two configurations can live in one process.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from connector.mirror import dialects, models
from connector.mirror.mapped import MappedColumn, MappedTable
from connector.mirror.mapping import Mapping

MAX_NAME = 63  # bytes, on PostgreSQL
# In a column's ``info``: it holds what the connector itself keeps of a row's events.
FACT = "fact"
# In a table's ``info``: ``MappedTable.visible``.
VISIBLE = "visible"


class Tables:
    """All tables that a mapping needs."""

    def __init__(self, mapping: Mapping) -> None:
        self.metadata = MetaData()
        self.by_shop = mapping.by_shop
        for own in models.Own.metadata.sorted_tables:
            own.to_metadata(self.metadata)
        for table in mapping.tables:
            indexes = [Index(_index_name(table.name, columns), *columns) for columns in table.indexes]
            Table(
                table.store,
                self.metadata,
                *mapped_columns(table),
                PrimaryKeyConstraint(*[column.name for column in table.key]),
                *indexes,
                *table.own_indexes(),
                comment=table.description or None,
                info={VISIBLE: table.visible},
                **dialects.options(lambda dialect: dialect.table_arguments),
            )


def _index_name(table: str, columns: Sequence[str]) -> str:
    """A name that no other columns of no other table give: ``$`` can stand in none of their names."""
    name = "$".join([f"ix_{table}", *columns])
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME - len(digest) - 1]}${digest}"


def mapped_columns(table: MappedTable) -> list[Column[Any]]:
    """Columns of a mapped table in the order in which ``SELECT *`` shows them."""
    columns = [
        _mapped(column, primary_key=True, nullable=False) if column in table.key else _mapped(column)
        for column in table.layout
    ]
    for fact in table.facts:
        type_ = "exact" if fact.exact else fact.type
        info = {FACT: True} if fact.shown else {FACT: True, "hidden": True}
        columns.append(_kept(fact.name, type_, fact.comment, info=info, nullable=fact.nullable))
    for column in table.columns:
        if column.version:
            comment = f"Version of the event that gave {column.name} (connector's own)."
            columns.append(_kept(column.version, "exact", comment, server_default=""))
    if table.stamped:
        columns.append(_kept("mirrored_at", "timestamp", "When the row last changed here (UTC)."))
    return columns


def _kept(
    name: str, type_: str, comment: str, *, info: dict[str, bool] | None = None, **options: Any
) -> Column[Any]:
    noted = {"type": models.in_batch(type_), **(info or {})}
    return Column(name, models.TYPES[type_], comment=comment, info=noted, **{"nullable": False} | options)


def _mapped(column: MappedColumn, **options: Any) -> Column[Any]:
    exact = options.get("primary_key") and column.type == "text"
    if column.merge == "count":
        options |= {"nullable": False, "server_default": "0"}
    options |= {"comment": column.description or None, "info": {"type": column.type}}
    return Column(column.name, models.TYPES["exact" if exact else column.type], **options)
