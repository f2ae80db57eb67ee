"""Certificates in lists: narrowed by what may stand in an address, searched by what may not."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.forms import USUAL, Cursor, HolderReference, Incoming, Limit, Outgoing
from api.http.guard import GuardedRoute
from registry.catalogue import service as catalogue
from registry.certificates import masking, searching
from registry.certificates.tables import Certificate
from registry.errors import FieldError, InvalidDraftError
from registry.log.standing import Place, places_of
from registry.work import Work
from verifier.entry import Kind
from verifier.status import CHINESE, Status

router = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class Line(Outgoing):
    """A certificate in a list; names are masked by the server."""

    id: str
    identifier: str
    number: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    holders: list[str]
    issued_on: date
    valid_from_on: date
    valid_to_on: date | None = Field(description="null 为长期")
    status: str
    status_name: str
    registered_at: datetime
    stage: str = Field(description="registered 已受理，sequenced 已入日志，anchored 已上链")
    index: int | None


class Lines(Outgoing):
    """One page of certificates."""

    items: list[Line]
    next_cursor: str | None


State = Literal[
    "valid", "revoked", "suspended", "superseded", "lapsed", "cancelled", "penalty", "transferred", "lost"
]  # fmt: skip


class Narrowing(Incoming):
    """What also narrows a search; all given parts must hold."""

    type_code: str | None = Field(default=None, max_length=21, description="证照类型代码，或对应的本地目录代码")
    state: State | None = Field(default=None, description="现行状态")
    issued_from: date | None = Field(default=None, strict=False, description="颁发日期起（含），yyyy-mm-dd")
    issued_to: date | None = Field(default=None, strict=False, description="颁发日期止（含），yyyy-mm-dd")
    own: bool = Field(default=False, description="只看本部门颁发的")

    def search(self, call: Call, **key: Any) -> searching.Search:
        """The search for the caller, by a key of its own as well."""
        return searching.Search(
            department=call.known.actor.department if self.own else None,
            type_code=self.type_code,
            status=None if self.state is None else Status[self.state.upper()],
            issued_from=self.issued_from,
            issued_to=self.issued_to,
            **key,
        )


class SearchForm(HolderReference, Narrowing):
    """Whose certificates, and what for."""

    purpose: str = Field(min_length=2, max_length=200, description="查询用途")


class NumberForm(Narrowing):
    """Certificates of a number, as it is printed on them."""

    number: str = Field(min_length=1, max_length=64, description="证照编号（完全一致）")
    purpose: str | None = Field(
        default=None, min_length=2, max_length=200, description="查询用途；不填的，只查本部门颁发或用过的"
    )


def line_of(work: Work, row: Certificate, place: Place | None) -> Line:
    """A certificate as a list shows it to the work's actor."""
    face = masking.masked(work, row, work.actor)
    status = Status(row.status)
    return Line(
        id=row.id,
        identifier=row.identifier,
        number=face["certificate_number"],
        type_code=row.type_code,
        type_name=face["certificate_name"],
        issuer_code=row.department,
        issuer_name=face["issuing_authority_name"],
        holders=[holder["holder_name"] for holder in face["holders"]],
        issued_on=row.issued_on,
        valid_from_on=row.valid_from_on,
        valid_to_on=row.valid_to_on,
        status=status.name.lower(),
        status_name=CHINESE[status],
        registered_at=row.registered_at,
        stage=place.stage if place else "registered",
        index=place.index if place else None,
    )


def page_of(work: Work, page: searching.Page) -> Lines:
    """A page of certificates as the work's actor may see it."""
    # Held until the page is made: the session keeps what somebody holds, and so asks for each type once, not per row.
    held = catalogue.list_versions(work)
    places = places_of(work, [row.id for row in page.certificates], Kind.CERTIFICATE)
    lines = [line_of(work, row, places.get(row.id)) for row in page.certificates]
    del held
    return Lines(items=lines, next_cursor=page.cursor)


@router.get("/certificates", summary="证照列表")
def list_certificates(
    call: OfCall,
    cursor: Cursor = None,
    limit: Limit = 50,
    type_code: Annotated[str | None, Query(max_length=21, description="证照类型代码，或对应的本地目录代码")] = None,
    identifier: Annotated[str | None, Query(max_length=128, description="证照标识")] = None,
    state: Annotated[State | None, Query(description="现行状态")] = None,
    issued_from: Annotated[date | None, Query(description="颁发日期起（含），yyyy-mm-dd")] = None,
    issued_to: Annotated[date | None, Query(description="颁发日期止（含），yyyy-mm-dd")] = None,
    own: Annotated[bool, Query(description="只看本部门颁发的")] = False,
    number: Annotated[str | None, Query(max_length=64, deprecated=True, description="不再接受")] = None,
) -> Lines:
    """本部门颁发或用过的，审计员可见全部。新登记的在前；给了颁发日期的，按颁发日期从晚到早。

    按证照编号请用 POST /certificates/number-search，按持证主体请用
    POST /certificates/search：有的编号就是个人证件号码，号码不进地址。"""
    if number is not None:
        message = "证照编号可能含个人证件号码，不进地址：请改用 POST /api/v1/certificates/number-search。"
        raise InvalidDraftError([FieldError("number", "number_in_the_address", message)])
    narrowing = Narrowing(type_code=type_code, state=state, issued_from=issued_from, issued_to=issued_to, own=own)
    search = narrowing.search(call, identifier=identifier)
    return call.read(lambda work: page_of(work, searching.list_page(work, search, cursor, limit)))


@router.post("/certificates/number-search", summary="按证照编号查询")
def search_by_number(body: NumberForm, call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> Lines:
    """编号须完全一致；可再按类型、状态和颁发日期筛选。填了用途的，也查本部门有权使用的类型，谁为何查询一并记录。"""
    search, purpose = body.search(call, number=body.number), body.purpose
    if purpose is None:
        return call.read(lambda work: page_of(work, searching.list_page(work, search, cursor, limit)))
    return call.write(lambda work: page_of(work, searching.look_up(work, search, purpose, cursor, limit)))


@router.post("/certificates/search", summary="按持证主体查询")
def search_certificates(body: SearchForm, call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> Lines:
    """按证件号码查询其名下本部门颁发、用过或有权使用的证照；须说明用途，谁为何查询一并记录。可再按类型、状态和颁发日期筛选。"""
    search = body.search(call, holder=(body.holder_code_type_code, body.holder_code))
    return call.write(lambda work: page_of(work, searching.look_up(work, search, body.purpose, cursor, limit)))
