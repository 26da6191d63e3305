"""Signature diagnosis: whether a signature matches, and if not, what probably went wrong.

Nothing is guessed: each way in which a body, a secret or a header is commonly altered is tried, and
only what makes the signature match is reported.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from connector.gateway import signature
from connector.gateway.signature import SignatureRefused, sign

_BOM = b"\xef\xbb\xbf"
_UNCHANGED = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    ``matches`` is what the gateway would say. ``findings`` are sentences; for a signature that does
    not match they name what would make it match. ``secret`` is the place (from 0) of the secret that
    made or would make it match. ``expected`` is the header value for the first secret.
    """

    matches: bool
    findings: tuple[str, ...]
    secret: int | None = None
    expected: str | None = None


Variant = tuple[str, bytes]


class Doctor:
    """Looks at one body under each of ``secrets``."""

    def __init__(self, body: bytes, secrets: Sequence[str]) -> None:
        self._body = body
        self._secrets = secrets

    def diagnose(self, header: str | None) -> Diagnosis:
        """Compare the body with its ``ms-signature`` header under each of the secrets."""
        if not self._secrets:
            return Diagnosis(False, ("No secret was given.",))
        expected = sign(self._body, self._secrets[0])
        if header is None or not header.strip():
            return Diagnosis(False, ("The ms-signature header is missing or empty.",), None, expected)
        digests = dict(_digests(header))
        try:
            # What no header can have becomes what no signature has.
            given = signature.read([header.encode("utf-8", "backslashreplace")])
        except SignatureRefused:
            faults = list(_header_faults(header))
        else:
            faults, digests[given] = [], _UNCHANGED
        if not digests:
            what = "The header holds no HMAC-SHA256: 64 hex digits are needed."
            return Diagnosis(False, (*faults, what), None, expected)
        return self._compare(digests, faults, expected)

    def _compare(self, digests: dict[bytes, str], faults: list[str], expected: str) -> Diagnosis:
        for spoilt_body, (place, spoilt_key), hashing in self._suspects():
            computed = hmac.digest(spoilt_key[1], spoilt_body[1], hashing)
            if computed not in digests:
                continue
            causes = [text for text in (digests[computed], spoilt_body[0], spoilt_key[0]) if text]
            if hashing != "sha256":
                causes.append(f"It is an HMAC with {hashing}; XTND uses SHA-256.")
            if place > 0:
                causes.append(f"It was made with secret number {place + 1} of those given.")
            matches = not faults and not spoilt_body[0] and not spoilt_key[0] and not digests[computed]
            findings = (*faults, *causes) or ("The signature matches.",)
            return Diagnosis(matches, findings, place, expected)
        if hashlib.sha256(self._body).digest() in digests:
            what = "The header is a plain SHA-256 of the body; no secret went into it."
        else:
            what = "Another secret was used, or the body was altered in an unusual way."
        return Diagnosis(False, (*faults, what), None, expected)

    def _suspects(self) -> Iterator[tuple[Variant, tuple[int, Variant], str]]:
        """Every combination to try, those with the fewest changes first."""
        body, secrets = self._body, self._secrets
        bodies = [(_UNCHANGED, body), *self._bodies()]
        keys = [(place, variant) for place, secret in enumerate(secrets) for variant in _keys(secret)]
        combinations = list(product(bodies, keys, ("sha256",)))
        combinations.sort(key=lambda suspect: bool(suspect[0][0]) + bool(suspect[1][1][0]))
        yield from combinations
        for place, secret in enumerate(secrets):
            for hashing in ("sha1", "sha512"):
                yield (_UNCHANGED, body), (place, (_UNCHANGED, secret.encode())), hashing

    def _bodies(self) -> Iterator[Variant]:
        """The body as it may have been when it was signed, with what happened to it since."""
        body = self._body
        lf = body.replace(b"\r\n", b"\n")
        yield "Its line ends were changed from CRLF to LF.", lf.replace(b"\n", b"\r\n")
        yield "Its line ends were changed from LF to CRLF.", lf
        for name, end in (("line feed", b"\n"), ("CRLF", b"\r\n")):
            if body.endswith(end):
                yield f"A trailing {name} was added.", body.removesuffix(end)
            yield f"The trailing {name} was cut off.", body + end
        yield "White space around it was added.", body.strip()
        yield "A byte order mark was added.", body.removeprefix(_BOM)
        yield "The byte order mark was taken off.", _BOM + body
        yield from self._serialised()
        for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
            with suppress(UnicodeError):
                yield f"It was re-encoded; it was signed as {encoding}.", body.decode().encode(encoding)
        with suppress(UnicodeError):
            yield "It was encoded as UTF-8 twice.", body.decode().encode("latin-1").decode().encode()

    def _serialised(self) -> Iterator[Variant]:
        """Bodies with the same JSON in another layout."""
        try:
            data = json.loads(self._body.removeprefix(_BOM))
        except (ValueError, RecursionError):
            return
        layouts: dict[str, tuple[int | None, tuple[str, str] | None]] = {
            "indented by two blanks": (2, None),
            "compact": (None, (",", ":")),
            "on one line": (None, None),
            "indented by four blanks": (4, None),
        }
        for (layout, (indent, separators)), ascii_only, ordered in product(
            layouts.items(), (False, True), (False, True)
        ):
            text = json.dumps(
                data, indent=indent, separators=separators, ensure_ascii=ascii_only, sort_keys=ordered
            )
            order = " with sorted keys" if ordered else ""
            for ends, name in (("\r\n", "CRLF"), ("\n", "LF")):
                if indent is None and name == "LF":
                    continue
                lines = f" with {name} line ends" if indent is not None else ""
                what = (
                    f"The body was re-serialised; it was signed {layout}{lines}{order}. Verify the raw bytes."
                )
                yield what, text.replace("\n", ends).encode("utf-8", "surrogatepass")


