"""Extracts in the browser: every verdict is that of the offline verifier, check by check, over true and forged ones."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import missing
from extract_world import NUMBER, make, only, trusting
from pages_site import Watched
from playwright.sync_api import Page
from test_extract_format import ASKED, BOUND, CLAIMS, HEADER, PHONE, raw, signed
from wallet_stage import VENDOR
from world import DEPARTMENT, NOON, OTHER_DEPARTMENT, make_world

from verifier.extract_verdict import verify_extract
from verifier.jws import decode, encode
from verifier.key_binding import Challenge, bind
from verifier.sd_jwt import digest_of, disclosure
from verifier.status import Status
from verifier.suites import SoftwareKey, Suite, public_key
from verifier.trust import TrustBundle

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORLD = make_world()
TRUST = trusting(WORLD)
TEXT = make(WORLD)
REST = TEXT.split("~")[1:]
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: Judges extracts by a trust bundle: [[text, seconds, {receiver, challenge, evidence}]] -> [[state, reason, checks]].
JUDGE = """async ([trust, cases]) => {
  const { openTrust } = await import('/static/js/core/trust.js');
  const { examineExtract } = await import('/static/js/core/extract.js');
  const { fromBase64 } = await import('/static/js/core/bytes.js');
  const opened = await openTrust(trust), found = [];
  for (const [text, at, { evidence, ...more }] of cases) {
    const bytes = fromBase64(text), known = evidence == null ? {} : { evidence: fromBase64(evidence) };
    const { verdict } = await examineExtract(bytes, opened, at, { ...more, ...known });
    const checks = verdict.checks.map((one) => [one.check, one.outcome, one.reason]).sort();
    found.push([verdict.state, verdict.reason, checks]);
  }
  return found;
}"""
#: An extract, when it is judged, and what `verify_extract` is told besides.
Case = tuple[str | bytes, datetime, dict[str, Any]]


@pytest.fixture
def page(desk: Watched) -> Page:
    desk.page.goto("/verify")
    return desk.page


def agree(page: Page, trust: TrustBundle, cases: list[Case]) -> set[str]:
    """The reasons of both readers, who must agree in state, reason and every check of every case."""

    def plain(data: bytes) -> str:
        return base64.b64encode(data).decode()

    asked, mine = [], []
    for text, at, named in cases:
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        verdict = verify_extract(data, trust, at, **named)
        checks = sorted([str(one.check), str(one.outcome), one.reason] for one in verdict.checks)
        mine.append([str(verdict.state), verdict.reason, checks])
        challenge, evidence = named.get("challenge"), named.get("evidence")
        asked.append([plain(data), at.timestamp(), {
            "receiver": named.get("receiver"), "evidence": None if evidence is None else plain(evidence),
            "challenge": challenge and {"audience": challenge.audience, "nonce": challenge.nonce},
        }])  # fmt: skip
    found = page.evaluate(JUDGE, [trust.data.decode(), asked])
    for (text, _, named), theirs, ours in zip(cases, found, mine, strict=True):
        assert theirs == ours, (str(text)[:300], named)
    return {reason for _, reason, _ in found}


def resigned(**changes: Any) -> str:
    """The extract with other claims, signed by its issuer; None leaves a claim out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return "~".join([signed(HEADER, claims), *REST])


def test_true_ones_are_valid_and_say_what_was_not_checked(page: Page) -> None:
    if not (VENDOR / "sm.js").exists():
        missing("web parts (make web)")
    evidence = WORLD.bundle(NUMBER).to_bytes()
    cases: list[Case] = [(only(TEXT, places), NOON, {}) for places in ({0}, {1, 2}, set(), {0, 1, 2, 3, 4})]
    cases += [(TEXT, NOON, {"receiver": OTHER_DEPARTMENT}), (TEXT, NOON, {"evidence": evidence})]
    cases += [(BOUND, NOON, {"challenge": ASKED}), (BOUND, NOON + timedelta(days=1), {}), (f"\n {TEXT}\r\n", NOON, {})]
    cases += [("~".join([signed({**HEADER, "alg": "EdDSA"}, CLAIMS), *REST]), NOON, {})]
    assert agree(page, TRUST, cases) == {"ok"}
    for suite in (Suite.ED25519, Suite.ES256):
        key = SoftwareKey.generate(suite)
        text = make(WORLD, key)
        assert agree(page, trusting(WORLD, key), [(text, NOON, {}), (other_s(text), NOON, {})]) >= {"ok"}


def other_s(text: str, change: Any = lambda s: ORDER - s) -> str:
    """The extract with another s in its ECDSA signature: the same signature of the curve."""
    jwt, *rest = text.split("~")
    head, claims, signature = jwt.split(".")
    r, s = decode(signature)[:32], int.from_bytes(decode(signature)[32:], "big")
    return "~".join([f"{head}.{claims}.{encode(r + (change(s) % 2**256).to_bytes(32, 'big'))}", *rest])


