"""What readers see of the tables: a view of each, without what only the connector needs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Numeric, Table, inspect

from connector.config import SHOP_COLUMN
from connector.mirror import dialects
from connector.mirror.dialects.dialect import literal
from connector.mirror.mapped import logical
from connector.mirror.models import OWN as OWN_TABLES
from connector.mirror.models import SOURCE
from connector.mirror.statements import quoted
from connector.mirror.tables import VISIBLE, Tables

# Tables of the connector's own that people read.
OWN = ("notifications", "dead_letters", "consumer_offsets")
# What says of a row of a history table which event it is from.
EVENT = {
    "event_id": "The event, as in notifications.",
    "row_index": "Which of the event's row objects it is, from 0.",
    "source": SOURCE,
}


class ViewDefinition(NamedTuple):
    """A view as it should be; ``columns`` are comments by column."""

    name: str
    select: str
    comment: str
    columns: Mapping[str, str] = {}

    def statements(self, schema: str, dialect: dialects.Dialect) -> list[str]:
        """DROP, CREATE, and COMMENT where there are any; ``schema`` stands before the name."""
        name = schema + quoted(self.name)
        made = [f"DROP VIEW IF EXISTS {name}", f"CREATE VIEW {name} AS {self.select}"]
        comments = self.comments(schema) if dialect.compiler.supports_comments else {}
        return [*made, *comments.values()]

    def comments(self, schema: str) -> dict[str, str]:
        """COMMENT of each column, and of the view under an empty name, as PostgreSQL takes them."""
        name = schema + quoted(self.name)
        made = {"": f"COMMENT ON VIEW {name} IS {literal(self.comment)}"} if self.comment else {}
        for column, comment in self.columns.items():
            made[column] = f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(comment)}"
        return made


def of_tables(
    tables: Tables, dialect: dialects.Dialect, removed: Mapping[str, Sequence[Any]]
) -> Iterator[ViewDefinition]:
    """The view of each table; ``removed`` are columns by table that only the database still has."""
    for table in tables.metadata.sorted_tables:
        name = logical(table.name)
        if table.name not in OWN_TABLES or name in OWN:
            last = SHOP_COLUMN if tables.by_shop and table.name not in OWN_TABLES else ""
            yield _of_table(name, table, dialect, removed.get(table.name, ()), last)


def removed_columns(connection: Connection, tables: Tables) -> dict[str, list[Any]]:
    """Columns, as SQLAlchemy reads them, that tables have and the mapping no longer has."""
    names = [name for name in tables.metadata.tables if name not in OWN_TABLES]
    found = inspect(connection).get_multi_columns(filter_names=names)
    return {
        table: [
            one for one in found.get((None, table), ()) if one["name"] not in tables.metadata.tables[table].c
        ]
        for table in names
    }


def _of_table(
    name: str, table: Table, dialect: dialects.Dialect, removed: Sequence[Any], last: str
) -> ViewDefinition:
    columns = [
        (column.name, column.type, column.comment) for column in table.columns if "hidden" not in column.info
    ]
    elsewhere = {column.name: column.info["shown"] for column in table.columns if "shown" in column.info}
    columns += [(one["name"], one["type"], None) for one in removed if one["name"] != "last_version"]
    columns.sort(key=lambda column: column[0] == last)
    shown = [column for column in columns if not column[0].endswith("__version")]
    listed = []
    for column, type_, _ in shown:
        if column in elsewhere:
            listed.append(f"{elsewhere[column]} AS {column}")
        else:
            is_number = isinstance(type_, Numeric)
            listed.append(number(quoted(column), dialect) if is_number else quoted(column))
    described = EVENT if EVENT.keys() <= {*table.columns.keys()} else {}
    comments = {column: text for column, _, comment in shown if (text := comment or described.get(column))}
    visible = f" WHERE {where}" if (where := table.info.get(VISIBLE)) else ""
    select = f"SELECT {', '.join(listed)} FROM {quoted(table.name)}{visible}"
    return ViewDefinition(name, select, table.comment or "", comments)


def number(column: str, dialect: dialects.Dialect) -> str:
    """A numeric of the store as a number with the same name."""
    return column if (shown := dialect.number(column)) == column else f"{shown} AS {column}"
