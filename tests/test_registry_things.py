"""Files, materials, codes, venues, passes and visits."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from file_house import make_store
from hypothesis import given
from hypothesis import strategies as st
from registry_house import (
    CARE,
    CASE_MATERIAL,
    ELDER,
    FOOD,
    MARKET,
    House,
    actor,
    food,
    proof,
)  # fmt: skip

from registry.certificates import service as certificates
from registry.errors import (
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)  # fmt: skip
from registry.files import service as files
from registry.files.rules import sniff
from registry.files.service import AttachedFile
from registry.materials import service as materials
from registry.materials.tables import Material
from verifier.commitment import reseal
from verifier.entry import Kind
from verifier.status import Status

pytest_plugins = ["registry_fixtures"]

# Files.


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"PK\x03\x04" + b"\x00" * 26 + b"OFD.xml", "application/ofd"),
        (b"PK\x03\x04" + b"\x00" * 26 + b"anything", "application/zip"),
        ("姓名,号码".encode(), "text/plain"),
        ("姓名,号码".encode("gb18030"), "text/plain"),
        (b"<?xml version='1.0'?>", "application/xml"),
        (b"\x00\x01\x02", "application/octet-stream"),
    ],
)
def test_the_kind_of_a_file_is_seen_from_its_bytes(beginning: bytes, kind: str) -> None:
    assert sniff(beginning) == kind


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_have_some_kind(beginning: bytes, end: bytes) -> None:
    assert "/" in sniff(beginning, end)


def test_files_are_attached_to_a_certificate_and_stand_in_its_face(house: House, tmp_path: Path) -> None:
    stored = make_store(tmp_path, house.registry.engine).put(io.BytesIO(b"%PDF-1.7 licence"))
    unknown = AttachedFile("证照.pdf", bytes(32))
    with pytest.raises(InvalidDraftError) as refused:
        house.do(certificates.register, food(), [unknown])
    assert refused.value.errors[0].reason == "file_unknown"
    with house.work(actor()) as work:
        files.register(work, stored)
        files.register(work, stored)
        registered = certificates.register(work, food(), [AttachedFile("证照.pdf", stored.sha256)])
        (attached,) = certificates.files_of(work, registered.id)
        face = orjson.loads(certificates.get(work, registered.id).face)
        assert certificates.register(work, food(), [AttachedFile("证照.pdf", stored.sha256)]).duplicate
    assert attached.sha256 == stored.sha256
    assert face["files"] == [
        {"name": "证照.pdf", "media_type": "application/pdf", "size": 16,
         "sha256": stored.sha256.hex(), "sm3": stored.sm3.hex()}
    ]  # fmt: skip
    with pytest.raises(InvalidDraftError):
        house.do(certificates.register, food(2), [AttachedFile("坏\n名", stored.sha256)])
    with pytest.raises(InvalidDraftError):
        house.do(certificates.register, food(2), [AttachedFile("多", stored.sha256)] * 17)
    with pytest.raises(NotFoundError):
        house.see(files.get, bytes(32))


# Materials.


def test_a_material_stands_with_its_entry_and_once(house: House) -> None:
    first: Material = house.do(materials.register, proof())
    assert house.do(materials.register, proof(case_no="2026-7")).id == first.id
    (entry,) = house.entries(Kind.MATERIAL)
    assert first.salts is not None and reseal(first.content, first.salts).digest == entry.digest
    assert entry.facts["type"] == first.type_code and ELDER.encode() not in entry.to_bytes()
    other = house.do(materials.register, proof(data={"address": "示例路 2 号", "issued_for": "示例"}))
    assert other.id != first.id
    with house.registry.read(actor()) as work:
        mine = work.blind.of("111", ELDER)
        assert [row.id for row in materials.of_holder(work, mine)] == [other.id, first.id]
        assert materials.content_of(first)["material_title"] == "居住情况证明"
        listed = [materials.list_page(work, materials.Search(department)).materials for department in (MARKET, CARE)]
        assert [row.id for row in listed[0]] == [other.id, first.id] and listed[1] == []


def test_the_same_material_at_the_same_moment_is_one(house: House) -> None:
    ids: list[str] = []
    barrier = threading.Barrier(5)

    def register() -> None:
        barrier.wait()
        ids.append(house.do(materials.register, proof()).id)

    threads = [threading.Thread(target=register) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 5 and len(set(ids)) == 1 and len(house.entries(Kind.MATERIAL)) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": " "}, "title"),
        ({"valid_from": "20260230"}, "valid_from"),
        ({"valid_to": "20261031"}, "valid_to"),
        ({"valid_to": "20290101"}, "valid_to"),
        ({"valid_to": "长期"}, "valid_to"),
        ({"holders": ()}, "holders"),
        ({"data": {"address": "示例路"}}, "data.issued_for"),
        ({"type_code": FOOD}, "type_code"),
        ({"case_no": "x" * 65}, "case_no"),
        ({"type_code": CASE_MATERIAL, "data": {}}, "files"),
    ],
)
def test_a_material_with_a_fault_is_refused_by_field(sqlite_house: House, change: dict[str, Any], field: str) -> None:
    assert sqlite_house.do(materials.register, proof())
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(materials.register, proof(**change))
    assert field in [error.field for error in refused.value.errors]


def test_a_material_is_withdrawn_by_its_department_and_never_renewed(house: House) -> None:
    material: Material = house.do(materials.register, proof())
    with pytest.raises(NotPermittedError):
        house.do(materials.change_status, material.id, "cancel", "出具有误", who=actor(CARE))
    with pytest.raises(NotPermittedError):
        house.do(materials.change_status, material.id, "renew", "换发")
    event = house.do(materials.change_status, material.id, "cancel", "出具有误")
    assert house.see(materials.get, material.id).status == event.to_status == Status.CANCELLED
    with pytest.raises(TransitionError):
        house.do(materials.change_status, material.id, "suspend", "事由")
    with pytest.raises(NotFoundError):
        house.do(materials.change_status, "0" * 26, "cancel", "事由")
    with pytest.raises(NotPermittedError):
        house.do(materials.register, proof(), who=actor(CARE))
