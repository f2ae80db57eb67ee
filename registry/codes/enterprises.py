"""Whose enterprise codes (一企一码) are: the name that is registered, and the department that issued the one before."""

from __future__ import annotations

import orjson

from registry.certificates import service as certificates
from registry.certificates.names import normalise_name
from registry.codes.tables import Code
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.work import Work
from verifier.identifiers import USCC
from verifier.status import Status


def check(work: Work, uscc: str, name: str, older: Code | None) -> None:
    """Raises InvalidDraftError for a name that no certificate in force gives the enterprise, where there are any, and
    NotPermittedError where the present code is another department's; the one that runs this registry may replace it.
    """
    known = _names(work, uscc)
    if known and normalise_name(name) not in known:
        message = "企业名称与已登记的有效证照上的名称不一致，请按证照填写。"
        raise InvalidDraftError([FieldError("name", "not_the_registered_name", message)])
    holds = older is not None and older.status == Status.VALID and older.expires_at > work.at
    if older is None or not holds or work.actor.kind == "registry":
        return
    if work.actor.department not in (older.department, departments.operator(work).code):
        message = "该企业的码由另一部门签发，仍在使用；换发请到原签发部门办理。"
        raise NotPermittedError("issued_elsewhere", message, {"department": older.department})


def _names(work: Work, uscc: str) -> set[str]:
    found = certificates.of_holder(work, work.blind.of(USCC, uscc))
    faces = [orjson.loads(row.face) for row in found if row.status == Status.VALID]
    return {
        normalise_name(holder["holder_name"])
        for face in faces
        for holder in face["holders"]
        if holder["holder_code"] == uscc
    }
