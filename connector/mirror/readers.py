"""A role that reads what people read: the views, and nothing of the store."""

from sqlalchemy import Engine

from connector.errors import ConnectorError, StartupError
from connector.mirror import dialects, rules, steps
from connector.mirror.database import transaction
from connector.mirror.remedies import driver_error
from connector.mirror.rules import TAKEN

INSUFFICIENT_PRIVILEGE = "42501"


def grant(engine: Engine, role: str, *, timeout_seconds: float) -> list[str]:
    """Let a role read every view, those that come later too, each query as long as ``timeout_seconds``.

    Gives the statements that were run, in one transaction. Raises ``StartupError`` on SQLite, for a role
    that is not there, and where the connector's role may not do it; ``DatabaseOutage``.
    """
    steps.require(engine)
    statements: list[str] = []
    try:
        with transaction(engine) as connection:
            views = [
                view
                for view, rule in sorted(rules.views(rules.recorded(connection)).items())
                if rule != TAKEN
            ]
            catalogue = dialects.catalogue(connection)
            statements = catalogue.make_readable(role, views, timeout_seconds=timeout_seconds)
            catalogue.execute(*statements)
    except ConnectorError as error:
        if getattr(driver_error(error), "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        raise StartupError(
            f"The connector's role may not set up the role {role}.",
            f"as the owner of the role and the schema, run: {'; '.join(statements)}",
        ) from error
    return statements
