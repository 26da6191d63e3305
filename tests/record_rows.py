"""What tables of records hold, by tables.yaml and a record's body: a reader apart from the product's."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from connector.config import Table

Path = tuple[str, ...]


def paths_of(table: Table) -> dict[str, list[str]]:
    return {
        name: [source.path] if isinstance(source.path, str) else list(source.path or ())
        for name, source in table.valued.items()
    }


def objects(body: Any, each: Sequence[str]) -> Iterator[dict[Path, Any]]:
    """For each object at ``each`` the objects on the way to it, by their paths."""

    def below(found: dict[Path, Any], value: Any, way: Path) -> Iterator[dict[Path, Any]]:
        if isinstance(value, list):
            for item in value:
                yield from below(found, item, way)
        elif isinstance(value, dict):
            here = found | {way: value}
            if len(way) == len(each):
                yield here
            else:
                yield from below(here, value.get(each[len(way)]), (*way, each[len(way)]))

    return below({}, body, ())


def at_path(found: dict[Path, Any], path: str) -> Any:
    """The value at a path, from the deepest of the objects that is on its way."""
    keys = tuple(path.split("."))
    base = max((way for way in found if keys[: len(way)] == way), key=len)
    value = found[base]
    for name in keys[len(base) :]:
        value = None if value is None else value.get(name)
    return value


def expected(table: Table, body: Any) -> set[tuple[Any, ...]]:
    """The rows that a record gives, its values as readers see them."""
    rows = {}
    types = {name: column.type for name, column in table.columns.items()}
    for found in objects(body, table.each.split(".") if table.each else ()):
        values = {
            name: next((one for path in paths if (one := at_path(found, path)) is not None), None)
            for name, paths in paths_of(table).items()
        }
        if None not in [values[name] for name in table.requires]:
            row = tuple(plain(types.get(name, "text"), value) for name, value in values.items())
            rows[row[: len(table.key)]] = row
    return set(rows.values())


def plain(type_: str | None, value: Any) -> Any:
    """A value of a record, or of the mirror, in a form equal on both databases."""
    if value is None:
        return None
    if type_ == "timestamp":
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
        return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read
    if type_ == "numeric":
        return float(value)
    return bool(value) if type_ == "boolean" else str(value)
