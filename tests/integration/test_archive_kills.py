"""``connector archive`` ended by SIGKILL at each of its steps: nothing is lost, and the next run goes on."""

import os
import signal
from pathlib import Path

from connector import config, failpoints
from connector.mirror import archiving
from tests import processes, strategies
from tests.conftest import SECRET, shipped
from tests.integration.test_archive import differences, events_of, tables_of, write_some_hooks
from tests.strategies import MINUTE, NOON

# In one order, each run from where the one before it was killed: the file is noted, in its place, read again
# and registered; of its three steps one is done, and all are.
POINTS = ("archive-noted", "archive-put", "archive-read", "archive-step@1", "archive-step@2")
# Where a server has to end what the killed one left: with nothing emptied, and with some of it.
OF_A_SERVER = POINTS[2:4]


def small_steps() -> None:
    """``connector`` with few events in a step."""
    from connector.__main__ import main  # noqa: PLC0415 - it looks at this process's signals

    archiving.STEP = 2
    main()


def test_killed_at_any_step_nothing_is_lost_and_the_next_run_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    folder, files = tmp_path / "config", tmp_path / "archives"
    folder.mkdir()
    for name, text in shipped().items():
        (folder / name).write_text(text)
    with (folder / "connector.yaml").open("a") as file:
        file.write(f"\nmirror: {{retention: {{months: 1, archive: {files}}}}}\n")
    variables = {
        "XTND_WEBHOOK_SECRET": SECRET,
        "DATABASE_URL": database_url,
        "XTND_DATA_DIR": str(tmp_path),
        "XTND_CONFIG_DIR": str(folder),
    }

    def archive(plan: str = "") -> tuple[int, str]:
        environ = {**os.environ, **variables, failpoints.VARIABLE: plan}
        done = processes.run(["archive"], env=environ, program=small_steps)
        return done.returncode, done.stdout

    with strategies.mirror(config.load(folder, variables, {}), copied=True) as mirror:
        write_some_hooks(mirror)
        before = tables_of(mirror), events_of(mirror), []
        for point in POINTS if database_url.startswith("sqlite") else OF_A_SERVER:
            assert archive(f"exit-{point}") == (-signal.SIGKILL, "")
            assert (tables_of(mirror), events_of(mirror), differences(mirror)) == before, point
            if (
                point == "archive-step@1"
            ):  # better copies: of an event that is emptied, and of one that is not
                for number in (0, 3):
                    action, key = ("OrderPicked", "0") if number == 0 else ("OrderReserved", "1")
                    details = {"OrderNumber": key, "OrderType": "Better"}
                    at = NOON - MINUTE
                    mirror.write(mirror.event(action, details, delivery=f"d{number}", at=at))
                before = tables_of(mirror), events_of(mirror), []
        code, printed = archive()
        assert (code, printed.count("2023-11: 5 events"), printed.count("2023-11: 2 events")) == (0, 1, 1)
        assert {str(one) for one in files.iterdir()} == {row["file"] for row in mirror.rows("_archives")}
        assert sorted(row["archive"] for row in mirror.rows("notifications")) == [1, 1, 1, 2, 2]
        assert (tables_of(mirror), events_of(mirror), differences(mirror)) == before
