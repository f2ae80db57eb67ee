"""PDF signatures made with pyHanko and judged here: trust, period, later changes, hostile and damaged files."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pdf_maker import change_page, encrypted, make_people, make_signer, plain, revisions, sign

from verifier import State
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Format, Inspection, Roots
from verifier.documents.inspecting import inspect

NOW = datetime.now(UTC)
ROOT, SIGNER = make_people()


def judge(data: bytes, *trusted: Certificate, at: datetime | None = None) -> Inspection:
    return inspect(data, "file.pdf", Roots(trusted), at or datetime.now(UTC))


@pytest.fixture(scope="module")
def signed() -> bytes:
    return sign(plain(), SIGNER, root=ROOT)


def test_a_plain_pdf_is_described_and_undecided() -> None:
    found = judge(plain(3, attached=b"<invoice/>", script=True))
    assert (found.format, found.state, found.reason) == (Format.PDF, State.UNDECIDED, "no_signature")
    assert (found.document["pages"], found.document["page_size_mm"]) == (3, [209.9, 297.0])
    assert [one["name"] for one in found.document["attachments"]] == ["发票.xml"]
    assert {note.reason for note in found.notes} == {"has_attachments", "has_javascript"}


def test_a_signature_is_valid_only_with_the_signers_root(signed: bytes) -> None:
    found = judge(signed)
    assert (found.state, found.reason) == (State.UNDECIDED, "unknown_maker")
    assert found.signatures[0].integrity == "intact"
    facts = found.signatures[0].facts
    assert (facts["signer"]["subject"], facts["digest_method"]) == ("PDF 签名人", "sha256")
    assert (facts["form"], facts["coverage"]) == ("ETSI.CAdES.detached", "entire_file")
    for trusted in (ROOT.trusted, SIGNER.trusted):
        assert judge(signed, trusted).state is State.VALID
    assert judge(signed, make_signer("别的根").trusted).state is State.UNDECIDED
    assert judge(signed, make_signer("PDF 测试根").trusted).reason == "forged_certificate"


def hole(data: bytes, after: int = 0) -> range:
    """Where the value of the first signature after that place stands, which no signature covers."""
    begin = data.index(b"/Contents <", after) + len(b"/Contents <")
    return range(begin, data.index(b">", begin))


def test_a_changed_byte_is_invalid(signed: bytes) -> None:
    chance, free = random.Random(1), hole(signed)
    for at in chance.sample([at for at in range(len(signed)) if at not in free], 60):
        changed = bytearray(signed)
        changed[at] ^= 1 << chance.randrange(7)
        found = judge(bytes(changed), ROOT.trusted)
        # A broken way to the signature leaves a file whose signature is lost.
        assert found.state is State.INVALID or found.reason == "lost_signature", at
    assert judge(signed.replace(b"(100)", b"(900)", 1), ROOT.trusted).state is State.INVALID


def test_nothing_may_hide_behind_the_value_of_a_signature(signed: bytes) -> None:
    end = hole(signed).stop
    assert signed[end - 8 : end] == b"0" * 8
    found = judge(signed[: end - 8] + b"cafebabe" + signed[end:], ROOT.trusted)
    assert (found.state, found.reason) == (State.INVALID, "hidden_bytes")


def test_two_signatures_are_both_valid_and_a_later_change_is_told(signed: bytes) -> None:
    second = make_signer("第二签名人", ROOT)
    twice = sign(signed, second, "Sig2", root=ROOT)
    found = judge(twice, ROOT.trusted)
    assert (found.state, [one.facts["later_changes"] for one in found.signatures]) == (
        State.VALID,
        ["form_filling", "none"],
    )
    assert "later_revision" in {note.reason for note in found.signatures[0].notes}
    changed = change_page(twice)
    assert revisions(changed) == revisions(twice) + 1
    found = judge(changed, ROOT.trusted)
    assert (found.state, found.reason) == (State.INVALID, "changed_after_signing")
    assert [one.verdict.reason for one in found.signatures] == ["changed_after_signing"] * 2
    assert found.signatures[1].facts["coverage"] == "entire_revision"
    assert "签名所在的一版没有改动" in found.signatures[1].verdict.message


def test_a_signature_of_an_unknown_kind_is_not_passed_over(signed: bytes) -> None:
    twice = sign(signed, SIGNER, "Sig2", root=ROOT)
    at = twice.index(b"/ETSI.CAdES.detached", len(signed))
    found = judge(twice[:at] + b"/XXXX.CAdES.detached" + twice[at + 20 :], ROOT.trusted)
    assert (found.state, found.reason) == (State.UNDECIDED, "unsupported_form")
    assert [one.verdict.state for one in found.signatures] == [State.VALID, State.UNDECIDED]


def test_no_byte_of_a_second_signature_may_change_either(signed: bytes) -> None:
    twice, chance = sign(signed, SIGNER, "Sig2", root=ROOT), random.Random(4)
    free = hole(twice, len(signed))
    for at in chance.sample([at for at in range(len(signed), len(twice)) if at not in free], 60):
        changed = bytearray(twice)
        changed[at] ^= 1 << chance.randrange(7)
        assert judge(bytes(changed), ROOT.trusted).state is not State.VALID, at


def test_a_change_between_two_signatures_is_charged_to_the_first_alone(signed: bytes) -> None:
    found = judge(sign(change_page(signed), SIGNER, "Sig2", root=ROOT), ROOT.trusted)
    assert [one.verdict.state for one in found.signatures] == [State.INVALID, State.VALID]
    assert found.state is State.INVALID


def test_a_certified_file_that_allows_no_change_is_held_to_it() -> None:
    certified = sign(plain(), SIGNER, root=ROOT, certify=True)
    assert judge(certified, ROOT.trusted).state is State.VALID
    assert judge(change_page(certified), ROOT.trusted).reason == "changed_after_signing"


def test_bytes_put_behind_the_signed_ones_are_not_overlooked(signed: bytes) -> None:
    found = judge(signed + b"\n% more\n" * 300, ROOT.trusted)
    assert found.state is not State.VALID or found.signatures[0].notes


def test_a_certificate_out_of_its_time_is_not_in_force() -> None:
    ended = make_signer("到期的人", ROOT, end=NOW - timedelta(days=10))
    found = judge(sign(plain(), ended, root=ROOT), ROOT.trusted)
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "certificate_not_in_force")
    assert found.signatures[0].integrity == "intact"
    data = sign(plain(), SIGNER, root=ROOT)
    assert judge(data, ROOT.trusted, at=NOW - timedelta(days=1)).reason == "signed_later"


def test_encrypted_and_broken_files_are_told_apart(signed: bytes) -> None:
    assert (judge(encrypted()).state, judge(encrypted()).reason) == (State.UNDECIDED, "encrypted")
    for data in (signed[:300], b"%PDF-1.7\n%%EOF", signed[: len(signed) // 2], b"%PDF-1.4 " + b"[" * 100_000):
        assert (judge(data).state, judge(data).reason) == (State.INVALID, "broken_pdf")


def test_mutated_files_never_break_the_verifier(signed: bytes) -> None:
    chance = random.Random(3)
    for _ in range(60):
        changed = bytearray(signed)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.choice((0, 1, 3))] = chance.randbytes(chance.choice((0, 1, 20)))
        found = judge(bytes(changed), ROOT.trusted)
        outside = [at for at, (one, other) in enumerate(zip(signed, changed, strict=False)) if one != other]
        assert found.state is not State.VALID or all(at in hole(signed) for at in outside)


def test_a_stream_that_unfolds_without_end_is_refused_soon() -> None:
    packed = zlib.compress(b"\0" * (200 * 2**20), 9)
    head = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    form = b"3 0 obj\n<</Type/XRef/Size 4/W[1 4 2]/Root 1 0 R/Filter/FlateDecode/Length %d>>\nstream\n" % len(packed)
    bomb = head + form + packed + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(head)
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert judge(bomb).reason == "broken_pdf"
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_the_command_says_what_is_wrong_and_nothing_of_its_libraries(signed: bytes, tmp_path: Path) -> None:
    (tmp_path / "changed.pdf").write_bytes(change_page(signed))
    command = [sys.executable, "-m", "api.cli", "inspect", tmp_path / "changed.pdf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "改动了内容" in done.stdout and "2 页" in done.stdout


def test_without_pyhanko_a_pdf_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(plain())
    program = (
        "import sys, importlib.util\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'pyhanko' else real(name, package)\n"
        "from verifier.documents.findings import Roots\n"
        "from verifier.documents.inspecting import inspect\n"
        "found = inspect(Path(sys.argv[1]).read_bytes(), 'a.pdf', Roots(), datetime.now(UTC))\n"
        "assert 'pyhanko' not in sys.modules and 'asn1crypto' not in sys.modules\n"
        "print(found.state, found.reason, found.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.pdf"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("undecided documents_not_installed ") and "suizheng[documents]" in done.stdout