def _header_faults(header: str) -> Iterator[str]:
    """What is wrong with a header that the gateway cannot read."""
    text = header.strip()
    prefix = text.partition("=")[0].strip().lower()
    if not text.isascii():
        yield "The header holds characters that are not ASCII."
    elif prefix != "sha256":
        yield "The header must start with 'sha256='."
    elif "," in text:
        yield "The header holds several values; it must stand exactly once."
    elif header.strip(" \t") != text:
        yield "White space other than blanks and tabs stands around the header's value."
    else:
        yield "The header must be 'sha256=' and 64 hex digits without blanks or quotes."


def _digests(header: str) -> Iterator[tuple[bytes, str]]:
    """Digests that the header may mean, each with what is wrong about the way it is written."""
    value = header.strip().partition("=")[2] or header.strip()
    for text in (value, header.strip()):
        packed = re.sub(r"[\s\"':-]", "", text)
        for part in packed.split(","):
            digits = part.lower().removeprefix("sha256=")
            if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}", digits):
                yield bytes.fromhex(digits), _UNCHANGED
            else:
                with suppress(binascii.Error):
                    decoded = base64.b64decode(part.encode("ascii", "replace"), validate=True)
                    if len(decoded) in (20, 32, 64):
                        yield decoded, "The signature is base64; XTND writes hex."


def _keys(secret: str) -> Iterator[Variant]:
    """The key as it may have been used instead, with what is different about it."""
    yield _UNCHANGED, secret.encode()
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", secret):
        yield "The key was decoded from hex; XTND takes the secret's text as it is.", bytes.fromhex(secret)
    for name, extra in (("line feed", "\n"), ("CRLF", "\r\n"), ("blank", " ")):
        yield (
            f"It was made with a secret that ends in a {name}; the one given does not.",
            (secret + extra).encode(),
        )
    if secret.strip() != secret:
        yield "The secret given has white space around it that is not part of it.", secret.strip().encode()
    if secret.strip("\"'") != secret:
        yield "The secret given has quotes around it that are not part of it.", secret.strip("\"'").encode()
    yield "It was made with the secret in upper case.", secret.upper().encode()
    yield "It was made with the secret in lower case.", secret.lower().encode()
    yield "It was made with the secret as UTF-16.", secret.encode("utf-16-le")
    try:
        decoded = base64.b64decode(secret.encode(), validate=True)
        yield "The key was decoded from base64; XTND takes the secret's text as it is.", decoded
    except binascii.Error:
        return
