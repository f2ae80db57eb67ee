"""Verifying: a code typed by a scanner, a picture, or an evidence bundle; the verdict fills the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.fallbacks import grants_for
from api.http.guard import GuardedRoute
from api.http.scans import opened_to
from api.http.verifications import judge_presented
from api.pages import times, wording
from api.pages.extract_page import told_facts
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import show, texts_for
from api.pages.texts import Texts
from api.pages.views import CheckView, Fact, PosterNote, ProblemView, TakenPage, VerdictPage, VerifyPage
from api.presented import Judged, JudgedFile
from registry.catalogue import service as catalogue
from registry.fallbacks import service as fallbacks
from registry.fallbacks.rules import read_number
from registry.posters import rules as poster_rules
from registry.posters import service as posters
from registry.venues import service as venues
from registry.work import Work
from verifier import times as wire_times
from verifier.code import CodeKind
from verifier.sd_jwt import is_sd_jwt
from verifier.verdict import CHECK_CHINESE, NOT_OURS_CHINESE, STATE_CHINESE, CheckResult, Outcome, State, Verdict

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

#: What an item says of itself, in the order that matters at a counter: key, text key, is a day.
_CERTIFICATE_FACTS: Final = (
    ("certificate_name", "fact.certificate_name", False),
    ("certificate_number", "fact.certificate_number", False),
    ("issuing_authority_name", "fact.issuer", False),
    ("issue_date", "fact.issued", True),
    ("valid_to", "fact.valid_to", True),
    ("purpose", "fact.purpose", False),
    ("receiver_name", "fact.receiver", False),
)
_EVIDENCE_SHOWN: Final = 6
_GENUINE: Final = (State.VALID, State.NOT_IN_FORCE)


@router.get("/verify")
def verify_form(request: Request, call: OfCall) -> Response:
    """核验页：扫码枪、图片、证据包。"""
    return show(request, "verify.html", VerifyPage())


@router.post("/verify")
def verify(request: Request, call: OfCall, form: OfForm) -> Response:
    """核验并显示结论；所交内容不留存。"""
    t, file, text = texts_for(request), form.upload("file"), form.exact("text")
    if file is None and not text.strip():
        problem = ProblemView(t("verify.nothing"), t("verify.nothing_detail"))
        return show(request, "verify.html", VerifyPage(problem), status=422)
    if file is None and read_number(text) is not None and _may_take(call):
        return _take(request, call, form, t)
    presented = file.content.read() if file is not None else text
    worst, read = judge_presented(call.services, presented)
    try:
        verdict = opened_to(call, worst.verdict, form.text("purpose"))
    except SHOWN_ERRORS as refused:
        return show(request, "verify.html", VerifyPage(problem_view(refused, t)), status=status_of(refused))
    issued_at = call.services.trust.bundle().content.issued_at
    view = call.read(lambda work: verdict_page(work, verdict, times.moment(issued_at, t), t))
    source = _source(worst, read, t)
    view = replace(
        view,
        purpose=form.text("purpose"),
        facts=[*view.facts, *source, *_told(call, verdict, presented, t)],
        what_next=view.what_next or (t("next.document_code") if source else ""),
    )
    return show(request, "verdict.html", view)


def _source(worst: Judged, read: JudgedFile | None, t: Texts) -> Sequence[Fact]:
    """Where in a document the code is, so that nobody takes its verdict for one on the document."""
    if read is None or worst.page is None:
        return ()
    return [Fact(t("verdict.source"), t("verdict.source_page", page=worst.page, pages=read.pages, codes=read.codes))]


def _told(call: Call, verdict: Verdict, presented: bytes | str, t: Texts) -> Sequence[Fact]:
    """What an extract tells, for staff: they were handed it in order to read it."""
    data = presented.encode() if isinstance(presented, str) else presented
    if call.caller is None or verdict.state not in _GENUINE or not is_sd_jwt(data):
        return ()
    return call.read(lambda work: told_facts(work, data, t))


def _may_take(call: Call) -> bool:
    """Whether the caller is a window or a venue: to everybody else eight digits mean nothing."""
    return call.caller is not None and call.caller.actor.has_role("window", "venue")


def _take(request: Request, call: Call, form: Form, t: Texts) -> Response:
    def act(work: Work) -> tuple[fallbacks.Taken, Mapping[str, Sequence[str]]]:
        taken = fallbacks.take(work, form.exact("text"), form.text("purpose"))
        return taken, grants_for(work, taken, form.text("purpose"))

    try:
        taken, wanted = call.write(act)
    except SHOWN_ERRORS as refused:
        return show(request, "verify.html", VerifyPage(problem_view(refused, t)), status=status_of(refused))
    code = taken.code
    facts = [Fact(t("codes.kind"), wording.kind_name(CodeKind(code.kind), t))]
    if code.name:
        facts.append(Fact(t("codes.name"), code.name))
    shown = [*({"kind": "certificate", "ref": ref} for ref in wanted.get("types", ())),
             *({"kind": "pass", "ref": ref} for ref in wanted.get("venues", ()))]  # fmt: skip
    if shown:
        names = call.read(lambda work: [_grant(work, one) for one in shown])
        facts.append(Fact(t("fact.grants"), t("list.separator").join(names)))
    if taken.authorisation_id:
        facts.append(Fact(t("fallback.authorisation"), taken.authorisation_id))
    facts.append(Fact(t("codes.until"), times.moment(code.expires_at, t)))
    return show(request, "taken.html", TakenPage(facts, code.kind != CodeKind.ENTERPRISE))


def verdict_page(work: Work, verdict: Verdict, trust_at: str, t: Texts) -> VerdictPage:
    """The verdict in the reader's words."""
    state = verdict.state
    counts = Counter(check.outcome for check in verdict.checks)
    return VerdictPage(
        state=state,
        word=_word(verdict, t),
        reason=t.said(f"reason.{verdict.reason}", verdict.message),
        facts=_facts(work, verdict, t),
        age=_age(verdict, trust_at, t),
        what_next="" if verdict.state is State.VALID else _what_next(verdict, t),
        checks=[_check(check, verdict, t) for check in verdict.checks],
        tally=t(
            "verdict.tally",
            passed=counts[Outcome.PASSED],
            failed=counts[Outcome.FAILED],
            open=counts[Outcome.NOT_CHECKED],
        ),
        second_factor=state is State.VALID and bool(verdict.subject.get("second_factor_due")),
        component_href=_component(verdict),
        poster=_poster(work, verdict, t),
    )


