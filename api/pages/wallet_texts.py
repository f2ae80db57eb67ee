"""What the pages of the wallet say by their scripts: they work without the server, so the page brings their words."""

from __future__ import annotations

from typing import Any, Final

from api.pages.texts import Texts

#: Why the registry refuses what a phone asks, as far as a phone's owner can do something about it.
_REFUSALS: Final = (
    "already_signed", "code_out_of_force", "delegation_revoked", "device_known", "device_unknown", "numbers_contended",
    "ticket_expired", "ticket_locked", "ticket_unknown", "ticket_used", "too_many_numbers", "too_many_requests",
    "wrong_pin",
)  # fmt: skip

#: Why a delegation has no code to show, with what to do about it.
_UNUSABLE: Final = ("awaiting", "suspended", "no_code", "expired")


def wallet_texts(t: Texts) -> dict[str, Any]:
    """The texts of `/wallet`."""
    return {
        **_common(t),
        "certificate": t("wallet.certificate"), "pass": t("wallet.pass"), "longTerm": t("date.long_term"),
        "codeUntil": t("wallet.code_until"), "sureToRemove": t("wallet.sure"), "nothing": t("wallet.nothing"),
        "nothingAbout": t("wallet.nothing_about"), "used": t("wallet.used"), "scanned": t("wallet.scanned"),
        "admitted": t("wallet.admitted"), "refused": t("wallet.refused"), "noUses": t("wallet.no_uses"),
        "numberUntil": t("wallet.number_until"),
        "ended": {
            "device_lost": t("wallet.ended_lost"), "device_withdrawn": t("wallet.ended_withdrawn"),
            "device_replaced": t("wallet.ended_replaced"), "other": t("wallet.ended_other"),
        },
    }  # fmt: skip


def extract_texts(t: Texts) -> dict[str, Any]:
    """The texts of extracts in `/wallet`."""
    return {
        **_refusals(t),
        "show": t("wallet.extracts_show"), "forWhom": t("wallet.extracts_for"),
        "noFields": t("wallet.extracts_no_fields"), "until": t("wallet.until"),
        "telling": t("wallet.extracts_telling"), "none": t("wallet.extracts_none"),
        "noNetwork": t("wallet.no_network"), "comma": t("list.separator"),
    }  # fmt: skip


def delegate_texts(t: Texts) -> dict[str, Any]:
    """The texts of `/wallet/delegated`."""
    return {
        **_common(t),
        "sureToRemove": t("delegate.sure"), "notYet": t("delegate.not_yet"), "notForThis": t("delegate.not_for_this"),
        "notALink": t("delegate.not_a_link"), "sign": t("delegate.sign"), "signed": t("delegate.signed"),
        "copied": t("form.copied"),
        "roles": {role: t(f"delegations.role.{role}") for role in ("representative", "manager", "handler")},
        "states": {state: t(f"delegate.{state}") for state in (*_UNUSABLE, "revoked", "early")},
        "dead": {state: t(f"delegate.{state}_about") for state in _UNUSABLE},
    }  # fmt: skip


def _common(t: Texts) -> dict[str, Any]:
    return {
        **_refusals(t),
        "until": t("wallet.until"), "fresh": t("wallet.fresh"), "offline": t("wallet.offline"),
        "refreshed": t("wallet.refreshed"), "noNetwork": t("wallet.no_network"), "cannotDraw": t("wallet.cannot_draw"),
        "comma": t("list.separator"),
    }  # fmt: skip


def _refusals(t: Texts) -> dict[str, Any]:
    """In Chinese the registry's own sentence says more, such as how many tries are left."""
    by_reason = {} if t.language == "zh" else {reason: t(f"reason.{reason}") for reason in _REFUSALS}
    return {"refusals": by_reason, "refusedOtherwise": t("wallet.refused_otherwise")}
