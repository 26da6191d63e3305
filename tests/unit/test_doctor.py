"""The signature doctor names what went wrong, for every wrong that it knows."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector.config import HookSettings
from connector.gateway import signature
from connector.gateway.doctor import Doctor
from connector.gateway.signature import sign

DATA = Path(__file__).parents[1] / "data"
MANIFEST = json.loads((DATA / "manifest.json").read_text())
SECRET = MANIFEST["secret"]
BODY = (DATA / "deliveries" / "several.json").read_bytes()
HEADER = sign(BODY, SECRET)
DATA_OF_BODY = json.loads(BODY)


def told(body: bytes = BODY, header: str | None = HEADER, secrets: tuple[str, ...] = (SECRET,)) -> str:
    diagnosis = Doctor(body, secrets).diagnose(header)
    assert not diagnosis.matches
    return " ".join(diagnosis.findings)


def test_a_good_signature_matches():
    diagnosis = Doctor(BODY, [SECRET]).diagnose(HEADER)
    assert diagnosis.matches
    assert diagnosis.secret == 0
    assert diagnosis.expected == HEADER


def test_it_tells_which_of_several_secrets_matched():
    diagnosis = Doctor(BODY, ["another", SECRET]).diagnose(HEADER)
    assert diagnosis.matches
    assert diagnosis.secret == 1
    assert "number 2" in diagnosis.findings[0]


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (BODY.replace(b"\r\n", b"\n"), "from CRLF to LF"),
        (json.dumps(DATA_OF_BODY, separators=(",", ":")).encode(), "re-serialised"),
        (json.dumps(DATA_OF_BODY).encode(), "re-serialised"),
        (json.dumps(DATA_OF_BODY, indent=4, sort_keys=False).encode(), "re-serialised"),
        (BODY + b"\n", "trailing line feed was added"),
        (BODY + b"\r\n", "trailing CRLF was added"),
        (b"\xef\xbb\xbf" + BODY, "byte order mark was added"),
        (b"  " + BODY, "White space around"),
    ],
)
def test_what_happened_to_the_body(spoilt, words):
    assert words in told(body=spoilt)


@pytest.mark.parametrize(
    ("signed", "words"),
    [
        (BODY + b"\r\n", "trailing CRLF was cut off"),
        (b"\xef\xbb\xbf" + BODY, "byte order mark was taken off"),
        (BODY.replace(b"\r\n", b"\n"), "from LF to CRLF"),
        (json.dumps(DATA_OF_BODY, separators=(",", ":")).encode(), "signed compact"),
        (json.dumps(DATA_OF_BODY, indent=2, sort_keys=True).encode(), "sorted keys"),
        (json.dumps(DATA_OF_BODY, indent=4).encode(), "four blanks"),
    ],
)
def test_what_the_body_was_when_it_was_signed(signed, words):
    assert words in told(header=sign(signed, SECRET))


def hmac_header(key: bytes, hashing: str = "sha256") -> str:
    return "sha256=" + hmac.digest(key, BODY, hashing).hex()


@pytest.mark.parametrize(
    ("header", "secret", "words"),
    [
        (hmac_header(bytes.fromhex(SECRET)), SECRET, "decoded from hex"),
        (sign(BODY, SECRET + "\n"), SECRET, "ends in a line feed"),
        (sign(BODY, SECRET + " "), SECRET, "ends in a blank"),
        (HEADER, SECRET + "\n", "white space around it"),
        (HEADER, f'"{SECRET}"', "quotes around it"),
        (HEADER, SECRET.lower(), "upper case"),
        (hmac_header(SECRET.encode("utf-16-le")), SECRET, "UTF-16"),
        (hmac_header(base64.b64decode("c2VjcmV0MTIz")), "c2VjcmV0MTIz", "decoded from base64"),
        (HEADER, "quite another", "Another secret"),
        ("sha256=" + hashlib.sha256(BODY).hexdigest(), SECRET, "no secret went into it"),
        (hmac_header(SECRET.encode(), "sha512"), SECRET, "sha512"),
    ],
)
def test_what_is_wrong_with_the_secret(header, secret, words):
    assert words in told(header=header, secrets=(secret,))


DIGEST = bytes.fromhex(HEADER.partition("=")[2])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "missing"),
        ("  ", "missing"),
        (HEADER.removeprefix("sha256="), "must start with 'sha256='"),
        (HEADER.replace("sha256", "sha1"), "must start with 'sha256='"),
        ("sha256=" + base64.b64encode(DIGEST).decode(), "base64"),
        ("sha256=" + DIGEST.hex(" "), "without blanks"),
        (f"{HEADER}, {HEADER}", "exactly once"),
        ("sha256=abc", "64 hex digits"),
        ("sha256=" + "é" * 64, "not ASCII"),
    ],
)
def test_what_is_wrong_with_the_header(header, words):
    assert words in told(header=header)


def test_a_prefix_in_another_case_is_no_fault():
    assert Doctor(BODY, [SECRET]).diagnose(HEADER.replace("sha256", "SHA256")).matches


def test_two_faults_at_once_are_both_reported():
    found = told(body=BODY.replace(b"\r\n", b"\n"), header=sign(BODY, SECRET + "\n"))
    assert "CRLF" in found
    assert "line feed" in found


def test_without_a_secret_it_says_so():
    assert "No secret" in told(secrets=())


@given(body=st.binary(max_size=300), header=st.text(max_size=100), secret=st.text(max_size=80))
def test_it_never_raises_and_never_says_yes_to_nonsense(body, header, secret):
    secret = secret.encode("utf-8", "replace").decode()
    assert not Doctor(body, [secret]).diagnose(header).matches


blanks = st.text(" \t", max_size=3)
other_space = st.sampled_from(["", "", "", "\n", "\r\n", "\x0b", "\u00a0", "\ud800"])
prefixes = st.sampled_from(["sha256", "SHA256", "Sha256", "sha1", "", "ſha256"])  # noqa: RUF001 - looks like it
signs = st.sampled_from(["=", "=", "=", ":", "=="])
DIGITS = HEADER[7:]
digits = st.sampled_from(
    [DIGITS, DIGITS.lower(), DIGITS[:-1], DIGITS + "0", f'"{DIGITS}"', DIGITS.replace("A", " ")]
)  # fmt: skip
spellings = st.tuples(
    other_space, blanks, prefixes, blanks, signs, blanks, digits, blanks, other_space, blanks
).map("".join)


@given(header=spellings, secrets=st.sampled_from([(SECRET,), ("another", SECRET), ("another",)]))
@example(header=f" {HEADER}\t", secrets=(SECRET,))
@example(header=f"{HEADER}\n", secrets=(SECRET,))
def test_it_says_that_a_signature_matches_exactly_when_the_gateway_takes_it(header, secrets):
    hook = HookSettings(secrets=tuple(SecretStr(secret) for secret in secrets))
    sent = header.encode("utf-8", "surrogatepass")
    try:
        signature.verify([sent], BODY, signature.Keys.of("xtnd", hook))
    except signature.SignatureRefused:
        taken = False
    else:
        taken = True
    assert Doctor(BODY, secrets).diagnose(header).matches == taken