def test_a_signature_beyond_the_curve_is_refused_and_not_stumbled_over(page: Page) -> None:
    key = SoftwareKey.generate(Suite.ES256)
    texts = [other_s(make(WORLD, key), lambda _, s=s: s) for s in (0, 1, ORDER, ORDER + 1, 2**256 - 1)]
    reasons = agree(page, trusting(WORLD, key), [(text, NOON, {}) for text in texts])
    assert reasons <= {"wrong_signature", "not_canonical"}


def test_forged_and_malformed_ones_are_refused_alike(page: Page) -> None:
    claims: list[dict[str, Any]] = [
        {"_sd_alg": "sha-512"}, {"iat": "1"}, {"iat": 1.5}, {"exp": True}, {"exp": 10**15}, {"exp": -1},
        {"vct": "other"}, {"iss": OTHER_DEPARTMENT}, {"matter": "x"}, {"purpose": ""}, {"purpose": "长" * 201},
        {"evidence": {}}, {"evidence": {"entry": "AA"}}, {"certificate": {}}, {"extra": 1}, {"jti": None},
        {"cnf": {"kid": "1"}},
        {"status": {"status_list": {"idx": True, "uri": CLAIMS["status"]["status_list"]["uri"]}}},
        {"cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": encode(b"x" * 32), "y": encode(b"y" * 32)}}},
    ]  # fmt: skip
    headers: list[dict[str, Any]] = [
        {"alg": "none"}, {"alg": ["Ed25519"]}, {"alg": "ES256"}, {"typ": "kb+jwt"}, {"kid": None}, {"kid": "zz"},
        {"kid": HEADER["kid"].upper()}, {"kid": ""}, {"crit": ["exp"]}, {"b64": False}, {"jwk": {}},
    ]  # fmt: skip
    texts: list[str | bytes] = [resigned(**one) for one in claims]
    texts += ["~".join([signed({**HEADER, **one}, CLAIMS), *REST]) for one in headers]
    texts += [
        "",
        "~",
        "eyJ~",
        "a.b~",
        "a.b.c~",
        TEXT.rstrip("~"),
        TEXT + "x",
        TEXT.replace("~", "~~", 1),
        "证~",
        b"\xff~",
    ]
    texts += [f"{TEXT}{part}~" for part in (REST[0], disclosure(b"s" * 16, 1, "b"), "x==", "")]
    reasons = agree(page, TRUST, [(text, NOON, {}) for text in texts])
    assert {"unknown_suite", "wrong_type", "unknown_disclosure", "repeated_disclosure", "wrong_fields"} <= reasons
    assert agree(page, TRUST, [(make(WORLD, PHONE), NOON, {})]) == {"unknown_key"}


def test_json_that_two_readers_could_read_apart_is_refused(page: Page) -> None:
    certificate = {**CLAIMS["certificate"]}
    texts = ['["s","n",{"a":1,"a":2}]', '["s","n",NaN]', '["s","n",1', '["s","n","\\ud800"]',
             '["s","n",9007199254740993]',
             '["s","n",1e400]', '["s","n",01]', '["s","n",.5]', '["s","n",1.]', '\ufeff["s","n",1]', '["s","n",1] x',
             '["s","n",1,]', '["s","__proto__",{"a":1}]', '["s","n",' + "[" * 20 + "]" * 20 + "]", '["s","n","\t"]',
             '["s","n",' + "[" * 9999 + "]" * 9999 + "]", '[ "s" ,\r\n"n",-0.0e-1 ]', "{}", '["s"]', '["s","_sd",[]]',
             '["s","n",{"_sd_alg":1}]', '["s","n",{"...":1}]', '["s","issue_date",1]', '["s",1,2]']  # fmt: skip
    cases: list[Case] = []
    for text in texts:
        one = encode(text.encode())
        told = {**certificate, "_sd": [*certificate["_sd"], digest_of(one)]}
        cases.append(("~".join([signed(HEADER, {**CLAIMS, "certificate": told}), one, *REST]), NOON, {}))
    reasons = agree(page, TRUST, cases)
    assert {"repeated_name", "not_json", "too_deep", "wrong_disclosure", "misplaced_name", "claim_clash"} <= reasons
    raw_claims = json.dumps(CLAIMS).replace(f'"iat": {CLAIMS["iat"]}', f'"iat": {CLAIMS["iat"]}.0')
    head = f"{encode(json.dumps(HEADER).encode())}.{encode(raw_claims.encode())}"
    same = f"{head}.{encode(WORLD.department_key.sign(head.encode()))}"
    assert agree(page, TRUST, [("~".join([same, *REST]), NOON, {})]) == {"ok"}


