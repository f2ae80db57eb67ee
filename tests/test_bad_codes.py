"""Every way in which a code can be bad, each through `suizheng scan`: a reason for each, an exception for none."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image, ImageFilter
from test_foreign import make_certificate, make_code
from world import NOON, fixed_key, make_world

from api.cli.main import main
from codes import payload
from verifier import cbor
from verifier.code import CodeKind, examine_code, sign_code
from verifier.cose import Type, sign1, to_be_signed
from verifier.status import Status, StatusList
from verifier.suites import SoftwareKey, Suite
from verifier.trust import TrustBundle
from verifier.trust_content import TrustedKey

WORLD = make_world(1)
GOOD = WORLD.code()
BYTES, CLAIMS = payload.decode(GOOD), WORLD.claims().to_bytes()
REPLACED = 905
STRANGER, ENDED, LATER, SECOND = (fixed_key(name) for name in ("a stranger", "ended", "later", "second suite"))


def trust() -> TrustBundle:
    """Where one slot says superseded, one key ended the day before, and another begins the day after."""
    states = StatusList()
    states.set(REPLACED, Status.SUPERSEDED)
    kinds, since = tuple(kind.purpose for kind in CodeKind), NOON - timedelta(days=200)
    keys = (
        TrustedKey(ENDED.public, "registry", kinds, since, NOON - timedelta(days=1)),
        TrustedKey(LATER.public, "registry", kinds, NOON + timedelta(days=1)),
    )
    return WORLD.trust(keys=(*WORLD.content.keys, *keys), statuses={1: WORLD.status_token(states)})


def signed(data: bytes, key: SoftwareKey = WORLD.code_key, typ: int = int(Type(65001))) -> str:
    """A text whose signature holds, whatever is under it."""
    return payload.encode(sign1(data, key, typ))


def altered() -> str:
    """Another code id under the same signature."""
    return payload.encode(BYTES.replace(WORLD.claims().code_id, bytes(8)))


def cut(rest: int) -> str:
    """The first ten groups of the code and so many characters more."""
    return GOOD[: len(payload.PREFIX) + 30 + rest]


def re_signed() -> str:
    """Other claims under the key id of the registry, signed by a stranger."""
    claims = WORLD.claims(code_id=bytes(8)).to_bytes()
    header = cbor.encode({1: int(Suite.ED25519), 4: WORLD.code_key.public.kid, 16: 65001})
    return payload.encode(b"\xd2" + cbor.encode([header, {}, claims, STRANGER.sign(to_be_signed(header, claims))]))


def of_another_suite() -> str:
    claims = WORLD.claims().to_bytes()
    header = cbor.encode({1: int(Suite.ES256), 4: WORLD.code_key.public.kid, 16: 65001})
    signature = WORLD.code_key.sign(to_be_signed(header, claims))
    return payload.encode(b"\xd2" + cbor.encode([header, {}, claims, signature]))


def of_another_system() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return make_code(key, make_certificate(key))


@dataclass(frozen=True)
class Bad:
    """What is shown when, and the reason that must be told."""

    text: Callable[[], str]
    state: str
    reason: str
    at: datetime = NOON


def nested(levels: int) -> bytes:
    return b"\x81" * levels + b"\x00"


TEXTS: dict[str, Bad] = {
    "altered": Bad(altered, "invalid", "wrong_signature"),
    "altered: a group that encodes nothing": Bad(lambda: GOOD[:4] + ":::" + GOOD[7:], "invalid", "not_a_code"),
    "truncated: whole groups": Bad(lambda: cut(0), "invalid", "not_cbor"),
    "truncated: within a group": Bad(lambda: cut(1), "invalid", "not_a_code"),
    "doubled: the text": Bad(lambda: GOOD + GOOD, "invalid", "not_a_code"),
    "doubled: the bytes": Bad(lambda: payload.encode(BYTES + BYTES), "invalid", "not_canonical"),
    "re-signed: by a stranger under our key id": Bad(re_signed, "invalid", "wrong_signature"),
    "re-signed: by a stranger under their own": Bad(
        lambda: sign_code(WORLD.claims(), STRANGER), "undecided", "unknown_key"
    ),
    "wrong kind: none that there is": Bad(lambda: signed(CLAIMS, typ=65029), "invalid", "unknown_kind"),
    "wrong kind: a person's claims as a component's": Bad(lambda: signed(CLAIMS, typ=65004), "invalid", "wrong_field"),
    "wrong kind: a log entry as a code": Bad(
        lambda: payload.encode(WORLD.signed_entries[0]), "invalid", "unknown_kind"
    ),
    "wrong suite": Bad(of_another_suite, "invalid", "wrong_suite"),
    "expired": Bad(lambda: GOOD, "not_in_force", "expired", NOON + timedelta(minutes=5)),
    "future: beyond the skew of clocks": Bad(
        lambda: GOOD, "not_in_force", "not_yet_valid", NOON - timedelta(seconds=121)
    ),
    "old generation": Bad(
        lambda: WORLD.code(status_index=REPLACED, generation=1), "not_in_force", "status_superseded"
    ),
    "unknown key": Bad(lambda: sign_code(WORLD.claims(), SECOND), "undecided", "unknown_key"),
    "key used before its time": Bad(lambda: sign_code(WORLD.claims(), LATER), "invalid", "key_not_valid_then"),
    "key used after its time": Bad(lambda: sign_code(WORLD.claims(), ENDED), "invalid", "key_not_valid_then"),
    "key of a department out of scope": Bad(
        lambda: sign_code(WORLD.claims(), WORLD.department_key), "invalid", "wrong_purpose_of_key"
    ),
    "CBOR bomb: nested arrays": Bad(lambda: signed(nested(600)), "invalid", "not_cbor"),
    "CBOR bomb: nested tags": Bad(lambda: signed(b"\xc1" * 600 + b"\x00"), "invalid", "not_cbor"),
    "CBOR bomb: an array of 2⁶⁴ items": Bad(lambda: signed(b"\x9b" + b"\xff" * 8), "invalid", "not_cbor"),
    "CBOR bomb: a string of 2⁶³ bytes": Bad(lambda: signed(b"\x5b\x7f" + b"\xff" * 7), "invalid", "not_cbor"),
    "CBOR bomb: no end": Bad(lambda: signed(b"\x9f" * 300), "invalid", "not_cbor"),
    "CBOR bomb: the envelope itself": Bad(lambda: payload.encode(b"\xd2" + nested(700)), "invalid", "not_cbor"),
    "CBOR bomb: a large integer": Bad(lambda: signed(b"\xc2\x59\x02\x00" + b"\xff" * 512), "invalid", "wrong_fields"),
    "another system's QR: a link": Bad(lambda: "https://example.org/code?id=7", "invalid", "not_ours"),
    "another system's QR: a health certificate of nobody known": Bad(
        of_another_system, "undecided", "unknown_issuer", datetime(2026, 3, 31, tzinfo=NOON.tzinfo)
    ),
}  # fmt: skip
#: What a reader of codes must withstand; each has its rows above. A megabyte of text, two codes in one picture and a
#: blurred one have tests of their own below.
ASKED = (
    "altered", "truncated", "doubled", "re-signed", "wrong kind", "wrong suite", "expired", "future", "old generation",
    "unknown key", "key used before its time", "key used after its time", "key of a department out of scope",
    "CBOR bomb", "another system's QR",
)  # fmt: skip


@dataclass
class Scanner:
    """`suizheng scan` over pictures and lines, as a counter has it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def scan(self, *sources: str, at: datetime = NOON, lines: bytes = b"") -> tuple[int, list[dict[str, Any]]]:
        """The exit status, and each verdict."""
        believed = self.folder / "trust.json"
        believed.write_bytes(trust().data)
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        status = main(["scan", *sources, "--trust", str(believed), "--at", at.isoformat(), "--json"])
        told = self.capsys.readouterr()
        assert told.err == ""
        return status, [json.loads(line) for line in told.out.splitlines()]

    def picture_of(self, *texts: str, blur: float = 0) -> str:
        """A PNG with these codes one above the other."""
        drawn = []
        for text in texts:
            segno.make(text, error="m", micro=False).save(made := io.BytesIO(), kind="png", scale=4, border=4)
            drawn.append(Image.open(made).convert("L"))
        sheet = Image.new("L", (max(one.width for one in drawn), sum(one.height for one in drawn)), 255)
        for number, one in enumerate(drawn):
            sheet.paste(one, (0, sum(before.height for before in drawn[:number])))
        path = self.folder / "picture.png"
        sheet.filter(ImageFilter.GaussianBlur(blur)).save(path)
        return str(path)


