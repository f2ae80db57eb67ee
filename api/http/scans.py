"""What a code opens for whom, and who looked: the door between a verdict and whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.codes import number_of
from api.http.forms import USUAL, HolderReference, Outgoing
from api.http.guard import GuardedRoute
from registry.delegations import showing
from registry.departments import service as departments
from registry.errors import InvalidDraftError
from registry.scans import rules
from registry.scans import service as scans
from registry.work import Work
from verifier.verdict import State, Verdict

router = APIRouter(prefix="/api/v1", tags=["扫码记录"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class ScanShown(Outgoing):
    """A department looked at a code of the person."""

    department: str = Field(description="扫码的部门")
    purpose: str
    scanned_at: datetime


class Scans(Outgoing):
    """Scans of the last month, newest first."""

    items: list[ScanShown]
    next_cursor: None = None


def opened_to(call: Call, verdict: Verdict, purpose: str) -> Verdict:
    """The verdict with what its subject opens to this caller; a window's look at a person's code is recorded first.

    A code that does not hold opens nothing more to a window than to anybody. Raises InvalidDraftError (purpose).
    """
    errors = rules.check_purpose(purpose)
    if errors:
        raise InvalidDraftError(errors)
    if "kind" not in verdict.subject:
        return verdict
    scanner = rules.scanner_of(call.caller.actor.roles if call.caller else (), purpose)
    if scanner is rules.Scanner.WINDOW and verdict.state is not State.VALID:
        scanner = rules.Scanner.PUBLIC
    code_id = str(verdict.subject.get("code_id", ""))
    if scanner is rules.Scanner.WINDOW:
        call.write(lambda work: scans.record(work, code_id, purpose))
    subject = rules.opened(verdict.subject, scanner)
    if "delegation" in subject:
        subject["delegation"] = call.read(lambda work: _named(work, subject["delegation"]))
    return replace(verdict, subject=subject)


def _named(work: Work, links: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The links of a delegated code with the masked names of the delegates, which the code itself does not say."""
    names = showing.names_of(work, [(link["status_list"], link["status_index"]) for link in links])
    return [{**link, "name": name} for link, name in zip(links, names, strict=True)]


@router.post("/scans/search", summary="本人的扫码记录")
def search(body: HolderReference, call: OfCall) -> Scans:
    """没有手机的人到窗口查：近 30 天哪些部门因何用途看过其码。不记录地点。"""

    def ask(work: Work) -> Scans:
        found = scans.of_number(work, number_of(body))
        return Scans(items=[scan_of(work, one.department, one.purpose, one.scanned_at) for one in found])

    return call.read(ask)


def scan_of(work: Work, department: str, purpose: str, scanned_at: datetime) -> ScanShown:
    """A scan as its holder sees it: the department by name, nobody of its staff."""
    found = departments.find(work, department)
    return ScanShown(department=found.name if found else department, purpose=purpose, scanned_at=scanned_at)
