"""Status lists that change a little and trust bundles that travel as what is new: the same verdicts with few bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_office import OpenOffice, open_office, register, settings_in
from hypothesis import given, settings
from hypothesis import strategies as st
from world import NOON, ORIGIN, World, fixed_key, make_world

from api.cli.main import main
from registry.keys.rules import STATUS
from registry.statuses import service as statuses
from registry.trust import service
from registry.work import REGISTRY
from verifier import State, cbor, cose, verify
from verifier.errors import MalformedError, SignatureError, VerificationError
from verifier.status import CAPACITY, Status, StatusList
from verifier.status_delta import MAX_CHANGES, apply_delta, changes_between, sign_delta
from verifier.trust import TrustBundle, status_subject
from verifier.trust_update import is_update, restore, shorten

KEY = fixed_key("status")
NAME = status_subject(ORIGIN, 1)
WEEK = timedelta(days=7)
STATES = st.dictionaries(st.integers(0, CAPACITY - 1), st.sampled_from(Status), max_size=40)


def listed(states: dict[int, Status]) -> StatusList:
    made = StatusList()
    for index, status in states.items():
        made.set(index, status)
    return made


def delta(base: StatusList, changes: list[tuple[int, Status]]) -> bytes:
    return sign_delta(base, changes, KEY, NAME, NOON, NOON + WEEK)


@settings(max_examples=30, deadline=None)
@given(STATES, STATES)
def test_a_delta_leads_from_any_list_to_any_other(before: dict[int, Status], after: dict[int, Status]) -> None:
    base, present = listed(before), listed(after)
    changes = changes_between(base, present)
    reached = apply_delta(base, delta(base, changes), NAME, KEY.public)
    assert reached.to_bytes() == present.to_bytes() and reached.issued_at == NOON
    assert len(changes) == sum(
        before.get(index, Status.VALID) != after.get(index, Status.VALID) for index in before.keys() | after.keys()
    )


def test_a_delta_of_a_thousand_changes_is_a_fraction_of_its_list() -> None:
    base = listed({index * 97: Status.REVOKED for index in range(10_000)})
    present = StatusList(base.to_bytes())
    for index in range(1000):
        present.set(index * 1013 + 1, Status.SUSPENDED)
    assert len(delta(base, changes_between(base, present))) < 3_300


def signed(claims: dict[Any, Any], typ: int = cose.Type.STATUS_DELTA) -> bytes:
    return cose.sign1(cbor.encode(claims), KEY, typ)


def test_what_is_no_delta_of_this_list_is_refused_by_name() -> None:
    base, other = listed({}), listed({7: Status.LOST})
    good = delta(base, [(5, Status.REVOKED)])
    claims = cbor.decode(cose.open_typed(good, cose.Type.STATUS_DELTA, limit=1000)[1], limit=1000)
    late = StatusList.from_token(base.to_token(KEY, NAME, NOON + WEEK, NOON + WEEK * 2), NAME, KEY.public)
    for states, token, reason in (
        (other, good, "wrong_base"),
        (late, good, "delta_older"),
        (base, signed({**claims, 2: NAME + "0"}), "wrong_list"),
        (base, signed({**claims, -65538: [5 << 4, 0 << 4]}), "wrong_field"),
        (base, signed({**claims, -65538: [CAPACITY << 4, 1 << 4]}), "wrong_field"),
        (base, signed({**claims, -65538: [1 << 4] * (MAX_CHANGES + 1)}), "wrong_field"),
        (base, signed({**claims, -65538: [-1]}), "wrong_field"),
        (base, signed({**claims, 9: 1}), "wrong_fields"),
        (base, signed(claims, cose.Type.ENTRY), "wrong_type"),
        (base, base.to_token(KEY, NAME, NOON, NOON + WEEK), "wrong_type"),
    ):
        with pytest.raises(VerificationError) as refused:
            apply_delta(states, token, NAME, KEY.public)
        assert refused.value.reason == reason
    with pytest.raises(SignatureError):
        apply_delta(base, good, NAME, fixed_key("log").public)
    for place in range(len(good)):
        flipped = bytearray(good)
        flipped[place] ^= 1
        with pytest.raises(VerificationError):
            apply_delta(base, bytes(flipped), NAME, KEY.public)


def bundles() -> tuple[World, TrustBundle, TrustBundle]:
    world, states = make_world(), StatusList()
    token = world.status_token(states)
    older = world.trust(statuses={1: token})
    return world, older, world.trust(
        version=4, statuses={1: token}, status_deltas={1: delta(states, [(2, Status.REVOKED)])}, matters={"M": "事项"}
    )  # fmt: skip


def test_a_bundle_with_a_delta_decides_by_what_changed() -> None:
    world, older, newer = bundles()
    assert verify(world.bundle(2).to_bytes(), older, NOON).state is State.VALID
    found = verify(world.bundle(2).to_bytes(), older.accept(newer.data), NOON)
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "status_revoked")
    assert verify(world.bundle(1).to_bytes(), newer, NOON).state is State.VALID
    assert newer.status(1, 2) == (Status.REVOKED, NOON)
    with pytest.raises(MalformedError, match="没有它所依据的状态列表"):
        world.trust(statuses={}, status_deltas=newer.content.status_deltas)


def test_an_update_is_what_is_new_and_gives_the_bundle_byte_for_byte() -> None:
    _, older, newer = bundles()
    update = shorten(older.data, newer.data)
    assert is_update(update) and not is_update(newer.data) and len(update) < len(newer.data) / 2
    assert restore(older.data, update) == newer.data
    assert restore(newer.data, shorten(newer.data, older.data)) == older.data
    assert restore(older.data, shorten(older.data, older.data)) == older.data


def test_an_update_for_another_bundle_or_an_altered_one_gives_nothing() -> None:
    _, older, newer = bundles()
    update = shorten(older.data, newer.data)
    with pytest.raises(MalformedError) as refused:
        restore(newer.data, update)
    assert refused.value.reason == "wrong_base"
    value = json.loads(update)
    for change in (
        {"signed": {**value["signed"], "version": 9}},
        {"signed": {**value["signed"], "keys": [3, 3, 3]}},
        {"signed": {**value["signed"], "keys": [99]}},
        {"signed": {**value["signed"], "statuses": {"7": None}}},
        {"signed": []},
        {"gone": ["keys"]},
        {"gone": 5},
        {"format": "suizheng-trust-update/2"},
        {"signatures": []},
        {"more": 1},
    ):
        with pytest.raises(MalformedError):
            restore(older.data, json.dumps({**value, **change}, sort_keys=True, separators=(",", ":")).encode())
    for place in range(0, len(update), 7):
        flipped = bytearray(update)
        flipped[place] ^= 1
        with pytest.raises(MalformedError):
            restore(older.data, bytes(flipped))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path / "data")) as opened:
        yield opened


def published(office: OpenOffice) -> TrustBundle:
    return TrustBundle.open(office.client.get("/api/v1/trust").content)


def change(office: OpenOffice, certificate: str, operation: str) -> None:
    body = {"operation": operation, "reason": "接受调查"}
    answer = office.send("POST", f"/api/v1/certificates/{certificate}/status", "registrar", json=body)
    assert answer.status_code == 200, answer.text


def test_a_change_of_state_leaves_the_token_alone_and_a_new_key_makes_a_new_one(office: OpenOffice) -> None:
    certificates = [register(office, number)["id"] for number in range(1, 4)]
    office.settle()
    first = published(office)
    change(office, certificates[0], "suspend")
    second = first.accept(office.client.get("/api/v1/trust").content)
    assert second.content.version > first.content.version
    assert second.content.statuses == first.content.statuses and second.content.status_deltas.keys() == {1}
    change(office, certificates[0], "return")
    third = second.accept(office.client.get("/api/v1/trust").content)
    assert third.content.statuses == first.content.statuses
    office.services.keys.rotate(STATUS, office.services.clock() - timedelta(seconds=2), lead=timedelta(0))
    change(office, certificates[1], "suspend")
    fourth = third.accept(office.client.get("/api/v1/trust").content)
    assert fourth.content.statuses != first.content.statuses and not fourth.content.status_deltas


def test_changes_that_make_up_for_each_other_make_a_new_bundle(office: OpenOffice) -> None:
    """As many items, as many states, the same sum of slots: only who is suspended is another one."""
    register(office, 1)
    office.settle()

    def suspend(slots: set[int]) -> TrustBundle:
        with office.services.registry.begin(REGISTRY) as work:
            for slot in range(1, 5):
                statuses.set_status(work, 1, slot, Status.SUSPENDED if slot in slots else Status.VALID)
        return published(office)

    first, second = suspend({2, 3}), suspend({1, 4})
    assert second.content.version > first.content.version
    assert [second.status(1, slot)[0] for slot in (1, 2)] == [Status.SUSPENDED, Status.VALID]


def test_the_server_sends_what_is_new_since_a_version_and_the_whole_when_it_cannot(office: OpenOffice) -> None:
    certificate = register(office, 1)["id"]
    office.settle()
    first = published(office)
    change(office, certificate, "suspend")
    update = office.client.get("/api/v1/trust", params={"since": first.content.version}).content
    whole = office.client.get("/api/v1/trust").content
    assert is_update(update) and len(update) < len(whole) / 2 and restore(first.data, update) == whole
    assert office.client.get("/api/v1/trust", params={"since": 9_999}).content == whole
    assert office.client.get("/api/v1/trust", params={"since": 0}).status_code == 422


def test_old_bundles_are_let_go(office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "KEPT", 2)
    certificate = register(office, 1)["id"]
    first = published(office)
    for operation in ("suspend", "return", "suspend"):
        change(office, certificate, operation)
        newest = published(office)
    assert office.client.get("/api/v1/trust", params={"since": first.content.version}).content == newest.data


def test_an_update_is_carried_by_hand_to_a_reader_without_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, reader, update = tmp_path / "data", tmp_path / "trust.json", tmp_path / "update.json"
    with open_office(settings_in(data)) as office:
        certificate = register(office, 1)["id"]
        office.settle()
        reader.write_bytes(office.client.get("/api/v1/trust").content)
        change(office, certificate, "suspend")
        newest = office.client.get("/api/v1/trust").content
    monkeypatch.setenv("SUIZHENG_CHAIN", "none")
    carried = ["trust", "export", "--data", str(data), "--since", str(reader), "--out", str(update)]
    assert main(carried) == 0 and "更新已写入" in capsys.readouterr().out
    assert len(update.read_bytes()) < len(newest) / 2
    taken = ["trust", "update", "--from", str(update), "--trust", str(reader)]
    assert main(taken) == 0 and reader.read_bytes() == newest
    capsys.readouterr()
    assert main(taken) == 64 and "不是从现有的信任包出发" in capsys.readouterr().err
    assert reader.read_bytes() == newest
