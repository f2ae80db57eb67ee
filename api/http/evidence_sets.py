"""Evidence bundles by the page: for a department that keeps its own, or wants to verify all of it offline."""

from __future__ import annotations

import io
import zipfile
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.http.calls import Call, get_call
from api.http.forms import USUAL, Cursor, Limit, problems
from api.http.guard import GuardedRoute
from registry.certificates.searching import Search, list_page
from registry.errors import NotPermittedError
from registry.evidence import service as evidence
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: A page ends early rather than grow past this; the next cursor continues after its last bundle.
MAX_PAGE_BYTES = 64 * 1024 * 1024
NEXT_CURSOR = "X-Next-Cursor"


@router.get(
    "/evidence",
    summary="本部门的证据包，按页打包",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}, **problems(409)},
)
def get_evidence_set(call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """本部门颁发的证照的证据包（ZIP，每件一个 .szb），新的在前；响应头 X-Next-Cursor 为下一页的游标，没有即为末页。"""
    data, following = call.read(lambda work: _page(work, call, cursor, limit))
    headers = {"Content-Disposition": 'attachment; filename="evidence.zip"'}
    if following is not None:
        headers[NEXT_CURSOR] = following
    return Response(data, media_type="application/zip", headers=headers)


def _page(work: Work, call: Call, cursor: str | None, limit: int) -> tuple[bytes, str | None]:
    department = work.actor.department
    if department is None:
        raise NotPermittedError("no_department", "证据包含完整照面，只给颁发部门的登记员，请使用部门账号。")
    page = list_page(work, Search(department=department), cursor, limit)
    log, packed, read_file = call.services.pipeline.log, io.BytesIO(), call.services.files.reader(work)
    with zipfile.ZipFile(packed, "w") as archive:
        for row in page.certificates:
            archive.writestr(f"{row.id}.szb", evidence.export(work, log, row.id, read_file))
            if packed.tell() > MAX_PAGE_BYTES:
                return _closed(archive, packed), row.id
        return _closed(archive, packed), page.cursor


def _closed(archive: zipfile.ZipFile, packed: io.BytesIO) -> bytes:
    archive.close()
    return packed.getvalue()
