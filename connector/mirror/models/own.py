"""What the connector's own tables have in common: the base of their models, and the columns' types."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Dialect, Index, Integer, Table, text
from sqlalchemy.orm import declared_attr, registry
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel
from typing_extensions import override

from connector import events
from connector.mirror import dialects
from connector.mirror.dialects.dialect import Columns


class Instant(TypeDecorator[str]):
    """An instant, in Python ISO-8601 UTC text with microseconds."""

    impl = dialects.column_type("timestamp")
    cache_ok = True

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return events.iso(events.microseconds(value)) if isinstance(value, datetime) else value


# Types of columns: those that each database declares, then of whole numbers that 32 bits hold.
DECLARED = ("text", "exact", "numeric", "boolean", "integer", "json", "binary")
TYPES: dict[str, TypeEngine[Any]] = {name: dialects.column_type(name) for name in DECLARED}
TYPES |= {"timestamp": Instant(), "small": Integer()}
SOURCE = "Where the event came from; with event_id its identity."


def in_batch(type_: str) -> str:
    """What one of ``TYPES`` is in a batch: the ``type`` in the ``info`` of every column."""
    return {"exact": "text", "small": "integer"}.get(type_, type_)


def column(type_: str, comment: str, *, key: bool = False, **info: Any) -> Any:
    """A column of one of ``TYPES`` with its comment; part of the primary key where ``key``.

    ``of`` names the attribute that fills it, where that has another name (``ledger.py``), ``hidden`` keeps it
    out of the view, and ``shown`` is SQL for what the view has of it (``shown.py``).
    """
    declared: Any = TYPES[type_]
    info["type"] = in_batch(type_)
    return Field(sa_type=declared, primary_key=key, sa_column_kwargs={"comment": comment, "info": info})


def only(rows: str) -> dict[str, Any]:
    """Options of an index over the rows for which this SQL is true."""
    return dialects.options(lambda _: {"where": text(rows)})


class Own(SQLModel, registry=registry()):
    """One of the connector's own tables."""

    __table__: ClassVar[Table]
    indexes: ClassVar[tuple[Index, ...]] = ()

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> Any:
        return (
            *cls.indexes,
            {"comment": cls.__doc__, **dialects.options(lambda dialect: dialect.table_arguments)},
        )

    @classmethod
    def columns(cls, *left_out: str) -> Columns:
        """Names and types, as a batch takes them."""
        found = cls.__table__.columns
        return tuple((one.name, one.info["type"]) for one in found if one.name not in left_out)

    @classmethod
    def key(cls) -> Columns:
        """Names and types of the primary key."""
        return tuple(one for one in cls.columns() if one[0] in cls.__table__.primary_key.columns)


def names(columns: Columns) -> str:
    """Names of columns as SQL lists them."""
    return ", ".join(name for name, _ in columns)
