"""Offline root keys with a threshold: rotation that everybody follows, and what a thief of some keys cannot do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from world import NOON, fixed_key, make_world

from verifier import Check, CodeKind, State, verify
from verifier.errors import MalformedError, SignatureError, StaleTrustError, VerificationError
from verifier.root import RootContent, RootDocument
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle, sign_trust
from verifier.verdict import Outcome

FOLDER = Path(__file__).parent / "vectors" / "roots"
WORLD = make_world(1)
ROOTS = [fixed_key(f"root {number}") for number in range(6)]
PUBLISHERS = [fixed_key(f"publisher {number}") for number in range(3)]


def root(
    version: int, keys: Sequence[SoftwareKey], publishers: Sequence[SoftwareKey], threshold: int = 2
) -> RootContent:
    issued_at = NOON - timedelta(days=30)
    return RootContent(
        WORLD.content.registry, version, issued_at, issued_at + timedelta(days=365), 2,
        tuple(key.public for key in keys), 1, tuple(key.public for key in publishers),
    )  # fmt: skip


def signed(content: RootContent, *keys: SoftwareKey, before: RootDocument | None = None) -> RootDocument:
    document = RootDocument(content)
    for key in keys:
        document = document.signed_with(key, before)
    return document


FIRST = signed(root(1, ROOTS[:3], PUBLISHERS[:1]), *ROOTS[:2])
#: One root key is replaced and so is the publisher.
SECOND = signed(root(2, [*ROOTS[1:3], ROOTS[3]], PUBLISHERS[1:2]), *ROOTS[:4], before=FIRST)
THIRD = signed(root(3, ROOTS[3:6], PUBLISHERS[1:3]), *ROOTS[1:6], before=SECOND)


def bundle(chain: Sequence[RootDocument], publisher: SoftwareKey, version: int = 3) -> bytes:
    newest = chain[-1].content
    content = replace(
        WORLD.content, version=version, root_chain=tuple(chain), root_keys=newest.publishers,
        root_threshold=newest.publisher_threshold,
    )  # fmt: skip
    return sign_trust(content, [publisher])


#: `python tests/test_trust_roots.py` writes them: root documents, and a bundle under each newest one.
VECTORS = {
    **{f"root-{one.content.version}.json": one.to_bytes() for one in (FIRST, SECOND, THIRD)},
    "trust-under-1.json": bundle([FIRST], PUBLISHERS[0]),
    "trust-under-3.json": bundle([FIRST, SECOND, THIRD], PUBLISHERS[2], 4),
    "refused-by-one-root-key.json": bundle(
        [FIRST, RootDocument(SECOND.content, SECOND.signatures[:1])], PUBLISHERS[1], 4
    ),
    "refused-by-another-publisher.json": bundle([FIRST], PUBLISHERS[1], 4),
}


def refused(act: object) -> str:
    with pytest.raises(VerificationError) as wrong:
        act()  # type: ignore[operator]
    return wrong.value.reason


def test_a_client_follows_root_keys_and_publishers_over_several_versions() -> None:
    first = TrustBundle.open(bundle([FIRST], PUBLISHERS[0]))
    third = first.accept(bundle([FIRST, SECOND, THIRD], PUBLISHERS[2], 4))
    assert third.root is not None and third.root.content.version == 3
    # The chain may begin later for those who are close behind.
    second = first.accept(bundle([FIRST, SECOND], PUBLISHERS[1], 4))
    assert second.accept(bundle([THIRD], PUBLISHERS[1], 5)).content.version == 5
    assert refused(lambda: first.accept(bundle([THIRD], PUBLISHERS[1], 5))) == "root_does_not_follow"


def test_a_bundle_without_root_documents_is_followed_by_one_with_them_and_never_again_by_one_without() -> None:
    plain = WORLD.trust()
    content = replace(
        WORLD.content, version=4, root_chain=(FIRST,), root_keys=FIRST.content.publishers, root_threshold=1
    )
    alone = sign_trust(content, [PUBLISHERS[0]])
    assert refused(lambda: plain.accept(alone)) == "below_threshold"
    rooted = plain.accept(sign_trust(content, [PUBLISHERS[0], WORLD.root_key]))
    bare = replace(WORLD.content, version=5, root_keys=(PUBLISHERS[0].public,))
    assert refused(lambda: rooted.accept(sign_trust(bare, [PUBLISHERS[0]]))) == "root_missing"


def test_the_publishers_key_alone_makes_bundles_but_names_no_other_publisher() -> None:
    known = TrustBundle.open(bundle([FIRST], PUBLISHERS[0]))
    usurper = fixed_key("usurper")
    forged = signed(root(2, ROOTS[:3], [usurper]), ROOTS[0])
    assert refused(lambda: known.accept(bundle([FIRST, forged], usurper, 4))) == "below_threshold"
    content = replace(WORLD.content, version=4, root_chain=(FIRST,), root_keys=(usurper.public,), root_threshold=1)
    assert refused(lambda: known.accept(sign_trust(content, [usurper, PUBLISHERS[0]]))) == "not_the_publishers"
    assert known.accept(bundle([FIRST], PUBLISHERS[0], 4)).content.version == 4


def held_by(document: RootDocument, *keys: SoftwareKey) -> RootDocument:
    """The document with the signatures of these alone."""
    wanted = {key.public.kid for key in keys}
    return RootDocument(document.content, tuple(one for one in document.signatures if one[0] in wanted))


def test_one_root_key_of_two_and_keys_of_the_new_version_alone_are_not_enough() -> None:
    below_old = held_by(SECOND, ROOTS[3], ROOTS[2])
    assert refused(lambda: below_old.check(FIRST)) == "below_threshold"
    below_new = held_by(SECOND, ROOTS[0], ROOTS[1])
    assert refused(lambda: below_new.check(FIRST)) == "below_threshold"
    SECOND.check(FIRST)


def test_the_same_signature_twice_counts_once() -> None:
    twice = RootDocument(FIRST.content, (FIRST.signatures[0], FIRST.signatures[0]))
    assert refused(lambda: twice.check(None)) == "below_threshold"


def test_root_documents_do_not_roll_back_branch_or_skip() -> None:
    newest = TrustBundle.open(bundle([FIRST, SECOND], PUBLISHERS[1]))
    assert refused(lambda: newest.accept(bundle([FIRST], PUBLISHERS[0], 9))) == "root_rolled_back"
    branch = signed(root(2, ROOTS[:3], PUBLISHERS[2:3]), *ROOTS[:3], before=FIRST)
    assert refused(lambda: newest.accept(bundle([FIRST, branch], PUBLISHERS[2], 9))) == "other_root"
    assert refused(lambda: bundle_of_gap()) == "root_does_not_follow"
    assert refused(lambda: newest.accept(bundle([FIRST, SECOND], PUBLISHERS[1], 2))) == "rolled_back"


def bundle_of_gap() -> TrustBundle:
    return TrustBundle.open(bundle([FIRST, THIRD], PUBLISHERS[1]))


def test_a_root_of_another_registry_and_a_root_key_that_publishes_are_refused() -> None:
    other = replace(FIRST.content, registry="310104")
    foreign = signed(other, *ROOTS[:2])
    assert refused(lambda: TrustBundle.open(bundle([foreign], PUBLISHERS[0]))) == "not_the_publishers"
    both = RootDocument(root(1, ROOTS[:3], ROOTS[:1]))
    with pytest.raises(MalformedError, match="root_key_publishes"):
        RootDocument.from_bytes(both.to_bytes())


def test_a_stranger_cannot_sign_and_every_altered_byte_is_refused() -> None:
    with pytest.raises(SignatureError):
        FIRST.signed_with(fixed_key("stranger"))
    data = FIRST.to_bytes()
    for place in range(0, len(data), 7):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(VerificationError):
            RootDocument.from_bytes(altered).check(None)


def test_a_frozen_bundle_is_late_then_undecided_and_the_verdict_says_since_when() -> None:
    trust = TrustBundle.open(bundle([FIRST], PUBLISHERS[0]))
    issued_at, expires_at = trust.content.issued_at, trust.content.expires_at
    for at, state, reason in (
        (issued_at + timedelta(days=3), State.VALID, "ok"),
        (issued_at + timedelta(days=4), State.VALID, "trust_late"),
        (expires_at - timedelta(seconds=1), State.VALID, "trust_late"),
        (expires_at, State.UNDECIDED, "trust_expired"),
    ):
        lasting = {"issued_at": at - timedelta(seconds=9), "expires_at": at + timedelta(seconds=99)}
        code = WORLD.code(CodeKind.ENTERPRISE, **lasting)
        verdict = verify(code.encode(), trust, at)
        freshness = next(one for one in verdict.checks if one.check is Check.FRESHNESS)
        assert (verdict.state, freshness.reason) == (state, reason)
        assert freshness.to_json(at)["age_seconds"] == (at - issued_at).total_seconds()
        assert (freshness.outcome is Outcome.PASSED) is (state is State.VALID)


def test_an_expired_root_leaves_everything_undecided() -> None:
    short = replace(FIRST.content, expires_at=NOON)
    trust = TrustBundle.open(bundle([signed(short, *ROOTS[:2])], PUBLISHERS[0]))
    with pytest.raises(StaleTrustError, match="root_expired"):
        trust.check_fresh(NOON, timedelta(days=7))
    trust.check_fresh(NOON - timedelta(seconds=1), timedelta(days=7))


def test_a_root_document_reads_back_and_people_compare_it_by_its_fingerprint() -> None:
    again = RootDocument.from_bytes(THIRD.to_bytes())
    assert again == THIRD and again.fingerprint == THIRD.fingerprint
    assert RootDocument(THIRD.content).fingerprint == THIRD.fingerprint != SECOND.fingerprint
    assert json.loads(THIRD.to_bytes())["signed"]["roots"]["threshold"] == 2


def test_the_published_vectors_are_what_the_code_makes() -> None:
    made = {name: (FOLDER / name).read_bytes() for name in VECTORS}
    assert made == VECTORS


if __name__ == "__main__":
    for file_name, data in VECTORS.items():
        (FOLDER / file_name).write_bytes(data)