def _word(verdict: Verdict, t: Texts) -> str:
    """What is not ours at all is told from what claims to be ours and does not hold."""
    if verdict.reason == "not_ours":
        return t.said("verdict.not_ours", NOT_OURS_CHINESE)
    return t.said(f"verdict.{verdict.state}", STATE_CHINESE[verdict.state])


def _component(verdict: Verdict) -> str | None:
    subject = verdict.subject
    is_genuine = verdict.state is State.VALID and subject.get("kind") == "component"
    return f"/components/{subject['subject']}" if is_genuine else None


def _poster(work: Work, verdict: Verdict, t: Texts) -> PosterNote | None:
    """The poster whose code it is: what the registry says of it, unsigned."""
    if verdict.state is not State.VALID or verdict.subject.get("kind") != "venue":
        return None
    found = posters.find(work, str(verdict.subject["code_id"]))
    if found is None:
        return None
    kinds = [(key, t.said(f"alarm.{key}", name)) for key, name in poster_rules.REPORTED.items()]
    return PosterNote(found.code_id, found.number, found.place or "", kinds)


def _age(verdict: Verdict, trust_at: str, t: Texts) -> str:
    dated = [check.as_of for check in verdict.checks if check.as_of is not None]
    oldest = times.age(verdict.at - min(dated), t) if dated else t("date.just_now")
    return t("verdict.age", at=times.moment(verdict.at, t), trust=trust_at, oldest=oldest)


def _what_next(verdict: Verdict, t: Texts) -> str:
    return t.find(f"next.{verdict.reason}") or t(f"next.state.{verdict.state}")


def _check(check: CheckResult, verdict: Verdict, t: Texts) -> CheckView:
    as_of = ""
    if check.as_of is not None:
        as_of = t("verdict.as_of", at=times.moment(check.as_of, t), age=times.age(verdict.at - check.as_of, t))
    passed = check.reason == "ok"
    return CheckView(
        name=t.said(f"check.name.{check.check.value}", CHECK_CHINESE[check.check]),
        outcome=check.outcome,
        message=t.said(f"check.ok.{check.check.value}" if passed else f"reason.{check.reason}", check.message),
        evidence=_evidence(check.evidence, t),
        as_of=as_of,
    )


def _evidence(evidence: Mapping[str, Any], t: Texts) -> list[Fact]:
    shown = list(evidence.items())[:_EVIDENCE_SHOWN]
    return [Fact(t.find(f"evidence.{name}") or name, _plain(value, t)) for name, value in shown]


def _plain(value: object, t: Texts) -> str:
    if isinstance(value, list | tuple):
        return t("list.separator").join(str(part) for part in value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _facts(work: Work, verdict: Verdict, t: Texts) -> Sequence[Fact]:
    subject = verdict.subject
    # What something altered or unreadable says of itself is not worth showing.
    if not subject or verdict.state is State.INVALID:
        return ()
    if "kind" in subject:
        return _code_facts(work, subject, t)
    return [
        Fact(t(key), times.day(str(subject[name]), t) if is_day else str(subject[name]))
        for name, key, is_day in _CERTIFICATE_FACTS
        if subject.get(name)
    ]


def _code_facts(work: Work, subject: Mapping[str, Any], t: Texts) -> list[Fact]:
    facts = [Fact(t("codes.kind"), t.said(f"codes.{subject['kind']}", str(subject["kind_name"])))]
    if subject.get("name"):
        facts.append(Fact(t("codes.name"), str(subject["name"])))
    # What the code and the trust bundle say, both signed; never what the database says.
    if subject.get("place"):
        facts.append(Fact(t("venues.address" if subject["kind"] == "venue" else "fact.place"), str(subject["place"])))
    if subject.get("chain"):
        facts.append(Fact(t("delegations.chain"), str(subject["chain"])))
        who = [f"{link['name'] or '—'} {link['role_name']}" for link in subject["delegation"]]
        facts.append(Fact(t("delegations.delegates"), t("list.separator").join(who)))
    grants = [_grant(work, grant) for grant in subject.get("grants", ())]
    if grants:
        facts.append(Fact(t("fact.grants"), t("list.separator").join(grants)))
    if "generation" in subject:
        facts.append(Fact(t("codes.generation"), str(subject["generation"])))
    facts.append(Fact(t("codes.until"), times.moment(wire_times.from_text(subject["expires_at"]), t)))
    return facts


def _grant(work: Work, grant: Mapping[str, str]) -> str:
    if grant["kind"] == "certificate":
        found = catalogue.find_type(work, grant["ref"])
        return found.name if found else grant["ref"]
    venue = venues.find(work, grant["ref"])
    return venue.name if venue else grant["ref"]
