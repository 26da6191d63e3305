"""The view ``full``: beside what hooks say of each entity what its record says, and whether that is stale."""

from connector.config import SHOP_COLUMN, Config, View, view_checks
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted

STALE = "Whether a hook is newer than the record, or there is no record yet."


class FullView:
    """A row for each entity that hooks or records know; it reads the views of both tables.

    Rows of both come first, those that have no hook after them: each part can be looked up by the key.
    """

    def __init__(self, view: View, config: Config, mapping: Mapping) -> None:
        self._of, self._record = str(view.of), str(view.record)
        self._table, self._records = config.tables[self._of], config.tables[self._record]
        self._names = view_checks.record_columns(self._table, self._records)
        self._mapping = mapping
        self._shop = [SHOP_COLUMN] if mapping.by_shop else []
        # Part of the record's key → that of the table's.
        self._pairs = dict(zip(self._records.key, self._table.key, strict=False))

    def select(self) -> str:
        """The SELECT, for every database."""
        known = " OR ".join(
            f"COALESCE(record.{instant} >= hooks.as_of, FALSE)" for instant in ("fetched_at", "gone_at")
        )
        record = [f"record.{quoted(column)} AS {quoted(name)}" for column, name in self._names.items()]
        record += ["record.fetched_at", "record.gone_at"]
        hooks = [f"hooks.{quoted(name)}" for name in (*self._table.key, *self._table.columns, "as_of")]
        both = [*hooks, *record, f"NOT ({known}) AS is_stale", *(f"hooks.{one}" for one in self._shop)]
        keys = {name: f"record.{quoted(part)}" for part, name in self._pairs.items()}
        alone = [keys.get(name, self._other_part(name)) for name in self._table.key]
        alone += ["NULL"] * (len(self._table.columns) + 1)
        alone += [*record, "FALSE", *(f"record.{one}" for one in self._shop)]
        pairs = [*self._pairs.items(), *((one, one) for one in self._shop)]
        same = " AND ".join(f"record.{quoted(part)} = hooks.{quoted(name)}" for part, name in pairs)
        of, records = f"{quoted(self._of)} AS hooks", f"{quoted(self._record)} AS record"
        return (
            f"SELECT {', '.join(both)} FROM {of} LEFT JOIN {records} ON {same} "
            f"UNION ALL SELECT {', '.join(alone)} FROM {records} "
            f"WHERE NOT EXISTS (SELECT 1 FROM {of} WHERE {same})"
        )

    def comments(self) -> dict[str, str]:
        """What the columns say, by column."""
        table, records = self._mapping.table(self._of), self._mapping.table(self._record)
        hooks = {column.name: column.description for column in (*table.key, *table.columns)}
        record = {self._names.get(column.name, ""): column.description for column in records.columns}
        facts = {one.name: one.comment for one in (*table.facts, *records.facts)}
        shown = (*self._table.key, *self._table.columns, "as_of", *self._names.values())
        found = facts | record | hooks
        described = {name: found[name] for name in (*shown, "fetched_at", "gone_at", *self._shop)}
        return {name: text for name, text in described.items() if text} | {"is_stale": STALE}

    def _other_part(self, name: str) -> str:
        """A part of the table's key that is none of the record's, as the record's column of that name."""
        return f"record.{quoted(name)}" if name in self._records.columns else "NULL"
