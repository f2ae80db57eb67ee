"""Evidence bundles in the browser: the same verdicts as the verifier's, alone."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import missing
from pages_site import Watched
from playwright.sync_api import Page
from proof_stage import FOUR, STRANGER, make_stage
from wallet_stage import VENDOR
from world import DEPARTMENT, FOOD, ISSUED, NOON, ORIGIN, SUBJECTS, World, fixed_draw, food_face, make_world

from verifier import cose, verify
from verifier.code import CodeKind
from verifier.commitment import Sealed, seal
from verifier.cose import Type, sign1
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.evidence import COPY_FORMAT, EvidenceBundle
from verifier.merkle import leaf_hash
from verifier.receipt import build_receipt, sign_root
from verifier.seals import ENGINES
from verifier.suites import SoftwareKey, Suite
from verifier.times import to_text
from verifier.trust import TrustBundle

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLDER = Path(__file__).parent / "vectors"
#: Judges files by a trust bundle at times: [[base64, seconds]] -> [[state, reason]].
JUDGE = """async ([trust, cases]) => {
  const { openTrust } = await import('/static/js/core/trust.js');
  const { examineFile } = await import('/static/js/core/presented.js');
  const { fromBase64 } = await import('/static/js/core/bytes.js');
  const opened = await openTrust(trust), found = [];
  for (const [file, at] of cases) {
    const { verdict } = await examineFile(fromBase64(file), opened, at);
    found.push([verdict.state, verdict.reason, verdict.checks.map((one) => [one.check, one.outcome, one.reason])]);
  }
  return found;
}"""

Judged = tuple[str, str, dict[str, tuple[str, str]]]


@pytest.fixture
def page(desk: Watched) -> Page:
    for part in ("sm.js", "schema.js", "chain.js"):
        if not (VENDOR / part).exists():
            missing("web parts (make web)")
    desk.page.goto("/verify")
    return desk.page


def theirs(page: Page, trust: TrustBundle, cases: Sequence[tuple[bytes, datetime]]) -> list[Judged]:
    sent = [(base64.b64encode(data).decode(), at.timestamp()) for data, at in cases]
    found = page.evaluate(JUDGE, [trust.data.decode(), sent])
    return [
        (state, reason, {check: (outcome, why) for check, outcome, why in checks}) for state, reason, checks in found
    ]


def ours(trust: TrustBundle, data: bytes, at: datetime) -> Judged:
    verdict = verify(data, trust, at)
    checks = {one.check.value: (one.outcome.value, one.reason) for one in verdict.checks}
    return verdict.state.value, verdict.reason, checks


def test_every_published_bundle_gets_the_published_verdict_check_by_check(page: Page) -> None:
    listed: dict[str, Any] = json.loads((FOLDER / "verdicts.json").read_text())
    by_trust: dict[str, list[tuple[str, bytes, datetime]]] = {}
    for name, one in listed.items():
        if name.endswith(".szb"):
            case = (name, (FOLDER / name).read_bytes(), datetime.fromisoformat(one["at"]))
            by_trust.setdefault(one.get("trust", "trust.json"), []).append(case)
    assert sum(map(len, by_trust.values())) >= 17
    for trust_name, cases in by_trust.items():
        trust = TrustBundle.open((FOLDER / trust_name).read_bytes())
        found = theirs(page, trust, [(data, at) for _, data, at in cases])
        for (name, data, at), mine in zip(cases, found, strict=True):
            assert mine[:2] == (listed[name]["state"], listed[name]["reason"]), name
            assert mine == ours(trust, data, at), name


def test_every_published_chain_proof_gets_the_published_verdict(page: Page) -> None:
    folder = FOLDER / "chain"
    listed: dict[str, Any] = json.loads((folder / "verdicts.json").read_text())
    trust = TrustBundle.open((folder / "trust.json").read_bytes())
    cases = [((folder / name).read_bytes(), datetime.fromisoformat(one["at"])) for name, one in listed.items()]
    found = theirs(page, trust, cases)
    assert [mine[:2] for mine in found] == [(one["state"], one["reason"]) for one in listed.values()]
    assert found == [ours(trust, *case) for case in cases] and len(found) >= 10


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_no_altered_chain_proof_holds(page: Page, engine: str) -> None:
    stage, chance = make_stage(engine), random.Random(engine)
    trust, good = stage.trust(), stage.proof.to_bytes()
    cases = [(stage.bundle(), NOON)]
    for place in chance.sample(range(len(good)), 40):
        changed = bytearray(good)
        changed[place] ^= 1 << chance.randrange(8)
        cases.append((stage.bundle(bytes(changed)), NOON))
    cases += [(stage.bundle(stage.sealed_by(FOUR[:2])), NOON), (stage.bundle(stage.sealed_by([STRANGER])), NOON)]
    found, expected = theirs(page, trust, cases), [ours(trust, *case) for case in cases]
    assert [mine[0] for mine in found] == [other[0] for other in expected]
    assert found[0][:2] == ("valid", "ok") and "valid" not in {mine[0] for mine in found[1:]}


@pytest.mark.parametrize("name", ["geth-1.13.15.json", "kcn-1.0.3.json"])
def test_what_real_nodes_answered_is_believed_in_the_browser(page: Page, name: str) -> None:
    recorded = json.loads((FOLDER / "recorded" / name).read_text())
    asked = """async ([proof, chain, anchor]) => {
      const { checkChainProof } = await import('/static/js/core/chain.js');
      const { fromHex } = await import('/static/js/core/bytes.js');
      return checkChainProof(fromHex(proof), chain, { ...anchor, root: fromHex(anchor.said.root) })
        .then(() => 'ok', (error) => error.reason);
    }"""
    said = recorded["anchor"]
    anchor = {"said": said, "blockAt": datetime.fromisoformat(said["block_at"]).timestamp()}
    assert page.evaluate(asked, [recorded["proof"], recorded["chain"], anchor]) == "ok"
    said["size"] += 1
    assert page.evaluate(asked, [recorded["proof"], recorded["chain"], anchor]) == "proof_differs"


def test_no_altered_bundle_is_ever_valid_and_nearly_all_are_refused_for_the_same_reason(page: Page) -> None:
    world, chance = make_world(4), random.Random(11)
    good, trust = world.bundle(0).to_bytes(), world.trust()
    altered: list[tuple[bytes, datetime]] = []
    for place in chance.sample(range(len(good)), 320):
        changed = bytearray(good)
        changed[place] ^= 1 << chance.randrange(8)
        altered.append((bytes(changed), NOON))
    altered += [(good[: chance.randrange(1, len(good))], NOON) for _ in range(20)]
    altered += [(good + bytes(count), NOON) for count in (1, 7)]
    found = theirs(page, trust, [(good, NOON), *altered])
    assert found[0] == ours(trust, good, NOON) and found[0][0] == "valid"
    expected = [ours(trust, *case) for case in altered]
    assert "valid" not in {state for state, _, _ in found[1:]}
    assert [state for state, _, _ in found[1:]] == [state for state, _, _ in expected]
    # Two readers of one broken encoding may stumble over different bytes of it first.
    assert sum(mine[1] == other[1] for mine, other in zip(found[1:], expected, strict=True)) > 0.9 * len(expected)


def test_a_bundle_is_judged_by_the_trust_bundle_and_the_day_as_the_verifier_judges_it(page: Page) -> None:
    world = make_world(3)
    content, data = world.content, world.bundle(1).to_bytes()
    (scope,), (kind,), (head,) = content.scopes, content.types, content.heads
    narrow = {
        **kind.schema,
        "properties": {**kind.schema["properties"], "premises": {"type": "string", "maxLength": 3}},
    }
    keys = content.keys
    late = [(world.trust(), NOON + timedelta(days=days)) for days in (2, 4, 6, 8)]
    cases = [
        *late,
        (world.trust(), NOON - timedelta(days=3)),
        (world.trust(scopes=()), NOON),
        (world.trust(scopes=(replace(scope, valid_to=NOON - timedelta(days=30)),)), NOON),
        (world.trust(types=()), NOON),
        (world.trust(types=(replace(kind, schema=narrow),)), NOON),
        (world.trust(heads=()), NOON),
        (world.trust(heads=(replace(head, root=bytes(32)),)), NOON),
        (world.trust(keys=keys[1:]), NOON),
        (world.trust(keys=(replace(keys[0], owner="12310105MB9T00038A"), *keys[1:])), NOON),
        (world.trust(keys=(keys[0], *keys[2:])), NOON),
        (world.trust(statuses={}), NOON),
    ]
    reasons = set()
    for trust, at in cases:
        (mine,) = theirs(page, trust, [(data, at)])
        assert mine == ours(trust, data, at), (mine, at)
        reasons.add(mine[1])
    assert {"ok", "trust_expired", "out_of_scope", "unknown_type", "schema_mismatch", "head_unknown"} <= reasons
    assert {"head_contradicted", "unknown_key", "key_of_another", "unknown_log_key", "no_status_list"} <= reasons
    assert mine_is_late(theirs(page, *[late[1][0], [(data, late[1][1])]])[0])


def mine_is_late(judged: Judged) -> bool:
    return judged[2]["freshness"] == ("passed", "trust_late")


def alone(world: World, entry: Entry, sealed: Sealed, key: SoftwareKey, **parts: Any) -> tuple[TrustBundle, bytes]:
    """A log of this one entry under this department's key: its bundle, and the trust bundle that lists its head."""
    signed = sign1(entry.to_bytes(), key, Type.ENTRY)
    root = leaf_hash(signed)
    signature = sign_root(root, ORIGIN, world.log_key)
    receipt = build_receipt(origin=ORIGIN, key=world.log_key.public, root_signature=signature, size=1, index=0, path=[])
    anchor = replace(world.content.heads[0], size=1, root=root)
    bundle = EvidenceBundle(sealed.canonical, sealed.salts, signed, receipt, anchor, **parts)
    keys = world.content.keys
    trust = world.trust(heads=(anchor,), keys=(*keys, replace(keys[0], public=key.public)))
    return trust, bundle.to_bytes()


