"""One certificate: face, history, evidence, files, code; and what may be done with it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.certificates import evidence_response
from api.http.codes import signing_key
from api.http.guard import GuardedRoute
from api.pages.certificate_page import certificate_page, holder_of, sees_whole
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from registry.certificates import masking, sight
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.errors import InvalidDraftError, NotFoundError, NotPermittedError
from registry.files import service as files
from registry.files.tables import StoredFileRow
from registry.work import Work
from verifier.code import CodeKind
from verifier.identifiers import is_organisation

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_MAX_FILE_NAME: Final = 200


@router.get("/certificates/{certificate_id}")
def show_certificate(request: Request, certificate_id: str, call: OfCall, on: str = "") -> Response:
    """证照详情；照面按身份脱敏。on 是要看状态的日期。"""
    t, log = texts_for(request), call.services.pipeline.log

    def ask(work: Work) -> Response:
        row = sight.look_at(work, certificate_id)
        face = masking.masked(work, row, work.actor)
        return show(request, "certificate.html", certificate_page(work, log, row, face, t, on=_day(on)))

    return call.read(ask)


@router.post("/certificates/{certificate_id}")
def disclose(request: Request, certificate_id: str, call: OfCall, form: OfForm) -> Response:
    """查看完整照面：说明用途，记入审计。"""
    t, log = texts_for(request), call.services.pipeline.log
    try:
        face = call.write(
            lambda work: masking.disclose(work, certificates.get(work, certificate_id), form.text("purpose"))
        )
    except InvalidDraftError as refused:
        return _with_problem(request, call, certificate_id, refused)

    def ask(work: Work) -> Response:
        row = certificates.get(work, certificate_id)
        return show(request, "certificate.html", certificate_page(work, log, row, face, t, disclosed=True))

    return call.read(ask)


def _day(text: str) -> date | None:
    # What is no day is asked for by nobody who used the page's own field: today is shown.
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@router.post("/certificates/{certificate_id}/code")
def issue_code(request: Request, certificate_id: str, call: OfCall) -> Response:
    """为持证主体制发码：单位得企业码，个人得可出示此证照的个人码。"""
    key = signing_key(call)

    def act(work: Work) -> str:
        row = certificates.get(work, certificate_id)
        if not sees_whole(work, row):
            raise NotPermittedError("not_the_issuer", "只有颁发部门的登记员可以从证照直接制码；窗口请到“制码”办理。")
        return codes.issue(work, _request_for(row), key).id

    try:
        code_id = call.write(act)
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        return _with_problem(request, call, certificate_id, refused)
    return go(f"/codes/{code_id}", done="code")


def _request_for(row: Certificate) -> CodeRequest:
    holder = holder_of(row)
    if holder["holder_code_type_code"] == "001":
        return CodeRequest(CodeKind.ENTERPRISE, subject=holder["holder_code"], name=holder["holder_name"])
    if is_organisation(holder["holder_code_type_code"]):
        raise NotPermittedError("no_code_for_holder", "这种证件类型的单位还不能制码。")
    pair = (holder["holder_code_type_code"], holder["holder_code"])
    return CodeRequest(CodeKind.PERSON, holder=pair, types=(row.type_code,))


@router.get("/certificates/{certificate_id}/evidence")
def download_evidence(certificate_id: str, call: OfCall) -> Response:
    """下载证据包。"""
    return evidence_response(call, certificate_id)


@router.get("/certificates/{certificate_id}/files/{position}")
def download_file(certificate_id: str, position: int, call: OfCall) -> Response:
    """下载附件；总是作为下载，不在浏览器里打开。"""

    def ask(work: Work) -> tuple[str, StoredFileRow]:
        row = certificates.get(work, certificate_id)
        if not sees_whole(work, row):
            raise NotPermittedError("not_the_issuer", "附件含完整照面，只能由颁发部门的登记员下载。")
        for file in certificates.files_of(work, certificate_id):
            if file.position == position:
                return file.name, files.get(work, file.sha256)
        raise NotFoundError("file_unknown", "没有这个附件。")

    name, stored = call.read(ask)
    data = call.services.files.read(stored)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name[:_MAX_FILE_NAME])}",
        # A stored file may be anything, a page with scripts too: it must not act as a part of this site.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(data, media_type="application/octet-stream", headers=headers)


def _with_problem(request: Request, call: Call, certificate_id: str, refused: Exception) -> Response:
    t, log = texts_for(request), call.services.pipeline.log
    problem = problem_view(refused, t)

    def ask(work: Work) -> Response:
        row = sight.look_at(work, certificate_id)
        face = masking.masked(work, row, work.actor)
        view = certificate_page(work, log, row, face, t, problem=problem)
        return show(request, "certificate.html", view, status=status_of(refused))

    return call.read(ask)
