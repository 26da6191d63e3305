"""Records of one family: the request for one, what of its answer is the record, and what of that leaves."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec

from connector import events
from connector.config import paths
from connector.config.source_models import PLACEHOLDER, EntitySettings, resource
from connector.errors import Poison

_level = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A path with these for a part leads elsewhere.
DOTS = (".", "..")

Path = tuple[str, ...]


class Unreadable(Exception):
    """The answer is not the record that was asked for; the text says what it is instead."""


class Records:
    """The records of one family. ``exclude`` are dotted paths of what of a record never leaves."""

    def __init__(self, family: str, entity: EntitySettings, exclude: Iterable[str]) -> None:
        self.family = family
        self.entity = entity
        self.bucket = resource(entity.get)
        self._keys = {part: paths.keys(path) for part, path in entity.key.items()}
        self._row = paths.keys(entity.data_selector) if entity.data_selector else None
        self._excluded = [paths.keys(path) for path in exclude]

    def path(self, key: str) -> str:
        """The percent-encoded path of the request for a key; ``Poison`` for a key that no path can hold."""
        parts = self._parts(key)
        for part in parts.values():
            if not part.strip() or part in DOTS:
                raise Poison("key-not-askable", f"{part!r} as a part of a path asks for something else.")
        return PLACEHOLDER.sub(lambda found: quote(parts[found[1]], safe=""), self.entity.get)

    def record(self, key: str, body: bytes) -> bytes | None:
        """The record of a key out of an answer's body; None where a list says that there is none.

        Raises ``Unreadable``, or ``Poison`` when the record holds what could not be stored.
        """
        rows = objects(body, self._row)
        if self._row is not None and not rows:
            return None
        parts = self._parts(key)
        others = []
        for row in rows:
            found = key_parts(row, self._keys)
            if found == parts:
                return self.kept(row)
            others.append("|".join(str(part) for part in found.values()))
        raise Unreadable(f"it is another record's: {', '.join(others)[:80]}")

    def kept(self, record: bytes) -> bytes:
        """What leaves of a record; raises ``Poison`` when it holds what could not be stored and read."""
        _refuse_unstorable(record)
        return _without(record, self._excluded) if self._excluded else record

    def gone(self, key: str) -> bytes:
        """The body of an event that there is no such record: just the key, where a record has it."""
        body: dict[str, Any] = {}
        parts = self._parts(key)
        for part, path in self._keys.items():
            level = body
            for name in path[:-1]:
                level = level.setdefault(name, {})
            level[path[-1]] = parts[part]
        return _encoder.encode(body)

    def _parts(self, key: str) -> dict[str, str]:
        texts = key.split("|") if len(self._keys) > 1 else [key]
        if len(texts) != len(self._keys):
            raise Poison("key-not-askable", f"The key {key!r} has not the parts {', '.join(self._keys)}.")
        return dict(zip(self._keys, texts, strict=True))


def objects(body: bytes, path: Path | None) -> list[bytes]:
    """The objects of an answer: those of the array at a path in it, or the answer itself without a path.

    The path ``()`` is for an answer that is the array. None where null stands at it; raises ``Unreadable``
    for what is no such answer: one without the path may be of another API, or of another version.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    if not body.strip():
        raise Unreadable("it is empty")
    try:
        if events.nesting(body) > events.MAX_DEPTH:
            raise Unreadable(f"it nests more than {events.MAX_DEPTH} levels deep")
        body.decode()  # msgspec checks the grammar of a Raw, not its UTF-8
        if path is None:
            _level.decode(body)
            return [body]
        for name in path:
            level = _level.decode(body)
            if name not in level:
                raise Unreadable(f"it has no {'.'.join(path)} (data_selector)")
            body = bytes(level[name])
        return [] if body == b"null" else [bytes(row) for row in _items.decode(body)]
    except events.JSON_ERRORS as error:
        if body.lstrip()[:1] == b"<":
            raise Unreadable("it is HTML") from None
        with suppress(UnicodeDecodeError):
            _refuse_unstorable(body)
        raise Unreadable(f"it is no JSON object as a record is ({error})") from None


def key_parts(row: bytes, key: Mapping[str, Path]) -> dict[str, str | None]:
    """The parts of an object's key, None for one that it has not; raises ``Unreadable``."""
    try:
        data = events.exact_json.decode(row)
        return {part: events.key_text(events.value_at(data, path)) for part, path in key.items()}
    except (*events.JSON_ERRORS, Poison) as error:
        raise Unreadable(f"its key cannot be read: {error}") from None


def _refuse_unstorable(record: bytes) -> None:
    """Raise ``Poison`` for JSON with a value that could not be stored and read again."""
    try:
        events.read_json("The record", record)
    except Poison as poison:
        if poison.reason != "details-kind":  # it is no JSON at all
            raise
    events.refuse_nul("The record", record)


def _without(value: bytes, excluded: Sequence[Path]) -> bytes:
    """JSON text without what stands at paths, in each item of the arrays on the way; the rest as it was."""
    first = value.lstrip()[:1]
    if first == b"[":
        return b"[" + b",".join(_without(bytes(item), excluded) for item in _items.decode(value)) + b"]"
    if first != b"{":
        return value
    level = _level.decode(value)
    for name in {path[0] for path in excluded} & level.keys():
        below = [path[1:] for path in excluded if path[0] == name]
        if () in below:
            del level[name]
        else:
            level[name] = msgspec.Raw(_without(bytes(level[name]), below))
    return _encoder.encode(level)