@pytest.mark.parametrize("suite", list(Suite))
def test_an_entry_of_every_suite_is_checked_in_the_browser(page: Page, suite: Suite) -> None:
    world, key = make_world(1), SoftwareKey.generate(suite)
    sealed = seal(food_face(9), fixed_draw("alone"))
    facts = {"type": FOOD, "type_version": 1, "version": 1, "status_list": 1, "status_index": 9}
    entry = Entry(Kind.CERTIFICATE, bytes(16), DEPARTMENT, ISSUED, sealed.digest, facts)
    trust, good = alone(world, entry, sealed, key)
    signature = good.index(sign1_signature(good))
    cases = [(good, NOON)]
    for place in (signature, signature + 31, signature + 32, signature + 63):
        changed = bytearray(good)
        changed[place] ^= 1
        cases.append((bytes(changed), NOON))
    found = theirs(page, trust, cases)
    assert [mine[0] for mine in found] == ["valid", *["invalid"] * 4]
    assert found == [ours(trust, *case) for case in cases]


def sign1_signature(bundle: bytes) -> bytes:
    return cose.open1(EvidenceBundle.from_bytes(bundle).signed_entry, limit=8192).signature


PDF = b"%PDF-1.7 a copy"


def copy_bundle(
    world: World, inside: bytes = PDF, copy_id: str = SUBJECTS[CodeKind.DERIVED]
) -> tuple[TrustBundle, bytes]:
    """A copy of a licence: what trusts it, and its bundle with this PDF."""
    digest = double_digest(PDF)
    said = {"name": "copy.pdf", "media_type": "application/pdf", "size": len(PDF)}
    face = {
        "copy_id": copy_id, "number": 1, "certificate_name": "食品经营许可证", "purpose": "办理户外招牌设置",
        "matter_code": "CN-1", "receiver": "长宁区绿化市容局", "made_by": DEPARTMENT, "masked": True, "use_id": None,
        "authorisation_id": None, "made_at": to_text(ISSUED), "expires_at": to_text(NOON + timedelta(days=1)),
        "original_entry": world.signed_entries[1].hex(),
        "files": [{**said, "sha256": digest.sha256.hex(), "sm3": digest.sm3.hex()}],
    }  # fmt: skip
    sealed = seal(face, fixed_draw("copy"))
    entry = Entry(Kind.COPY, bytes(16), DEPARTMENT, ISSUED, sealed.digest, {"version": 1})
    return alone(world, entry, sealed, world.department_key, files=(inside,), format=COPY_FORMAT)


def test_a_copy_is_judged_by_its_bundle_and_its_pdf(page: Page) -> None:
    world = make_world(2)
    (trust, good), (_, other) = copy_bundle(world), copy_bundle(world, b"%PDF altered")
    cases = [(good, NOON), (other, NOON), (good, NOON + timedelta(days=2)), (good, ISSUED - timedelta(hours=1))]
    found = theirs(page, trust, cases)
    assert found == [ours(trust, *case) for case in cases]
    assert [mine[1] for mine in found[:3]] == ["ok", "file_differs", "expired"]
    flips = []
    for place in random.Random(3).sample(range(len(good)), 60):
        changed = bytearray(good)
        changed[place] ^= 4
        flips.append((bytes(changed), NOON))
    assert [mine[0] for mine in theirs(page, trust, flips)] == [ours(trust, *case)[0] for case in flips]
