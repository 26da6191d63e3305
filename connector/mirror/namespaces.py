"""Where the mirror stands: the store with the connector's tables, and the schema with what people read.

On PostgreSQL these are two schemas, which a session has among its settings: tables are made in the first
of its search path, the store, and found from either. SQLite has one space of names, in which the store's
begin with an underscore.
"""

from sqlalchemy import Connection

from connector.errors import StartupError

STORE = "current_setting('xtnd.store')"
PUBLIC = "current_setting('xtnd.schema')"
BOTH = f"to_regnamespace(quote_ident({STORE})), to_regnamespace(quote_ident({PUBLIC}))"
FACTS = f"""
    SELECT quote_ident({STORE}), to_regnamespace(quote_ident({STORE})) IS NOT NULL,
           COALESCE(has_schema_privilege(to_regnamespace(quote_ident({STORE}))::oid, 'USAGE'), false),
           has_database_privilege(current_database(), 'CREATE'), quote_ident(current_user)
"""


def make_store(connection: Connection) -> None:
    """Make the store's schema where there is none; raises ``StartupError`` where the role may not use one."""
    if connection.dialect.name != "postgresql":
        return
    require_usable(connection)
    store, exists, _, may_make, role = connection.exec_driver_sql(FACTS).one()
    if exists:
        return
    if not may_make:
        raise StartupError(
            f"There is no schema {store} for the connector's tables, and the role {role} may not make it.",
            f"as the owner of the database: CREATE SCHEMA {store} AUTHORIZATION {role}; "
            "or name a schema that is there as database.store_schema",
        )
    connection.exec_driver_sql(f"CREATE SCHEMA {store}")


def require_usable(connection: Connection) -> None:
    """Raise ``StartupError`` where there is a store that this role may not enter."""
    if connection.dialect.name != "postgresql":
        return
    store, exists, usable, _, role = connection.exec_driver_sql(FACTS).one()
    if exists and not usable:
        raise StartupError(
            f"The role {role} may not use the schema {store}, in which the connector's own tables stand.",
            f"use the role of the worker; connector query is for readers. Or as the schema's owner: "
            f"GRANT USAGE ON SCHEMA {store} TO {role}; "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {store} TO {role}",
        )


def public(connection: Connection) -> str:
    """What stands before the name of a view when it is made: its schema and a point, nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return ""
    return f"{connection.exec_driver_sql(f'SELECT quote_ident({PUBLIC})').scalar_one()}."


def store(connection: Connection) -> str:
    """The same for a table, where a person types its name."""
    if connection.dialect.name != "postgresql":
        return ""
    return f"{connection.exec_driver_sql(f'SELECT quote_ident({STORE})').scalar_one()}."
