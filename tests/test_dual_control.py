"""Two administrators decide (双人复核): who may decide about what, once, in time, and about what was proposed."""

from __future__ import annotations

import base64
import threading
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from registry_house import BUSINESS, CARE, MARKET, NOON, House
from sqlalchemy import select
from test_foreign import make_certificate

from registry.accounts import control, tokens
from registry.accounts import service as accounts
from registry.catalogue import drafting
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.departments import standing
from registry.errors import AuthenticationError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.keys import own
from registry.keys.service import KeyService
from registry.keys.tables import KeyChallenge
from registry.proposals import rules
from registry.proposals import service as proposals
from registry.proposals.actions import Applied
from registry.proposals.tables import Proposal
from registry.trust import certificates
from registry.work import REGISTRY, Actor
from verifier.suites import SoftwareKey

pytest_plugins = ("registry_fixtures",)

PASSWORD = "Example-2026-Two"
SCOPE = {
    "department": CARE, "type_code": BUSINESS, "action": "issue", "valid_from_on": "2026-01-01", "valid_to_on": None,
}  # fmt: skip
REASON = "示例：职责调整"
CARE_SYSTEM = Actor("token:care", "system", CARE, frozenset(("registrar",)))


class Office:
    """Administrators of a house, and what they do."""

    own_kid: str

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.keys = house, KeyService(folder / "keys", house.engine)
        self.first = self.administrator("first")

    def administrator(self, name: str, *, active: bool = True) -> Actor:
        made = self.house.do(
            accounts.create_staff, name, "示例", ["administrator"], None, PASSWORD if active else None, who=REGISTRY
        )
        return accounts.actor_of(made.staff)

    def change(self, who: Actor, action: str = "scope.grant", given: Any = None, reason: str = REASON) -> Any:
        return self.house.do(proposals.change, action, given or SCOPE, reason, self.keys, who=who)

    def approve(self, who: Actor, proposal: Proposal) -> Any:
        return self.house.do(proposals.approve, proposal.id, self.keys, who=who)

    def scopes(self) -> int:
        return len(self.house.see(departments.list_scopes, CARE, "issue"))

    def state(self, proposal: Proposal) -> str:
        return str(self.house.see(lambda work: work.session.get_one(Proposal, proposal.id).state))

    def id_of(self, who: Actor) -> str:
        return who.id.removeprefix("staff:")


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return Office(house, tmp_path)


@pytest.fixture
def lite(sqlite_house: House, tmp_path: Path) -> Office:
    return Office(sqlite_house, tmp_path)


def test_one_administrator_acts_alone_and_it_is_recorded(office: Office) -> None:
    done = office.change(office.first)
    assert isinstance(done, Applied) and office.scopes() == 1
    row = office.house.see(proposals.list_all)[0]
    assert (row.state, row.proposed_by, row.decided_by, row.reason) == (
        "alone",
        office.first.id,
        office.first.id,
        REASON,
    )
    assert (row.before, row.after["type_code"]) == ({"periods": []}, BUSINESS)


def test_two_bind_once_the_second_has_a_password_and_for_ever(office: Office) -> None:
    office.administrator("waiting", active=False)
    assert isinstance(office.change(office.first), Applied)
    second = office.administrator("second")
    assert isinstance(office.change(office.first, given={**SCOPE, "action": "use"}), Proposal)
    # Nobody frees himself by shutting the other one out.
    office.house.do(accounts.disable_staff, office.id_of(second), who=office.first)
    assert isinstance(office.change(office.first, given={**SCOPE, "valid_from_on": "2027-01-01"}), Proposal)
    assert office.house.see(control.binding_since) is not None


def test_who_is_shut_out_before_anything_was_changed_had_bound_all_the_same(lite: Office) -> None:
    second = lite.administrator("second")
    lite.house.do(accounts.disable_staff, lite.id_of(second), who=lite.first)
    assert isinstance(lite.change(lite.first), Proposal)


