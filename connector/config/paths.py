"""Dotted ways into a notification's Details, as in ``Order.Row.Position``.

A key that holds dots or blanks stands between quotes, ``'Key.with dot'.Inner`` or ``"Key.with dot".Inner``,
in which the quote itself is written twice.
"""

import re

_BARE = r"[^.\s'\"][^.\s]*"
_KEY = rf"(?:{_BARE}|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
_keys = re.compile(_KEY)
_path = re.compile(rf"{_KEY}(?:\.{_KEY})*")
_bare = re.compile(rf"{_BARE}\Z")


def checked(path: str) -> str:
    """The path itself; ``ValueError`` for text that is none."""
    if _path.fullmatch(path):
        return path
    what = f"{path!r} is no path, which is keys with dots between them"
    raise ValueError(f"{what}; put a key with dots or blanks in quotes: 'Key.with dot'.Inner")


def keys(path: str) -> tuple[str, ...]:
    """The keys along a path that was ``checked``."""
    return tuple(
        [key[1:-1].replace(key[0] * 2, key[0]) if key[0] in "'\"" else key for key in _keys.findall(path)]
    )


def text(keys_of_path: tuple[str, ...]) -> str:
    """A path as it is written."""
    return ".".join([key if _bare.match(key) else "'" + key.replace("'", "''") + "'" for key in keys_of_path])
