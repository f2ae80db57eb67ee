"""Trust and evidence bundles, made from a real registry on a real chain and believed by the verifier alone."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from crash_runner import CARE, FOOD, MARKET, PROOF, Institution, food_licence, live
from file_house import make_store
from hypothesis import given
from hypothesis import strategies as st
from log_house import NOON
from sqlalchemy import select, update
from trust_house import a_certificate, export, publish

from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.departments import standing
from registry.departments.tables import Department, DepartmentStanding, Scope
from registry.errors import KeyUnavailableError, NotAnchoredYetError, NotFoundError
from registry.evidence import service as evidence
from registry.files import service as files
from registry.keys.rules import CODES, LOG, STATUS, TRUST_ROOT, department_purpose
from registry.log.receipts import receipt_of_item
from registry.log.tables import AnchorRow
from registry.trust import rules, service
from registry.work import REGISTRY
from verifier.code import CodeKind
from verifier.entry import Kind
from verifier.errors import Check, MalformedError, ScopeError, SignatureError, StaleTrustError
from verifier.evidence import EvidenceBundle, verify_evidence
from verifier.merkle import leaf_hash
from verifier.receipt import check_receipt
from verifier.times import shanghai_day
from verifier.trust import TrustBundle
from verifier.verdict import State

pytest_plugins = ("trust_house",)

LATER = NOON + timedelta(hours=1)


def test_an_exported_bundle_is_valid_under_the_published_trust_and_nothing_else(institution: Institution) -> None:
    bundle = export(institution, a_certificate(institution))
    verdict = verify_evidence(bundle, publish(institution), LATER)
    assert (verdict.state, verdict.reason) == (State.VALID, verdict.reason), verdict.to_json()
    for place in range(0, len(bundle), 97):
        flipped = bundle[:place] + bytes([bundle[place] ^ 1]) + bundle[place + 1 :]
        assert verify_evidence(flipped, publish(institution), LATER).state is not State.VALID


def test_a_suspended_certificate_is_not_in_force_and_in_force_again_when_it_returns(lite: Institution) -> None:
    certificate = a_certificate(lite)
    bundle = export(lite, certificate)
    before = publish(lite)
    with lite.registry.begin(REGISTRY) as work:
        certificates.change_status(work, certificate, "suspend", "示例", MARKET, work.at)
    suspended = publish(lite)
    assert suspended.content.version == before.content.version + 1
    verdict = verify_evidence(bundle, suspended, LATER)
    assert (verdict.state, verdict.reason) == (State.NOT_IN_FORCE, "status_suspended")
    with lite.registry.begin(REGISTRY) as work:
        certificates.change_status(work, certificate, "return", "示例", MARKET, work.at)
    assert verify_evidence(bundle, publish(lite), LATER).state is State.VALID


def test_evidence_waits_for_the_anchor(lite: Institution) -> None:
    with lite.registry.begin(REGISTRY) as work:
        fresh = certificates.register(work, food_licence(9_000))
    with pytest.raises(NotAnchoredYetError):
        export(lite, fresh.id)
    lite.settle()
    bundle = export(lite, fresh.id)
    assert verify_evidence(bundle, publish(lite), LATER).state is State.VALID
    with pytest.raises(NotFoundError):
        export(lite, "0" * 26)


def test_an_older_trust_bundle_decides_about_newer_heads_by_their_chain_proof_alone(lite: Institution) -> None:
    old = publish(lite)
    with lite.registry.begin(REGISTRY) as work:
        fresh = certificates.register(work, food_licence(9_000))
    lite.settle()
    bundle = export(lite, fresh.id)
    assert verify_evidence(bundle, old, LATER).state is State.VALID
    bare = replace(EvidenceBundle.from_bytes(bundle), proof=None).to_bytes()
    assert verify_evidence(bare, old, LATER).state is State.UNDECIDED
    assert verify_evidence(bare, old.accept(publish(lite).data), LATER).state is State.VALID


def test_erased_salts_end_the_export(lite: Institution) -> None:
    certificate = a_certificate(lite)
    with lite.registry.begin(REGISTRY) as work:
        work.session.execute(update(Certificate).where(Certificate.id == certificate).values(salts=None))
    with pytest.raises(NotFoundError) as gone:
        export(lite, certificate)
    assert gone.value.reason == "erased"


def test_attached_files_travel_when_asked_for(lite: Institution, tmp_path: Path) -> None:
    store = make_store(tmp_path, lite.registry.engine)
    stored = store.put(io.BytesIO(b"%PDF-1.7 example"))
    with lite.registry.begin(REGISTRY) as work:
        files.register(work, stored)
        attached = files.AttachedFile("licence.pdf", stored.sha256)
        fresh = certificates.register(work, food_licence(9_001), [attached])
    lite.settle()
    trust = publish(lite)
    with lite.registry.read(REGISTRY) as work:
        whole = evidence.export(work, lite.pipeline.log, fresh.id, store.reader(work))
        bare = evidence.export(work, lite.pipeline.log, fresh.id)
    seen = {check.check: check.outcome.name for check in verify_evidence(whole, trust, LATER).checks}
    assert seen[Check.FILES] == "PASSED"
    seen = {check.check: check.outcome.name for check in verify_evidence(bare, trust, LATER).checks}
    assert seen[Check.FILES] == "NOT_CHECKED"


def test_materials_uses_and_authorisations_have_receipts_too(lite: Institution) -> None:
    live(lite, lambda _kind, _id: None)
    lite.settle()
    key = lite.keys.key_for(LOG, LATER).public
    with lite.registry.read(REGISTRY) as work:
        for kind in (Kind.MATERIAL, Kind.USE, Kind.STATUS, Kind.AUTHORISATION, Kind.DEPARTMENT, Kind.TYPE):
            item = _item_of(lite, kind)
            given = receipt_of_item(work, lite.pipeline.log, item, kind)
            check_receipt(given.receipt, leaf_hash(given.signed_entry), lite.pipeline.origin, key)


def _item_of(institution: Institution, kind: Kind) -> str:
    from registry.log.tables import LogEntry

    with institution.registry.read(REGISTRY) as work:
        return work.session.scalars(select(LogEntry.item).where(LogEntry.kind == int(kind))).first() or ""


def test_the_same_content_is_the_same_bundle_and_a_change_is_a_new_version(institution: Institution) -> None:
    first = publish(institution)
    assert publish(institution).data == first.data
    with institution.registry.read(REGISTRY) as work:
        current = service.find_current(work)
        assert current is not None and current.data == first.data
    with institution.registry.begin(REGISTRY) as work:
        departments.register(work, "52310105MJ9T00029N", "上海市长宁区示例服务中心（示例）", "示例中心")
    with institution.registry.read(REGISTRY) as work:
        assert service.find_current(work) is None
    second = publish(institution)
    assert second.content.version == first.content.version + 1
    assert {department.code for department in second.content.departments} >= {MARKET, CARE, "52310105MJ9T00029N"}
    assert first.accept(second.data).content == second.content
    with pytest.raises(StaleTrustError):
        second.accept(first.data)


def test_two_changes_within_one_millisecond_are_two_versions(lite: Institution) -> None:
    from registry.statuses import service as statuses
    from verifier.status import Status

    with lite.registry.begin(REGISTRY) as work:
        first = service.publish(work, lite.keys)
        ((number, slot),) = statuses.allot(work, 1)
        statuses.set_status(work, number, slot, Status.LOST)
        second = service.publish(work, lite.keys)
        statuses.set_status(work, number, slot, Status.REVOKED)
        third = service.publish(work, lite.keys)
    versions = [TrustBundle.open(data).content.version for data in (first, second, third)]
    assert versions == [versions[0], versions[0] + 1, versions[0] + 2]
    assert TrustBundle.open(third).status(number, slot)[0] is Status.REVOKED


def test_half_way_through_its_life_a_bundle_is_made_anew(lite: Institution) -> None:
    first = publish(lite)
    assert first.content.expires_at - first.content.issued_at == timedelta(days=7)
    lite.clock.at += timedelta(days=3)
    assert publish(lite).content.version == first.content.version
    lite.clock.at += timedelta(days=1)
    renewed = publish(lite)
    assert renewed.content.version == first.content.version + 1
    assert renewed.content.expires_at > first.content.expires_at


def test_a_bundle_says_everything_that_a_verifier_needs(lite: Institution) -> None:
    trust = publish(lite)
    content = trust.content
    assert (content.registry, content.origin) == (lite.pipeline.origin, lite.pipeline.origin)
    purposes = {purpose for key in content.keys for purpose in key.purposes}
    assert purposes == {"entries", "extract", "log", "status", "delegation", *(kind.purpose for kind in CodeKind)}
    roots = {key.kid for key in content.root_keys}
    assert roots.isdisjoint({key.public.kid for key in content.keys})
    assert {key.owner for key in content.keys if key.purposes == ("entries", "extract")} >= {MARKET, CARE}
    trust.check_scope(MARKET, FOOD, LATER)
    assert trust.type(PROOF, 1).one_time
    assert len(content.types) == len(catalogue.builtin_versions())
    with lite.registry.read(REGISTRY) as work:
        anchored = list(work.session.scalars(select(AnchorRow.size).order_by(AnchorRow.size)))
    assert [head.size for head in content.heads] == anchored
    assert content.statuses.keys() == {1}


def test_a_scope_ends_with_its_last_day_in_shanghai() -> None:
    (scope,) = rules.trusted_scopes(MARKET, FOOD, NOON.date(), NOON.date(), ())
    assert scope.valid_from.isoformat() == "2026-11-21T16:00:00+00:00"
    assert scope.valid_to is not None
    assert scope.valid_to.isoformat() == "2026-11-22T16:00:00+00:00"
    assert rules.trusted_scopes(MARKET, FOOD, NOON.date(), None, ())[0].valid_to is None
    # One that an older version took keeps nobody else out of the bundle.
    (widest,) = rules.trusted_scopes(MARKET, FOOD, date.min, date.max, ())
    assert widest.valid_to is not None
    assert (widest.valid_from.year, widest.valid_to.year) == (1899, 2199)


def test_a_suspension_ends_what_is_believed_from_then_on_and_nothing_before(lite: Institution) -> None:
    bundle = export(lite, a_certificate(lite))
    with lite.registry.begin(REGISTRY) as work:
        # Another department runs the registry: the one that does cannot be suspended.
        work.session.execute(update(Department).values(operator=Department.code == CARE))
        standing.suspend(work, MARKET, "整改")
        since_at = work.at
    trust = publish(lite)
    assert verify_evidence(bundle, trust, LATER).state is State.VALID
    trust.check_scope(MARKET, FOOD, since_at - timedelta(seconds=1))
    with pytest.raises(ScopeError):
        trust.check_scope(MARKET, FOOD, since_at + timedelta(seconds=1))
    with lite.registry.begin(REGISTRY) as work:
        standing.reinstate(work, MARKET, "整改合格")
        again_at = work.at
    renewed = publish(lite)
    assert renewed.content.version == trust.content.version + 1
    renewed.check_scope(MARKET, FOOD, again_at + timedelta(seconds=1))
    # Whatever was signed while the department might not act is not believed.
    with lite.registry.begin(REGISTRY) as work:
        work.session.execute(update(DepartmentStanding).values(since_at=NOON - timedelta(days=3)))
        work.session.execute(
            update(DepartmentStanding).where(DepartmentStanding.state == "active").values(since_at=LATER)
        )
        # A new decision makes a new bundle.
        standing.suspend(work, MARKET, "整改")
    verdict = verify_evidence(bundle, publish(lite), LATER)
    assert (verdict.state, verdict.reason) == (State.INVALID, "out_of_scope")


def test_a_scope_that_ended_before_the_signing_is_not_believed_and_one_that_ends_after_it_is(lite: Institution) -> None:
    bundle = export(lite, a_certificate(lite))
    for ends_on, state in ((NOON.date(), State.VALID), (NOON.date() - timedelta(days=1), State.INVALID)):
        with lite.registry.begin(REGISTRY) as work:
            for scope in departments.list_scopes(work, MARKET, "issue"):
                begins_on = min(scope.valid_from_on, ends_on)
                work.session.execute(
                    update(Scope).where(Scope.id == scope.id).values(valid_from_on=begins_on, valid_to_on=ends_on)
                )
        assert verify_evidence(bundle, publish(lite), LATER).state is state


def test_a_scope_that_is_ended_early_judges_old_signatures_as_before_and_new_ones_no_more(lite: Institution) -> None:
    bundle = export(lite, a_certificate(lite))
    with lite.registry.begin(REGISTRY) as work:
        last = shanghai_day(work.at)
        (scope,) = [one for one in departments.list_scopes(work, MARKET, "issue") if one.type_code == FOOD]
        departments.end_scope(work, MARKET, scope.id, last, "示例：职责划转")
    trust = publish(lite)
    assert verify_evidence(bundle, trust, LATER).state is State.VALID
    ends = rules.midnight(last + timedelta(days=1))
    trust.check_scope(MARKET, FOOD, ends - timedelta(seconds=1))
    with pytest.raises(ScopeError):
        trust.check_scope(MARKET, FOOD, ends)


@given(st.lists(st.integers(0, 40), unique=True, max_size=6), st.integers(0, 40), st.integers(0, 40))
def test_scopes_without_suspensions_hold_exactly_when_both_allow(changes: list[int], first: int, last: int) -> None:
    start = rules.midnight(NOON.date())
    decided = [
        ("suspended" if place % 2 == 0 else "active", start + timedelta(hours=12 * at))
        for place, at in enumerate(sorted(changes))
    ]
    first_on, last_on = NOON.date() + timedelta(days=min(first, last) // 2), NOON.date() + timedelta(days=last // 2)
    last_on = max(first_on, last_on)
    scopes = rules.trusted_scopes(MARKET, FOOD, first_on, last_on, rules.suspensions(decided))
    for hours in range(0, 24 * 22, 6):
        at = start + timedelta(hours=hours)
        state = next((state for state, since_at in reversed(decided) if since_at <= at), "active")
        granted = first_on <= shanghai_day(at) <= last_on
        believed = any(one.valid_from <= at and (one.valid_to is None or at < one.valid_to) for one in scopes)
        assert believed == (granted and state == "active")


def test_after_the_root_key_changed_old_readers_still_follow(lite: Institution) -> None:
    first = publish(lite)
    lite.keys.rotate(TRUST_ROOT, lite.clock())
    lite.clock.at += timedelta(seconds=5)
    second = publish(lite)
    assert {key.kid for key in second.content.root_keys}.isdisjoint({key.kid for key in first.content.root_keys})
    assert first.accept(second.data).content.version == second.content.version
    # Once the old key is destroyed, its readers are told, and new readers go on.
    old, _ = lite.keys.periods(TRUST_ROOT)
    (lite.folder / "keys" / f"{old.kid.hex()}.pem").unlink()
    lite.keys._loaded.clear()
    with lite.registry.begin(REGISTRY) as work:
        departments.register(work, "52310105MJ9T00029N", "上海市长宁区示例服务中心（示例）", "示例中心")
    third = publish(lite)
    assert second.accept(third.data).content.version == third.content.version
    with pytest.raises(SignatureError):
        first.accept(third.data)


@pytest.mark.parametrize("purpose", [STATUS, CODES, department_purpose(MARKET)])
def test_a_key_that_changed_leaves_older_evidence_valid(lite: Institution, purpose: str) -> None:
    bundle = export(lite, a_certificate(lite))
    lite.keys.rotate(purpose, lite.clock())
    lite.clock.at += timedelta(seconds=5)
    with lite.registry.begin(REGISTRY) as work:
        fresh = certificates.register(work, food_licence(9_002))
    lite.settle()
    trust = publish(lite)
    assert verify_evidence(bundle, trust, LATER).state is State.VALID
    assert verify_evidence(export(lite, fresh.id), trust, LATER).state is State.VALID


def test_no_bundle_is_signed_without_the_root_key(lite: Institution) -> None:
    (root,) = lite.keys.periods(TRUST_ROOT)
    (lite.folder / "keys" / f"{root.kid.hex()}.pem").unlink()
    lite.keys._loaded.clear()
    with lite.registry.begin(REGISTRY) as work, pytest.raises(KeyUnavailableError):
        service.publish(work, lite.keys)


def test_two_processes_that_publish_at_once_give_out_one_bundle(institution: Institution) -> None:
    given: list[bytes] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        with institution.registry.begin(REGISTRY) as work:
            given.append(service.publish(work, institution.keys))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 4
    by_version = {TrustBundle.open(data).content.version: data for data in given}
    assert len(set(given)) == len(by_version)


def test_a_trust_bundle_that_was_altered_does_not_open(lite: Institution) -> None:
    data = publish(lite).data
    for place in range(0, len(data), 1009):
        with pytest.raises((MalformedError, SignatureError)):
            TrustBundle.open(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
