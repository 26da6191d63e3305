"""What a changed ``tables.yaml`` needs of archives, before anything is changed for it."""

from sqlalchemy import Engine, select
from sqlmodel import col

from connector.config import Config
from connector.errors import ConfigError, Finding, StartupError
from connector.events import Sort
from connector.mirror import archive_places, ledger, rules, steps
from connector.mirror.archives import Archives
from connector.mirror.database import transaction
from connector.mirror.mapping import Mapping
from connector.mirror.models import LedgerRow


def require(engine: Engine, config: Config, mapping: Mapping) -> None:
    """Raise ``ConfigError`` for what is to be filled from an archive that cannot be read as it was written.

    ``StartupError`` where there are archives and the extra is not installed. Raises ``DatabaseOutage``.
    """
    with transaction(engine) as connection:
        if steps.version_of(connection) is None or not (known := Archives(connection).readable()):
            return
        archive_places.require()
        recorded = rules.recorded(connection)
        changed = [(table, rules.changed_columns(table, recorded)) for table in mapping.tables]
        if not any(columns is None or columns for _, columns in changed):
            return
        query = select(*ledger.SORT).where(col(LedgerRow.archive).is_not(None)).distinct()
        sorts = {Sort(name, bool(of_source)) for name, of_source in connection.execute(query)}
    found = []
    for table, columns in changed:
        if sorts & table.sorts and (columns is None or columns):
            names = ["columns", columns[0].name] if columns else []
            found.append((config.where("tables", table.name, *names), ".".join([table.name, *names[1:]])))
    if not found:
        return
    for archive in known.values():
        try:
            with archive.reading():
                pass
        except StartupError as error:
            what = "{} is to be filled from events that are archived, and cannot be: {}"
            raise ConfigError(
                [
                    Finding(
                        where,
                        what.format(name, error.what).rstrip("."),
                        f"Take the change back, or {error.cure}.",
                    )
                    for where, name in found
                ]
            ) from error
