"""How deep JSON text nests, how many items an array has, and text without its deepest parts.

Everything here takes time in proportion to the text, whatever stands in it: no expression can go
back over what it has passed, and nothing is recursive.
"""

import re
from itertools import accumulate

import msgspec

# A text between quotes, once escaped quotes are out of the way; one that stays open reaches to the end.
_TEXT = re.compile(rb'"[^"]*"?')
_BRACKET = re.compile(rb'"[^"]*"?|([\[{])|([\]}])')
_OPENS = 1
# Brackets and commas → what they do to the depth, as signed bytes.
_STEPS = bytes.maketrans(b"[]{},", b"\x01\xff\x01\xff\x00")
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALL_BUT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b"[]{},")
# Levels that are checked at once in what is nested too deep; well below Python's limit of recursion.
_SLAB = 64
# The byte 0xFD is none of UTF-8's, so nothing that was received looks like this.
_MARK = re.compile(rb'"\xfd([0-9]+)"')

_raw = msgspec.json.Decoder(msgspec.Raw)


def nesting(text: bytes) -> int:
    """How deep JSON text nests; brackets inside quotes do not count."""
    return max(accumulate(_steps(text, _ALL_BUT_BRACKETS)), default=0)


def nests_deeper(text: bytes, limit: int) -> bool:
    """Whether JSON text nests deeper than ``limit``."""
    # Text with few brackets cannot nest deeply; counting them is fifty times as fast as looking.
    return text.count(b"{") + text.count(b"[") > limit and nesting(text) > limit


def items(array: bytes, limit: int) -> int:
    """How many items a JSON array has; what is beyond ``limit`` + 1 is not counted."""
    if not array[1:-1].strip(b" \t\r\n"):
        return 0
    found = 1
    steps = _steps(array, _ALL_BUT_STRUCTURE)
    for step, depth in zip(steps, accumulate(steps), strict=True):
        if step == 0 and depth == 1:
            found += 1
            if found > limit:
                break
    return found


def _steps(text: bytes, dropped: bytes) -> "memoryview[int]":
    """What each bracket (and comma) does to the depth: 1, -1 or 0, in order."""
    return memoryview(_TEXT.sub(b"", _without_escapes(text)).translate(_STEPS, dropped)).cast("b")


def _without_escapes(text: bytes) -> bytes:
    """Text of the same length in which every quote opens or closes a text."""
    return text.replace(rb"\\", b"--").replace(rb"\"", b"--")


class Shallow:
    """JSON text from which each part below ``limit`` levels is cut out, with a mark in its place.

    ``text`` can be given to a recursive parser. Raises ``msgspec.DecodeError`` when a part that is
    cut out is not JSON.
    """

    def __init__(self, whole: bytes, limit: int) -> None:
        self._parts: list[bytes] = []
        self.text = self._cut(whole, limit) if nests_deeper(whole, limit) else whole

    @property
    def cuts(self) -> int:
        """How many parts were cut out of the whole."""
        return len(self._parts)

    def restored(self, piece: bytes) -> tuple[bytes, int]:
        """A piece of ``text`` as it was, and how many parts of it had been cut out."""
        return _MARK.subn(lambda mark: self._parts[int(mark[1])], piece) if self._parts else (piece, 0)

    def _cut(self, whole: bytes, limit: int) -> bytes:
        # Each part is read in slabs of some levels, from the inside: all of them together are read once.
        slabs: list[list[bytes]] = [[]]
        starts: list[int] = []
        done = depth = 0
        for bracket in _BRACKET.finditer(_without_escapes(whole)):
            if not bracket.lastindex:
                continue
            opens = bracket.lastindex == _OPENS
            depth -= not opens
            if depth >= limit and (depth - limit) % _SLAB == 0:
                at = bracket.start() if opens else bracket.end()
                slabs[-1].append(whole[done:at])
                done = at
                if opens:
                    starts.append(at)
                    slabs.append([])
                else:
                    _raw.decode(b"".join(slabs.pop()))
                    part = whole[starts.pop() : at]
                    slabs[-1].append(b"0" if starts else self._mark(part))
            depth += opens
        if starts:
            raise msgspec.DecodeError("Input data was truncated")
        return b"".join([*slabs[0], whole[done:]])

    def _mark(self, part: bytes) -> bytes:
        self._parts.append(part)
        return b'"\xfd%d"' % (len(self._parts) - 1)