@pytest.fixture
def scanner(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Scanner:
    return Scanner(tmp_path, capsys, monkeypatch)


def test_each_kind_of_badness_is_in_the_table() -> None:
    assert [item for item in ASKED if not any(name.partition(":")[0] == item for name in TEXTS)] == []


def test_what_is_not_bad_is_valid(scanner: Scanner) -> None:
    """The neighbours of the table: the same code, the same reader, within the skew of clocks."""
    for at in (NOON, NOON - timedelta(seconds=120), NOON + timedelta(seconds=239)):
        assert scanner.scan(scanner.picture_of(GOOD), at=at)[0] == 0
    status, (told,) = scanner.scan("-", lines=GOOD.encode() + b"\r\n")
    assert (status, told["state"], told["reason"]) == (0, "valid", "ok")


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_code_gets_its_reason_as_a_picture_and_as_a_line(name: str, scanner: Scanner) -> None:
    bad = TEXTS[name]
    text = bad.text()
    for source, lines in ((scanner.picture_of(text), b""), ("-", text.encode() + b"\n")):
        status, (told,) = scanner.scan(source, at=bad.at, lines=lines)
        assert (told["state"], told["reason"]) == (bad.state, bad.reason)
        assert status == {"invalid": 1, "not_in_force": 2, "undecided": 3}[bad.state]
        assert told["message"]


@pytest.mark.parametrize("text", [b"A", b"SZ1:", b"SZ1:A", "码".encode(), b"\xff", b"\x00"])
def test_a_megabyte_of_text_is_refused_piece_by_piece(text: bytes, scanner: Scanner) -> None:
    status, told = scanner.scan("-", lines=(text * (2**20 // len(text) + 1))[: 2**20] + b"\n")
    assert status in (1, 3) and told
    assert {one["state"] for one in told} == {"invalid"}
    assert all(one["reason"] for one in told)


def test_two_codes_in_one_picture_are_judged_each_for_itself(scanner: Scanner) -> None:
    status, told = scanner.scan(scanner.picture_of(GOOD, altered()))
    assert [(one["state"], one["reason"]) for one in told] == [("valid", "ok"), ("invalid", "wrong_signature")]
    assert [one["picture"][-6:] for one in told] == ["第 1 个码", "第 2 个码"]
    # The worst decides: nobody takes the picture for a good one.
    assert status == 1
    status, told = scanner.scan(scanner.picture_of(re_signed(), "https://example.org/"))
    assert (status, [one["reason"] for one in told]) == (1, ["wrong_signature", "not_ours"])


def test_a_blurred_picture_says_so_and_decides_nothing(scanner: Scanner) -> None:
    assert scanner.scan(scanner.picture_of(GOOD, blur=1))[0] == 0
    status, (told,) = scanner.scan(scanner.picture_of(GOOD, blur=9))
    assert (status, told["state"], told["reason"]) == (3, "undecided", "no_code")


def test_a_person_code_is_refused_where_another_kind_is_wanted() -> None:
    printed = WORLD.code(CodeKind.PRINTED)
    for kinds, expected in (((CodeKind.VENUE,), ("invalid", "wrong_kind")), ((CodeKind.PRINTED,), ("valid", "ok"))):
        verdict, _ = examine_code(printed, trust(), NOON, kinds)
        assert (str(verdict.state), verdict.reason) == expected
