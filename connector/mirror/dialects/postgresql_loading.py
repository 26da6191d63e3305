"""Whole tables out of PostgreSQL and into it (``copying.py``)."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Table, event
from typing_extensions import override

from connector.mirror.dialects.dialect import Columns, Dialect

PORTABLE = {
    "numeric": "{0}::text",
    "json": "{0}::text",
    # Beyond that, to_char drops what is infinite, and the era.
    "timestamp": """CASE WHEN {0} BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE {0}::text END""",
    "boolean": "{0}::int",
}
FETCHED_ROWS = 32  # at once; each may be as large as a delivery
COPY_LINE = re.compile(r"line ([0-9]+)")


class Loading(Dialect):
    """What a dialect of PostgreSQL does for ``copying.py``."""

    @override
    def for_loading(self, engine: Engine) -> None:
        @event.listens_for(engine, "begin")
        def _on_begin(connection: Connection) -> None:
            # What is written may be long in coming.
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    @override
    def load_order(self, table: Table) -> list[str]:
        # A BRIN index says which values lie together, and is of use only where alike ones do.
        together = (one for one in table.indexes if one.dialect_options["postgresql"]["using"] == "brin")
        first = [column.name for index in together for column in index.columns]
        return [*first, *super().load_order(table)]

    @override
    def hold(self, connection: Connection, tables: Collection[str]) -> None:
        # Batches go on beside that; a change of columns would have a snapshot see rewritten tables as empty.
        listed = ", ".join(f'"{table}"' for table in tables)
        connection.exec_driver_sql(f"LOCK TABLE {listed} IN ACCESS SHARE MODE")

    @override
    def portable(self, column: str, type_: str) -> str:
        return PORTABLE.get(type_, "{0}").format(column)

    @override
    def stream(self, connection: Connection, query: str) -> Iterator[tuple[Any, ...]]:
        driver: Any = connection.connection.driver_connection
        size = FETCHED_ROWS if psycopg.capabilities.has_stream_chunked() else 1
        rows: Iterator[tuple[Any, ...]] = driver.cursor().stream(query, size=size)
        return rows

    @override
    def load(
        self, connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
    ) -> None:
        names = ", ".join(f'"{name}"' for name, _ in columns)
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)

    @override
    def refused_row(self, error: psycopg.Error) -> int | None:
        line = COPY_LINE.search(error.diag.context or "")
        return int(line[1]) if line else None
