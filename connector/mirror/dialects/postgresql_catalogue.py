"""What a PostgreSQL database has beside rows."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from connector.errors import StartupError
from connector.mirror.dialects import postgresql_grants as grants
from connector.mirror.dialects.base_catalogue import Catalogue, Key, Obstacle, Relation
from connector.mirror.dialects.dialect import quoted

STORE = "current_setting('xtnd.store')"
SCHEMA = "current_setting('xtnd.schema')"
BOTH = f"to_regnamespace(quote_ident({STORE})), to_regnamespace(quote_ident({SCHEMA}))"
FACTS = f"""
    SELECT quote_ident({STORE}), to_regnamespace(quote_ident({STORE})) IS NOT NULL,
           COALESCE(has_schema_privilege(to_regnamespace(quote_ident({STORE}))::oid, 'USAGE'), false),
           has_database_privilege(current_database(), 'CREATE'), quote_ident(current_user)
"""
# Everything that shares its names with tables: views, indexes, sequences, and types, of which those of
# arrays make way.
NAMES = f"""
    SELECT relname FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE nspname IN ({STORE}, {SCHEMA})
    UNION SELECT typname FROM pg_type JOIN pg_namespace AS space ON space.oid = typnamespace
    WHERE nspname IN ({STORE}, {SCHEMA}) AND typcategory <> 'A'
"""
RULES = """
    SELECT class.relname, rule.rulename, pg_get_ruledef(rule.oid)
    FROM pg_rewrite AS rule JOIN pg_class AS class ON class.oid = ev_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p')
"""
# Kind, name, table, definition, whether it may refuse values on purpose, and what takes it away.
OBSTACLES = f"""
    SELECT 'index', one.relname, class.relname, pg_get_indexdef(one.oid), indisunique,
           format('DROP INDEX IF EXISTS %%I', one.relname)
    FROM pg_index JOIN pg_class AS one ON one.oid = indexrelid JOIN pg_class AS class ON class.oid = indrelid
    WHERE class.relnamespace IN ({BOTH}) AND class.relname = ANY(%s)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 'trigger', tgname, relname, pg_get_triggerdef(one.oid), true,
           format('ALTER TABLE %%I DISABLE TRIGGER %%I', relname, tgname)
    FROM pg_trigger AS one JOIN pg_class AS class ON class.oid = tgrelid
    WHERE relnamespace IN ({BOTH}) AND relname = ANY(%s)
      AND NOT tgisinternal AND tgenabled <> 'D'
    UNION ALL
    SELECT 'publication', pubname, relname, 'of some columns or rows', true,
           format('ALTER PUBLICATION %%I DROP TABLE %%I', pubname, relname)
    FROM pg_publication_rel JOIN pg_publication AS one ON one.oid = prpubid
    JOIN pg_class AS class ON class.oid = prrelid
    WHERE relnamespace IN ({BOTH}) AND relname = ANY(%s)
      AND (prqual IS NOT NULL OR prattrs IS NOT NULL)
"""
RELATIONS = f"""
    SELECT relname, relkind = 'v', CASE relkind WHEN 'v' THEN pg_get_viewdef(class.oid) ELSE '' END
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE nspname = {SCHEMA} AND relname = ANY(%s)
"""
COMMENTS = """
    SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = %s::regclass
    UNION ALL SELECT '', obj_description(%s::regclass)
"""
# Foreign keys, and views that group by the key alone.
USERS_OF_KEY = """
    SELECT DISTINCT pg_describe_object(classid, objid, 0) FROM pg_constraint AS key
    JOIN pg_depend ON (refclassid, refobjid) IN
        (('pg_constraint'::regclass, key.oid), ('pg_class'::regclass, conindid))
    WHERE contype = 'p' AND conrelid = to_regclass(%s) AND deptype = 'n' ORDER BY 1
"""
USED = f"""
    SELECT count(*) FROM pg_depend JOIN pg_rewrite AS rule ON rule.oid = objid
    JOIN pg_class AS view ON view.oid = refobjid JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND ev_class <> refobjid
    AND nspname = {SCHEMA} AND relname = %s
