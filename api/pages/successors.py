"""What the form of a successor begins with: the face of the certificate whose place it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import orjson

from api.imports.columns import columns_of
from api.pages.certificate_page import sees_whole
from registry.catalogue.rules import TypeDefinition
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.errors import NotPermittedError
from registry.statuses.rules import Operation
from registry.work import Work
from verifier.times import compact_date, shanghai_day

_LIST_MARK: Final = "、"
_LAST_VERSION: Final = 999


def successor_values(work: Work, definition: TypeDefinition, certificate_id: str, by: str) -> dict[str, str]:
    """The form's values by the names of its inputs.

    Only a registrar of the issuer gets the face; one who takes in what another transferred out gets the reference.
    Raises NotFoundError, NotPermittedError (of another type), TransitionError (no such operation).
    """
    row = certificates.get(work, certificate_id)
    if row.type_code != definition.code:
        raise NotPermittedError("predecessor_of_another_type", "关联证照与本证照的类型不同，请从原证照的页面进入。")
    reference = {"associated_identifier": row.identifier}
    if not sees_whole(work, row):
        return reference
    today = shanghai_day(work.at)
    return {**_kept(orjson.loads(row.face), definition), **_dates(row, Operation.of(by), today), **reference}


def _kept(face: Mapping[str, Any], definition: TypeDefinition) -> dict[str, str]:
    """What stays as it was: number, holders, the type's own fields; the version counts on."""
    version = min(int(face["certificate_version"]) + 1, _LAST_VERSION)
    values = {
        "certificate_number": str(face["certificate_number"]),
        "certificate_version": f"{version:03d}",
        "area_code": str(face["area_code"]),
    }
    for place, holder in enumerate(face["holders"]):
        values |= {f"holders.{place}.{name}": str(value) for name, value in holder.items()}
    for column in columns_of(definition):
        value = face["extend_info"].get(column.field.removeprefix("extend_info."))
        if column.field.startswith("extend_info.") and value is not None:
            values[column.field] = _written(value, column.kind)
    return values


def _written(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return _LIST_MARK.join(part for part in value if isinstance(part, str))
    return compact_date(value).isoformat() if kind == "day" else str(value)


def _dates(row: Certificate, operation: Operation, today: date) -> dict[str, str]:
    """Issued today. A renewal follows on the old period, its end is to be filled in; a change keeps the period."""
    if operation is Operation.RENEW:
        follows_on = row.valid_to_on is not None and row.valid_to_on >= today
        begins = row.valid_to_on + timedelta(days=1) if follows_on and row.valid_to_on else today
        return {"issue_date": today.isoformat(), "valid_from": begins.isoformat(), "valid_to": ""}
    # A field of a day that is left empty is 长期.
    ends = "" if row.valid_to_on is None else row.valid_to_on.isoformat()
    return {"issue_date": today.isoformat(), "valid_from": row.valid_from_on.isoformat(), "valid_to": ends}
