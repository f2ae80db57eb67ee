"""Small files that are made to keep a reader busy, and the process that a file is inspected in."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ofd_maker import Maker, make_cast, pack, plain_files, sealer
from pdf_maker import make_people, plain, sign

from verifier import State
from verifier.documents.apart import inspect_apart
from verifier.documents.findings import Roots
from verifier.documents.inspecting import inspect

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PAGES = b"<</Type/Pages/Count 0/Kids[]>>"
DOUBLINGS = 40


def pdf(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, the first of them the catalogue."""
    made, offsets = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return made + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(made),
    )  # fmt: skip


def doubling(catalogue: bytes, node: bytes, leaf: bytes) -> bytes:
    """Each node names the next one twice: a walk along all ways never ends."""
    nodes = [b"<<%b/Kids[%d 0 R %d 0 R]>>" % (node, 4 + step, 4 + step) for step in range(DOUBLINGS)]
    return pdf([catalogue, PAGES, *nodes, leaf])


def long_index(index: bytes, widths: bytes, content: bytes = b"") -> bytes:
    made = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n" + PAGES + b"\nendobj\n"
    stream = b"3 0 obj\n<</Type/XRef/Size 4/W %b/Index %b/Root 1 0 R/Length %d>>\nstream\n%b\nendstream\nendobj\n"
    return made + stream % (widths, index, len(content), content) + b"startxref\n%d\n%%%%EOF\n" % len(made)


ENDLESS = doubling(
    b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[3 0 R]>>>>", b"/T(a)", b"<</T(x)/FT/Sig>>"
)


@pytest.mark.parametrize(
    "data",
    [long_index(b"[0 99999999999]", b"[0 0 0]"), long_index(b"[0 99999999999]", b"[1 2 1]", bytes(40))],
    ids=["an index without entries", "an index longer than its entries"],
)
def test_an_index_of_endless_work_is_not_believed_and_another_made(data: bytes) -> None:
    found = inspect(data, "a.pdf", Roots(), AT)
    assert (found.state, found.reason) == (State.UNDECIDED, "no_signature")
    assert [note.reason for note in found.notes] == ["table_rebuilt"]


def test_names_along_endless_ways_are_broken() -> None:
    data = doubling(b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles 3 0 R>>>>", b"", b"<</Names[]>>")
    found = inspect(data, "a.pdf", Roots(), AT)
    assert (found.state, found.reason) == (State.INVALID, "broken_pdf")


def test_what_is_not_foreseen_ends_its_own_process_and_stays_undecided() -> None:
    assert len(ENDLESS) < 5000
    found = inspect_apart(ENDLESS, "a.pdf", Roots(), AT, seconds=2)
    assert (found.state, found.reason, found.size) == (State.UNDECIDED, "too_laborious", len(ENDLESS))


def test_memory_has_a_bound_too() -> None:
    files = plain_files(attached={"large.bin": random.Random(1).randbytes(30 << 20)})
    data = pack(Maker(files).add(sealer(make_cast())).files)
    found = inspect_apart(data, "a.ofd", Roots(), AT, memory=1 << 20)
    assert (found.state, found.reason) == (State.UNDECIDED, "too_laborious")


def test_the_answer_is_that_of_the_same_process() -> None:
    cast, (root, signer) = make_cast(), make_people()
    sealed = pack(Maker(plain_files()).add(sealer(cast)).files)
    signed = sign(plain(), signer)
    roots = Roots((cast.root.trusted, root.trusted))
    for data, state in (
        (sealed, State.VALID),
        (signed, State.NOT_IN_FORCE),
        (sealed[:-9], State.INVALID),
        (b"%PDF-", State.INVALID),
        (b"", State.UNDECIDED),
    ):
        found = inspect_apart(data, "a", roots, AT)
        assert found == inspect(data, "a", roots, AT)
        assert found.state is state


def test_the_folder_that_somebody_stands_in_lends_no_modules(tmp_path: Path) -> None:
    (tmp_path / "verifier").mkdir()
    for module in ("verifier/__init__.py", "pickle.py"):
        (tmp_path / module).write_text("open('taken', 'w').close()")
    (tmp_path / "a.ofd").write_bytes(pack(plain_files()))
    command = [Path(sys.executable).parent / "suizheng", "inspect", "a.ofd"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "entry_missing" in done.stdout, done.stderr
    assert not (tmp_path / "taken").exists()