def test_another_one_approves_and_it_happens_then_and_once(office: Office) -> None:
    second, third = office.administrator("second"), office.administrator("third")
    proposal = office.change(office.first)
    assert isinstance(proposal, Proposal) and office.scopes() == 0
    # Asked again it is the same proposal.
    assert office.change(office.first).id == proposal.id
    with pytest.raises(NotPermittedError, match="own_proposal"):
        office.approve(office.first, proposal)
    with pytest.raises(NotPermittedError, match="own_proposal"):
        office.house.do(proposals.refuse, proposal.id, "示例", who=office.first)
    assert office.scopes() == 0
    office.approve(second, proposal)
    assert (office.scopes(), office.state(proposal)) == (1, "approved")
    for again in (second, third):
        with pytest.raises(TransitionError, match="proposal_decided"):
            office.approve(again, proposal)
    with pytest.raises(TransitionError, match="proposal_decided"):
        office.house.do(proposals.withdraw, proposal.id, who=office.first)
    assert office.scopes() == 1


def test_of_two_who_approve_at_the_same_moment_one_does(office: Office) -> None:
    second, third = office.administrator("second"), office.administrator("third")
    proposal = office.change(office.first)
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def run(who: Actor) -> None:
        start.wait()
        try:
            office.approve(who, proposal)
            outcomes.append("approved")
        except TransitionError as late:
            outcomes.append(late.reason)

    threads = [threading.Thread(target=run, args=(who,)) for who in (second, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "proposal_decided"] and office.scopes() == 1


def test_what_was_changed_since_is_not_overwritten(office: Office) -> None:
    second, third = office.administrator("second"), office.administrator("third")
    earlier = office.change(office.first)
    later = office.change(third, given={**SCOPE, "valid_from_on": "2027-01-01"})
    office.approve(second, later)
    assert office.house.see(lambda work: proposals.is_stale(work, work.session.get_one(Proposal, earlier.id)))
    with pytest.raises(TransitionError, match="proposal_stale"):
        office.approve(second, earlier)
    assert (office.scopes(), office.state(earlier)) == (1, "open")
    office.house.do(proposals.refuse, earlier.id, "示例：按现状重提", who=second)
    assert isinstance(office.change(office.first), Proposal)


def test_refused_withdrawn_or_expired_nothing_happens(office: Office) -> None:
    second = office.administrator("second")
    refused = office.change(office.first)
    with pytest.raises(InvalidDraftError):
        office.house.do(proposals.refuse, refused.id, " ", who=second)
    office.house.do(proposals.refuse, refused.id, "示例：依据不足", who=second)
    withdrawn = office.change(office.first)
    with pytest.raises(NotPermittedError, match="not_own_proposal"):
        office.house.do(proposals.withdraw, withdrawn.id, who=second)
    office.house.do(proposals.withdraw, withdrawn.id, who=office.first)
    expired = office.change(office.first)
    office.house.clock.pass_by(days=14)
    with pytest.raises(TransitionError, match="proposal_expired"):
        office.approve(second, expired)
    assert office.house.see(lambda work: proposals.list_all(work, open_only=True)) == []
    assert office.scopes() == 0
    with pytest.raises(InvalidDraftError):
        office.change(office.first, reason="")
    row = office.house.see(lambda work: work.session.get_one(Proposal, refused.id))
    assert (row.decided_by, row.decided_because) == (second.id, "示例：依据不足")


def test_a_token_proposes_and_neither_it_nor_its_maker_decides(lite: Office) -> None:
    second = lite.administrator("second")
    expires_at = lite.house.clock.at + timedelta(days=30)
    made = lite.house.do(tokens.create, "示例系统", None, ["administrator"], expires_at, who=lite.first).token
    system = Actor(f"token:{made.id}", "system", None, frozenset(("administrator",)))
    proposal = lite.change(system)
    with pytest.raises(NotPermittedError, match="own_proposal"):
        lite.approve(lite.first, proposal)
    other = lite.change(second, given={**SCOPE, "valid_from_on": "2027-01-01"})
    with pytest.raises(NotPermittedError, match="person_needed"):
        lite.approve(system, other)
    lite.approve(second, proposal)
    assert lite.scopes() == 1


def test_whoever_asked_for_a_token_decides_about_its_wishes_no_more_than_who_approved_it(office: Office) -> None:
    second, third = office.administrator("second"), office.administrator("third")
    expires_at = (office.house.clock.at + timedelta(days=30)).isoformat()
    wanted = {"name": "示例系统", "department": CARE, "roles": ["registrar", "administrator"], "expires_at": expires_at}
    _, applied = office.approve(second, office.change(office.first, "token.create", wanted))
    system = Actor(f"token:{applied.value.id}", "system", CARE, frozenset(("registrar", "administrator")))
    proposal = office.change(system)
    # A token that the token asked for is theirs as well.
    _, applied = office.approve(third, office.change(system, "token.create", {**wanted, "name": "另一系统"}))
    below = office.change(Actor(f"token:{applied.value.id}", *_of(system)), given={**SCOPE, "action": "use"})
    for who in (office.first, second):
        for one in (proposal, below):
            assert not office.house.do(proposals.may_decide, one, who=who)
            with pytest.raises(NotPermittedError, match="own_proposal"):
                office.approve(who, one)
    office.approve(third, proposal)
    assert office.scopes() == 1
    with pytest.raises(NotPermittedError, match="own_proposal"):
        office.approve(third, below)


def _of(actor: Actor) -> tuple[Any, ...]:
    return actor.kind, actor.department, actor.roles


def test_making_an_administrator_or_taking_over_an_account_needs_two(lite: Office) -> None:
    second = lite.administrator("second")
    wanted = {"username": "fourth", "name": "示例", "roles": ["administrator"], "department": None}
    proposal = lite.change(lite.first, "account.create", wanted)
    with pytest.raises(NotFoundError):
        lite.house.see(proposals.get, "0" * 26)
    _, applied = lite.approve(second, proposal)
    assert applied.once["one_time_password"].startswith("Sz1-")
    clerk = lite.house.do(accounts.create_staff, "clerk", "示例", ["window"], CARE, PASSWORD, who=REGISTRY).staff
    raised = lite.change(lite.first, "account.roles", {"account_id": clerk.id, "roles": ["auditor"]})
    assert lite.house.see(accounts.get_staff, clerk.id).roles == ["window"]
    lite.approve(second, raised)
    assert lite.house.see(accounts.get_staff, clerk.id).roles == ["auditor"]


def test_nobody_alone_gets_into_the_account_of_a_registrar_to_propose_from_there(lite: Office) -> None:
    second = lite.administrator("second")
    registrar = lite.house.do(
        accounts.create_staff, "issuer", "示例", ["registrar"], CARE, PASSWORD, who=REGISTRY
    ).staff
    for account_id in (registrar.id, lite.id_of(second)):
        reset = lite.change(lite.first, "account.password", {"account_id": account_id})
        assert isinstance(reset, Proposal) and "Sz1-" not in repr((reset.arguments, reset.before, reset.after))
        with pytest.raises(NotPermittedError, match="own_proposal"):
            lite.approve(lite.first, reset)
    assert accounts.log_in(lite.house.registry, "issuer", PASSWORD)
    reset = lite.change(lite.first, "account.password", {"account_id": registrar.id})
    _, applied = lite.approve(second, reset)
    assert accounts.log_in(lite.house.registry, "issuer", applied.once["one_time_password"])
    with pytest.raises(AuthenticationError):
        accounts.log_in(lite.house.registry, "issuer", PASSWORD)


def test_what_only_takes_away_happens_at_once_and_giving_back_needs_two(lite: Office) -> None:
    second = lite.administrator("second")
    lite.house.do(standing.suspend, CARE, REASON, who=lite.first)
    back = lite.change(lite.first, "department.reinstate", {"code": CARE})
    assert isinstance(back, Proposal) and lite.house.see(lambda work: standing.is_suspended(work.session, CARE))
    lite.approve(second, back)
    assert not lite.house.see(lambda work: standing.is_suspended(work.session, CARE))


def test_what_could_not_be_done_is_refused_when_it_is_proposed(lite: Office) -> None:
    lite.administrator("second")
    for action, given in (
        ("scope.grant", {**SCOPE, "type_code": "1"}),
        ("department.register", {"code": "1", "name": "示例", "short_name": "示例", "level": "district"}),
        ("account.create", {"username": "a", "name": "示例", "roles": ["administrator"], "department": None}),
    ):
        with pytest.raises(InvalidDraftError):
            lite.change(lite.first, action, given)
    # A trial leaves nothing behind.
    assert isinstance(lite.change(lite.first), Proposal)
    assert lite.scopes() == 0 and len(lite.house.see(proposals.list_all)) == 1


def test_a_type_is_published_by_two_as_it_was_looked_at(office: Office) -> None:
    second = office.administrator("second")
    before = office.house.see(catalogue.get_type, BUSINESS).version
    draft = office.house.do(drafting.start, BUSINESS, who=office.first)
    given = {"draft_id": draft.id, "revision": draft.revision}
    with pytest.raises(InvalidDraftError):
        office.change(office.first, "type.publish", given, reason=" ")
    earlier = office.change(office.first, "type.publish", given)
    assert isinstance(earlier, Proposal) and earlier.after["version"] == before + 1
    assert office.house.see(catalogue.get_type, BUSINESS).version == before
    # Whoever changes the draft after it was proposed does not have that published.
    wanted = replace(drafting.sheet(draft), footer="另一落款")
    changed = office.house.do(drafting.save, draft.id, draft.revision, wanted, who=office.first)
    with pytest.raises(TransitionError, match="proposal_stale"):
        office.approve(second, earlier)
    later = office.change(office.first, "type.publish", {"draft_id": draft.id, "revision": changed.revision})
    with pytest.raises(NotPermittedError, match="own_proposal"):
        office.approve(office.first, later)
    found = office.house.see(proposals.find_open, "type.publish", draft_id=draft.id, revision=changed.revision)
    assert found is not None and found.id == later.id
    office.approve(second, later)
    made = office.house.see(catalogue.get_type, BUSINESS)
    assert (made.version, made.definition["face"]["footer"]) == (before + 1, "另一落款")
    # The draft is gone, and with it what the earlier one was about.
    assert office.house.see(lambda work: proposals.is_stale(work, work.session.get_one(Proposal, earlier.id)))


def test_what_keeps_a_type_from_being_published_is_told_before_anybody_decides(lite: Office) -> None:
    lite.administrator("second")
    draft = lite.house.do(drafting.start, None, who=lite.first)
    with pytest.raises(InvalidDraftError):
        lite.change(lite.first, "type.publish", {"draft_id": draft.id, "revision": draft.revision})
    with pytest.raises(NotFoundError):
        lite.change(lite.first, "type.publish", {"draft_id": "0" * 26, "revision": 1})
    assert lite.house.see(proposals.list_all) == []


def test_a_certificate_of_others_is_trusted_by_two_and_let_go_by_one(office: Office) -> None:
    second = office.administrator("second")
    der = make_certificate(ec.generate_private_key(ec.SECP256R1()))
    given = {
        "kind": "issuer", "profile": "eu-dcc", "name": "示例", "certificate": base64.b64encode(der).decode(),
    }  # fmt: skip
    with pytest.raises(InvalidDraftError):
        office.change(office.first, "trust.certificate", {**given, "profile": None})
    proposal = office.change(office.first, "trust.certificate", given)
    assert isinstance(proposal, Proposal) and proposal.after["sha256"] == sha256(der).hexdigest()
    with office.house.work() as work:
        assert certificates.list_all(work.session) == []
    office.approve(second, proposal)
    with office.house.work(office.first) as work:
        (row,) = certificates.list_all(work.session)
        assert (row.certificate, row.added_by, row.reason) == (der, second.id, REASON)
        certificates.remove(work, row.id, "示例：对方停用")
    assert isinstance(office.change(office.first, "trust.certificate", given), Proposal)


def test_a_departments_own_key_waits_for_an_administrator_even_where_there_is_one(lite: Office) -> None:
    house, key = lite.house, SoftwareKey.generate()
    asked = house.do(own.ask_for_proof, CARE, "ED25519", key.public.raw.hex(), None, None, who=CARE_SYSTEM)
    house.do(own.prove, CARE, asked.row.id, key.sign(asked.to_be_signed), who=CARE_SYSTEM)
    given = {"department": CARE, "challenge_id": asked.row.id}
    proposal = lite.change(CARE_SYSTEM, "key.own", given)
    assert isinstance(proposal, Proposal) and proposal.after["kid"] == key.public.kid.hex()
    with pytest.raises(NotPermittedError, match="not_administrator"):
        lite.change(CARE_SYSTEM)
    with pytest.raises(NotPermittedError):
        lite.approve(CARE_SYSTEM, proposal)
    lite.approve(lite.first, proposal)
    house.clock.pass_by(seconds=5)
    assert house.see(lambda work: own.signs_itself(work.session, CARE, work.at))


def test_two_keys_proposed_for_the_same_department_do_not_follow_each_other_unseen(lite: Office) -> None:
    house, waiting = lite.house, []
    for key in (SoftwareKey.generate(), SoftwareKey.generate()):
        asked = house.do(own.ask_for_proof, CARE, "ED25519", key.public.raw.hex(), None, None, who=CARE_SYSTEM)
        house.do(own.prove, CARE, asked.row.id, key.sign(asked.to_be_signed), who=CARE_SYSTEM)
        waiting.append(lite.change(CARE_SYSTEM, "key.own", {"department": CARE, "challenge_id": asked.row.id}))
    lite.approve(lite.first, waiting[0])
    with pytest.raises(TransitionError, match="proposal_stale"):
        lite.approve(lite.first, waiting[1])


def wish(lite: Office, number: int, who: Actor = CARE_SYSTEM) -> Proposal:
    """One of many wishes of a department about one key of its own."""
    at = (NOON - timedelta(minutes=number + 1)).isoformat()
    proposal = lite.change(who, "key.compromised", {"department": CARE, "kid": lite.own_kid, "compromised_at": at})
    assert isinstance(proposal, Proposal)
    return proposal


@pytest.fixture
def holding(lite: Office) -> Office:
    """An office in which CARE signs itself."""
    key = SoftwareKey.generate()
    asked = lite.house.do(own.ask_for_proof, CARE, "ED25519", key.public.raw.hex(), None, None, who=CARE_SYSTEM)
    lite.house.do(own.prove, CARE, asked.row.id, key.sign(asked.to_be_signed), who=CARE_SYSTEM)
    lite.approve(lite.first, lite.change(CARE_SYSTEM, "key.own", {"department": CARE, "challenge_id": asked.row.id}))
    lite.own_kid = key.public.kid.hex()
    return lite


def test_a_department_has_a_number_of_proposals_waiting_and_may_take_them_back(holding: Office) -> None:
    colleague = Actor("token:colleague", "system", CARE, frozenset(("registrar",)))
    waiting = [wish(holding, number) for number in range(rules.OPEN_OF_DEPARTMENT)]
    for who in (CARE_SYSTEM, colleague):
        with pytest.raises(TransitionError, match="too_many_proposals"):
            wish(holding, 99, who)
    # What waits already is still that proposal; an administrator, and a proposal that was taken back, make room.
    assert wish(holding, 0).id == waiting[0].id
    assert isinstance(holding.change(holding.first), Applied)
    with pytest.raises(NotPermittedError, match="not_own_proposal"):
        holding.house.do(proposals.withdraw, waiting[0].id, who=colleague)
    holding.house.do(proposals.withdraw, waiting[0].id, who=CARE_SYSTEM)
    assert wish(holding, 99, colleague)
    # So does time.
    holding.house.clock.pass_by(days=14)
    assert wish(holding, 100)


def test_proposing_and_taking_back_fills_the_record_at_a_bounded_rate(holding: Office) -> None:
    for number in range(rules.A_DAY_OF_DEPARTMENT - 1):
        holding.house.do(proposals.withdraw, wish(holding, number).id, who=CARE_SYSTEM)
    with pytest.raises(TransitionError, match="too_many_proposals"):
        wish(holding, 99)
    holding.house.clock.pass_by(days=1)
    assert wish(holding, 99)


def test_an_administrator_has_room_for_setting_up_a_department(lite: Office) -> None:
    lite.administrator("second")

    def grant(number: int) -> Any:
        day = (NOON.date() + timedelta(days=number)).isoformat()
        return lite.change(lite.first, given={**SCOPE, "valid_from_on": day, "valid_to_on": day})

    for number in range(rules.OPEN_OF_ADMINISTRATOR):
        assert isinstance(grant(number), Proposal)
    with pytest.raises(TransitionError, match="too_many_proposals"):
        grant(rules.OPEN_OF_ADMINISTRATOR)


def test_a_registrar_sees_what_they_proposed_themselves_and_nothing_else(holding: Office) -> None:
    house = holding.house
    mine = wish(holding, 1)
    stranger = Actor("token:market", "system", MARKET, frozenset(("registrar",)))
    assert [row.id for row in house.do(proposals.list_all, open_only=True, who=CARE_SYSTEM)] == [mine.id]
    assert house.do(proposals.list_all, who=stranger) == []
    assert mine.id in [row.id for row in house.do(proposals.list_all, who=holding.first)]


def test_challenges_for_keys_are_bounded_and_forgotten(lite: Office) -> None:
    house = lite.house

    def ask() -> own.Asked:
        public = SoftwareKey.generate().public.raw.hex()
        asked: own.Asked = house.do(own.ask_for_proof, CARE, "ED25519", public, None, None, who=CARE_SYSTEM)
        return asked

    for _ in range(own.MAX_CHALLENGES):
        ask()
    with pytest.raises(TransitionError, match="too_many_challenges"):
        ask()
    house.clock.pass_by(hours=1)
    last = ask()
    ids = house.see(lambda work: list(work.session.scalars(select(KeyChallenge.id))))
    assert ids == [last.row.id]


def test_on_the_server_an_administrator_is_added_without_a_second_one_and_recorded(lite: Office) -> None:
    lite.administrator("second")
    lite.change(lite.first)
    wanted = {"username": "rescue", "name": "示例", "roles": ["administrator"], "department": None}
    assert isinstance(lite.change(REGISTRY, "account.create", wanted), Applied)
    rows = lite.house.see(lambda work: list(work.session.scalars(select(Proposal).where(Proposal.state == "alone"))))
    assert [(row.proposed_by, row.reason) for row in rows] == [("registry", REASON)]


def test_one_administrator_reopens_an_account_with_a_reason_and_it_is_recorded(office: Office) -> None:
    house = office.house
    clerk = house.do(accounts.create_staff, "clerk", "示例", ["window"], CARE, PASSWORD, who=REGISTRY).staff
    given = {"account_id": clerk.id}
    with pytest.raises(TransitionError, match="account_open"):
        office.change(office.first, "account.reopen", given)
    house.do(accounts.disable_staff, clerk.id, who=office.first)
    for reason in ("", "   "):
        with pytest.raises(InvalidDraftError) as refused:
            office.change(office.first, "account.reopen", given, reason)
        assert [fault.field for fault in refused.value.errors] == ["reason"]
    with pytest.raises(AuthenticationError, match="account_disabled"):
        accounts.log_in(house.registry, "clerk", PASSWORD)
    done = office.change(office.first, "account.reopen", given)
    # With the roles it had and a password that nobody knew before.
    with pytest.raises(AuthenticationError, match="wrong_credentials"):
        accounts.log_in(house.registry, "clerk", PASSWORD)
    login = accounts.log_in(house.registry, "clerk", done.once["one_time_password"])
    assert (login.staff.roles, login.staff.must_change_password) == (["window"], True)
    row = house.see(proposals.list_all)[0]
    assert (row.action, row.state, row.reason) == ("account.reopen", "alone", REASON)
    assert (row.before["state"], row.after["state"]) == ("disabled", "open")
    assert done.once["one_time_password"] not in f"{row.arguments}{row.before}{row.after}"


def test_with_two_administrators_who_was_shut_out_comes_back_by_both(office: Office) -> None:
    house, second, third = office.house, office.administrator("second"), office.administrator("third")
    house.do(accounts.disable_staff, office.id_of(third), who=office.first)
    given = {"account_id": office.id_of(third)}
    proposal, another = (office.change(who, "account.reopen", given) for who in (office.first, second))
    assert isinstance(proposal, Proposal) and house.see(accounts.get_staff, given["account_id"]).disabled_at
    with pytest.raises(NotPermittedError, match="own_proposal"):
        office.approve(office.first, proposal)
    _, applied = office.approve(second, proposal)
    assert house.see(accounts.get_staff, given["account_id"]).disabled_at is None
    # Until they have a password of their own they decide about nothing.
    assert office.id_of(third) not in [row.id for row in house.see(control.administrators)]
    assert accounts.log_in(house.registry, "third", applied.once["one_time_password"])
    # Shut out again since: what was proposed before is about another time.
    house.clock.pass_by(seconds=1)
    house.do(accounts.disable_staff, office.id_of(third), who=second)
    with pytest.raises(TransitionError, match="proposal_stale"):
        office.approve(office.first, another)
