"""What others have to do with a mirror in PostgreSQL: their views, their rights and their locks."""

from connector.mirror.dialects.parts import LockHolder

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
QUERY_SHOWN = 200  # characters
# A session may wait behind one that waits itself, as a change of the schema does: who holds the lock counts.
HOLDERS = """
    WITH RECURSIVE queue(pid) AS (
        SELECT blocking.pid FROM pg_stat_activity AS waiting
        CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
        WHERE waiting.pid = ANY(%s) AND waiting.wait_event_type = 'Lock'
        UNION
        SELECT blocking.pid FROM queue CROSS JOIN LATERAL unnest(pg_blocking_pids(queue.pid)) AS blocking(pid)
    )
    SELECT DISTINCT holder.pid, holder.usename, holder.application_name, left(holder.query, %s)
    FROM queue LEFT JOIN pg_stat_activity AS holder ON holder.pid = queue.pid
    WHERE pg_blocking_pids(queue.pid) = '{}' ORDER BY 1
"""


def holder(pid: int | None, user: str | None, application: str | None, query: str | None) -> LockHolder:
    """A session that holds a lock; without ``pid`` a transaction that has none."""
    if pid is None:
        holder = "a transaction that was prepared for two-phase commit holds it (pg_prepared_xacts)"
        return LockHolder(holder, {"fix": "COMMIT PREPARED or ROLLBACK PREPARED ends it"})
    holder = f"process {pid} of user {user} ({application or 'no application name'}) holds it: {query}"
    fields = {"pid": pid, "user": user, "application": application, "query": query}
    return LockHolder(holder, {**fields, "fix": f"SELECT pg_terminate_backend({pid}) ends it"})
