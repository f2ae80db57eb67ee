"""Every change that two administrators decide about: what it starts from, what it makes of it, and how it is done.

Arguments are plain JSON, so that they can wait. A snapshot holds what a decision rests on and the change would replace.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sqlalchemy import select

from registry.accounts import service as accounts
from registry.accounts import tokens
from registry.catalogue import drafting
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.departments import standing
from registry.departments.tables import Scope
from registry.errors import NotPermittedError
from registry.factors import service as factors
from registry.keys import own
from registry.keys.rules import check_rotation, department_purpose
from registry.keys.service import KeyService, periods_in
from registry.keys.tables import KeyRow
from registry.trust import certificates
from registry.venues.tables import Venue
from registry.work import Work
from verifier.suites import Suite, public_key

Arguments: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a change made, and secrets to be shown this once, by name."""

    value: Any
    once: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """snapshot: what it starts from; after: what it makes of that; apply: do it. draws: it makes a key, which a trial
    of it would leave behind."""

    snapshot: Callable[[Work, Arguments], dict[str, Any]]
    after: Callable[[Work, Arguments], dict[str, Any]]
    apply: Callable[[Work, Arguments, KeyService], Applied]
    draws: bool = False


def _named(*names: str) -> Callable[[Work, Arguments], dict[str, Any]]:
    return lambda _, given: {name: given[name] for name in names}


# Departments and scopes.


def _department(work: Work, given: Arguments) -> dict[str, Any]:
    row = departments.find(work, given["code"])
    return {} if row is None else {"code": row.code, "name": row.name, "short_name": row.short_name, "level": row.level}


def _register(work: Work, given: Arguments, _: KeyService) -> Applied:
    return Applied(departments.register(work, given["code"], given["name"], given["short_name"], given["level"]))


def _standing(work: Work, given: Arguments) -> dict[str, Any]:
    decided = standing.history(work, given["code"])
    newest = decided[-1] if decided else None
    return {"state": newest.state if newest else "active", "since_at": newest.since_at.isoformat() if newest else None}


def _reinstate(work: Work, given: Arguments, _: KeyService) -> Applied:
    return Applied(standing.reinstate(work, given["code"], given["reason"]))


def _scopes(work: Work, given: Arguments) -> dict[str, Any]:
    found = select(Scope).where(
        Scope.department == given["department"], Scope.type_code == given["type_code"], Scope.action == given["action"]
    )
    rows = work.session.scalars(found.order_by(Scope.valid_from_on))
    return {"periods": [f"{row.valid_from_on} – {row.valid_to_on or ''}" for row in rows]}


def _grant(work: Work, given: Arguments, _: KeyService) -> Applied:
    first, last = _day(given["valid_from_on"]), _day(given["valid_to_on"])
    granted = departments.grant_scope(work, given["department"], given["type_code"], given["action"], first, last)
    return Applied(granted)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


# Keys.


def _newest_key(work: Work, purpose: str) -> dict[str, Any]:
    found = select(KeyRow).where(KeyRow.purpose == purpose).order_by(KeyRow.valid_from.desc(), KeyRow.kid).limit(1)
    row = work.session.scalars(found).first()
    return {} if row is None else {"kid": row.kid.hex(), "vault": row.vault, "valid_to": _text(row.valid_to)}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _own_key(work: Work, given: Arguments) -> dict[str, Any]:
    row = own.get_proved(work, given["challenge_id"])
    key = public_key(row.suite, row.public)
    return {
        "kid": key.kid.hex(), "vault": "department", "suite": key.suite.name, "public": key.raw.hex(),
        "valid_from": _text(row.valid_from), "valid_to": _text(row.valid_to),
    }  # fmt: skip


def _rotation(work: Work, given: Arguments) -> dict[str, Any]:
    suite = None if given["suite"] is None else Suite[given["suite"]]
    check_rotation(given["purpose"], suite, periods_in(work.session.connection(), given["purpose"]), work.at)
    return {name: given[name] for name in ("purpose", "lead_hours", "suite")}


