"""Delegated codes and codes of other systems in the browser: the verifier's verdicts, without the server."""

from __future__ import annotations

import json
import random
import zlib
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from conftest import missing
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from delegation_vectors import FILE
from delegation_world import HANDLER, MANAGER, Office
from pages_site import Watched
from playwright.sync_api import Page
from test_delegation import FORGED, STORIES
from test_foreign import AT, REAL, SIGNED_AT, certificate_of, clock_of, make_certificate, make_code, trusting
from test_foreign_limits import RSA, STRANGER, TEST, by_pkcs1, code, in_der, issuer, padded, raw
from world import NOON

from codes import payload
from verifier import verify
from verifier.foreign.profile import ForeignIssuer
from verifier.trust import TrustBundle

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

Case = tuple[TrustBundle, str, datetime]
#: Judges each text by its trust bundle at its time: [[trust, text, seconds]] -> [[state, reason, [[check, outcome]]]].
JUDGE = """async (cases) => {
  const { openTrust } = await import('/static/js/core/trust.js');
  const { verify } = await import('/static/js/core/presented.js');
  const opened = new Map(), found = [];
  for (const [trust, text, at] of cases) {
    if (!opened.has(trust)) opened.set(trust, await openTrust(trust));
    const { state, reason, checks } = await verify(text, opened.get(trust), at);
    found.push([state, reason, Object.fromEntries(checks.map((one) => [one.check, one.outcome]))]);
  }
  return found;
}"""


@pytest.fixture
def page(desk: Watched) -> Page:
    desk.page.goto("/verify")
    # Whatever is asked of a server from here on fails the test: the judgement is the browser's alone.
    desk.page.route("**/api/**", lambda route: route.abort())
    return desk.page


def assert_alike(page: Page, cases: dict[str, Case], *, reasons: bool = True) -> dict[str, tuple[str, str]]:
    """Hold the browser's verdicts against the verifier's: state, reason, and what came of every check.

    reasons=False: bytes changed at random may have two faults, of which each side names the one it meets first.
    """
    asked = [[trust.data.decode(), text, at.timestamp()] for trust, text, at in cases.values()]
    found: dict[str, tuple[str, str]] = {}
    for (name, (trust, text, at)), (state, reason, checks) in zip(
        cases.items(), page.evaluate(JUDGE, asked), strict=True
    ):
        mine = verify(text.encode(), trust, at)
        assert state == str(mine.state), name
        assert not reasons or reason == mine.reason, name
        assert not reasons or checks == {str(one.check): str(one.outcome) for one in mine.checks}, name
        found[name] = (state, reason)
    return found


def test_every_chain_that_holds_and_every_forged_one_is_judged_alike(page: Page) -> None:
    cases: dict[str, Case] = {}
    for group in (STORIES, {name: make for name, (make, _) in FORGED.items()}):
        for name, make in group.items():
            office = Office()
            text = make(office)
            cases[name] = (office.trust(), text, NOON)
    found = assert_alike(page, cases)
    assert {found[name] for name in STORIES} == {("valid", "ok")}
    assert "valid" not in {found[name][0] for name in FORGED}


def test_the_published_delegated_codes_and_any_changed_character_are_judged_alike(page: Page) -> None:
    published: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    trust, valid, draw = Office().trust(), published["valid"], random.Random(20)
    at = datetime.fromisoformat(published["at"])
    cases: dict[str, Case] = {"valid": (trust, valid, at), "later": (trust, valid, at + timedelta(minutes=1))}
    cases |= {one["fault"]: (trust, one["text"], at) for one in published["refused"]}
    cases |= {"cut": (trust, valid[:-3], at), "by a key for other things": (Office().world.trust(), valid, at)}
    found = assert_alike(page, cases)
    assert {name for name, (state, _) in found.items() if state == "valid"} == {"valid"}
    changed = {text: (trust, text, at) for text in changed_in(valid, len(payload.PREFIX), draw)}
    assert "valid" not in {state for state, _ in assert_alike(page, changed, reasons=False).values()}


def changed_in(text: str, first: int, draw: random.Random) -> list[str]:
    """The text with one character exchanged, sixty times."""
    places = [draw.randrange(first, len(text)) for _ in range(60)]
    return [text[:at] + draw.choice([one for one in "0A:+Z" if one != text[at]]) + text[at + 1 :] for at in places]


