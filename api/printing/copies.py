"""The PDF of a derived copy."""

from __future__ import annotations

from api.pages.faces import face_of
from api.printing.printer import print_pdf
from codes import picture
from registry.catalogue.rules import TypeDefinition
from registry.copies.service import CopyPlan
from verifier import times


def print_copy(planned: CopyPlan, definition: TypeDefinition) -> bytes:
    """The certificate's face with purpose, receiver, end and code across and below it. Raises FontMissingError."""
    face, request = face_of(planned.face, definition), planned.request
    ends = times.for_people(request.expires_at)
    data = {
        "face": {
            "title": face.title, "number": face.number, "validity": face.validity, "issuer": face.issuer,
            "issued": face.issued, "emblem": face.emblem, "footer": face.footer,
            "facts": [{"label": fact.label, "value": fact.value} for fact in face.facts],
        },
        "copy": {
            "number": f"{planned.number:04d}（{planned.id}）", "purpose": request.purpose,
            "matter": planned.matter_name, "receiver": request.receiver, "made_by": planned.department_name,
            "made_at": times.for_people(planned.made_at), "expires_at": ends,
        },
        "code": picture.draw_svg(planned.code, picture.SCREEN, title="加注件核验码"),
        "marks": f"仅限用于{request.purpose} · {request.receiver} · {ends}前有效",
    }  # fmt: skip
    return print_pdf("copy", data, planned.made_at)
