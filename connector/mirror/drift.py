"""How rows of the mirror differ from what the source says of a record now: the comparison of an audit."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Connection

from connector import events
from connector.config import Config, paths
from connector.errors import Poison
from connector.events import Event, Sort
from connector.mirror import values, verify
from connector.mirror.comparison import Values
from connector.mirror.mapped import Key
from connector.mirror.mapping import Mapping as Tables
from connector.mirror.mapping import reader
from connector.mirror.projections import Projection

GONE = "gone_at"


class Difference(NamedTuple):
    """A cell of a row that differs, or with no column a row that only one of both has (then its JSON)."""

    entity_key: str
    table: str
    row_key: str
    column: str
    mirrored: str | None
    source: str | None


class RecordTables:
    """The tables of one family's records, and those of hooks that report what its records say too."""

    def __init__(self, config: Config, mapping: Tables, family: str) -> None:
        of_family = Sort(family, of_source=True)
        chosen = [mapping.table(name) for name in config.tables]
        self._tables = [(table, reader(table)) for table in chosen if of_family in table.sorts]
        self._reported: dict[Projection, dict[str, tuple[str, ...]]] = {}
        sources = config.sources
        self._shop = ((sources.shop if sources else None) or "",) if mapping.by_shop else ()
        for name, path in (sources.entities[family].reported if sources else {}).items():
            table, _, column = name.partition(".")
            self._reported.setdefault(mapping.table(table), {})[column] = paths.keys(path)

    def differences(self, connection: Connection, answers: Iterable[Event]) -> list[Difference]:
        """How the rows of records differ from these snapshots, each of another record."""
        found: list[Difference] = []
        given = list(answers)
        for table, read in self._tables:
            due = {event.entity_key or "": verify.expected(table, [event], read) for event in given}
            groups = table.groups(key for rows in due.values() for key in rows)
            stored: dict[Key, dict[Key, Values]] = {}
            for key, row in verify.actual(table, connection, groups).items():
                stored.setdefault(key[: table.group], {})[key] = row
            for event in given:
                rows = due[event.entity_key or ""]
                of_record = {
                    key: row for group in table.groups(rows) for key, row in stored.get(group, {}).items()
                }
                found += _compare(event, table, rows, of_record)
        # The rows that went with a record that is gone say no more than that.
        gone = {one.entity_key for one in found if one.column == GONE and one.mirrored is None}
        return [one for one in found if one.column == GONE or one.entity_key not in gone]

    def reported(self, connection: Connection, answers: Iterable[Event]) -> list[Difference]:
        """Where rows of hooks have another number than these snapshots (``Entity.reported``)."""
        given = {event.entity_key or "": events.exact_json.decode(event.details) for event in answers}
        found: list[Difference] = []
        for table, columns in self._reported.items():
            types = {column.name: column.type for column in table.columns}
            for record, row in self._of_hooks(connection, table, given).items():
                for column, path in columns.items():
                    mirrored, type_ = row[column], types[column]
                    try:
                        source = values.READERS[type_](events.value_at(given[record], path))
                    except Poison:
                        continue  # it cannot be compared
                    if mirrored is not None and mirrored != source:
                        texts = _text(mirrored, type_), _text(source, type_)
                        found.append(Difference(record, table.name, "", column, *texts))
        return found

    def _of_hooks(
        self, connection: Connection, table: Projection, records: Iterable[str]
    ) -> dict[str, Values]:
        """By entity key the row that a table of hooks has of it."""
        keys: dict[Key, str] = {}
        for places, record in product(table.entities or (), records):
            parts, first = record.split("|"), len(self._shop)
            if len(parts) == len(places) == len(table.key) - first:
                by_place = dict(zip(places, parts, strict=True))
                keys[(*self._shop, *[by_place[place] for place in sorted(by_place)])] = record
        return {keys[key]: row for key, row in verify.actual(table, connection, keys).items()}


def _compare(
    event: Event, table: Projection, due: Mapping[Key, Values], stored: Mapping[Key, Values]
) -> Iterator[Difference]:
    record, is_header = event.entity_key or "", table.group is None
    for key in sorted(due.keys() | stored.keys()):
        own = () if is_header else key[table.group :]
        if not is_header and not own[-1]:
            continue  # stands for a record without rows
        mirrored, source = stored.get(key), due.get(key)
        of_row = (record, table.name, "|".join(map(str, own)))
        if is_header and event.is_gone:
            # Its cells are those of the last snapshot, whatever they are.
            if mirrored is not None and mirrored[GONE] is None:
                yield Difference(*of_row, GONE, None, events.iso(event.occurred_at))
            continue
        if mirrored is None or source is None:
            yield Difference(*of_row, "", _row(table, mirrored), _row(table, source))
            continue
        for column in table.columns:
            one, other = mirrored[column.name], source[column.name]
            if one != other:
                yield Difference(*of_row, column.name, _text(one, column.type), _text(other, column.type))
        if is_header and mirrored[GONE] is not None:
            yield Difference(*of_row, GONE, mirrored[GONE], None)


def _row(table: Projection, row: Values | None) -> str | None:
    """The columns of a row as JSON."""
    if row is None:
        return None
    shown = {column.name: _text(row[column.name], column.type) for column in table.columns}
    return json.dumps(shown, ensure_ascii=False)


def _text(value: Any, type_: str) -> str | None:
    if value is None:
        return None
    return str(bool(value)).lower() if type_ == "boolean" else str(value)
