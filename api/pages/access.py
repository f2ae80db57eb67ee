"""The pages' rows of the access table: operation -> who may, how large, in which form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.access import ADMINISTRATOR, ANY, AUDITOR, PUBLIC, REGISTRAR, VENUE, WINDOW, Rule, may

_MIB: Final = 1024 * 1024


def _posting(roles: frozenset[str], *, asks: bool = False) -> Rule:
    return Rule(roles, body="form", asks=asks)


_READING = may(REGISTRAR, WINDOW, AUDITOR)
_CODING = may(REGISTRAR, WINDOW, VENUE)
_HOSTING = may(VENUE)
_WATCHING_VENUES = may(VENUE, ADMINISTRATOR, AUDITOR)
_USING = may(WINDOW)
_ADMINISTRATOR = may(ADMINISTRATOR)
_ISSUING = may(REGISTRAR)

PAGE_ACCESS: Final[Mapping[str, Rule]] = {
    "GET /": Rule(PUBLIC),
    "POST /settings": Rule(PUBLIC, body="form", asks=True, while_password_due=True),
    "GET /login": Rule(PUBLIC),
    "POST /login": Rule(PUBLIC, body="form", asks=True, bucket="logins"),
    "POST /logout": Rule(ANY, body="form", asks=True, while_password_due=True),
    "GET /password": Rule(ANY, while_password_due=True),
    "POST /password": Rule(ANY, body="form", asks=True, while_password_due=True),
    "GET /verify": Rule(PUBLIC),
    "POST /verify": Rule(PUBLIC, limit_bytes=17 * _MIB, body="form", asks=True, bucket="verifications"),
    "GET /status": Rule(PUBLIC),
    "GET /wallet": Rule(PUBLIC),
    "GET /wallet.webmanifest": Rule(PUBLIC),
    "GET /gate": Rule(PUBLIC),
    "GET /sw.js": Rule(PUBLIC),
    "GET /explore": Rule(PUBLIC),
    "GET /explore/{index}": Rule(PUBLIC),
    "GET /register": Rule(_ISSUING),
    "POST /register": Rule(_ISSUING, limit_bytes=4096 * _MIB, body="form"),
    "GET /register/single": Rule(_ISSUING),
    "POST /register/single": Rule(_ISSUING, limit_bytes=64 * _MIB, body="form"),
    "GET /register/templates/{type_code}.{form}": Rule(_ISSUING),
    "GET /imports": Rule(_ISSUING),
    "GET /imports/{import_id}": Rule(_ISSUING),
    "GET /imports/{import_id}/refused.{form}": Rule(_ISSUING),
    "POST /imports/{import_id}/mapping": Rule(_ISSUING, limit_bytes=256 * 1024, body="form"),
    "POST /imports/{import_id}/undo": _posting(_ISSUING),
    "POST /imports/{import_id}/register": _posting(_ISSUING),
    "POST /imports/{import_id}/{wish}": _posting(_ISSUING),
    "GET /certificates": Rule(_READING),
    "POST /certificates/search": _posting(_READING, asks=True),
    "GET /certificates/{certificate_id}": Rule(_READING),
    "POST /certificates/{certificate_id}": _posting(_READING),
    "POST /certificates/{certificate_id}/status": _posting(_ISSUING),
    "POST /certificates/{certificate_id}/code": _posting(may(REGISTRAR, WINDOW)),
    "GET /certificates/{certificate_id}/evidence": Rule(may(REGISTRAR, WINDOW)),
    "GET /certificates/{certificate_id}/files/{position}": Rule(may(REGISTRAR, WINDOW)),
    "GET /use": Rule(_USING),
    "POST /use": _posting(_USING, asks=True),
    "POST /use/authorise": _posting(_USING),
    "POST /uses": _posting(_USING),
    "GET /uses/{use_id}": Rule(may(WINDOW, AUDITOR)),
    "GET /codes": Rule(_CODING),
    "POST /codes": _posting(_CODING),
    "GET /codes/{code_id}": Rule(_CODING),
    "GET /codes/{code_id}/picture.{form}": Rule(_CODING),
    "POST /codes/{code_id}/reissue": _posting(_CODING),
    "POST /codes/{code_id}/loss": _posting(_CODING),
    "POST /codes/losses": _posting(may(REGISTRAR, WINDOW)),
    "GET /scans": Rule(may(WINDOW)),
    "POST /scans": _posting(may(WINDOW), asks=True),
    "GET /relatives": Rule(may(REGISTRAR, WINDOW)),
    "POST /relatives": _posting(may(REGISTRAR, WINDOW)),
    "POST /relatives/search": _posting(may(REGISTRAR, WINDOW), asks=True),
    "POST /relatives/{relative_id}/end": _posting(may(REGISTRAR, WINDOW)),
    "GET /delegations": Rule(_READING),
    "POST /delegations/search": _posting(_READING, asks=True),
    "POST /delegations": _posting(may(REGISTRAR, WINDOW)),
    "GET /delegations/{delegation_id}": Rule(_READING),
    "GET /delegations/{delegation_id}/chain.json": Rule(may(REGISTRAR, WINDOW)),
    "POST /delegations/{delegation_id}/signature": _posting(may(REGISTRAR, WINDOW)),
    "POST /delegations/{delegation_id}/revoke": _posting(may(REGISTRAR, WINDOW)),
    "GET /devices": Rule(may(WINDOW)),
    "POST /devices": _posting(may(WINDOW)),
    "POST /devices/search": _posting(may(WINDOW), asks=True),
    "POST /devices/{device_id}/end": _posting(may(WINDOW)),
    "GET /venues": Rule(_WATCHING_VENUES),
    "POST /venues": _posting(may(VENUE, ADMINISTRATOR)),
    "GET /venues/{venue_id}": Rule(_WATCHING_VENUES),
    "POST /venues/{venue_id}/rule": _posting(_HOSTING),
    "POST /venues/{venue_id}/passes": _posting(_HOSTING),
    "GET /venues/applications": Rule(may(WINDOW, VENUE, ADMINISTRATOR, AUDITOR)),
    "POST /venues/applications": _posting(may(WINDOW, VENUE)),
    "POST /venues/applications/{application_id}/decide": _posting(_HOSTING),
    "GET /venues/alarms": Rule(_WATCHING_VENUES),
    "POST /venues/alarms/{alarm_id}/close": _posting(_HOSTING),
    "GET /venues/{venue_id}/posters": Rule(_WATCHING_VENUES),
    "POST /venues/{venue_id}/posters": _posting(_HOSTING),
    "POST /posters/{code_id}/place": _posting(_HOSTING),
    "POST /posters/{code_id}/reports": Rule(PUBLIC, body="form", bucket="reports"),
    "GET /components": Rule(_WATCHING_VENUES),
    "GET /components/template.csv": Rule(_HOSTING),
    "POST /components/import": Rule(_HOSTING, limit_bytes=17 * _MIB, body="form"),
    "GET /components/faults": Rule(_WATCHING_VENUES),
    "POST /components/faults/{fault_id}/handle": _posting(_HOSTING),
    "POST /components/faults/{fault_id}/close": _posting(_HOSTING),
    "GET /components/faults/{fault_id}/photo": Rule(_HOSTING),
    "GET /components/{code}": Rule(PUBLIC),
    "POST /components/{code}/faults": Rule(PUBLIC, limit_bytes=6 * _MIB, body="form", bucket="reports"),
    "POST /components/{code}/inspections": _posting(_HOSTING),
    "POST /components/{code}/place": _posting(_HOSTING),
    "POST /components/{code}/remove": _posting(_HOSTING),
    "GET /keys": Rule(_ADMINISTRATOR),
    "POST /keys/rotate": _posting(_ADMINISTRATOR),
    "GET /accounts": Rule(_ADMINISTRATOR),
    "POST /accounts": _posting(_ADMINISTRATOR),
    "POST /accounts/{account_id}/password": _posting(_ADMINISTRATOR),
    "POST /accounts/{account_id}/disable": _posting(_ADMINISTRATOR),
    "POST /tokens": _posting(_ADMINISTRATOR),
    "POST /tokens/{token_id}/revoke": _posting(_ADMINISTRATOR),
}
