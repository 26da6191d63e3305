"""``make audit`` says how much it could look at, so that "nothing found" is never "nothing looked at"."""

import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

AUDIT = Path(__file__).parents[2] / "requirements" / "audit"
SKIPPED = {"name": "b", "version": "2", "skip_reason": "Dependency not found"}
GOOD: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "c", "version": "3", "vulns": [{"id": "CVE-1", "fix_versions": ["3.1"]}]}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("audit", str(AUDIT))
    spec = importlib.util.spec_from_loader("audit", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("packages", [[], [SKIPPED]])
def test_nothing_looked_up_is_not_nothing_found(audit: ModuleType, packages: list[dict[str, Any]]) -> None:
    text, code = audit.report(packages)
    assert text.startswith("NOTHING WAS AUDITED")
    assert code == audit.UNKNOWN


def test_packages_that_could_not_be_looked_up_are_counted(audit: ModuleType) -> None:
    assert audit.report([GOOD, SKIPPED]) == (
        "1 of 2 packages audited, none known to be vulnerable; 1 could not be looked up.",
        0,
    )


def test_a_known_vulnerability_is_named_with_its_fix(audit: ModuleType) -> None:
    text, code = audit.report([GOOD, SKIPPED, BAD])
    assert "c 3: CVE-1, fixed in 3.1" in text
    assert code == audit.VULNERABLE
