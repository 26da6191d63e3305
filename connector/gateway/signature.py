"""XTND's signature: ``ms-signature: sha256=<64 hex digits>`` (docs/contract.md, The signature).

HMAC-SHA256 over the exact body bytes; the key is the UTF-8 bytes of the secret as text. Everything
is compared as bytes: comparing text that is not ASCII raises.
"""

import hashlib
import hmac
import re
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from connector.config import HookSettings
from connector.errors import ConnectorError

HEADER = b"ms-signature"
# Taken before any hex parser sees the text, because those accept blanks between digits.
_SIGNATURE = re.compile(rb"(?i:sha256)[ \t]*=[ \t]*([0-9a-fA-F]{64})")
_SEAL = object()
# What SHA-256 takes in at a time.
_BLOCK_BYTES = 64


class SignatureRefused(ConnectorError):
    """The request does not prove that it comes from XTND; ``reason`` is a stable short code."""

    def __init__(self, reason: str, error: str) -> None:
        self.reason = reason
        self.error = error
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves a hook's deliveries: any one of its secrets, unless verification is off."""

    hook: str
    keyed: tuple["KeyedHash", ...]
    required: bool = True

    @classmethod
    def of(cls, name: str, hook: HookSettings) -> Self:
        secrets = [secret.get_secret_value().encode() for secret in hook.secrets]
        return cls(hook=name, keyed=tuple(map(KeyedHash, secrets)), required=hook.verify != "off")

    def fit(self, given: bytes, body: bytes) -> bool:
        """Whether the 32 bytes ``given`` are the body's HMAC under one of the secrets.

        Every secret is tried, in constant time, so that the time reveals nothing about the secrets.
        """
        found = False
        for secret in self.keyed:
            found |= hmac.compare_digest(secret.digest(body), given)
        return found


class KeyedHash:
    """HMAC-SHA256 under one key (RFC 2104), for many bodies: its two hashes have taken the key in already.

    ``hmac.digest`` does that again for each body, and a copy of ``hmac.HMAC`` costs as much.
    """

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, body: bytes) -> bytes:
        """The 32 bytes of the body's HMAC."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()


class VerifiedBody:
    """Body bytes that were proven to be XTND's; only ``verify`` makes one.

    Whatever turns a body into Kafka records takes this type, so it cannot be called with bytes
    that nobody has verified.
    """

    __slots__ = ("hook", "raw")

    def __init__(self, raw: bytes, hook: str, *, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("Only signature.verify makes a VerifiedBody.")
        self.raw = raw
        self.hook = hook


def verify(values: Sequence[bytes], body: bytes, keys: Keys) -> VerifiedBody:
    """Return the body as verified by the request's ``ms-signature`` headers; raises ``SignatureRefused``."""
    if keys.required:
        given = read(values)
        if not keys.fit(given, body):
            what = "The ms-signature header does not match the body under any secret of this hook."
            raise SignatureRefused("wrong", f"{what} `connector sign` finds out why.")
    return VerifiedBody(body, keys.hook, seal=_SEAL)


def read(values: Sequence[bytes]) -> bytes:
    """The 32 bytes that the request's ``ms-signature`` headers claim; raises ``SignatureRefused``.

    Blanks and tabs around a header's value are no part of it (RFC 9110, 5.5).
    """
    if not values:
        raise SignatureRefused("missing", "The ms-signature header is missing.")
    if len(values) > 1:
        raise SignatureRefused("twice", "The ms-signature header is repeated.")
    found = _SIGNATURE.fullmatch(values[0].strip(b" \t"))
    if found is None:
        raise SignatureRefused("malformed", "The ms-signature header must be sha256=<64 hex digits>.")
    return unhexlify(found[1])


def sign(body: bytes, secret: str) -> str:
    """Return the header value that XTND would send: ``sha256=`` and upper-case hex."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex().upper()