def test_codes_of_other_systems_are_judged_alike(page: Page) -> None:
    key, strange = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    large = rsa.generate_private_key(65537, 2048)
    certificate, other, later = make_certificate(key), make_certificate(large), make_certificate(key, AT)
    trust = trusting(*(ForeignIssuer("eu-dcc", "示例", one) for one in (certificate, other, later)))
    packed = lambda data: "HC1:" + payload.encode(data).removeprefix(payload.PREFIX)  # noqa: E731
    texts = {
        "P-256": make_code(key, certificate), "untagged": make_code(key, certificate, tag=None),
        "RSA": make_code(large, other), "by a stranger": make_code(strange, certificate),
        "of an unknown issuer": make_code(strange, make_certificate(strange)),
        "before its certificate": make_code(key, later), "the other algorithm": make_code(large, certificate),
        "expired": make_code(key, certificate, claims={4: int(AT.timestamp())}),
        "of tomorrow": make_code(key, certificate, claims={6: int(AT.timestamp()) + 1}),
        "a time in words": make_code(key, certificate, claims={6: "gestern"}),
        "a time as a float": make_code(key, certificate, claims={6: float(int(SIGNED_AT.timestamp()))}),
        "nothing in it": make_code(key, certificate, claims={-260: {1: {"nam": {}}}}),
        "a day as a date": make_code(key, certificate, claims={-260: {1: _health(SIGNED_AT)}}),
        "no Base45": "HC1:abc", "nothing": "HC1:", "not compressed": packed(b"plain"),
        "a bomb": packed(zlib.compress(bytes(400_000))), "cut": packed(zlib.compress(bytes(99))[:-3]),
        "more behind it": packed(zlib.compress(cbor2.dumps([])) + b"\0"), "not CBOR": packed(zlib.compress(b"\x1c")),
        "nested": packed(zlib.compress(b"\x81" * 200 + b"\x00")),
        "nested deeply": packed(zlib.compress(b"\x81" * 9_000 + b"\x00")), "a number": packed(zlib.compress(b"\x00")),
    }  # fmt: skip
    found = assert_alike(page, {name: (trust, text, AT) for name, text in texts.items()})
    valid = {name for name, (state, _) in found.items() if state == "valid"}
    assert valid == {"P-256", "untagged", "RSA", "a time as a float", "a day as a date"}


def test_what_signers_of_foreign_codes_may_do_is_judged_alike(page: Page) -> None:
    whole, tests, older = issuer(), issuer(uses=(TEST,)), issuer(RSA)
    trust, limited, both = trusting(whole), trusting(tests), trusting(issuer(STRANGER, name="别人"), whole)
    ending = issuer(days=131)
    cases: dict[str, Case] = {
        "no limits": (trust, code(whole.kid), AT), "tests": (limited, code(tests.kid, "t"), AT),
        "vaccinations": (limited, code(tests.kid, "v"), AT), "two records": (limited, code(tests.kid, "vt"), AT),
        "named aside": (trust, code(whole.kid, unprotected=True), AT), "not named": (both, code(None), AT),
        "not named, unknown": (limited, code(None, sign=lambda data: raw(data, STRANGER)), AT),
        "as DER": (trust, code(whole.kid, sign=in_der), AT), "padded": (trust, code(whole.kid, sign=padded), AT),
        "RS256": (trusting(older), code(older.kid, sign=by_pkcs1, algorithm=-257), AT),
        "small letters": (trust, code(whole.kid).lower(), AT), "bytes behind": (trust, code(whole.kid, tail=b"\0"), AT),
        "critical": (trust, code(whole.kid, header={2: [99], 99: 1}), AT),
        "from later on": (trust, code(whole.kid, claims={5: int(AT.timestamp()) + 9}), AT),
        "from then on": (trust, code(whole.kid, claims={5: int(AT.timestamp())}), AT),
        "signer's certificate ended": (trusting(ending), code(ending.kid), AT + timedelta(days=2)),
    }  # fmt: skip
    found = assert_alike(page, {name: (trust, text.decode(), at) for name, (trust, text, at) in cases.items()})
    valid = {name for name, (state, _) in found.items() if state == "valid"}
    assert valid == {"no limits", "tests", "named aside", "not named", "small letters", "from then on"}
    assert found["signer's certificate ended"] == ("not_in_force", "issuer_expired")


def _health(at: datetime) -> dict[str, Any]:
    return {"v": [{"co": "XX", "is": "示例", "dn": 1, "sd": 2, "dt": at}], "nam": {"fn": "Muster"}}


def test_no_changed_character_of_a_foreign_code_is_judged_otherwise(page: Page) -> None:
    key, draw = ec.generate_private_key(ec.SECP256R1()), random.Random(21)
    certificate = make_certificate(key)
    trust, text = trusting(ForeignIssuer("eu-dcc", "示例", certificate)), make_code(key, certificate)
    changed: dict[str, Case] = {one: (trust, one, AT) for one in changed_in(text, len("HC1:"), draw)}
    assert "valid" not in {state for state, _ in assert_alike(page, changed, reasons=False).values()}


def test_real_codes_of_other_countries_are_judged_alike(page: Page) -> None:
    samples = [json.loads(path.read_text()) for path in sorted(REAL.glob("*.json"))]
    if not samples:
        missing("the samples of health codes")
    cases: dict[str, Case] = {}
    for number, sample in enumerate(samples):
        trust = trusting(ForeignIssuer("eu-dcc", f"示例 {number}", certificate_of(sample)))
        cases[f"{number}"] = (trust, sample["PREFIX"], clock_of(sample))
    assert {state for state, _ in assert_alike(page, cases).values()} == {"valid"}


def test_a_chain_is_told_in_words_at_the_door(page: Page) -> None:
    office = Office()
    told = page.evaluate(
        """async ([trust, text, at]) => {
          const { openTrust } = await import('/static/js/core/trust.js');
          const { examineText } = await import('/static/js/core/presented.js');
          const { claims } = await examineText(text, await openTrust(trust), at);
          return [claims.kind, claims.links.map((link) => link.role), claims.reach.matters];
        }""",
        [office.trust().data.decode(), office.show(office.chain(MANAGER, HANDLER)), NOON.timestamp()],
    )
    assert told == ["delegated", ["manager", "handler"], list(HANDLER.matters or ())]