def _rotate(work: Work, given: Arguments, keys: KeyService) -> Applied:
    suite = None if given["suite"] is None else Suite[given["suite"]]
    connection, lead = work.session.connection(), timedelta(hours=given["lead_hours"])
    return Applied(keys.rotate_in(connection, given["purpose"], work.at, lead=lead, suite=suite))


def _own_key_end(work: Work, given: Arguments) -> dict[str, Any]:
    row = own.find(work, given["department"], bytes.fromhex(given["kid"]))
    return {"valid_to": _text(row.valid_to), "ended_as": row.ended_as}


def _compromised(work: Work, given: Arguments, _: KeyService) -> Applied:
    at = datetime.fromisoformat(given["compromised_at"])
    return Applied(own.end(work, given["department"], bytes.fromhex(given["kid"]), given["reason"], at))


def _undone(work: Work, given: Arguments) -> dict[str, Any]:
    at = datetime.fromisoformat(given["compromised_at"])
    count = own.signed_since(work.session, given["department"], at, None)
    return {"valid_to": given["compromised_at"], "ended_as": "compromised", "entries_undone": count}


# Accounts and tokens.


def _account_named(work: Work, given: Arguments) -> dict[str, Any]:
    row = accounts.find_staff(work, given["username"])
    return {} if row is None else {"username": row.username, "roles": list(row.roles)}


def _create_account(work: Work, given: Arguments, _: KeyService) -> Applied:
    made = accounts.create_staff(work, given["username"], given["name"], given["roles"], given["department"])
    return Applied(made.staff, {"one_time_password": made.one_time_password or ""})


def _account(work: Work, given: Arguments) -> dict[str, Any]:
    row = accounts.get_staff(work, given["account_id"])
    return {"username": row.username, "roles": list(row.roles), "disabled": row.disabled_at is not None}


def _roles_after(work: Work, given: Arguments) -> dict[str, Any]:
    return {**_account(work, given), "roles": sorted(given["roles"])}


def _set_roles(work: Work, given: Arguments, _: KeyService) -> Applied:
    return Applied(accounts.set_roles(work, given["account_id"], given["roles"]))


def _reset(work: Work, given: Arguments, _: KeyService) -> Applied:
    password = accounts.reset_password(work, given["account_id"])
    return Applied(accounts.get_staff(work, given["account_id"]), {"one_time_password": password})


def _shut_account(work: Work, given: Arguments) -> dict[str, Any]:
    row = accounts.get_staff(work, given["account_id"])
    state = "open" if row.disabled_at is None else "disabled"
    return {"username": row.username, "roles": list(row.roles), "state": state, "since_at": _text(row.disabled_at)}


def _opened(work: Work, given: Arguments) -> dict[str, Any]:
    return {**_shut_account(work, given), "state": "open", "since_at": None}


def _reopen(work: Work, given: Arguments, _: KeyService) -> Applied:
    password = accounts.reopen_staff(work, given["account_id"], given["reason"])
    return Applied(accounts.get_staff(work, given["account_id"]), {"one_time_password": password})


def _factor(work: Work, given: Arguments) -> dict[str, Any]:
    row, since_at = accounts.get_staff(work, given["account_id"]), factors.standing(work, given["account_id"]).since_at
    return {"username": row.username, "second_factor_since": _text(since_at)}


def _factor_after(work: Work, given: Arguments) -> dict[str, Any]:
    if work.actor.id == f"staff:{given['account_id']}":
        # It would be a way round the code of one's own app.
        message = "不能这样解除自己的双重验证；请用验证码或备用码关闭，或由另一名管理员办理。"
        raise NotPermittedError("not_oneself", message)
    return {**_factor(work, given), "second_factor_since": None}


def _remove_factor(work: Work, given: Arguments, _: KeyService) -> Applied:
    return Applied(factors.remove(work, given["account_id"]))


