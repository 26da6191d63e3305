"""What hooks asked for before anybody was to fetch it: work in the background, behind what hooks ask for now.

A source that is switched on, and an action that is added to ``wanted_on``, make all hooks of the ledger ask
for records at once, however old they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from connector import clocks, events
from connector.mirror.hydration import ASKED, SAME
from connector.mirror.projections import hydration

BEFORE = "__due_before"  # no table of tables.yaml has this name in the store
KEY = "shop, family, entity_key"


@contextmanager
def in_background(connection: Connection) -> Iterator[None]:
    """Make background work of what is due after the block, which fills ``hydration``, and was not before."""
    connection.exec_driver_sql(f"CREATE TABLE {BEFORE} AS SELECT {KEY} FROM _hydration WHERE {hydration.DUE}")
    yield
    listed = ", ".join(f"h.{name}" for name in KEY.split(", "))
    connection.exec_driver_sql(
        f"INSERT INTO _hydration_work AS work ({KEY}, asked_at, answered_at, trouble, tries) "
        f"SELECT {listed}, '{events.iso(clocks.now())}', h.wanted_at, '', 0 FROM _hydration AS h "
        f"LEFT JOIN _hydration_work AS w ON {SAME} "
        # A join, for which either database makes a hash or an index, however many there are.
        f"LEFT JOIN {BEFORE} AS b ON {SAME.replace('w.', 'b.')} "
        f"WHERE {ASKED} AND b.family IS NULL "
        f"ON CONFLICT ({KEY}) DO UPDATE SET asked_at = excluded.asked_at, answered_at = excluded.answered_at"
    )
    connection.exec_driver_sql(f"DROP TABLE {BEFORE}")
