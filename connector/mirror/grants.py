"""What people set on a PostgreSQL view, as statements that set it again when the view is made again."""

from dataclasses import dataclass

from sqlalchemy import Connection

_GRANTEE = "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
_GRANT = f"""{_GRANTEE} || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"""
_VIEW = "FROM pg_class AS class {0} WHERE class.oid = %s::regclass"
_COLUMN = (
    "FROM pg_class AS class JOIN pg_attribute ON attrelid = class.oid {0} WHERE class.oid = %s::regclass"
)
_ACL = "CROSS JOIN LATERAL aclexplode({0}) AS acl(grantor, grantee, privilege_type, is_grantable)"
OPTIONS = (
    "SELECT format('ALTER VIEW %%I SET (%%s)', relname, array_to_string(reloptions, ', ')) "
    + _VIEW.format("")
    + (" AND reloptions IS NOT NULL")
)
OWNER = (
    "SELECT format('ALTER VIEW %%I OWNER TO %%s', relname, relowner::regrole) "
    + _VIEW.format("")
    + (" AND relowner <> current_user::regrole")
)
REVOKES = (
    f"SELECT DISTINCT format('REVOKE ALL ON %%I FROM %%s', relname, {_GRANTEE}) "
    + _VIEW.format(_ACL.format("relacl"))
    + " AND grantee <> relowner"
)
RIGHTS = (
    f"SELECT format('GRANT %%s ON %%I TO %%s', privilege_type, relname, {_GRANT}) "
    + _VIEW.format(_ACL.format("relacl"))
    + " AND grantee <> relowner"
)
RIGHTS_OF_COLUMNS = (
    f"SELECT attname, format('GRANT %%s (%%I) ON %%I TO %%s', privilege_type, attname, relname, {_GRANT}) "
    + _COLUMN.format(_ACL.format("attacl"))
)
COMMENTS = (
    "SELECT attname, format('COMMENT ON COLUMN %%I.%%I IS %%L', "
    "relname, attname, col_description(class.oid, attnum)) "
    + _COLUMN.format("")
    + " AND col_description(class.oid, attnum) IS NOT NULL"
)

COMMENT = (
    "SELECT format('COMMENT ON VIEW %%I IS %%L', relname, obj_description(class.oid)) "
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
    """What stands on a view now."""
    of_columns: dict[str, list[str]] = {}
    for query in (RIGHTS_OF_COLUMNS, COMMENTS):
        for column, statement in connection.exec_driver_sql(query, (_regclass(name),)).fetchall():
            of_columns.setdefault(column, []).append(statement)
    rights = [one for query in (RIGHTS, COMMENT, OWNER) for one in _statements(connection, query, name)]
    return Kept(
        _statements(connection, OPTIONS, name), rights, of_columns, _statements(connection, REVOKES, name)
    )


def _statements(connection: Connection, query: str, name: str) -> list[str]:
    return [row[0] for row in connection.exec_driver_sql(query, (_regclass(name),)).fetchall()]


def _regclass(name: str) -> str:
    return f'"{name}"'
