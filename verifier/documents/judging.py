"""The verdict on one seal or signature of an OFD file.

The steps: (1) what is signed and the signature value can be read; (2) every entry has the digest that was sealed;
(3) the signer's signature, and the maker's on the seal; (4) the signer is listed in the seal, and its maker is trusted;
(5) seal and certificates were in force when it was signed. Integrity, period and trust are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from verifier import sm2, times
from verifier.digests import sm3
from verifier.documents import moments
from verifier.documents.certificates import Certificate, check_trusted
from verifier.documents.claims import Claim, read_claim
from verifier.documents.findings import POLICY, Note, Roots, Signed
from verifier.documents.moments import Moment
from verifier.documents.ofd import Package
from verifier.documents.papers import Listed, Paper, Reference, read_paper
from verifier.errors import (
    Check,
    CommitmentError,
    MalformedError,
    ScopeError,
    UndecidedError,
    UntrustedIssuerError,
    ValidityError,
    VerificationError,
)
from verifier.verdict import Examination

_STRONG = frozenset(("sm3", "sha256"))
_KNOWN = _STRONG | {"sha1", "md5"}
_SKEW = timedelta(minutes=10)
_SHOWN, _MAX_EVIDENCE = 5, 50
#: What is said of a step that holds: with a seal, without one.
_FORMAT_HOLDS = ("签章结构完整", "签名结构完整")
_SIGNED_WELL = ("签章人与制章人的签名正确", "签名人的签名正确")
_IN_FORCE = ("签章时印章与证书均在有效期内", "签名时签名人的证书在有效期内")
_UNCHANGED = ("被签章的内容没有改动", "被签名的内容没有改动")
#: Whoever alters the content of a file that names no signer can write new digests as well.
_LISTED_ONLY = "内容与签名所列的摘要一致；签名本身未能核对，不能排除摘要与内容一起被改"
MATCH, CHANGED, MISSING, NAMED_ONLY = "match", "changed", "missing", "named_only"


@dataclass
class Judged:
    """A judged signature: what is reported, its paper, the entries it proves, and those that differ from it."""

    signed: Signed
    paper: Paper | None = None
    covered: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


def judge_listed(package: Package, listed: Listed, roots: Roots, at: datetime, excused: str = "") -> Judged:
    """The verdict on a signature in Signatures.xml. Never raises for any content of the package."""
    try:
        paper = read_paper(package, listed)
    except VerificationError as error:
        exam = Examination(at)
        exam.fail(Check.FORMAT, error)
        return Judged(Signed(listed.identity, listed.kind, exam.conclude(POLICY), {}))
    return judge(package, paper, roots, at, excused)


def judge(package: Package, paper: Paper, roots: Roots, at: datetime, excused: str = "") -> Judged:
    """The verdict on what is signed in the paper. Never raises for any content of the package.

    excused: the list of signatures, if later and intact ones explain its change; that leaves the matter undecided.
    """
    exam, notes, facts, states = Examination(at), list[Note](), _facts(paper), dict[str, str]()
    # (1) The signature value.
    bare = paper.kind != "seal"
    claim = exam.run(Check.FORMAT, lambda: _read(package, paper, roots), _FORMAT_HOLDS[bare])
    # (2) Every entry that was sealed.
    unchanged = _LISTED_ONLY if claim is not None and claim.signer is None else _UNCHANGED[bare]
    exam.run(Check.COMMITMENT, lambda: _check_digests(package, paper, claim, states, excused), unchanged)
    facts["references"] = [{"entry": name, "result": state} for name, state in states.items()]
    if claim is not None:
        # (3) The signatures.
        content = package.archive.read(paper.entry)
        exam.run(Check.SIGNATURE, lambda: claim.check_signature(content), _SIGNED_WELL[claim.seal is None])
        # (4) and (5).
        facts |= judge_people(exam, claim, paper.time, roots, notes)
        if claim.path and claim.path.lstrip("/").casefold() != paper.entry.casefold():
            notes.append(Note("other_path_signed", f"签章时的描述文件路径是 {claim.path[:100]}"))
    return Judged(
        Signed(paper.identity, paper.kind, exam.conclude(POLICY), facts, tuple(notes)),
        paper,
        {name for name, state in states.items() if state == MATCH} | {paper.entry},
        {name for name, state in states.items() if state in (CHANGED, MISSING)},
    )


def _read(package: Package, paper: Paper, roots: Roots) -> Claim:
    claim = read_claim(package.archive.read(paper.value_entry), roots.certificates)
    # What a viewer may show is this entry; what was signed is the seal within the signature value.
    shown = paper.seal_entry
    if shown is not None and claim.seal is not None and package.archive.read(shown) != claim.seal.raw:
        raise MalformedError("seal_file_differs", "文件中的印章与签章时的印章不同", evidence={"entry": shown})
    return claim


def _check_digests(package: Package, paper: Paper, claim: Claim | None, states: dict[str, str], excused: str) -> None:
    """Raises CommitmentError for a change; UndecidedError where nothing is proved. Fills in `states`."""
    if paper.method in _KNOWN:
        prefix = _z_of(package, paper, claim)
        for one in paper.references:
            states[one.entry or one.location] = _state(package, one, paper.method, prefix)
    if claim is not None:
        claim.check_digest(package.archive.read(paper.entry))
    bad = [name for name, state in states.items() if state in (CHANGED, MISSING)]
    if bad and bad != [excused]:
        more = " 等" if len(bad) > _SHOWN else ""
        raise CommitmentError(
            "content_changed",
            f"签章之后内容被改动：{'、'.join(bad[:_SHOWN])}{more}",
            evidence={"entries": bad[:_MAX_EVIDENCE]},
        )
    found = _unproved(paper, states, bad)
    if found is not None:
        raise UndecidedError(found[0], found[1], check=Check.COMMITMENT)


def _unproved(paper: Paper, states: dict[str, str], bad: list[str]) -> tuple[str, str] | None:
    """Why the content may have changed although no digest differs without an excuse."""
    if bad:
        return "changed_by_later_seal", "签章列表在此后加盖别的签章时变化，其余内容没有改动；原来的列表已无法核对"
    if paper.method not in _KNOWN:
        return "unknown_digest", f"不认识摘要算法 {paper.method}，无法核对内容"
    if NAMED_ONLY in states.values():
        return "named_without_digest", "签名只列出了条目的名字，没有摘要，无法核对内容"
    if not states:
        return "nothing_covered", "签章没有保护任何内容"
    if paper.method not in _STRONG:
        return "weak_digest", f"摘要算法 {paper.method} 已不安全，不能证明内容未改"
    return None


def _state(package: Package, reference: Reference, method: str, prefix: bytes) -> str:
    if reference.entry is None:
        return MISSING
    if reference.digest is None:
        return NAMED_ONLY
    try:
        found = package.archive.digest(reference.entry, method, prefix)
    except MalformedError as error:
        if error.reason == "too_much_work":
            raise
        return CHANGED
    return MATCH if found == reference.digest else CHANGED


def _z_of(package: Package, paper: Paper, claim: Claim | None) -> bytes:
    """Z of the signer if this engine digests Z before each file: seen at the shortest entry."""
    point = None if claim is None or claim.signer is None else claim.signer.point
    digested = [one for one in paper.references if one.entry is not None and one.digest is not None]
    if point is None or paper.method != "sm3" or not digested:
        return b""
    shortest = min(digested, key=lambda one: package.archive.size(one.entry or ""))
    if _state(package, shortest, "sm3", b"") == MATCH:
        return b""
    z = sm2.z_value(point)
    return z if _state(package, shortest, "sm3", z) == MATCH else b""


def judge_people(exam: Examination, claim: Claim, stated_time: str, roots: Roots, notes: list[Note]) -> dict[str, Any]:
    """Steps (4) and (5), with remarks; what is said of people and time. `stated_time` stands beside the value."""
    moment = exam.run(Check.VALIDITY, lambda: _moment(claim, stated_time), "签章时间可读")
    when = moment.readings[0] if moment else exam.at
    exam.run(Check.ISSUER, lambda: _check_issuer(claim, roots, when), "制章人与签章人可信")
    if moment is not None:
        exam.run(Check.VALIDITY, lambda: _check_periods(claim, moment, exam.at), _IN_FORCE[claim.seal is None])
    _remark(claim, moment, exam.at, notes)
    return _people(claim, moment)


def _moment(claim: Claim, stated_time: str) -> Moment:
    text = claim.time or stated_time
    if not text:
        raise UndecidedError("no_time", "签章没有写明时间，无法判断当时是否有效", check=Check.VALIDITY)
    try:
        return moments.read(text, stated_time if claim.time else "")
    except MalformedError as error:
        raise UndecidedError("unknown_time", error.message, check=Check.VALIDITY) from error


def _check_issuer(claim: Claim, roots: Roots, when: datetime) -> None:
    signer, seal, maker = claim.signer, claim.seal, claim.maker
    if signer is None:
        raise UntrustedIssuerError("no_certificate", "签名没有带签名人的证书，无法确定是谁签的")
    if seal is None or maker is None:
        check_trusted(signer, roots.certificates, claim.others, when, "签名人")
        return
    # The maker answers for the signers that are listed in the seal.
    if signer.data not in seal.certificates and sm3(signer.data) not in seal.certificate_digests:
        raise ScopeError(
            "signer_not_in_seal", "签章人的证书不在印章的签章人列表中", evidence={"signer": signer.describe()}
        )
    check_trusted(maker, roots.certificates, claim.others, when, "制章人")


def _check_periods(claim: Claim, moment: Moment, at: datetime) -> None:
    if min(moment.readings) - at > _SKEW:
        raise ValidityError("signed_later", f"签章时间 {times.for_people(moment.readings[0])} 晚于核验时间")
    if not claim.whole:
        raise UndecidedError(
            "time_not_covered", "签名只覆盖摘要，签章时间没有受到保护，无法判断当时是否有效", check=Check.VALIDITY
        )
    faults = [_fault(claim, reading) for reading in moment.readings]
    if None in faults and any(faults):
        raise UndecidedError("time_ambiguous", "签章时间的时区不明，按不同时区得到不同结论", check=Check.VALIDITY)
    if faults[0] is not None:
        reason, message = faults[0]
        raise ValidityError(reason, message, evidence={"signed_at": times.to_text(moment.readings[0])})
    if claim.signer is None:
        raise UndecidedError("no_certificate", "没有证书，无法判断签名时证书是否有效", check=Check.VALIDITY)


def _fault(claim: Claim, when: datetime) -> tuple[str, str] | None:
    seal, signer, maker = claim.seal, claim.signer, claim.maker
    if seal is not None:
        begins, ends = (moments.read(text).readings[0] for text in (seal.valid_from, seal.valid_to))
        if not begins <= when <= ends:
            return "seal_not_in_force", f"签章时印章不在有效期内（{_span(begins, ends)}）"
    if signer is not None and not signer.covers(when):
        span = _span(signer.not_before, signer.not_after)
        return "certificate_not_in_force", f"签章时签章人的证书不在有效期内（{span}）"
    if seal is not None and maker is not None:
        made = moments.read(seal.created)
        if not any(maker.covers(reading) for reading in made.readings):
            span = _span(maker.not_before, maker.not_after)
            return "maker_not_in_force", f"制章时制章人的证书不在有效期内（{span}）"
    return None


def _remark(claim: Claim, moment: Moment | None, at: datetime, notes: list[Note]) -> None:
    word = "签名" if claim.seal is None else "签章"
    if claim.has_timestamp:
        notes.append(Note("timestamp_not_checked", f"{word}带有时间戳，本工具未核验它"))
    else:
        notes.append(Note("time_is_claimed", f"{word}时间由{word}人自称，没有可信时间戳"))
    if moment is not None and len(moment.readings) > 1:
        notes.append(Note("time_zone_unclear", f"{word}时间写作 UTC，但也可能是北京时间"))
    if not claim.whole:
        notes.append(Note("only_digest_signed", "签名只覆盖内容摘要，印章与时间没有受到保护"))
    if claim.signers > 1:
        notes.append(Note("more_signers", f"签名数据中有 {claim.signers} 个签名人，只核验了第一个"))
    signer = claim.signer
    if signer is not None and signer.not_after < at:
        notes.append(Note("certificate_ended_since", f"{word}人的证书已于 {times.for_people(signer.not_after)} 到期"))


def _people(claim: Claim, moment: Moment | None) -> dict[str, Any]:
    seal = claim.seal
    return {
        "form": claim.form,
        "time": None if moment is None else moment.to_json(),
        "seal": None if seal is None else seal.to_json(),
        "maker": _described(claim.maker),
        "signer": _described(claim.signer),
    }


def _described(certificate: Certificate | None) -> dict[str, Any] | None:
    return None if certificate is None else certificate.describe()


def _facts(paper: Paper) -> dict[str, Any]:
    return {"entry": paper.entry, "digest_method": paper.method, "stated_time": paper.time, **paper.facts}


def _span(begins: datetime, ends: datetime) -> str:
    return f"{times.for_people(begins)} 至 {times.for_people(ends)}"
