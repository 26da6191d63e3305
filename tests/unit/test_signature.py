"""The signature: what is taken, what is refused, and that nothing else can make a verified body."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector.config import HookSettings
from connector.gateway.signature import KeyedHash, Keys, SignatureRefused, VerifiedBody, sign, verify

DATA = Path(__file__).parents[1] / "data"
MANIFEST = json.loads((DATA / "manifest.json").read_text())
# docs/contract.md, The signature: XTND's own check value.
CHECK_SECRET = "secret123"
CHECK_BODY = bytes.fromhex("7B2774657374273A277465737432277D")
CHECK_HEADER = "sha256=25FB6994568A75CD233E04BA1C653AF1BF476041CC543AF04F82CAAC482C201A"
BODY = b'{"Id": "1"}'


def keys(*secrets: str, required: bool = True) -> Keys:
    hook = HookSettings(
        secrets=tuple(SecretStr(secret) for secret in secrets), verify="required" if required else "off"
    )
    return Keys.of("xtnd", hook)


def refusal(values: list[bytes], body: bytes = BODY, *secrets: str) -> str:
    with pytest.raises(SignatureRefused) as caught:
        verify(values, body, keys(*(secrets or (CHECK_SECRET,))))
    return caught.value.reason


def signed(value: str | bytes) -> list[bytes]:
    return [value if isinstance(value, bytes) else value.encode()]


def test_xtnds_own_check_value_is_made_and_taken():
    assert sign(CHECK_BODY, CHECK_SECRET) == CHECK_HEADER
    verified = verify(signed(CHECK_HEADER), CHECK_BODY, keys(CHECK_SECRET))
    assert (verified.raw, verified.hook) == (CHECK_BODY, "xtnd")


@given(secret=st.text(min_size=1, max_size=150), body=st.binary(max_size=300))
@example(secret="k" * 64, body=BODY)
@example(secret="k" * 65, body=BODY)
def test_a_secret_of_any_length_proves_what_hmac_signs_with_it(secret: str, body: bytes) -> None:
    digest = hmac.digest(secret.encode(), body, "sha256")
    keyed = KeyedHash(secret.encode())
    assert keyed.digest(body) == digest
    assert keyed.digest(body + b"\0") != digest
    assert keyed.digest(body) == digest  # what is kept of the secret stays as it was


@pytest.mark.parametrize("entry", MANIFEST["deliveries"], ids=lambda entry: Path(entry["file"]).stem)
def test_every_wire_file_verifies(entry):
    body = (DATA / entry["file"]).read_bytes()
    assert len(body) == entry["bytes"]
    assert sign(body, MANIFEST["secret"]) == entry["ms-signature"]
    verify(signed(entry["ms-signature"]), body, keys(MANIFEST["secret"]))


@pytest.mark.parametrize(
    "spelling", ["sha256={}", "SHA256={}", "Sha256={}", "sha256 = {}", "sha256= {}", "sha256\t=\t{}"]
)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_prefix_and_hex_are_taken_in_either_case_and_with_blanks_around_the_sign(spelling, case):
    digits = case(sign(BODY, CHECK_SECRET).partition("=")[2])
    verify(signed(spelling.format(digits)), BODY, keys(CHECK_SECRET))


@pytest.mark.parametrize("value", [" {}", "{} ", "\t{}\t", " \t {} \t "])
def test_blanks_and_tabs_around_the_value_are_no_part_of_it(value):
    verify(signed(value.format(sign(BODY, CHECK_SECRET))), BODY, keys(CHECK_SECRET))


DIGITS = sign(BODY, CHECK_SECRET).partition("=")[2]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "malformed"),
        ("sha256=", "malformed"),
        (DIGITS, "malformed"),
        (f"sha1={DIGITS}", "malformed"),
        (f"sha256:{DIGITS}", "malformed"),
        (f"sha256={DIGITS[:-1]}", "malformed"),
        (f"sha256={DIGITS}0", "malformed"),
        (f"sha256={DIGITS[:-1]}g", "malformed"),
        (f"sha256={DIGITS[:32]} {DIGITS[32:]}", "malformed"),
        (f"sha256={' '.join(DIGITS[i : i + 2] for i in range(0, 64, 2))}", "malformed"),
        (f"sha256={DIGITS}\n", "malformed"),
        (f"sha256={DIGITS}\x0b", "malformed"),
        (f"sha256={DIGITS}\N{NO-BREAK SPACE}", "malformed"),
        (f"sha256={DIGITS}, sha256={DIGITS}", "malformed"),
        (f'sha256="{DIGITS}"', "malformed"),
        (b"sha256=" + b"\xff" * 64, "malformed"),
        ("sha256=" + "é" * 64, "malformed"),
        ("sha256=" + "\N{FULLWIDTH DIGIT ZERO}" * 64, "malformed"),
        ("sha256=" + "0" * 64, "wrong"),
    ],
)
def test_what_is_not_a_signature_is_refused(value, reason):
    assert refusal(signed(value)) == reason


def test_the_header_must_stand_exactly_once():
    good = sign(BODY, CHECK_SECRET).encode()
    assert refusal([]) == "missing"
    assert refusal([good, good]) == "twice"


def test_any_listed_secret_will_do_and_no_other():
    for secret in ("former", "current"):
        verify(signed(sign(BODY, secret)), BODY, keys("former", "current"))
    assert refusal(signed(sign(BODY, "former")), BODY, "current") == "wrong"


def test_every_listed_secret_is_compared_even_after_a_match(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(1) or real(a, b))
    verify(signed(sign(BODY, "one")), BODY, keys("one", "two", "three"))
    assert len(compared) == 3


def test_the_secret_is_text_even_when_it_looks_like_hex():
    secret = "00ff" * 16
    decoded = hmac.new(bytes.fromhex(secret), BODY, hashlib.sha256).hexdigest()
    assert refusal(signed(f"sha256={decoded}"), BODY, secret) == "wrong"


def test_verification_that_is_off_takes_anything():
    assert verify([], BODY, keys(required=False)).raw == BODY


def test_a_hook_without_secrets_refuses_everything():
    with pytest.raises(SignatureRefused):
        verify(signed(sign(BODY, "")), BODY, keys())


def test_only_verify_makes_a_verified_body():
    with pytest.raises(TypeError):
        VerifiedBody(BODY, "xtnd", seal=object())


@given(body=st.binary(max_size=5000), secret=st.text(min_size=1), other=st.text(min_size=1))
def test_a_signature_holds_for_its_own_secret_and_body_only(body, secret, other):
    secret, other = (text.encode("utf-8", "replace").decode() for text in (secret, other))
    header = signed(sign(body, secret))
    assert verify(header, body, keys(secret)).raw == body
    # HMAC pads a short key with NULs, so keys that differ in trailing NULs only are one key.
    if secret.rstrip("\0") != other.rstrip("\0"):
        assert refusal(header, body, other) == "wrong"
    assert refusal(header, body + b" ", secret) == "wrong"


@given(value=st.binary(max_size=200))
def test_no_header_value_raises_anything_else(value):
    assert refusal([value]) in ("malformed", "wrong")
