"""Matters that change: editions, what an older one said, retiring, and who may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_office import ISSUER, LICENCE, RESIDENCE_PROOF, OpenOffice, open_office, settings_in
from registry_house import BUSINESS, CARE, FOOD, MATTER, PROOF, PURPOSE, House, actor

from registry.catalogue import matters
from registry.catalogue import service as catalogue
from registry.catalogue.matters import Content
from registry.catalogue.rules import Slot
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError, ReuseRefusedError
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest

pytest_plugins = ("registry_fixtures",)

WHY = "示例：事项合并"
SLOTS = (Slot("CL01", "营业执照", (BUSINESS,)), Slot("CL02", "许可证", (FOOD,), False, ("certificate_number",)))
NEXT = Content("食品经营许可（新）", "新用途", SLOTS)


def use_of(house: House, item: str) -> ReuseRequest:
    grant = house.grant()
    return ReuseRequest("certificate", item, MATTER, "CN-1", PURPOSE, grant, None, "staff:demo", "desk-1")


def test_an_edit_is_an_edition_and_an_older_one_can_be_brought_back(house: House) -> None:
    before = house.see(lambda work: matters.content_of(work, catalogue.get_matter(work, MATTER)))
    assert house.do(matters.edit, MATTER, 1, NEXT).revision == 2
    assert house.see(catalogue.slots_of, MATTER) == SLOTS
    # The same again is no edition.
    assert house.do(matters.edit, MATTER, 2, NEXT).revision == 2
    assert [one.revision for one in house.see(matters.editions, MATTER)] == [1]
    assert house.do(matters.bring_back, MATTER, 1, 2).revision == 3
    assert house.see(lambda work: matters.content_of(work, catalogue.get_matter(work, MATTER))) == before
    assert [one.content["purpose"] for one in house.see(matters.editions, MATTER)] == ["新用途", PURPOSE]
    with pytest.raises(NotFoundError):
        house.do(matters.bring_back, MATTER, 9, 3)


def test_nobody_changes_what_they_have_not_seen_and_a_fault_changes_nothing(house: House) -> None:
    house.do(matters.edit, MATTER, 1, NEXT)
    with pytest.raises(DuplicateError, match="matter_changed"):
        house.do(matters.edit, MATTER, 1, Content("另一名称", "新用途", SLOTS))
    wrong = Content("", "新用途", (Slot("CL01", "x", ("?",)), SLOTS[1]))
    with pytest.raises(InvalidDraftError) as refused:
        house.do(matters.edit, MATTER, 2, wrong)
    assert [error.field for error in refused.value.errors] == ["name", "slots[0].accepts"]
    assert house.see(catalogue.get_matter, MATTER).name == NEXT.name
    assert house.see(catalogue.slots_of, MATTER) == SLOTS
    with pytest.raises(NotFoundError):
        house.do(matters.edit, "CN-9999", 1, NEXT)


def test_for_a_retired_matter_nothing_is_started_until_it_is_restored(house: House) -> None:
    wanted = use_of(house, house.certificate().id)
    house.do(matters.retire, MATTER, WHY)
    house.do(matters.retire, MATTER, "another reason changes nothing")
    assert house.see(catalogue.get_matter, MATTER).retired_because == WHY
    with pytest.raises(ReuseRefusedError, match="matter_retired"):
        house.do(uses.reuse, wanted, who=actor(CARE))
    with pytest.raises(NotPermittedError, match="matter_retired"):
        house.grant()
    assert house.see(catalogue.list_matters, CARE, live_only=True) == []
    assert [row.code for row in house.see(catalogue.list_matters, CARE)] == [MATTER]
    house.do(matters.restore, MATTER)
    assert house.do(uses.reuse, wanted, who=actor(CARE))


@pytest.mark.parametrize("reason", ["", " ", "字" * 201, "a\n"])
def test_retiring_needs_a_reason(sqlite_house: House, reason: str) -> None:
    with pytest.raises(InvalidDraftError):
        sqlite_house.do(matters.retire, MATTER, reason)
    assert sqlite_house.see(catalogue.get_matter, MATTER).retired_at is None


def test_a_slot_takes_another_type_from_then_on(sqlite_house: House) -> None:
    wanted = use_of(sqlite_house, sqlite_house.certificate().id)
    proof_only = Content("食品经营许可", PURPOSE, (Slot("CL01", "证明", (PROOF,)),))
    sqlite_house.do(matters.edit, MATTER, 1, proof_only)
    with pytest.raises(ReuseRefusedError, match="type_not_accepted"):
        sqlite_house.do(uses.reuse, wanted, who=actor(CARE))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def test_an_administrator_changes_and_retires_over_http_and_others_look(opened: OpenOffice) -> None:
    path = "/api/v1/matters/CN-HTTP-01"
    content = {"name": "示例事项", "purpose": "示例用途", "slots": [
        {"code": "CL01", "name": "主体资格", "accepts": [LICENCE], "required": True, "fields": []},
    ]}  # fmt: skip
    new = {"code": "CN-HTTP-01", "department": ISSUER, **content}
    assert opened.send("POST", "/api/v1/matters", json=new).json()["revision"] == 1
    changed = {**content, "slots": [{**content["slots"][0], "accepts": [RESIDENCE_PROOF]}]}  # type: ignore[dict-item]
    assert opened.send("PUT", path, "registrar", json={**changed, "revision": 1}).status_code == 403
    done = opened.send("PUT", path, json={**changed, "revision": 1})
    assert (done.status_code, done.json()["revision"], done.json()["slots"]) == (200, 2, changed["slots"])
    late = opened.send("PUT", path, json={**content, "revision": 1})
    assert (late.status_code, late.json()["reason"]) == (409, "matter_changed")
    # A body that says nothing of the edition it changes is refused by its field.
    assert opened.send("PUT", path, json=content).status_code == 422
    assert opened.send("POST", f"{path}/retire", json={"reason": ""}).json()["errors"][0]["field"] == "reason"
    retired = opened.send("POST", f"{path}/retire", json={"reason": WHY}).json()
    assert retired["retired_at"] and retired["retired_because"] == WHY
    assert opened.send("POST", f"{path}/restore").json()["retired_at"] is None
    assert opened.send("GET", path, "window").json()["name"] == "示例事项"
    assert opened.send("GET", "/api/v1/matters/CN-NONE-01", "window").status_code == 404
