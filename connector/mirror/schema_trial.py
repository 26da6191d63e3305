"""A trial of the schema before it is made: every statement runs on empty copies, and is undone.

The database is read in one short transaction. What is tried then touches none of its tables
(``Dialect.trial``).
"""

from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connector.config import Config
from connector.mirror import dialects, rules, schema, steps
from connector.mirror.database import dialect_of, translate, url_of
from connector.mirror.mapped import logical, stored
from connector.mirror.mapping import Mapping
from connector.mirror.models import OWN
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

# Tables whose few rows say what the schema was made from; mirror_columns is the rules of connector 0.1.
KEPT = (
    *("_mirror_rules", "_mirror_layout", "_mirror_routes"),
    *("mirror_rules", "mirror_columns", "mirror_layout", "mirror_routes"),  # of layouts before
)


def run(config: Config, mapping: Mapping) -> str | None:
    """Try the schema of a configuration; why that was not possible, or None.

    Raises ``StartupError`` for what a start would refuse, ``DatabaseOutage``, and ``Defect`` for a
    statement that the database does not take.
    """
    dialect = dialect_of(config.database)
    try:
        with dialect.trial(config.database, partial(_tables, config), KEPT) as engine:
            steps.bring_up(engine, [table.name for table in mapping.tables])
            schema.apply(engine, config, mapping, Tables(mapping))
    except dialects.ERRORS as error:
        if isinstance(error, DBAPIError) and (why := dialect.no_trial.get(dialect.code(error))):
            url = url_of(config.database)
            return why.format(quoted(url.database or ""), quoted(url.username or ""))
        raise translate(error) from error
    return None


def _tables(config: Config, connection: Connection) -> Collection[str]:
    """What has to do with the mirror."""
    recorded = {table for table, _ in rules.recorded(connection)}
    names = {*map(logical, OWN), *config.tables, *config.views, *recorded}
    return {*names, *map(stored, names)}
