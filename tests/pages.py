"""What README.md and docs/*.md say that one can type: commands after a prompt, and queries."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = ("README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# Root's prompt is one in the pages' systemd part.
PROMPTS = ("$ ", "# ")


class Typed(NamedTuple):
    """A command or a query of a page, as it stands there."""

    page: str
    text: str


def commands() -> list[Typed]:
    """Each command after a prompt in a block of a shell; one with an open quote goes on in the next line."""
    found = []
    for page, language, block in _blocks():
        if language not in ("console", "sh", "bash", "shell"):
            continue
        lines = iter(block.splitlines())
        for line in lines:
            if line.startswith(PROMPTS) or language != "console":
                command = line.removeprefix(PROMPTS[0]).removeprefix(PROMPTS[1])
                while not _is_whole(command):
                    command += "\n" + next(lines)
                found.append(Typed(page, command))
    return found


def queries() -> list[Typed]:
    """Each statement in a block of SQL, and each SELECT in the text."""
    found = [
        Typed(page, query.strip())
        for page, language, block in _blocks()
        if language == "sql"
        for query in block.split(";")
        if query.strip()
    ]
    return found + [one for one in mentioned() if one.text.startswith("SELECT ")]


def mentioned() -> list[Typed]:
    """What stands between backticks in the text."""
    return [
        Typed(page, text)
        for page in PAGES
        for text in dict.fromkeys(
            re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", BLOCK.sub("", _text(page)))
        )
    ]


def words(command: str) -> list[str]:
    """A command's words as a shell sees them, without its comment."""
    return shlex.split(command, comments=True)


def _blocks() -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        for language, block in BLOCK.findall(_text(page)):
            yield page, language, block


def _text(page: str) -> str:
    return Path(ROOT / page).read_text(encoding="utf-8")


def _is_whole(command: str) -> bool:
    try:
        words(command)
    except ValueError:
        return False
    return True