def _token_after(work: Work, given: Arguments) -> dict[str, Any]:
    named = {name: given[name] for name in ("name", "department", "roles", "expires_at")}
    wanted = given.get("venues")
    if wanted is None:
        return named
    names = work.session.scalars(select(Venue.name).where(Venue.id.in_(wanted)).order_by(Venue.name))
    return {**named, "venues": list(names)}


def _create_token(work: Work, given: Arguments, _: KeyService) -> Applied:
    expires_at = datetime.fromisoformat(given["expires_at"])
    # Proposals from before gates had venues do not name any.
    venues = given.get("venues")
    made = tokens.create(work, given["name"], given["department"], given["roles"], expires_at, venues)
    return Applied(made.token, {"secret": made.secret})


# Types, and certificates of others.


def _published(work: Work, given: Arguments) -> dict[str, Any]:
    """The draft as it is, too: whoever approves has looked at that."""
    draft = drafting.get(work, given["draft_id"])
    present = None if draft.type_code is None else catalogue.find_type(work, draft.type_code)
    return {"version": present.version if present else None, "draft_revision": draft.revision}


def _to_publish(work: Work, given: Arguments) -> dict[str, Any]:
    wanted = drafting.sheet(drafting.get(work, given["draft_id"]))
    version, revision = wanted.based_on + 1, given["revision"]
    return {"name": wanted.name, "type_code": wanted.code, "version": version, "draft_revision": revision}


def _publish(work: Work, given: Arguments, _: KeyService) -> Applied:
    return Applied(drafting.publish(work, given["draft_id"], given["revision"]))


def _digest(given: Arguments) -> bytes:
    return hashlib.sha256(base64.b64decode(given["certificate"])).digest()


def _trusted(work: Work, given: Arguments) -> dict[str, Any]:
    row = certificates.find(work, given["kind"], _digest(given))
    return {} if row is None else {"name": row.name, "sha256": row.digest.hex()}


def _to_trust(_work: Work, given: Arguments) -> dict[str, Any]:
    return {**{name: given[name] for name in ("kind", "profile", "name")}, "sha256": _digest(given).hex()}


def _trust(work: Work, given: Arguments, _: KeyService) -> Applied:
    der = base64.b64decode(given["certificate"])
    return Applied(certificates.add(work, given["kind"], given["name"], der, given["reason"], given["profile"]))


ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "department.register": Action(_department, _named("code", "name", "short_name", "level"), _register),
        "department.reinstate": Action(_standing, lambda *_: {"state": "active"}, _reinstate),
        "scope.grant": Action(
            _scopes, _named("department", "type_code", "action", "valid_from_on", "valid_to_on"), _grant
        ),
        "key.own": Action(
            lambda work, given: _newest_key(work, department_purpose(given["department"])),
            _own_key,
            lambda work, given, _: Applied(own.install(work, given["challenge_id"])),
        ),
        "key.service": Action(
            lambda work, given: _newest_key(work, department_purpose(given["department"])),
            lambda *_: {"vault": "files"},
            lambda work, given, keys: Applied(own.return_to_service(work, keys, given["department"])),
            draws=True,
        ),
        "key.rotate": Action(
            lambda work, given: _newest_key(work, given["purpose"]),
            _rotation,
            _rotate,
            draws=True,
        ),
        "key.compromised": Action(_own_key_end, _undone, _compromised),
        "account.create": Action(_account_named, _named("username", "name", "roles", "department"), _create_account),
        "account.roles": Action(_account, _roles_after, _set_roles),
        "account.password": Action(_account, _account, _reset),
        "account.reopen": Action(_shut_account, _opened, _reopen),
        "account.factor": Action(_factor, _factor_after, _remove_factor),
        "type.publish": Action(_published, _to_publish, _publish),
        "trust.certificate": Action(_trusted, _to_trust, _trust),
        "token.create": Action(lambda *_: {}, _token_after, _create_token),
    }
)
