"""ZIPs of attached files as people pack them, and as attackers do."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import zip_of

from api.imports import attachments
from api.imports.attachments import AttachmentError, Attachments
from api.imports.sheets import SheetError


def opened(data: bytes) -> Attachments:
    return Attachments(io.BytesIO(data))


def content(files: Attachments, name: str) -> bytes:
    with files.open(files.find(name)) as chunks:
        return b"".join(chunks)


def refusal(data: bytes) -> str:
    with pytest.raises(SheetError) as refused:
        opened(data)
    assert refused.value.message
    return refused.value.reason


def test_a_file_is_found_by_its_path_or_by_its_name_where_only_one_has_it() -> None:
    files = opened(zip_of(**{"一/甲.pdf": b"1", "二/甲.pdf": b"2", "二/Zhang.PDF": b"3"}))
    assert content(files, "一/甲.pdf") == b"1"
    assert content(files, "二\\甲.pdf") == b"2"
    assert content(files, "zhang.pdf") == b"3"
    for name, wanted in (("甲.pdf", "attachment_ambiguous"), ("乙.pdf", "attachment_missing")):
        with pytest.raises(AttachmentError) as refused:
            files.find(name)
        assert refused.value.reason == wanted


def test_a_file_is_found_by_the_end_of_its_path_and_never_taken_for_another_of_its_name() -> None:
    nested = {"资料/2026/附件/甲.pdf": b"1", "资料/2025/附件/甲.pdf": b"2", "资料/甲.pdf": b"3"}
    files = opened(zip_of(**nested))
    assert content(files, "2026/附件/甲.pdf") == b"1" and content(files, "/2025/附件/甲.pdf") == b"2"
    assert content(files, "资料/甲.pdf") == b"3"
    alike = opened(zip_of(**{"a.pdf": b"1", "A.PDF": b"2"}))
    assert (content(alike, "a.pdf"), content(alike, "A.PDF")) == (b"1", b"2")
    with pytest.warns(UserWarning, match="Duplicate name"):
        out = io.BytesIO(zip_of(**{"b.pdf": b"1"}))
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr("b.pdf", b"2")
    for found, name in ((files, "附件/甲.pdf"), (files, "甲.pdf"), (alike, "A.pdf"), (opened(out.getvalue()), "b.pdf")):
        with pytest.raises(AttachmentError) as refused:
            found.find(name)
        assert refused.value.reason == "attachment_ambiguous", name


def test_what_is_no_zip_is_told_apart_from_a_damaged_one() -> None:
    assert refusal(b"Rar!\x1a\x07\x00" + bytes(100)) == "not_a_zip"
    assert refusal(zip_of(**{"a.pdf": b"1"})[:-10]) == "broken_zip"


def test_names_that_chinese_windows_wrote_are_read_as_they_were_meant() -> None:
    data = zip_of(**{"AAAA.pdf": b"scan"})
    # The names in the directory and before the file, without the mark of UTF-8.
    assert content(opened(data.replace(b"AAAA.pdf", "附件".encode("gb18030") + b".pdf")), "附件.pdf") == b"scan"


@pytest.mark.parametrize("name", ["../x.pdf", "a/../../x.pdf", "/etc/passwd", "C:\\x.pdf", "..\\x.pdf"])
def test_a_name_that_leads_out_of_the_zip_refuses_it(name: str) -> None:
    assert refusal(zip_of(**{name: b"x"})) == "unsafe_name"


def test_a_link_refuses_it() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("x.pdf")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert refusal(out.getvalue()) == "unsafe_name"


def test_a_password_refuses_it() -> None:
    data = bytearray(zip_of(**{"x.pdf": b"secret"}))
    directory = data.rindex(b"PK\x01\x02")
    struct.pack_into("<H", data, directory + 8, struct.unpack_from("<H", data, directory + 8)[0] | 1)
    assert refusal(bytes(data)) == "encrypted"


def test_a_bomb_is_refused_by_its_directory_and_a_large_file_by_counting() -> None:
    bomb = zip_of(**{"x.txt": bytes(64 << 20)})
    assert len(bomb) < 1 << 20
    assert refusal(bomb) == "zip_bomb"
    large = zip_of(**{"x.txt": os.urandom(1 << 20).hex().encode()})
    with opened(large).open(opened(large).find("x.txt"), 1 << 20) as chunks, pytest.raises(AttachmentError) as refused:
        list(chunks)
    assert refused.value.reason == "attachment_too_large"


def test_a_zip_within_a_zip_is_a_file_like_any_other() -> None:
    inner = zip_of(**{"y.txt": b"y"})
    assert content(opened(zip_of(**{"x.zip": inner})), "x.zip") == inner


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MAX_FILES", 3)
    assert opened(zip_of(**{f"{n}.txt": b"x" for n in range(3)}))
    assert refusal(zip_of(**{f"{n}.txt": b"x" for n in range(4)})) == "unpacks_too_large"


def test_what_systems_add_of_their_own_is_not_looked_at() -> None:
    files = opened(zip_of(**{"册.csv": b"a", "__MACOSX/._册.csv": b"b", "~$册.xlsx": b"c", "x/Thumbs.db": b"d"}))
    assert files.sheet().file_size == 1
    with pytest.raises(AttachmentError):
        files.find("Thumbs.db")


def test_damage_within_a_file_is_told_of_that_file() -> None:
    data = bytearray(zip_of(**{"x.txt": b"abc" * 1000}))
    data[45] ^= 0xFF
    files = opened(bytes(data))
    with pytest.raises(AttachmentError) as refused:
        content(files, "x.txt")
    assert refused.value.reason == "attachment_broken"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10**6))
def test_noise_is_a_zip_or_a_refusal(noise: bytes, place: int) -> None:
    data = bytearray(zip_of(**{"甲.pdf": b"1" * 50, "b.csv": b"2"}))
    place %= len(data)
    data[place : place + len(noise)] = noise
    try:
        files = opened(bytes(data))
        content(files, "甲.pdf")
        files.sheet()
    except (SheetError, AttachmentError) as refused:
        assert refused.message
