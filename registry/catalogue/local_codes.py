"""Codes of types in other catalogues: many local codes stand for one national type."""

from __future__ import annotations

import re

from sqlalchemy import delete, select

from registry import upserts
from registry.catalogue import service as catalogue
from registry.catalogue.tables import LocalTypeCode
from registry.errors import DuplicateError, FieldError, InvalidDraftError, NotFoundError
from registry.work import Work

#: Shorter than the 21 characters of a national code, so that neither is taken for the other. The municipal catalogue's
#: have 15 digits.
_LOCAL_CODE = re.compile(r"[0-9A-Z-]{4,20}", re.ASCII)


def add(work: Work, type_code: str, local_code: str) -> LocalTypeCode:
    """Let a local code stand for a type. Repeating it changes nothing.

    Raises NotFoundError (type), InvalidDraftError, DuplicateError (the code stands for another type).
    """
    national = catalogue.get_type(work, type_code).code
    if not _LOCAL_CODE.fullmatch(local_code):
        message = "目录代码应为 4 至 20 位数字、大写字母或连字符，如 310105109000100。"
        raise InvalidDraftError([FieldError("local_code", "wrong_form", message)])
    row = {"local_code": local_code, "type_code": national, "added_at": work.at, "added_by": work.actor.id}
    work.session.execute(upserts.insert_or_ignore(work.session, LocalTypeCode), [row])
    stands = work.session.get_one(LocalTypeCode, local_code)
    if stands.type_code != national:
        name = catalogue.get_type(work, stands.type_code).name
        message = f"目录代码 {local_code} 已对应“{name}”，一个代码只能对应一个类型。"
        raise DuplicateError("local_code_taken", message, stands.type_code)
    return stands


def remove(work: Work, type_code: str, local_code: str) -> None:
    """Take a local code away from a type. Raises NotFoundError."""
    mine = (LocalTypeCode.local_code == local_code, LocalTypeCode.type_code == type_code)
    if not work.session.execute(delete(LocalTypeCode).where(*mine).returning(LocalTypeCode.local_code)).all():
        raise NotFoundError("local_code_unknown", "该类型没有这个目录代码。")


def codes_by_type(work: Work) -> dict[str, list[str]]:
    """The local codes of every type that has some, in order."""
    found: dict[str, list[str]] = {}
    for row in work.session.scalars(select(LocalTypeCode).order_by(LocalTypeCode.local_code)):
        found.setdefault(row.type_code, []).append(row.local_code)
    return found
