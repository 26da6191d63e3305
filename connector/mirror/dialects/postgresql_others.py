"""What others have to do with a mirror in PostgreSQL: their views, and their rights."""

SCHEMAS = "current_setting('xtnd.store'), current_setting('xtnd.schema')"
# Views that are not the mirror's and stand beside it, or read it, straight or by another view.
VIEWS = f"""
    WITH RECURSIVE beside(oid, ours) AS (
        SELECT class.oid, relkind NOT IN ('v', 'm') OR relname = ANY(%s) FROM pg_class AS class
        JOIN pg_namespace AS space ON space.oid = relnamespace WHERE nspname IN ({SCHEMAS})
    ), found(oid) AS (
        SELECT oid FROM beside
        UNION
        SELECT ev_class FROM found
        JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = found.oid
            AND classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS rule ON rule.oid = objid
    )
    SELECT format('%%I.%%I', nspname, relname) FROM found JOIN pg_class AS class USING (oid)
    JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE relkind IN ('v', 'm') AND class.oid NOT IN (SELECT oid FROM beside WHERE ours) ORDER BY 1
"""
READERS = """
    SELECT DISTINCT grantee FROM information_schema.role_table_grants
    WHERE table_schema = current_setting('xtnd.schema') AND privilege_type = 'SELECT'
        AND grantee <> grantor ORDER BY 1
"""
