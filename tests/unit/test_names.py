"""A reader meets few names, and each class has one of its own."""

import ast
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

# Top-level functions and classes per 1,000 lines: what is small and used once stands where it is used, and
# what shares its first arguments is a class.
MOST_PER_1000_LINES = 30
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    files = sorted((ROOT / "connector").rglob("*.py"))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def definitions(text: str) -> Iterator[Definition]:
    return (one for one in ast.parse(text).body if isinstance(one, Definition))


def test_no_two_public_classes_share_a_name(texts: dict[str, str]) -> None:
    places = defaultdict(list)
    for file, text in texts.items():
        for one in definitions(text):
            if isinstance(one, ast.ClassDef) and not one.name.startswith("_"):
                places[one.name].append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_definitions_are_few_for_the_lines_that_there_are(texts: dict[str, str]) -> None:
    count = sum(len(list(definitions(text))) for text in texts.values())
    lines = sum(len(text.splitlines()) for text in texts.values())
    assert count / lines * 1000 <= MOST_PER_1000_LINES
