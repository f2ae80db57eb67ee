"""What the figures of quality are counted from: the index of days of issue, and faces read in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Date, String, cast, func, select

from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates.tables import Certificate
from registry.quality import rules
from registry.quality.rules import Fault
from registry.work import Work
from verifier.times import shanghai_day

_CHUNK: Final = 500

#: (type code, department).
Cell = tuple[str, str]


def of_month(month: date) -> ColumnElement[bool]:
    """Issued in the month."""
    return (Certificate.issued_on >= month) & (Certificate.issued_on < rules.month_after(month))


def registered_on(work: Work) -> ColumnElement[Any]:
    """The day of registration in Shanghai: a date on PostgreSQL, its ISO text on SQLite."""
    if work.session.get_bind().dialect.name == "postgresql":
        return cast(func.timezone("Asia/Shanghai", Certificate.registered_at), Date)
    return func.date(Certificate.registered_at, "+8 hours", type_=String)


def examined(
    work: Work, month: date, limit: int, *, type_code: str | None = None, department: str | None = None
) -> Iterator[tuple[str, list[Fault]]]:
    """(certificate id, its faults) of up to `limit` certificates of a month, those issued last first."""
    query = select(
        Certificate.id, Certificate.type_code, Certificate.type_version, Certificate.registered_at, Certificate.face
    ).where(of_month(month))
    # Concatenated, so that no plan starts from the indexes of types or departments, which do not know the month.
    if type_code is not None:
        query = query.where(Certificate.type_code.concat("") == type_code)
    if department is not None:
        query = query.where(Certificate.department.concat("") == department)
    query = query.order_by(Certificate.issued_on.desc(), Certificate.registered_at.desc(), Certificate.id)
    versions: dict[tuple[str, int], TypeDefinition] = {}
    rows = work.session.execute(query.limit(limit).execution_options(yield_per=_CHUNK))
    for certificate_id, code, version, registered_at, face in rows:
        if (code, version) not in versions:
            versions[code, version] = catalogue.definition_at(work, code, version)
        yield certificate_id, rules.faults(orjson.loads(face), versions[code, version], shanghai_day(registered_at))
