"""An extract that its issuer has signed, kept with its log entry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from registry.extracts.tables import Extract
from registry.ids import id_bytes
from registry.log import service as log
from registry.uses.tables import Use
from registry.work import Work
from verifier import times
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.extract import Occasion


@dataclass(frozen=True, slots=True)
class Making:
    """An extract that is being made: for which use and occasion, which parts, and the holder's phone."""

    use: Use
    occasion: Occasion
    fields: tuple[str, ...]
    device_id: str | None


def store(work: Work, making: Making, text: str, made_by: str) -> Extract:
    """Keep the SD-JWT and submit its entry, which is the department's that asked for it."""
    use, occasion = making.use, making.occasion
    content = {
        "extract_id": occasion.id, "certificate_id": use.item_id, "use_id": use.id, "made_by": use.department,
        "receiver": occasion.receiver, "matter_code": occasion.matter_code, "purpose": occasion.purpose,
        "fields": list(making.fields), "made_at": times.to_text(occasion.made_at),
        "expires_at": times.to_text(occasion.ends_at), "sd_jwt_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }  # fmt: skip
    sealed = seal(content, work.draw)
    made = Extract(
        id=occasion.id, certificate_id=use.item_id, use_id=use.id, department=use.department,
        receiver=occasion.receiver, matter_code=occasion.matter_code, purpose=occasion.purpose,
        fields=list(making.fields), device_id=making.device_id, text=text, made_at=occasion.made_at, made_by=made_by,
        expires_at=occasion.ends_at, content=sealed.canonical, salts=sealed.salts, sha256=sealed.digest.sha256,
        sm3=sealed.digest.sm3,
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    facts: dict[str, int | str | bytes] = {"matter": made.matter_code, "fields": len(making.fields)}
    log.submit(work, Entry(Kind.EXTRACT, id_bytes(made.id), made.department, work.at, sealed.digest, facts))
    return made
