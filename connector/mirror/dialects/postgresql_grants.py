"""Rights, options and comments of a PostgreSQL view, as statements that set them on the view's successor."""

from dataclasses import dataclass

from sqlalchemy import Connection

_GRANTEE = "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
_GRANT = f"""{_GRANTEE} || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"""
_VIEW = "FROM pg_class AS class {0} WHERE class.oid = %s::regclass"
_COLUMN = (
    "FROM pg_class AS class JOIN pg_attribute ON attrelid = class.oid {0} WHERE class.oid = %s::regclass"
)
_ACL = "CROSS JOIN LATERAL aclexplode({0}) AS acl(grantor, grantee, privilege_type, is_grantable)"
_KIND = "CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END"
# As the search path finds it.
_NAME = "class.oid::regclass"
OPTIONS = (
    f"SELECT format('ALTER %%s %%s SET (%%s)', {_KIND}, {_NAME}, array_to_string(reloptions, ', ')) "
    + _VIEW.format("")
    + (" AND reloptions IS NOT NULL")
)
OWNER = (
    f"SELECT format('ALTER %%s %%s OWNER TO %%s', {_KIND}, {_NAME}, relowner::regrole) "
    + _VIEW.format("")
    + (" AND relowner <> current_user::regrole")
)
REVOKES = (
    f"SELECT DISTINCT format('REVOKE ALL ON %%s FROM %%s CASCADE', {_NAME}, {_GRANTEE}) "
    + _VIEW.format(_ACL.format("relacl"))
    + " AND grantee <> relowner"
)
RIGHTS = (
    f"SELECT format('GRANT %%s ON %%s TO %%s', privilege_type, {_NAME}, {_GRANT}) "
    + _VIEW.format(_ACL.format("relacl"))
    + " AND grantee <> relowner"
)
RIGHTS_OF_COLUMNS = (
    f"SELECT attname, format('GRANT %%s (%%I) ON %%s TO %%s', privilege_type, attname, {_NAME}, {_GRANT}) "
    + _COLUMN.format(_ACL.format("attacl"))
)
REVOKES_OF_COLUMNS = (
    f"SELECT DISTINCT format('REVOKE ALL (%%I) ON %%s FROM %%s CASCADE', attname, {_NAME}, {_GRANTEE}) "
    + _COLUMN.format(_ACL.format("attacl"))
)
COMMENTS = (
    f"SELECT attname, format('COMMENT ON COLUMN %%s.%%I IS %%L', "
    f"{_NAME}, attname, col_description(class.oid, attnum)) "
    + _COLUMN.format("")
    + " AND col_description(class.oid, attnum) IS NOT NULL"
)

COMMENT = (
    f"SELECT format('COMMENT ON %%s %%s IS %%L', {_KIND}, {_NAME}, obj_description(class.oid)) "
    + _VIEW.format("")
    + " AND obj_description(class.oid) IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Statements: options such as ``security_barrier``, rights with comment and owner, the same by column.

    ``revokes`` take all rights from all but the owner.
    """

    options: list[str]
    rights: list[str]
    of_columns: dict[str, list[str]]
    revokes: list[str]


def of_view(connection: Connection, name: str) -> Kept:
    """What stands on a view, or on a materialized one, now; ``name`` is SQL."""
    of_columns: dict[str, list[str]] = {}
    for query in (RIGHTS_OF_COLUMNS, COMMENTS):
        for column, statement in connection.exec_driver_sql(query, (name,)).fetchall():
            of_columns.setdefault(column, []).append(statement)
    rights = [one for query in (RIGHTS, COMMENT, OWNER) for one in _statements(connection, query, name)]
    return Kept(
        _statements(connection, OPTIONS, name), rights, of_columns, _statements(connection, REVOKES, name)
    )


def to_read(connection: Connection, name: str) -> tuple[list[str], dict[str, list[str]]]:
    """Rights to read a table: of all of it, and by column; ``name`` is SQL."""
    rights = [one for one in _statements(connection, RIGHTS, name) if one.startswith("GRANT SELECT ")]
    of_columns: dict[str, list[str]] = {}
    for column, statement in connection.exec_driver_sql(RIGHTS_OF_COLUMNS, (name,)).fetchall():
        if statement.startswith("GRANT SELECT "):
            of_columns.setdefault(column, []).append(statement)
    return rights, of_columns


def revokes(connection: Connection, name: str) -> list[str]:
    """What takes all rights on a table from all but its owner; ``name`` is SQL."""
    return [one for query in (REVOKES, REVOKES_OF_COLUMNS) for one in _statements(connection, query, name)]


def _statements(connection: Connection, query: str, name: str) -> list[str]:
    return [row[0] for row in connection.exec_driver_sql(query, (name,)).fetchall()]