"""
# The view would lose a column, or one would get another name or type.
INVALID_TABLE_DEFINITION = "42P16"
# Something depends on what is dropped, a view or rule uses a column whose type would change, or a row
# stands in the foreign key of another.
DEPENDENT_OBJECTS = ("2BP01", "0A000", "23503")


class PostgreSQLCatalogue(Catalogue):
    """Two schemas, which a session has among its settings (``postgresql_session.py``).

    Tables are made in the first of the search path, the store, and found from either.
    """

    @cached_property
    @override
    def schema(self) -> str:
        return f"{self._one(f'SELECT quote_ident({SCHEMA})')}."

    @cached_property
    @override
    def store(self) -> str:
        return f"{self._one(f'SELECT quote_ident({STORE})')}."

    @override
    def make_store(self) -> None:
        self.require_usable()
        store, exists, _, may_make, role = self._connection.exec_driver_sql(FACTS).one()
        if exists:
            return
        if not may_make:
            raise StartupError(
                f"There is no schema {store} for the connector's tables, "
                f"and the role {role} may not make it.",
                f"as the owner of the database: CREATE SCHEMA {store} AUTHORIZATION {role}; "
                "or name a schema that is there as database.store_schema",
            )
        self._connection.exec_driver_sql(f"CREATE SCHEMA {store}")

    @override
    def require_usable(self) -> None:
        store, exists, usable, _, role = self._connection.exec_driver_sql(FACTS).one()
        if exists and not usable:
            raise StartupError(
                f"The role {role} may not use the schema {store}, in which the connector's own tables stand.",
                f"use the role of the worker; connector query is for readers. Or as the schema's owner: "
                f"GRANT USAGE ON SCHEMA {store} TO {role}; "
                f"GRANT SELECT ON ALL TABLES IN SCHEMA {store} TO {role}",
            )

    @override
    def names(self) -> set[str]:
        return {*self._connection.exec_driver_sql(NAMES).scalars()}

    @override
    def rewrite_rules(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for table, rule, definition in self._connection.exec_driver_sql(RULES).fetchall():
            found.setdefault(table, {})[rule] = definition
        return found

    @override
    def obstacles(self, tables: Collection[str]) -> list[Obstacle]:
        rows = self._connection.exec_driver_sql(OBSTACLES, (list(tables),) * 3).fetchall()
        return [Obstacle(*row) for row in rows]

    # --- Tables ---

    @override
    def rename(self, table: str, name: str) -> None:
        key = inspect(self._connection).get_pk_constraint(table)["name"]
        self._connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(name)}")
        if key == f"{table}_pkey":
            self._connection.exec_driver_sql(
                f"ALTER TABLE {quoted(name)} RENAME CONSTRAINT {quoted(key)} TO {quoted(f'{name}_pkey')}"
            )

    @override
    def _add_to_key(self, table: str, key: Key) -> None:
        former = inspect(self._connection).get_pk_constraint(table)
        name, column, text = quoted(table), quoted(key.column), self._dialect.literal(key.usual)
        # With a constant default no row is written; those that differ are, afterwards.
        added = f"ADD COLUMN {column} {self._dialect.declared(key.type)} NOT NULL DEFAULT {text}"
        # Without the former key, which each row that is written would be put into.
        dropped = f"DROP CONSTRAINT {quoted(str(former['name']))}"
        with self.dependents_named(f"The key of the table {table} cannot be changed"):
            self._connection.exec_driver_sql(f"ALTER TABLE {name} {dropped}, {added}")
        if key.value is not None:
            update = f"UPDATE {name} SET {column} = {key.value} WHERE {key.value} <> {text}"
            self._connection.exec_driver_sql(update)
        columns = ", ".join(map(quoted, key.among(former["constrained_columns"], key.column)))
        changes = [
            f"ALTER COLUMN {column} DROP DEFAULT",
            *(f"ALTER COLUMN {quoted(one)} DROP NOT NULL" for one in key.nullable),
            f"ADD CONSTRAINT {quoted(str(former['name']))} PRIMARY KEY ({columns})",
        ]
        self._connection.exec_driver_sql(f"ALTER TABLE {name} {', '.join(changes)}")
        if key.comment:
            comment = self._dialect.literal(key.comment)
            self._connection.exec_driver_sql(f"COMMENT ON COLUMN {name}.{column} IS {comment}")

    # --- Views ---

    @override
    def relations(self, names: Collection[str]) -> dict[str, Relation]:
        rows = self._connection.exec_driver_sql(RELATIONS, (list(names),)).fetchall()
        return {row[0]: Relation(row[1], row[2]) for row in rows}

    @override
    def make_view(self, name: str, select: str, *, replace: bool) -> None:
        qualified = self.schema + quoted(name)
        create = f"CREATE VIEW {qualified} AS {select}"
        if not replace:
            self.execute(create)
            return
        kept = grants.of_view(self._connection, qualified)
        try:
            with self._connection.begin_nested():
                self.execute(f"CREATE OR REPLACE VIEW {qualified} AS {self._in_place(qualified, select)}")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != INVALID_TABLE_DEFINITION:
                raise
        else:
            self.execute(*kept.options)
            return
        with self.dependents_named(f"The view {name} cannot be changed as tables.yaml says"):
            self._connection.exec_driver_sql(f"DROP VIEW {qualified}")
        self.execute(create)
        revokes = grants.of_view(self._connection, qualified).revokes
        self.execute(*revokes, *kept.options, *kept.rights)
        columns = self.columns(f"SELECT * FROM {qualified}")
        self.execute(*(one for column in columns for one in kept.of_columns.get(column, ())))

    def _in_place(self, qualified: str, select: str) -> str:
        """The SELECT with the columns that the view has in their places, and new ones last."""
        current, new = self.columns(f"SELECT * FROM {qualified}"), self.columns(select)
        if new[: len(current)] == current or not set(current) <= set(new):
            return select
        ordered = [*current, *(column for column in new if column not in current)]
        return f"SELECT {', '.join(map(quoted, ordered))} FROM ({select}\n) AS made"

    @override
    def key_users(self, table: str) -> Sequence[str]:
        return self._connection.exec_driver_sql(USERS_OF_KEY, (quoted(table),)).scalars().all()

    @override
    def is_used(self, view: str, ours: Collection[str]) -> bool:
        return bool(self._connection.exec_driver_sql(USED, (view,)).scalar_one())

    @override
    def comments(self, view: str) -> Mapping[str, str | None]:
        name = self.schema + quoted(view)
        rows = self._connection.exec_driver_sql(COMMENTS, (name, name)).fetchall()
        return {row[0]: row[1] for row in rows}

    @override
    def make_readable(self, role: str, views: Collection[str], *, timeout_seconds: float) -> list[str]:
        known = f"SELECT current_database(), {SCHEMA} = {STORE}"
        database, shared = self._connection.exec_driver_sql(known).one()
        name, schema = quoted(role), self.schema
        there = self._connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        if there.first() is None:
            raise StartupError(f"There is no role {role}.", f"make it: CREATE ROLE {name} LOGIN PASSWORD '…'")
        space = schema.removesuffix(".")
        later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {space} GRANT SELECT ON TABLES TO {name}"
        limit = f"SET statement_timeout = '{timeout_seconds:g}s'"
        return [
            f"GRANT USAGE ON SCHEMA {space} TO {name}",
            f"GRANT SELECT ON {', '.join(schema + quoted(view) for view in views)} TO {name}",
            # In a schema that holds the tables as well this would be a right to read those.
            *([] if shared else [later]),
            f"ALTER ROLE {name} IN DATABASE {quoted(database)} {limit}",
        ]

    @override
    def dependent(self, error: DBAPIError) -> str:
        if getattr(error.orig, "sqlstate", None) not in DEPENDENT_OBJECTS:
            return ""
        return str(error.orig).partition("DETAIL:")[2].partition("HINT:")[0].strip(" .\n")

    def _one(self, query: str) -> Any:
        return self._connection.exec_driver_sql(query).scalar_one()
