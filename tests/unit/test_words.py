"""Plain words: no word of a private language comes back, and each page that a comment names exists."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

# Word (a regular expression) → what to say instead. Also found within names such as ``held_bytes``.
BANNED = {
    "told|untold": "reported; without a key",
    "said": "events, report, answer",
    "held": "current, stored, in flight, locked",
    "wanted": "needed, expected, planned",
    "anew": "again",
    "for ?ever": "indefinitely, unlimited",
    "mend|mends|mended": "fix",
    "doors?": "listener, hook",
    "rooms?": "slots, limits, space, package",
    "holes?": "gap",
    "begins?|began|begun": "start",
    "whereabouts": "endpoints",
    "leash|leashed": "parent death",
    "patience": "retry",
    "handover": "pending delivery",
    "line_up|depart|departs": "enqueue, flush",
    "gentle": "lingering",
    "deaf": "read closed",
    "send away|sent away": "evict",
    "place in time": "version",
    "nobody waits": "timed out",
    "cannot work": "invalid",
    "young": "generation 0",
    "looks? for cycles": "garbage collection",
    "place_again": "reassign",
    "whoever": "a user, a process, who",
    "knock|knocks|knocked": "connect, try the connection",
    "placed": "LedgerEvent",
}
# Words that are banned as they are written here.
BANNED_AS_WRITTEN = {"FAULT": "FAIL", "To mend it": "Fix"}
# Names that are not ours to choose: the start of a transaction and of a message in SQLAlchemy and llhttp, an
# index of connector 0.1, what records are asked for by (a column and a setting), and a field of XTND's.
FIXED_NAMES = re.compile(
    r"(?<![A-Za-z])begin(?:_nested)?\(|\"begin\"|ix_notifications_untold|(?<![A-Za-z])wanted_(?:at|on)"
    r"|doorCode"
)
TEXTS = ("connector/**/*.py", "docs/*.md", "ops/**/*.yml", "config/*.yaml", "README.md", "Makefile")
SOURCES = ("connector/**/*.py", "tests/**/*.py", "ops/**/*.yml", "config/*.yaml", "README.md", "docs/*.md")
PAGE = re.compile(r"(?<![\"\w./-])(?P<path>[\w./-]*[\w-]+\.md)(?:, (?P<section>[A-Z][A-Za-z -]*[A-Za-z]))?")


def files(globs: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for pattern in globs:
        for file in sorted(ROOT.glob(pattern)):
            name = str(file.relative_to(ROOT))
            if not name.startswith("tests/data/") and file != Path(__file__):
                yield name, file


def test_no_word_of_a_private_language_comes_back() -> None:
    """``--help`` and messages are in the sources too."""
    words = "|".join(f"{word}|{word[0].upper()}{word[1:]}" for word in "|".join(BANNED).split("|"))
    as_written = "|".join(BANNED_AS_WRITTEN)
    banned = re.compile(rf"(?<![A-Za-z])(?:{words})(?![a-z])|(?<![A-Z_])(?:{as_written})(?![A-Z_])")
    found = []
    for name, file in files(TEXTS):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            found += [f"{name}:{number}: {word}" for word in banned.findall(FIXED_NAMES.sub("", line))]
    assert not found, "\n".join(["plain words are in test_words.BANNED:", *found])


def test_each_page_and_section_that_a_text_names_exists() -> None:
    lost = []
    for name, file in files(SOURCES):
        text = re.sub(r"\s*\n[ \t]*(?:# ?)?", " ", file.read_text(encoding="utf-8"))
        for found in PAGE.finditer(text):
            places = [one for one in (ROOT, file.parent) if (one / found["path"]).exists()]
            section = found["section"]
            if not places:
                lost.append(f"{name}: there is no {found['path']}")
            elif section and not _has(places[0] / found["path"], section):
                lost.append(f"{name}: {found['path']} has no section {section!r}")
    assert not lost, "\n".join(lost)


def _has(page: Path, section: str) -> bool:
    """Whether a heading of the page is the section, or starts the text that follows the page's name."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return any(section == heading or section.startswith(f"{heading} ") for heading in headings)
