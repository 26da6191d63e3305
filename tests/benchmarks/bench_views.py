"""What analysts wait for: the shipped views over a mirror of a million events, on both databases."""

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.benchmarks.backlog import vacuum
from tests.benchmarks.report import RUNS, Report, scaled
from tests.benchmarks.years import Years
from tests.servers import PostgresServer

EVENTS = 1_000_000
# The month before this one, so that no day of it is still open.
MONTH = {
    "sqlite": "day >= date('now', 'start of month', '-1 month') AND day < date('now', 'start of month')",
    "postgresql": "day >= date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' "
    "AND day < date_trunc('month', now() AT TIME ZONE 'UTC')",
}
MONTH_OF_STOCK = (
    "SELECT day, SUM(quantity) FROM stock_daily WHERE measure = 'balance' AND {month} GROUP BY day"
)
QUESTIONS = {
    "mirror_status": ("SELECT * FROM mirror_status", "< 20"),
    "stock_daily, a month of all": (MONTH_OF_STOCK, ""),
    "stock_now": ("SELECT warehouse, SUM(quantity) FROM stock_now GROUP BY warehouse", ""),
    "order_lead_times": ("SELECT AVG(created_to_picked_seconds) FROM order_lead_times", ""),
    "orders_open": ("SELECT COUNT(*) FROM orders_open", ""),
}
# A look-up for each balance and day: how many there are is what counts.
BALANCES = 1_000
OF_BALANCES = {f"stock_daily, a month of {BALANCES:,} balances": (MONTH_OF_STOCK, "< 300")}

pytestmark = pytest.mark.timeout(7_200)


@pytest.mark.parametrize("balances", [0, BALANCES])
def test_views(balances: int, postgres: PostgresServer, tmp_path: Path, bench: Report) -> None:
    years = Years(tmp_path)
    years.fill(scaled(EVENTS, least=1000), balances=balances)
    target = postgres.new_database()
    years.run("copy", "copy", "--to", target.replace("+psycopg", ""))
    vacuum(target)
    for url in (years.url, target):
        engine = create_engine(url)
        for name, (query, most) in (OF_BALANCES if balances else QUESTIONS).items():
            for _ in range(max(RUNS, 3)):
                bench.add(
                    "views", f"{name} on {engine.dialect.name}", _millis(engine, query), "ms", target=most
                )
        engine.dispose()


def _millis(engine: Engine, query: str) -> float:
    """How long an answer takes, all of its rows read, on a connection that has answered before."""
    asked = text(query.format(month=MONTH[engine.dialect.name]))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1")).all()
        since = time.perf_counter()
        assert connection.execute(asked).all()
        return (time.perf_counter() - since) * 1000
