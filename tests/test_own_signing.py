"""A department that signs itself: its keys, what it is handed, what is taken back; and that nobody signs for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import missing
from crash_runner import CARE, FOOD, MARKET
from own_signing import OTHER, SYSTEM, Place, new_key, opened
from sqlalchemy import update

from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.departments import standing
from registry.departments.tables import Scope
from registry.errors import (
    DuplicateError,
    InvalidDraftError,
    KeyUnavailableError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.keys import own
from registry.keys.rules import department_purpose
from registry.log.standing import log_standing
from registry.signing import service as signing
from verifier import cose, sm2
from verifier.commitment import reseal
from verifier.entry import Entry
from verifier.errors import Check
from verifier.key_possession import asked
from verifier.suites import Suite
from verifier.verdict import State

#: Points of edwards25519 whose order divides 8, and other spellings of them. Under the first, the signature (1, 0) is
#: right for every message.
WEAK = (
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "00" * 31 + "80",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "ee" + "ff" * 30 + "7f",
    "ec" + "ff" * 31,
)


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path, database_url) as place:
        yield place


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Place]:
    """With its chain, where verdicts are asked for."""
    with opened(tmp_path, f"sqlite:///{tmp_path / 'registry.db'}", chained=True) as place:
        yield place


@contextmanager
def refused(field: str) -> Iterator[None]:
    """The draft is refused for this field."""
    with pytest.raises(InvalidDraftError) as caught:
        yield
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize("suite", list(Suite))
def test_what_a_department_signs_is_valid_by_its_own_key_and_the_service_signs_nothing(
    lite: Place, suite: Suite
) -> None:
    if suite is Suite.SM2 and not sm2.available():
        missing("SM2 in the system's OpenSSL")
    before = lite.register(1)
    lite.settle()
    key = new_key(suite)
    lite.hold(key)
    after = lite.register(2)
    lite.settle()
    row = lite.rows(after)[0]
    assert row.signed is None and lite.see(log_standing).unsigned == 1 and lite.see(log_standing).waiting == 0
    prepared = lite.prepare()
    one = prepared.entries[0]
    entry = Entry.from_bytes(one.payload)
    assert (entry.recorded_at, entry.department) == (prepared.preparation.recorded_at, CARE)
    assert one.content is not None and reseal(one.content.canonical, one.content.salts).digest == entry.digest
    assert one.to_be_signed == cose.to_be_signed(cose.protected_header(key.public, cose.Type.ENTRY), one.payload)
    assert [done.outcome for done in lite.commit(prepared, key)] == ["signed"]
    lite.settle()
    assert lite.signer_of(lite.rows(after)[0]) == key.public.kid
    assert lite.verdict(before).state is State.VALID and lite.verdict(after).state is State.VALID
    # Both stand in the trust bundle alike, one after the other.
    listed = [one for one in lite.bundle().content.keys if one.owner == CARE]
    assert [one.public == key.public for one in listed] == [False, True]
    assert listed[0].valid_to == listed[1].valid_from
    # SM2 has no name in JOSE, in which extracts are signed.
    own_purposes = ("entries",) if suite is Suite.SM2 else ("entries", "extract")
    assert [one.purposes for one in listed] == [("entries", "extract"), own_purposes]


def test_only_who_holds_a_key_registers_it_and_only_once(place: Place) -> None:
    key, other = new_key(), new_key()
    words = key.public.suite.name, key.public.raw.hex(), None, None
    first = place.do(own.ask_for_proof, CARE, *words, who=SYSTEM)
    second = place.do(own.ask_for_proof, CARE, *words, who=SYSTEM)
    assert asked(first.to_be_signed).department == CARE
    for signature in (other.sign(first.to_be_signed), key.sign(second.to_be_signed), b"\x01" * 64, b""):
        with refused("signature"):
            place.do(own.prove, CARE, first.row.id, signature, who=SYSTEM)
    with pytest.raises(NotFoundError):
        place.do(own.prove, MARKET, first.row.id, key.sign(first.to_be_signed), who=OTHER)
    with pytest.raises(NotFoundError):
        place.do(own.install, first.row.id)
    place.do(own.prove, CARE, first.row.id, key.sign(first.to_be_signed), who=SYSTEM)
    place.clock.at += timedelta(hours=2)
    with pytest.raises(TransitionError, match="challenge_expired"):
        place.do(own.prove, CARE, second.row.id, key.sign(second.to_be_signed), who=SYSTEM)
    # What was proved in time is proved.
    place.do(own.install, first.row.id)
    with pytest.raises(DuplicateError, match="key_known"):
        place.do(own.ask_for_proof, CARE, *words, who=SYSTEM)
    with pytest.raises(DuplicateError, match="key_known"):
        place.do(own.install, first.row.id)
    with pytest.raises(NotPermittedError, match="operator_stays"):
        place.do(own.ask_for_proof, MARKET, "ED25519", other.public.raw.hex(), None, None, who=OTHER)
    with refused("public"):
        place.do(own.ask_for_proof, CARE, "ES256", other.public.raw.hex(), None, None, who=SYSTEM)


def test_a_key_for_which_everybody_can_sign_is_registered_for_nobody(place: Place) -> None:
    for point in WEAK:
        with refused("public"):
            place.do(own.ask_for_proof, CARE, "ED25519", point, None, None, who=SYSTEM)


def test_neither_the_service_nor_its_rotation_signs_for_a_department_that_signs_itself(place: Place) -> None:
    place.hold(new_key())
    purpose = department_purpose(CARE)
    with pytest.raises(KeyUnavailableError, match="key_of_department"):
        place.keys.key_for(purpose, place.clock.at)
    with pytest.raises(TransitionError, match="key_of_department"):
        place.keys.rotate(purpose, place.clock.at)
    certificate = place.register(1)
    key = place.keys.periods(purpose)[-1].kid
    place.do(own.end, CARE, key, "示例：更换系统")
    place.clock.at += timedelta(minutes=1)
    # Without a key of its own nobody signs for it at all.
    place.register(2)
    place.settle()
    assert place.rows(certificate)[0].signed is None
    with pytest.raises(NotPermittedError, match="no_key_in_force"):
        place.prepare()
    fresh = new_key()
    place.hold(fresh)
    assert place.sign_all(fresh) == 2
    place.settle()
    assert place.signer_of(place.rows(certificate)[0]) == fresh.public.kid


def test_every_kind_of_entry_of_the_department_waits_for_it_and_each_item_keeps_its_order(place: Place) -> None:
    key = new_key()
    place.hold(key)
    certificate = place.register(1)
    place.do(certificates.change_status, certificate, "suspend", "示例：年度抽查", who=SYSTEM)
    place.register(2, MARKET)
    place.settle()
    assert place.see(log_standing).unsigned == 2
    first = place.prepare()
    # The change names the leaf hash of the registration, which is not there yet.
    assert len(first.entries) == 1 and first.left == 1
    place.commit(first, key)
    second = place.prepare()
    assert Entry.from_bytes(second.entries[0].payload).previous == place.rows(certificate)[0].leaf_hash
    assert second.entries[0].content is not None
    place.commit(second, key)
    place.settle()
    assert [place.signer_of(row) for row in place.rows(certificate)] == [key.public.kid] * 2


def test_a_signature_is_taken_once_and_again_without_effect_and_a_wrong_one_spoils_no_other(place: Place) -> None:
    key = new_key(Suite.ES256)
    place.hold(key)
    items = [place.register(number) for number in range(3)]
    prepared = place.prepare(2)
    assert len(prepared.entries) == 2 and prepared.left == 1
    one, two = prepared.entries
    good, wrong = key.sign(one.to_be_signed), new_key(Suite.ES256).sign(two.to_be_signed)

    def commit(*signatures: tuple[int, bytes]) -> list[str]:
        done = place.do(signing.commit, prepared.preparation.id, signatures, who=SYSTEM)
        return [each.outcome for each in done]

    given = ((one.entry_id, good), (two.entry_id, wrong), (10**6, good))
    assert commit(*given) == ["signed", "wrong_signature", "unknown"]
    assert commit(*given) == ["signed", "wrong_signature", "unknown"]
    assert commit((one.entry_id, key.sign(one.to_be_signed))) == ["signed_before"]
    place.clock.at += timedelta(minutes=16)
    # The first answer may have been lost: it is given again, but nothing new is taken.
    assert commit((one.entry_id, good)) == ["signed"]
    with pytest.raises(TransitionError, match="preparation_expired"):
        commit((two.entry_id, key.sign(two.to_be_signed)))
    again = place.prepare()
    assert [entry.item for entry in again.entries] == items[1:]
    assert again.preparation.recorded_at > prepared.preparation.recorded_at + timedelta(minutes=15)
    with pytest.raises(NotFoundError):
        place.do(signing.commit, again.preparation.id, [(one.entry_id, good)], who=OTHER)
    place.commit(again, key)
    place.settle()
    assert {place.signer_of(place.rows(item)[0]) for item in items} == {key.public.kid}


def test_what_was_handed_out_for_a_key_that_was_ended_meanwhile_is_not_taken(place: Place) -> None:
    key = new_key()
    place.hold(key)
    place.register(1)
    prepared = place.prepare()
    place.do(own.end, CARE, key.public.kid, "示例：人员调离", who=SYSTEM)
    with pytest.raises(NotPermittedError, match="key_ended"):
        place.commit(prepared, key)
    place.register(2)
    prepared_row = place.rows(place.register(3))[0]
    assert prepared_row.signed is None


def test_a_stolen_keys_signatures_fall_from_the_named_moment_and_not_before(lite: Place) -> None:
    key = new_key()
    lite.hold(key)
    kept = lite.register(1)
    lite.sign_all(key)
    lite.clock.at += timedelta(hours=1)
    stolen_at = lite.clock.at
    lite.clock.at += timedelta(hours=1)
    fallen = lite.register(2)
    lite.sign_all(key)
    lite.settle()
    assert lite.verdict(fallen).state is State.VALID
    with refused("compromised_at"):
        lite.do(own.end, CARE, key.public.kid, "示例", lite.clock.at + timedelta(hours=1))
    ended = lite.do(own.end, CARE, key.public.kid, "示例：私钥泄露", stolen_at)
    assert (ended.undone, ended.row.ended_as) == (1, "compromised")
    # Windows only shrink.
    assert lite.do(own.end, CARE, key.public.kid, "示例：再说一次").row.valid_to == ended.row.valid_to
    assert lite.verdict(kept).state is State.VALID
    verdict = lite.verdict(fallen)
    assert verdict.state is not State.VALID
    assert next(check for check in verdict.checks if check.check is Check.ISSUER).outcome != "passed"


def test_back_at_the_service_what_was_left_is_dated_at_the_return(lite: Place) -> None:
    key = new_key()
    lite.hold(key)
    certificate = lite.register(1)
    lite.settle()
    back = lite.do(own.return_to_service, lite.keys, CARE)
    assert lite.do(own.return_to_service, lite.keys, CARE).kid == back.kid
    lite.clock.at += timedelta(seconds=5)
    with pytest.raises(NotPermittedError, match="signed_by_service"):
        lite.prepare()
    lite.settle()
    row = lite.rows(certificate)[0]
    assert lite.signer_of(row) == back.kid and row.recorded_at == back.valid_from
    assert lite.verdict(certificate).state is State.VALID


def test_while_another_key_waits_to_begin_none_is_added_and_it_takes_over_by_itself(place: Place) -> None:
    first, second = new_key(), new_key()
    place.hold(first)
    place.hold(second, valid_from=place.clock.at + timedelta(days=1))
    with pytest.raises(TransitionError, match="rotation_pending"):
        place.hold(new_key())
    certificate = place.register(1)
    prepared = place.prepare()
    assert prepared.key == first.public
    place.clock.at += timedelta(days=1)
    with pytest.raises(NotPermittedError, match="key_ended"):
        place.commit(prepared, first)
    assert place.sign_all(second) == 1
    place.settle()
    assert place.signer_of(place.rows(certificate)[0]) == second.public.kid


def test_a_key_with_an_end_stops_by_itself(place: Place) -> None:
    key = new_key()
    place.hold(key, valid_to=place.clock.at + timedelta(hours=1))
    place.register(1)
    assert place.sign_all(key) == 1
    place.clock.at += timedelta(hours=1)
    place.register(2)
    with pytest.raises(NotPermittedError, match="no_key_in_force"):
        place.prepare()
    place.settle()
    assert place.see(log_standing).unsigned == 1


def test_suspended_or_without_a_scope_the_department_signs_no_certificate(place: Place) -> None:
    key = new_key()
    place.hold(key)
    certificate = place.register(1)
    prepared = place.prepare()
    place.do(standing.suspend, CARE, "示例：机构改革")
    for attempt in (place.prepare, lambda: place.commit(prepared, key)):
        with pytest.raises(NotPermittedError, match="department_suspended"):
            attempt()
    place.do(standing.reinstate, CARE, "示例")
    scope = place.see(lambda work: departments.list_scopes(work, CARE, "issue"))[0]
    yesterday = (place.clock.at - timedelta(days=1)).date()
    place.do(lambda work: work.session.execute(
        update(Scope).where(Scope.id == scope.id).values(valid_from_on=yesterday, valid_to_on=yesterday)
    ))  # fmt: skip
    held = place.prepare()
    assert (held.entries, len(held.held_back)) == ([], 1)
    assert [one.outcome for one in place.commit(prepared, key)] == ["scope_missing"]
    place.do(departments.grant_scope, CARE, FOOD, "issue")
    assert place.sign_all(key) == 1
    assert place.signer_of(place.rows(certificate)[0]) == key.public.kid


def test_who_commits_the_same_at_the_same_moment_signs_each_entry_once(place: Place) -> None:
    key = new_key(Suite.ES256)
    place.hold(key)
    items = [place.register(number) for number in range(20)]
    prepared = [place.prepare(), place.prepare()]
    outcomes: list[set[str]] = []
    start = threading.Barrier(3)

    def run(one: signing.Prepared) -> None:
        start.wait()
        try:
            outcomes.append({each.outcome for each in place.commit(one, key)})
        except TransitionError as late:
            outcomes.append({late.reason})

    threads = [threading.Thread(target=run, args=(one,)) for one in prepared]
    for thread in threads:
        thread.start()
    start.wait()
    place.pipeline.tick()
    for thread in threads:
        thread.join()
    assert {"signed"} in outcomes and outcomes.count({"signed"}) == 1
    place.settle()
    assert {place.signer_of(place.rows(item)[0]) for item in items} == {key.public.kid}
