"""Names of tables and views that a change of ``tables.yaml`` takes, or finds taken."""

from collections.abc import Collection

from sqlalchemy import Connection, inspect

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import dialects, rules, shown
from connector.mirror.mapped import logical, stored
from connector.mirror.statements import quoted


class Relations:
    """What a mapping wants and the database holds; ``recorded`` are the rules that filled its tables."""

    def __init__(self, connection: Connection, config: Config, recorded: rules.Rules) -> None:
        self._connection, self._config, self._recorded = connection, config, recorded

    def refuse_foreign(self, strange: set[str]) -> None:
        """Refuse tables and views of others that have the name of a table or of its view.

        ``strange`` are tables, by their names in the store, that are not there, or not as the connector makes
        them. Raises ``StartupError``.
        """
        config, recorded = self._config, self._recorded
        existing = dialects.catalogue(self._connection).names()
        if stored("mirror_rules") in existing and not recorded:
            return  # made by hand from the text of ``connector schema``
        own = (
            *("mirror_losses", "mirror_routes", "mirror_counters"),
            *("hydration", "implied_hooks", "hydration_work", "backfills"),
        )
        ours = strange & {*map(stored, (*config.tables, *own))} if recorded else strange
        tables = {*inspect(self._connection).get_table_names()}
        foreign = (ours & existing) - ({stored(table) for table, _ in recorded} & tables)
        named = {*config.tables, *shown.OWN} - rules.views(recorded).keys()
        views = {logical(name) for name in ours} & named
        if found := sorted(foreign | views & existing):
            raise StartupError(
                f"{config.where('tables', logical(found[0]))}: the database holds tables or views of these "
                f"names that are not the connector's: {', '.join(found)}.",
                "give the mirror a database of its own, or rename these tables in tables.yaml",
            )

    def refuse_other_types(self, expected: rules.Rules, new: Collection[tuple[str, str]]) -> None:
        """Refuse another type of a column that is there, also where a database has one type for both.

        ``expected`` are the rules of the mapping, ``new`` columns that the database does not have, an empty
        one where the table is missing. Raises ``StartupError``.
        """
        for (table, column), rule in expected.items():
            former = self._recorded.get((table, column), rules.REMOVED)
            if (
                not column
                or former == rules.REMOVED
                or (stored(table), "") in new
                or (stored(table), column) in new
            ):
                continue
            stored_type, type_ = (one.partition(" ")[0] for one in (former, rule))
            if stored_type != type_:
                where = self._config.where("tables", table, "columns", column)
                raise StartupError(
                    f"{where}: the column {column} of the table {table} is {stored_type} in the database "
                    f"and {type_} by tables.yaml.",
                    drop_fix(self._connection, stored(table)),
                )

    def refuse_shared_shops(self, by_shop: Collection[str]) -> None:
        """Refuse to let shops share rows in tables (by their names in the store) that keep them apart.

        Raises ``StartupError``.
        """
        if by_shop:
            named = ", ".join(map(logical, by_shop))
            raise StartupError(
                f"{self._config.where('mirror', 'key_by_shop')}: mirror.key_by_shop is no longer true, "
                f"and these tables are keyed by shop: {named}.",
                drop_fix(self._connection, *by_shop),
            )


def refuse_used_key(connection: Connection, table: str) -> None:
    """Refuse another key of a table, by its name in the store, while somebody's object needs this one.

    Raises ``StartupError``.
    """
    if found := dialects.catalogue(connection).key_users(table):
        raise StartupError(
            f"The key of the table {table} cannot be changed, because other objects depend on it: "
            f"{', '.join(found)}.",
            "drop these objects, start the worker, and create them again",
        )


def drop_fix(connection: Connection, *tables: str) -> str:
    """How to drop tables, by their names in the store, for others with another key or type."""
    cascade = dialects.of(connection).cascade
    cascade += ", which drops views on it too" if cascade else ""
    store = dialects.catalogue(connection).store
    drops = "; ".join(f"DROP TABLE {store}{quoted(table)}{cascade}" for table in tables)
    if len(tables) == 1:
        comma = "," if cascade else ""
        return f"drop the table ({drops}{comma}) and start again: it is filled from the ledger"
    return f"drop them ({drops}) and start again: they are filled from the ledger"
