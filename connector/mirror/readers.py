"""A role that reads what people read: the views, and nothing of the store."""

from sqlalchemy import Connection, Engine

from connector.errors import ConnectorError, StartupError
from connector.mirror import namespaces, rules, steps
from connector.mirror.database import transaction
from connector.mirror.remedies import driver_error
from connector.mirror.statements import quoted
from connector.mirror.view_schema import TAKEN

INSUFFICIENT_PRIVILEGE = "42501"


def grant(engine: Engine, role: str, *, timeout_seconds: float) -> list[str]:
    """Let a role read every view, those that come later too, each query as long as ``timeout_seconds``.

    Gives the statements that were run, in one transaction. Raises ``StartupError`` on SQLite, for a role
    that is not there, and where the connector's role may not do it; ``DatabaseOutage``.
    """
    if engine.dialect.name != "postgresql":
        raise StartupError(
            "SQLite has no roles: whoever may read the file may read all of it.",
            "limit who may read the file (chmod), or use PostgreSQL",
        )
    steps.require(engine)
    statements: list[str] = []
    try:
        with transaction(engine) as connection:
            statements = _statements(connection, role, timeout_seconds)
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
    except ConnectorError as error:
        if getattr(driver_error(error), "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        raise StartupError(
            f"The connector's role may not set up the role {role}.",
            f"as the owner of the role and the schema, run: {'; '.join(statements)}",
        ) from error
    return statements


def _statements(connection: Connection, role: str, timeout_seconds: float) -> list[str]:
    known = "SELECT current_database(), current_setting('xtnd.schema') = current_setting('xtnd.store')"
    database, shared = connection.exec_driver_sql(known).one()
    there = connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).first()
    name, schema = quoted(role.replace('"', '""')), namespaces.public(connection)
    if there is None:
        raise StartupError(f"There is no role {role}.", f"make it: CREATE ROLE {name} LOGIN PASSWORD '…'")
    views = [view for view, rule in sorted(rules.views(connection).items()) if rule != TAKEN]
    space = schema.removesuffix(".")
    later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {space} GRANT SELECT ON TABLES TO {name}"
    return [
        f"GRANT USAGE ON SCHEMA {space} TO {name}",
        f"GRANT SELECT ON {', '.join(schema + quoted(view) for view in views)} TO {name}",
        # In a schema that holds the tables as well this would be a right to read those.
        *([] if shared else [later]),
        f"ALTER ROLE {name} IN DATABASE {quoted(database)} SET statement_timeout = '{timeout_seconds:g}s'",
    ]
