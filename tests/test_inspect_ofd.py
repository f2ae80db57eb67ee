"""OFD seals: the real files of several vendors' engines, and made ones for every rule that those leave open."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import missing
from ofd_maker import (
    BEGIN,
    END,
    SIGNATURES,
    SIGNED,
    Cast,
    Maker,
    make_cast,
    make_person,
    make_seal,
    pack,
    plain_files,
    sealer,
    sign_data,
    sign_sealed,
    unpack,
)

from verifier import State, sm2
from verifier.digests import sm3
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

# What is right for each real file, and why. None of their makers' roots is known here.
REAL = {
    "digital-sign.ofd": (State.UNDECIDED, "no_certificate", ["unknown"]),
    "integrity.ofd": (State.UNDECIDED, "named_without_digest", ["unknown"]),
    "invoice-gomain.ofd": (State.UNDECIDED, "unknown_maker", ["intact"]),
    "invoice-v4.ofd": (State.UNDECIDED, "unknown_maker", ["intact"]),
    "plain-no-page.ofd": (State.UNDECIDED, "no_signature", []),
    "plain.ofd": (State.UNDECIDED, "no_signature", []),
    "seal-v4-doc.ofd": (State.NOT_IN_FORCE, "seal_not_in_force", ["intact"]),
    "seal-v4-ride.ofd": (State.UNDECIDED, "unknown_maker", ["intact"]),
    "two-seals.ofd": (State.UNDECIDED, "unknown_maker", ["intact", "intact"]),
}


def real(name: str) -> bytes:
    """A real file, from the shared samples beside the project or further up."""
    for folder in Path(__file__).resolve().parents:
        found = folder / "shared" / "samples" / "ofd" / name
        if found.is_file():
            return found.read_bytes()
    missing(f"the sample {name}")
    raise AssertionError


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    if not sm2.available():
        missing("OpenSSL 3 with SM2")


@pytest.fixture(scope="module")
def cast() -> Cast:
    return make_cast()


def judge(data: bytes, *trusted: Certificate, at: datetime = AT) -> Inspection:
    return inspect(data, "file.ofd", Roots(trusted), at)


@pytest.mark.parametrize("name", REAL)
def test_every_real_file_gives_a_right_and_explained_answer(name: str) -> None:
    state, reason, integrity = REAL[name]
    found = judge(real(name))
    assert (found.state, found.reason) == (state, reason)
    assert [one.integrity for one in found.signatures] == integrity
    assert found.document["pages"] >= 1
    assert found.message and all(one.verdict.message for one in found.signatures)
    for signed in found.signatures:
        if signed.integrity == "intact":
            assert {one["result"] for one in signed.facts["references"]} == {"match"}
            assert signed.facts["signer"]["subject"] and signed.facts["time"]["at"]


def test_a_real_seal_is_described() -> None:
    seal = judge(real("invoice-gomain.ofd")).signatures[0]
    assert seal.kind == "seal", "an absent Type means Seal"
    assert seal.facts["seal"]["name"] == "国家税务总局浙江省税务局"
    assert seal.facts["maker"]["subject"] == "国家税务总局电子印章制作系统"
    assert seal.facts["provider"]["ProviderName"] == "gomain_eseal"
    assert seal.facts["time"] == {"text": "20200723130907Z", "at": "2020-07-23T13:09:07Z", "ambiguous": True}
    assert len(seal.facts["references"]) == 13
    assert "time_is_claimed" in {note.reason for note in seal.notes}


@pytest.mark.parametrize("name", [name for name, (_, _, integrity) in REAL.items() if integrity])
def test_a_changed_byte_anywhere_in_what_is_covered_is_invalid(name: str) -> None:
    files, chance = unpack(real(name)), random.Random(name)
    signatures = judge(real(name)).signatures
    covered = {one["entry"] for seal in signatures for one in seal.facts["references"] if one["result"] == "match"}
    papers = {seal.facts["entry"] for seal in signatures}
    assert covered or name == "integrity.ofd"
    for entry in sorted(covered | papers):
        places = {0, len(files[entry]) - 1, *(chance.randrange(len(files[entry])) for _ in range(2))}
        for at in places:
            changed = bytearray(files[entry])
            changed[at] ^= 1 << chance.randrange(8)
            found = judge(pack(files | {entry: bytes(changed)}))
            if entry in papers and name == "digital-sign.ofd":
                # Without a certificate nothing proves a change of the paper itself.
                assert found.state in (State.INVALID, State.UNDECIDED)
            else:
                assert found.state is State.INVALID, (entry, at, found.reason)
        shorter = judge(pack({key: data for key, data in files.items() if key != entry}))
        if entry == "OFDEntries.xml":
            assert shorter.reason == "no_signature", "nothing else names the list of integrity"
        else:
            assert shorter.state is State.INVALID, entry


@pytest.mark.parametrize("name", ["invoice-gomain.ofd", "invoice-v4.ofd", "seal-v4-ride.ofd"])
def test_a_changed_byte_in_the_seal_or_its_signature_is_invalid(name: str) -> None:
    files, chance = unpack(real(name)), random.Random(name)
    entry = "Doc_0/Signs/Sign_0/SignedValue.dat"
    for at in sorted(chance.sample(range(len(files[entry])), 60)):
        changed = bytearray(files[entry])
        changed[at] ^= 1 << chance.randrange(8)
        found = judge(pack(files | {entry: bytes(changed)}))
        assert found.state is State.INVALID, (at, found.reason, found.message)


def test_an_intact_seal_is_valid_only_with_its_makers_root(cast: Cast) -> None:
    data = Maker().add(sealer(cast)).packed()
    assert judge(data).reason == "unknown_maker"
    assert judge(data, make_person("别的根", authority=True).trusted).state is State.UNDECIDED
    for trusted in (cast.root, cast.maker):
        found = judge(data, trusted.trusted)
        assert (found.state, found.reason) == (State.VALID, "ok"), found.message
    assert judge(data, cast.signer.trusted).state is State.UNDECIDED, "the signer cannot vouch for the seal"


def test_a_root_of_the_same_name_with_another_key_makes_a_forgery(cast: Cast) -> None:
    namesake = make_person("测试根", authority=True)
    found = judge(Maker().add(sealer(cast)).packed(), namesake.trusted)
    assert (found.state, found.reason) == (State.INVALID, "forged_certificate")


def test_a_chain_goes_only_through_authorities(cast: Cast) -> None:
    maker = make_person("冒名制章", cast.signer, "测试局电子印章证书")
    seal = make_seal(maker, [cast.signer.certificate, maker.certificate])
    data = Maker().add(lambda paper: sign_sealed(cast.signer, seal, sm3(paper))).packed()
    assert judge(data, cast.root.trusted).reason == "unknown_maker"


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("version", [1, 4])
def test_both_standards_and_both_encodings_of_a_signature_hold(cast: Cast, version: int, raw: bool) -> None:
    data = Maker().add(sealer(cast, version, raw=raw)).packed()
    found = judge(data, cast.root.trusted)
    assert (found.state, found.signatures[0].facts["form"]) == (State.VALID, f"ses-{version}"), found.message


def test_the_two_namespaces_and_none_are_read_alike(cast: Cast) -> None:
    for namespace in ("http://www.ofdspec.org/2016", "http://www.ofdspec.org", "urn:other"):
        data = Maker(plain_files(namespace)).add(sealer(cast)).packed()
        found = judge(data, cast.root.trusted)
        assert found.state is State.VALID
        assert (found.document["pages"], found.document["documents"][0]["templates"]) == (2, 1)


def test_signers_may_be_listed_by_digest_and_must_be_listed(cast: Cast) -> None:
    listed = make_seal(cast.maker, [cast.signer.certificate], by_digest=True)
    data = Maker().add(lambda paper: sign_sealed(cast.signer, listed, sm3(paper))).packed()
    assert judge(data, cast.root.trusted).state is State.VALID
    stranger = make_person("没有列入的人", cast.root, "测试根")
    data = Maker().add(lambda paper: sign_sealed(stranger, listed, sm3(paper))).packed()
    found = judge(data, cast.root.trusted)
    assert (found.state, found.reason) == (State.INVALID, "signer_not_in_seal")


def test_a_seal_used_out_of_its_time_is_not_in_force_and_not_broken(cast: Cast) -> None:
    seal = make_seal(cast.maker, [cast.signer.certificate], end=SIGNED - timedelta(days=1))
    ended = Maker().add(lambda paper: sign_sealed(cast.signer, seal, sm3(paper))).packed()
    found = judge(ended, cast.root.trusted)
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "seal_not_in_force")
    assert found.signatures[0].integrity == "intact"
    late = make_person("证书已到期", cast.root, "测试根", end=SIGNED - timedelta(days=1))
    seal_of_late = make_seal(cast.maker, [late.certificate])
    data = Maker().add(lambda paper: sign_sealed(late, seal_of_late, sm3(paper))).packed()
    assert judge(data, cast.root.trusted).reason == "certificate_not_in_force"


def test_a_seal_that_ended_since_is_still_valid_as_of_its_signing(cast: Cast) -> None:
    data = Maker().add(sealer(cast)).packed()
    later = judge(data, cast.root.trusted, at=END + timedelta(days=400))
    assert later.state is State.VALID
    assert "certificate_ended_since" in {note.reason for note in later.signatures[0].notes}
    early = judge(data, cast.root.trusted, at=SIGNED - timedelta(days=1))
    assert (early.state, early.reason) == (State.NOT_IN_FORCE, "signed_later")


def test_a_time_in_z_that_may_be_china_time_is_left_open_only_where_it_matters(cast: Cast) -> None:
    seal = make_seal(cast.maker, [cast.signer.certificate])

    def sealed(at: datetime, stated: str) -> Inspection:
        maker = Maker().add(lambda paper: sign_sealed(cast.signer, seal, sm3(paper), at=at), stated=stated)
        return judge(maker.packed(), cast.root.trusted)

    hour = timedelta(hours=1)
    # One hour after the beginning, but seven before it if the Z was meant as China time.
    assert sealed(BEGIN + hour, "20260101010000Z").reason == "time_ambiguous"
    assert sealed(BEGIN + hour, "2026-01-01 09:00:00").state is State.VALID
    assert sealed(BEGIN + hour, "2026-01-01 01:00:00").reason == "seal_not_in_force"
    assert sealed(BEGIN + 9 * hour, "20260101100000Z").state is State.VALID


def test_digests_of_z_and_file_are_understood(cast: Cast) -> None:
    z = sm2.z_value(cast.signer.key.point)
    seal = make_seal(cast.maker, [cast.signer.certificate])
    sign: Callable[[bytes], bytes] = lambda paper: sign_sealed(cast.signer, seal, sm3(z + paper))  # noqa: E731
    maker = Maker().add(sign, prefix=z, method="1.2.156.10197.1.401.2")
    assert judge(maker.packed(), cast.root.trusted).state is State.VALID
    maker.files["Doc_0/Pages/Page_0/Content.xml"] += b" "
    assert judge(maker.packed(), cast.root.trusted).reason == "content_changed"


def test_a_signature_over_the_digest_alone_protects_neither_time_nor_seal(cast: Cast) -> None:
    data = Maker().add(sealer(cast, digest_only=True)).packed()
    found = judge(data, cast.root.trusted)
    assert (found.state, found.reason) == (State.UNDECIDED, "time_not_covered")
    assert found.signatures[0].integrity == "intact"
    assert "only_digest_signed" in {note.reason for note in found.signatures[0].notes}


def test_signed_data_holds_in_every_form_that_occurs(cast: Cast) -> None:
    def made(sign: Callable[[bytes], bytes]) -> Inspection:
        return judge(Maker().add(sign, kind="Sign").packed(), cast.root.trusted)

    forms: tuple[Callable[[bytes], bytes], ...] = (
        lambda paper: sign_data(cast.signer, paper),
        lambda paper: sign_data(cast.signer, paper, attributes=False),
        lambda paper: sign_data(cast.signer, paper, attributes=False, inside=sm3(paper)),
        lambda paper: sign_data(cast.signer, paper, attributes=True, inside=sm3(paper)),
        lambda paper: sign_data(cast.signer, paper, attributes=True, inside=paper),
    )
    for form in forms:
        found = made(form)
        assert (found.state, found.signatures[0].kind) == (State.VALID, "signature"), found.message
    wrong: tuple[Callable[[bytes], bytes], ...] = (
        lambda paper: sign_data(cast.signer, paper + b" "),
        lambda paper: sign_data(cast.signer, paper + b" ", attributes=False),
        lambda paper: sign_data(cast.signer, paper, attributes=False, inside=sm3(paper + b" ")),
    )
    for form in wrong:
        assert made(form).state is State.INVALID
    stranger = made(lambda paper: sign_data(make_person("陌生人"), paper, issuer_name="陌生人"))
    assert stranger.reason == "unknown_maker"


def test_a_bare_signature_is_only_worth_something_with_its_signers_certificate(cast: Cast) -> None:
    data = Maker().add(lambda paper: sm2.signature_to_der(cast.signer.key.sign(paper)), kind="Sign").packed()
    assert judge(data, cast.root.trusted).reason == "no_certificate"
    assert judge(data, cast.signer.trusted).state is State.VALID


def test_what_a_viewer_uses_and_no_seal_covers_is_reported_and_keeps_from_valid(cast: Cast) -> None:
    for entry in ("Doc_0/Tpls/Tpl_0/Content.xml", "OFD.xml", "Doc_0/Attachs/note.xml", "Doc_0/Res/font.ttf"):
        data = Maker().add(sealer(cast), leave_out=(entry,)).packed()
        found = judge(data, cast.root.trusted)
        assert (found.state, found.reason) == (State.UNDECIDED, "not_all_covered")
        assert found.document["uncovered_used"] == [entry]
        assert found.signatures[0].verdict.state is State.VALID
    stray = Maker().add(sealer(cast), leave_out=())
    stray.files["unused.bin"] = b"x"
    found = judge(stray.packed(), cast.root.trusted)
    assert (found.state, found.document["uncovered_other"]) == (State.VALID, ["unused.bin"])


def test_no_page_is_too_far_back_to_count_as_used(cast: Cast) -> None:
    files = plain_files()
    pages = {f"Doc_0/Pages/{number}.xml": b"<Page/>" for number in range(2500)}
    listed = b"".join(b'<ofd:Page BaseLoc="/%s"/>' % name.encode() for name in pages)
    files["Doc_0/Document.xml"] = files["Doc_0/Document.xml"].replace(b"</ofd:Pages>", listed + b"</ofd:Pages>")
    last = "Doc_0/Pages/2499.xml"
    data = Maker(files | pages).add(sealer(cast), leave_out=(last,)).packed()
    found = judge(data, cast.root.trusted)
    assert (found.reason, found.document["uncovered_used"]) == ("not_all_covered", [last])


def test_a_later_seal_explains_a_change_of_the_list_that_an_earlier_one_protects(cast: Cast) -> None:
    first = Maker()
    first.add(sealer(cast))
    # The first seal protects the list as it was then.
    first.count = 0
    first.add(sealer(cast), also=(SIGNATURES,))
    assert judge(first.packed(), cast.root.trusted).state is State.VALID
    first.add(sealer(cast), also=(SIGNATURES,))
    found = judge(first.packed(), cast.root.trusted)
    assert [one.verdict.reason for one in found.signatures] == ["changed_by_later_seal", "ok"]
    assert found.state is State.UNDECIDED
    broken = dict(first.files)
    broken["Doc_0/Signs/Sign_1/SignedValue.dat"] = b"\x30\x06\x02\x01\x01\x02\x01\x01"
    found = judge(pack(broken), cast.root.trusted)
    assert (found.state, found.signatures[0].verdict.reason) == (State.INVALID, "content_changed")


def test_a_seal_that_was_taken_off_the_list_is_missed(cast: Cast) -> None:
    maker = Maker().add(sealer(cast)).add(sealer(cast))
    assert judge(maker.packed(), cast.root.trusted).state is State.VALID
    listing = maker.files[SIGNATURES]
    for gone in (b"s0", b"s1"):
        place = listing.index(b'<ofd:Signature ID="' + gone)
        end = listing.index(b"/>", place) + 2
        found = judge(pack(maker.files | {SIGNATURES: listing[:place] + listing[end:]}), cast.root.trusted)
        assert (found.state, found.reason) == (State.UNDECIDED, "lost_signature")
    empty = b'<ofd:Signatures xmlns:ofd="x"/>'
    assert judge(pack(maker.files | {SIGNATURES: empty}), cast.root.trusted).reason == "lost_signature"


def test_weak_or_absent_digests_decide_nothing(cast: Cast) -> None:
    names = Maker().add(sealer(cast), without_digests=True)
    assert judge(names.packed(), cast.root.trusted).reason == "named_without_digest"
    unknown = Maker().add(sealer(cast), method="1.2.3.4")
    assert judge(unknown.packed(), cast.root.trusted).reason == "unknown_digest"
    nothing = Maker().add(sealer(cast), leave_out=tuple(plain_files()))
    assert judge(nothing.packed(), cast.root.trusted).reason == "nothing_covered"


def test_another_seal_in_the_place_of_the_signed_one_is_refused(cast: Cast) -> None:
    made = Maker().add(sealer(cast))
    paper = made.files["Doc_0/Signs/Sign_0/Signature.xml"]
    maker = Maker(made.files | {"Doc_0/Seal.esl": make_seal(cast.maker, [])})
    location = b"<ofd:Seal><ofd:BaseLoc>/Doc_0/Seal.esl</ofd:BaseLoc></ofd:Seal><ofd:References"
    paper = paper.replace(b"<ofd:References", location)
    maker.files["Doc_0/Signs/Sign_0/Signature.xml"] = paper
    maker.files["Doc_0/Signs/Sign_0/SignedValue.dat"] = sealer(cast)(paper)
    assert judge(maker.packed(), cast.root.trusted).reason == "seal_file_differs"


def test_without_libcrypto_no_seal_is_valid(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Maker().add(sealer(cast)).packed()
    monkeypatch.setattr(sm2, "_find", lambda: None)
    found = judge(data, cast.root.trusted)
    assert (found.state, found.signatures[0].integrity) == (State.UNDECIDED, "unknown")


def test_an_answer_is_the_same_whoever_asks_for_it_again(cast: Cast) -> None:
    data = Maker().add(sealer(cast)).packed()
    first = judge(data, cast.root.trusted)
    assert replace(first, signatures=()).to_json() | {"signatures": []} == replace(
        judge(data, cast.root.trusted), signatures=()
    ).to_json() | {"signatures": []}
