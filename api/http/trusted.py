"""What trust bundles rest on and carry besides the registry's own: root documents, certificates of others."""

from __future__ import annotations

import base64
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.errors import FieldError, InvalidDraftError
from registry.trust import certificates, roots
from registry.trust.tables import TrustCertificateRow
from verifier import canonical
from verifier.certificate_file import read_certificate
from verifier.errors import MalformedError
from verifier.root import RootDocument

router = APIRouter(prefix="/api/v1", tags=["信任包"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewCertificate(Incoming):
    """A certificate of others to be trusted."""

    kind: Literal["seal_maker", "issuer"] = Field(description="seal_maker 制章人（验章用），issuer 境外码签发者")
    profile: Literal["eu-dcc"] | None = Field(default=None, description="境外码的规范；制章人不填")
    name: str = Field(max_length=200, description="称呼")
    certificate: str = Field(max_length=32_768, description="X.509 证书，DER 的 Base64（或 PEM）")
    reason: str = Field(max_length=200, description="信任的依据，如文号")


class CertificateShown(Outgoing):
    """A certificate of others."""

    id: str
    kind: str
    profile: str | None
    name: str
    sha256: str
    reason: str
    added_at: datetime
    added_by: str
    removed_at: datetime | None
    removed_because: str | None = Field(description="不再信任的理由")


class Certificates(Outgoing):
    """Certificates of others, past ones too."""

    items: list[CertificateShown]
    next_cursor: None = None


class Removal(Incoming):
    """Why a certificate is trusted no longer."""

    reason: str = Field(max_length=200, description="不再信任的理由，必填")


class NewRoot(Incoming):
    """A root document to be installed."""

    document: dict[str, Any] = Field(description="已由足够根密钥签署的根文件")


class RootShown(Outgoing):
    """The root document in use."""

    version: int
    fingerprint: str = Field(description="指纹，供人核对")
    threshold: int
    root_keys: list[str]
    publishers: list[str]
    expires_at: datetime


def _certificate(row: TrustCertificateRow) -> CertificateShown:
    return CertificateShown(
        id=row.id, kind=row.kind, profile=row.profile, name=row.name, sha256=row.digest.hex(), reason=row.reason,
        added_at=row.added_at, added_by=row.added_by, removed_at=row.removed_at,
        removed_because=row.removed_because,
    )  # fmt: skip


def _root(document: RootDocument) -> RootShown:
    content = document.content
    return RootShown(
        version=content.version, fingerprint=document.fingerprint, threshold=content.threshold,
        root_keys=[key.kid.hex() for key in content.keys], publishers=[key.kid.hex() for key in content.publishers],
        expires_at=content.expires_at,
    )  # fmt: skip


@router.get("/trust/certificates", summary="信任的外部证书")
def list_certificates(call: OfCall) -> Certificates:
    """制章人与境外码签发者的证书，含已移除的。"""
    return call.read(lambda work: Certificates(items=[_certificate(r) for r in certificates.list_all(work.session)]))


@router.post(
    "/trust/certificates", status_code=201, response_model=CertificateShown, summary="信任证书",
    responses={202: {"model": proposals.Proposal}, **problems(409)},
)  # fmt: skip
def add_certificate(body: NewCertificate, call: OfCall) -> Response:
    """自下一个信任包起随信任包公布；实行双人复核时答复 202，待另一名管理员通过。"""
    der = base64.b64encode(_der(body.certificate)).decode()
    given = {"kind": body.kind, "profile": body.profile, "name": body.name, "certificate": der}
    return proposals.changing(
        call, "trust.certificate", given, body.reason,
        lambda _, applied: Answer(HTTPStatus.CREATED, _certificate(applied.value)),
    )  # fmt: skip


@router.post(
    "/trust/certificates/{certificate_id}/remove",
    response_model=CertificateShown,
    summary="不再信任证书",
    responses=problems(404),
)
def remove_certificate(certificate_id: str, body: Removal, call: OfCall) -> Response:
    """自下一个信任包起不再公布，须说明理由，一人即可；重复操作无妨。"""
    return call.answer(
        lambda work: Answer(HTTPStatus.OK, _certificate(certificates.remove(work, certificate_id, body.reason)))
    )


@router.post("/trust/root", status_code=201, response_model=RootShown, summary="安装根文件", responses=problems(409))
def install_root(body: NewRoot, call: OfCall) -> Response:
    """根文件须由足够的根密钥签署，并指定本机持有的发布密钥。重复安装同一文件无妨。"""
    data, keys = canonical.canonicalise(body.document), call.services.keys
    return call.answer(lambda work: Answer(HTTPStatus.CREATED, _root(roots.install(work, keys, data))))


def _der(text: str) -> bytes:
    try:
        return read_certificate(text.encode())
    except MalformedError as error:
        raise InvalidDraftError([FieldError("certificate", error.reason, f"{error.message}。")]) from error