def test_digests_stand_in_one_place_and_disclosures_where_they_belong(page: Page) -> None:
    one, other = disclosure(b"s" * 16, "x"), disclosure(b"s" * 16, 1, "a")
    certificate = CLAIMS["certificate"]
    forged = [
        ({"_sd": [digest_of(one)]}, [one]), ({"l": [{"...": digest_of(other)}]}, [other]), ({"_sd": "x"}, []),
        ({"_sd": [digest_of(other), digest_of(other)]}, [other]), ({"l": [{"...": digest_of(one), "x": 1}]}, [one]),
        ({"_sd": ["AAAA"]}, []), ({"_sd": [1]}, []), ({"l": [{"...": 1}]}, []),
        ({"a": 0, "_sd": [digest_of(other)]}, [other]),
        ({"l": [{"...": digest_of(one)}, {"...": digest_of(raw(["t", "y"]))}]}, [raw(["t", "y"])]),
    ]  # fmt: skip
    cases: list[Case] = []
    for inner, disclosures in forged:
        told = {**certificate, "extend_info": inner}
        rest = [
            part for part in REST if part and json.loads(decode(part))[1:2] not in (["business_scope"], ["premises"])
        ]
        cases.append(("~".join([signed(HEADER, {**CLAIMS, "certificate": told}), *rest, *disclosures, ""]), NOON, {}))
    reasons = agree(page, TRUST, cases)
    assert {"misplaced_disclosure", "repeated_digest", "misplaced_name", "claim_clash", "wrong_field", "ok"} <= reasons


def test_no_flipped_character_is_valid(page: Page) -> None:
    chance, cases = random.Random(11), list[Case]()
    for text, named in ((TEXT, {}), (BOUND, {"challenge": ASKED})):
        for _ in range(150):
            place, sign = chance.randrange(len(text)), chance.choice("AZaz09-_.~= \n+/")
            if text[place] != sign:
                cases.append((text[:place] + sign + text[place + 1 :], NOON, named))
    assert "ok" not in agree(page, TRUST, cases)


def test_time_status_receiver_and_the_phone_count_alike(page: Page) -> None:
    plain = make(WORLD, device=PHONE.public)
    cases: list[Case] = [(TEXT, NOON + timedelta(days=days), {}) for days in (-1, 5, 8, 11, 40)]
    cases += [(TEXT, NOON, {"receiver": DEPARTMENT}), (plain, NOON, {}), (plain, NOON, {"challenge": ASKED})]
    cases += [(BOUND, NOON, {"challenge": one}) for one in (replace(ASKED, nonce="n-2"), Challenge(DEPARTMENT, "n-1"))]
    cases += [(BOUND, NOON + timedelta(seconds=after), {"challenge": ASKED}) for after in (-61, -60, 359, 360)]
    cases += [(bind(plain, WORLD.department_key, ASKED, NOON), NOON, {"challenge": ASKED})]
    cases += [(bind(TEXT, PHONE, ASKED, NOON), NOON, {}), (only(plain, {0}) + BOUND.split("~")[-1], NOON, {})]
    cases += [(bind(only(plain, {0}), PHONE, ASKED, NOON), NOON, {"challenge": ASKED, "receiver": OTHER_DEPARTMENT})]
    reasons = agree(page, TRUST, cases)
    assert {"key_binding_missing", "wrong_nonce", "wrong_audience", "wrong_sd_hash", "proof_unexpected", "wrong_proof",
            "proof_expired", "proof_from_future", "wrong_receiver", "expired"} <= reasons  # fmt: skip
    revoked = trusting(WORLD, statuses=WORLD.with_status(NUMBER, Status.REVOKED).content.statuses)
    assert agree(page, revoked, [(TEXT, NOON, {})]) == {"status_revoked"}
    assert agree(page, WORLD.trust(), [(TEXT, NOON, {})]) == {"wrong_purpose_of_key"}


def test_what_the_evidence_does_not_hold_is_refused(page: Page) -> None:
    if not (VENDOR / "sm.js").exists():
        missing("web parts (make web)")
    evidence, told = WORLD.bundle(NUMBER).to_bytes(), CLAIMS["certificate"]
    forged = resigned(certificate={**told, "issue_date": "20261119"})
    cases: list[Case] = [(forged, NOON, {}), (forged, NOON, {"evidence": evidence})]
    cases += [(TEXT, NOON, {"evidence": other}) for other in (WORLD.bundle(2).to_bytes(), b"nothing", evidence[:-1])]
    assert {"ok", "field_differs", "other_entry", "not_evidence"} <= agree(page, TRUST, cases)


def test_the_phone_of_a_browser_binds_as_the_verifier_asks(page: Page) -> None:
    made = page.evaluate("""async () => {
      const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      globalThis.keysOfTest = keys;
      const { compressed } = await import('/static/js/core/suites.js');
      return [...await compressed(keys.publicKey)];
    }""")
    text = make(WORLD, device=public_key(Suite.ES256, bytes(made)))
    bound = page.evaluate(
        """async ([text, audience, nonce, at]) => {
          const { bind } = await import('/static/js/core/binding.js');
          return bind(text, globalThis.keysOfTest.privateKey, { audience, nonce }, at);
        }""",
        [only(text, {0, 2}), ASKED.audience, ASKED.nonce, NOON.timestamp()],
    )
    assert agree(page, TRUST, [(bound, NOON, {"challenge": ASKED})]) == {"ok"}
