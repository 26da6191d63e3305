"""Tables of records (``kind: snapshot``): what can be read from the records of one family."""

from collections.abc import Iterator

from connector.config.findings import Located, finding, nearest
from connector.config.models import Config
from connector.config.source import Location
from connector.config.table_models import Table


class SnapshotChecks:
    """Errors of one such table."""

    def __init__(self, config: Config, name: str, table: Table) -> None:
        self._config = config
        self._at: Location = ("tables", name)
        self._name = name
        self._table = table

    def errors(self) -> Iterator[Located]:
        """Yield every error."""
        at, table = self._at, self._table
        if table.actions:
            what = "a snapshot table takes records, which have no action of a hook"
            yield finding((*at, "actions"), what, "Remove actions; of names the family of the records.")
        if table.of not in (families := self._config.topics.families):
            what = f"the family {table.of!r} is not in topics.yaml" if table.of else "no family is named"
            cure = nearest(table.of, families) if table.of else "Name it with of, as in of: orders."
            yield finding((*at, "of") if table.of else at, what, cure)
        yield from self._paths()
        if table.parent is None and table.each is not None:
            what = f"the rows of {table.each} go with a record, and no table of the records is named"
            yield finding((*at, "each"), what, "Name it with parent.")
        elif table.parent is not None:
            yield from self._child()

    def _paths(self) -> Iterator[Located]:
        """A record is read by paths alone; the newest one counts, so there is no rule."""
        for section, sources in (("key", self._table.key), ("columns", self._table.columns)):
            for column, source in sources.items():
                others = [name for name in source.given() if name != "path"]
                if others or isinstance(source.path, dict):
                    what = (
                        f"a value of a record comes from a path, here it is {', '.join(others) or 'several'}"
                    )
                    yield finding((*self._at, section, column), what, "Write path: and where it stands.")

    def _child(self) -> Iterator[Located]:
        at, table = (*self._at, "parent"), self._table
        if table.each is None:
            what = f"it has the rows of {table.parent}'s records, and does not say which"
            yield finding(at, what, "Name the object or array with each.")
        parents = {
            name: one
            for name, one in self._config.tables.items()
            if one.of == table.of and one.parent is None and name != self._name
        }
        parent = parents.get(str(table.parent))
        if parent is None:
            what = f"{table.parent!r} is no snapshot table of the family {table.of!r} without a parent"
            yield finding(at, what, nearest(str(table.parent), parents))
            return
        key = list(table.key)
        shared, own = key[: len(parent.key)], key[len(parent.key) :]
        if shared != list(parent.key) or any(table.key[one].path != parent.key[one].path for one in shared):
            listed = ", ".join(f"{name} ({one.path})" for name, one in parent.key.items())
            what = f"the key does not start with that of {table.parent}: {listed}"
            yield finding((*self._at, "key"), what, "Put these first, with the same paths.")
        elif not own:
            what = "the key is that of a record, and does not tell its rows apart"
            yield finding((*self._at, "key"), what, f"Add what identifies an object at {table.each}.")
        for place, index in enumerate(table.indexes):
            if "gone_at" in index:
                what = f"no column 'gone_at' to index: {table.parent} has it, for all rows of a record"
                yield finding((*self._at, "indexes", place), what, "Remove it.")
