"""What the reader in the browser (`/gate`) says: it works without the server, so it gets its words with the page."""

from __future__ import annotations

from typing import Any

from api.pages.texts import TEXTS, Texts
from verifier.code import CodeKind
from verifier.delegation import Role
from verifier.errors import Check


def reader_texts(t: Texts) -> dict[str, Any]:
    """Words of verdicts, reasons, checks, labels of facts, and what the page says of itself."""
    return {
        "words": {
            "valid": t("verdict.valid"), "invalid": t("verdict.invalid"),
            "not_in_force": t("verdict.not_in_force"), "undecided": t("verdict.undecided"),
        },
        "notOurs": t("verdict.not_ours"),
        "gate": {
            "valid": t("gate.valid"), "invalid": t("gate.invalid"),
            "not_in_force": t("gate.not_in_force"), "undecided": t("gate.undecided"),
        },
        "reasons": _family("reason.", t),
        "gateReasons": _family("visit.", t),
        "checks": {check.value: t.find(f"check.name.{check.value}") for check in Check},
        "outcomes": {
            "passed": t("check.passed"), "failed": t("check.failed"), "not_checked": t("check.not_checked"),
        },
        "kinds": {
            **{kind.name.lower(): t.find(f"codes.{kind.name.lower()}") for kind in CodeKind},
            "delegated": t("codes.delegated"), "eu-dcc": t("foreign.eu_dcc"),
        },
        "roles": {role.name.lower(): t.find(f"delegations.role.{role.name.lower()}") for role in Role},
        "unlimited": t("delegations.unlimited"), "longTerm": t("date.long_term"),
        "records": {
            "vaccination": t("foreign.vaccination"), "test": t("foreign.test"), "recovery": t("foreign.recovery"),
        },
        "labels": _labels(t), "door": _door(t), "camera": _camera(t),
        "holds": t("gate.holds"), "anywhere": t("gate.anywhere"),
        "trust": t("gate.trust"), "noTrust": t("gate.no_trust"), "badTrust": t("gate.bad_trust"),
        "trustLate": t("reader.trust_late"), "trustEnded": t("reader.trust_ended"),
        "fallback": t("gate.fallback"), "noCode": t("gate.no_code"),
        "tooLarge": t("reader.too_large"), "unknownFile": t("reader.unknown_file"),
        "pdfAlone": t("reader.pdf_alone"), "filesElsewhere": t("reader.files_elsewhere"),
        "compared": t("reader.compared"),
    }  # fmt: skip


def _family(prefix: str, t: Texts) -> dict[str, str | None]:
    return {key.removeprefix(prefix): t.find(key) for key in TEXTS if key.startswith(prefix)}


def _labels(t: Texts) -> dict[str, str]:
    return {
        "kind": t("codes.kind"), "name": t("codes.name"), "place": t("fact.place"), "grants": t("fact.grants"),
        "until": t("codes.until"), "certificate": t("fact.certificate_name"), "number": t("fact.certificate_number"),
        "authority": t("fact.issuer"), "issued": t("fact.issued"), "validTo": t("fact.valid_to"),
        "uscc": t("codes.uscc"), "chain": t("delegations.chain"), "scope": t("delegations.scope"),
        "country": t("foreign.country"), "bearer": t("foreign.bearer"), "day": t("foreign.day"),
        "doses": t("foreign.doses"),
        "copyNumber": t("reader.copy_number"), "purpose": t("reader.purpose"), "receiver": t("reader.receiver"),
        "holder_name": t("reader.holder_name"), "holder_code": t("reader.holder_code"),
        "certificate_number": t("fact.certificate_number"), "area_code": t("reader.area_code"),
        "certificate_identifier": t("reader.identifier"),
    }  # fmt: skip


def _door(t: Texts) -> dict[str, str]:
    return {
        "done": t("reader.door_done"), "sending": t("reader.door_sending"), "waiting": t("reader.door_waiting"),
        "refused": t("reader.door_refused"), "no_token": t("reader.door_no_token"), "in_use": t("reader.door_in_use"),
    }  # fmt: skip


def _camera(t: Texts) -> dict[str, str]:
    return {
        "start": t("gate.camera"), "stop": t("gate.camera_stop"),
        "denied": t("reader.camera_denied"), "none": t("reader.camera_none"), "busy": t("reader.camera_busy"),
        "insecure": t("reader.camera_insecure"), "other": t("reader.camera_other"),
    }  # fmt: skip
