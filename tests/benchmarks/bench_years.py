"""Archive, verify, backup, restore and copy of a mirror of years: what each takes for an event."""

from pathlib import Path

import pytest

from tests.benchmarks.report import Report, scaled
from tests.benchmarks.years import Years
from tests.servers import PostgresServer

EVENTS = 300_000
# Whatever the number of events.
MOST_MB = "< 300"

pytestmark = pytest.mark.timeout(7_200)


def test_years(postgres: PostgresServer, tmp_path: Path, bench: Report) -> None:
    years, count = Years(tmp_path), scaled(EVENTS, least=1000)
    years.fill(count)
    for step in years.steps(postgres.new_database().replace("+psycopg", "")):
        bench.add("years", f"{step.name}: processor", step.processor / count * 1e6, "µs/event")
        bench.add("years", f"{step.name}: peak memory", step.peak_mb, "MB", target=MOST_MB)
    for what, size in years.sizes().items():
        bench.add("years", f"{what}: size", size / count, "bytes/event")
