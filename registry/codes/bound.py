"""Codes bound to a phone (动态码): issued at its enrolment, signed anew while it is in use, ended with it.

All phones of a person stand in one line of generations of their own, apart from the person's printed codes: a new phone
kills the older phone's code and leaves the paper alone. A renewal keeps id, generation and status slot, so that one
state ends every text the phone ever got.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from registry.codes import rules
from registry.codes import service as codes
from registry.codes.tables import Code
from registry.errors import NotFoundError, TransitionError
from registry.work import Work
from verifier.code import CodeClaims, CodeKind, Grant, open_code, sign_code
from verifier.presentation import device_key
from verifier.status import CHINESE, Status
from verifier.suites import PublicKey, SigningKey

Wanted = Mapping[str, list[str]]

_LINE = "devices"


def check_held(work: Work, holder_index: bytes, wanted: Wanted) -> None:
    """Raises InvalidDraftError unless the person holds everything that is to be shown."""
    codes.grants_of(work, holder_index, wanted)


def issue(
    work: Work,
    holder_index: bytes,
    wanted: Wanted,
    device: PublicKey,
    department: str,
    lasts: timedelta,
    key: SigningKey,
) -> Code:
    """The next generation of the person's phone codes, granting what the person holds now of what is wanted.

    The caller ends the older phone's code. Raises BusyError.
    """
    subject = work.blind.of(_LINE, holder_index.hex()).hex()
    grants = codes.grants_of(work, holder_index, wanted, all_of_them=False)
    older = codes.newest(work, CodeKind.PERSON, subject)
    generation = (older.generation if older else 0) + 1
    return codes.store(
        work, CodeKind.PERSON, subject, None, grants, dict(wanted), lasts, generation,
        key, department, device,
    )  # fmt: skip


def renew(work: Work, code_id: str, holder_index: bytes, lasts: timedelta, after: timedelta, key: SigningKey) -> Code:
    """The code with a later end and the grants of today, where it is older than `after` or they have changed.

    Raises TransitionError for a code out of force.
    """
    code = get(work, code_id, for_update=True)
    if code.status != Status.VALID:
        status = Status(code.status)
        message = f"手机上的码{CHINESE[status]}，请到窗口重新登记。"
        raise TransitionError(status.name.lower(), "renew", message, reason=f"code_{status.name.lower()}")
    grants = codes.grants_of(work, holder_index, code.wanted, all_of_them=False)
    if grants == grants_in(code) and work.at < code.issued_at + after:
        return code
    code.issued_at = work.at.replace(microsecond=0)
    code.expires_at = code.issued_at + lasts
    code.text, *code.grant_texts = [sign_code(one, key) for one in rules.apart(_claims(code, grants))]
    codes.record(work, code)
    work.session.flush()
    return code


def grants_in(code: Code) -> tuple[Grant, ...]:
    """What a phone's code grants, in the order of its `grant_texts`."""
    return tuple(grant for text in code.grant_texts or () for grant in open_code(text)[2].grants)


def _claims(code: Code, grants: tuple[Grant, ...]) -> CodeClaims:
    return CodeClaims(
        kind=CodeKind(code.kind), code_id=bytes.fromhex(code.id), generation=code.generation,
        status_list=code.status_list, status_index=code.status_index, issued_at=code.issued_at,
        expires_at=code.expires_at, grants=grants, device_key=device_key(code.device_key),
    )  # fmt: skip


def end(work: Work, code_id: str, status: Status) -> None:
    """Put the code out of force; one that is so already stays as it is."""
    codes.retire(work, get(work, code_id, for_update=True), status)


def get(work: Work, code_id: str, *, for_update: bool = False) -> Code:
    """The phone's code of this id. Raises NotFoundError."""
    code = work.session.get(Code, code_id, with_for_update=for_update or None, populate_existing=for_update)
    if code is None or code.device_key is None:
        raise NotFoundError("code_unknown", "没有这个码，请核对编号。")
    return code
