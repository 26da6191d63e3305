"""The runbook: a section for each alert and exit code; those of readiness are in test_scrapes.py."""

import re

import pytest
from typer.main import get_command

from connector import cli
from connector.commands import failures, standing
from connector.stream import agents
from tests import alerts
from tests.conftest import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


@pytest.mark.parametrize("rule", alerts.rules(), ids=lambda rule: rule["alert"])
def test_an_alert_points_at_its_section_which_says_what_it_means_where_to_look_and_what_to_do(
    rule: dict[str, dict[str, str]],
) -> None:
    name = str(rule["alert"])
    section = alerts.sections()["Alerts"][name]
    assert re.findall(r"\*\*(\w+)\*\*", section) == ["Means", "Look", "Do"]
    # As GitHub makes an anchor of a heading.
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_each_exit_code_has_its_section_and_no_alert_that_there_is_not() -> None:
    ours = {failures.FAILED, failures.CONFIGURATION, failures.UNEXPECTED, *standing.EXIT_CODES.values()}
    ours |= {agents.EXIT_DEFECT, agents.EXIT_STREAM_ENDED, agents.EXIT_STANDSTILL}
    assert set(alerts.sections()["Exit codes"]) == set(map(str, ours))
    assert set(re.findall(r"Xtnd\w+", RUNBOOK)) == {rule["alert"] for rule in alerts.rules()}


def test_each_command_of_the_runbook_is_one() -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"connector ([a-z-]+)", RUNBOOK)) <= commands.keys()
