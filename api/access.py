"""Who may call what: the one table. An operation that is not here cannot be served; see api.app.create_app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ADMINISTRATOR, REGISTRAR, WINDOW, VENUE, AUDITOR = "administrator", "registrar", "window", "venue", "auditor"
#: A gate's token: it hands visits in. Trust bundles, with the rules of venues in them, are public.
GATE = "gate"
ROLES = frozenset({ADMINISTRATOR, REGISTRAR, WINDOW, VENUE, AUDITOR, GATE})

#: No account is needed.
PUBLIC = frozenset({"public"})
#: Whoever has proved who they are, whatever the roles; but no mere gate.
ANY = frozenset({"any"})

_KIB, _MIB = 1024, 1024 * 1024

Body = Literal["json", "form", "streamed"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one operation asks of its caller.

    roles: PUBLIC, ANY, or roles one of which is enough. limit_bytes: the largest body. body: what the body is;
    "streamed" is read by the operation itself. asks: the method is POST but nothing is written, so no Idempotency-Key
    is due. bucket: the rate limit that anonymous callers share by address. while_password_due: allowed before the
    one-time password was changed. while_suspended: allowed to a department that is suspended: it only takes something
    out of force, or hands in what happened before. while_factor_due: allowed before a second factor that is asked for
    was set up, as is what may be done before the password was changed.
    """

    roles: frozenset[str]
    limit_bytes: int = 64 * _KIB
    body: Body = "json"
    asks: bool = False
    bucket: Literal["verifications", "logins", "reports"] | None = None
    while_password_due: bool = False
    while_suspended: bool = False
    while_factor_due: bool = False

    @property
    def is_public(self) -> bool:
        """Whether the operation needs no account."""
        return self.roles is PUBLIC or self.roles == PUBLIC

    def allows(self, roles: frozenset[str]) -> bool:
        """Whether an authenticated caller with these roles may call the operation."""
        if self.is_public:
            return True
        return roles != {GATE} if self.roles == ANY else not self.roles.isdisjoint(roles)

    def allows_suspended(self, roles: frozenset[str]) -> bool:
        """Whether an account of a suspended department may call the operation: what is no department's business, such
        as leaving, and what administrators decide."""
        decides = ADMINISTRATOR in roles and ADMINISTRATOR in self.roles
        return self.while_suspended or self.is_public or self.roles == ANY or decides


def may(*roles: str) -> frozenset[str]:
    """The roles one of which an operation asks for. Raises ValueError for a role that does not exist."""
    unknown = set(roles) - ROLES
    if unknown or not roles:
        raise ValueError(f"no such role: {sorted(unknown)}")
    return frozenset(roles)


_ADMINISTRATOR = Rule(may(ADMINISTRATOR))
_ISSUING = Rule(may(REGISTRAR))
_READING = Rule(may(REGISTRAR, WINDOW, AUDITOR))
_HANDLING = Rule(may(REGISTRAR, WINDOW))
_CODING = Rule(may(REGISTRAR, WINDOW, VENUE))
_ENDING = Rule(may(REGISTRAR, WINDOW), while_suspended=True)
_LOSING = Rule(may(REGISTRAR, WINDOW, VENUE), while_suspended=True)
_HOSTING = Rule(may(VENUE))
_ANYONE_KNOWN = Rule(ANY)
_PUBLIC = Rule(PUBLIC)

#: Operation ("METHOD /path/{template}") -> rule, for everything but the pages, whose rows stand beside them and are
#: added to the same table by create_app.
OPERATIONS: Mapping[str, Rule] = {
    "POST /api/v1/sessions": Rule(PUBLIC, asks=True, bucket="logins"),
    "GET /api/v1/sessions": Rule(ANY, while_password_due=True),
    "DELETE /api/v1/sessions": Rule(ANY, asks=True, while_password_due=True),
    "POST /api/v1/sessions/code": Rule(PUBLIC, asks=True, bucket="logins"),
    "POST /api/v1/password": Rule(ANY, asks=True, while_password_due=True),
    "GET /api/v1/second-factor": Rule(ANY, while_factor_due=True),
    "POST /api/v1/second-factor": Rule(ANY, asks=True, while_factor_due=True),
    "POST /api/v1/second-factor/confirm": Rule(ANY, asks=True, while_factor_due=True),
    "POST /api/v1/second-factor/recovery-codes": Rule(ANY, asks=True),
    "POST /api/v1/second-factor/end": Rule(ANY, asks=True),
    "POST /api/v1/accounts": _ADMINISTRATOR,
    "GET /api/v1/accounts": _ADMINISTRATOR,
    "DELETE /api/v1/accounts/{account_id}": _ADMINISTRATOR,
    "POST /api/v1/accounts/{account_id}/password": _ADMINISTRATOR,
    "POST /api/v1/accounts/{account_id}/reopen": _ADMINISTRATOR,
    "POST /api/v1/accounts/{account_id}/roles": _ADMINISTRATOR,
    "POST /api/v1/accounts/{account_id}/second-factor/remove": _ADMINISTRATOR,
    "POST /api/v1/tokens": _ADMINISTRATOR,
    "GET /api/v1/tokens": _ADMINISTRATOR,
    "DELETE /api/v1/tokens/{token_id}": _ADMINISTRATOR,
    "GET /api/v1/trust/certificates": Rule(may(ADMINISTRATOR, AUDITOR)),
    "POST /api/v1/trust/certificates": _ADMINISTRATOR,
    "POST /api/v1/trust/certificates/{certificate_id}/remove": _ADMINISTRATOR,
    "POST /api/v1/trust/root": _ADMINISTRATOR,
    "GET /api/v1/keys": _ADMINISTRATOR,
    "POST /api/v1/keys/rotate": _ADMINISTRATOR,
    "POST /api/v1/departments": _ADMINISTRATOR,
    "GET /api/v1/departments": _ANYONE_KNOWN,
    "POST /api/v1/departments/{code}/scopes": _ADMINISTRATOR,
    "POST /api/v1/departments/{code}/scopes/{scope_id}/end": _ADMINISTRATOR,
    "POST /api/v1/departments/{code}/suspend": _ADMINISTRATOR,
    "POST /api/v1/departments/{code}/reinstate": _ADMINISTRATOR,
    "GET /api/v1/departments/{code}/keys": _ANYONE_KNOWN,
    "POST /api/v1/departments/{code}/keys/challenges": Rule(may(ADMINISTRATOR, REGISTRAR)),
    "POST /api/v1/departments/{code}/keys": Rule(may(ADMINISTRATOR, REGISTRAR)),
    "POST /api/v1/departments/{code}/keys/{kid}/end": Rule(may(ADMINISTRATOR, REGISTRAR)),
    "POST /api/v1/departments/{code}/key-service": _ADMINISTRATOR,
    # Asked again it hands out anew, and a signature that was taken is taken: no key is due.
    "POST /api/v1/signatures/prepare": Rule(may(REGISTRAR), asks=True),
    "POST /api/v1/signatures/commit": Rule(may(REGISTRAR), limit_bytes=256 * _KIB, asks=True),
    "POST /api/v1/signatures/extracts/prepare": Rule(may(REGISTRAR), asks=True),
    "POST /api/v1/signatures/extracts/commit": Rule(may(REGISTRAR), limit_bytes=64 * _KIB, asks=True),
    "GET /api/v1/proposals": Rule(may(ADMINISTRATOR, AUDITOR, REGISTRAR)),
    "GET /api/v1/proposals/{proposal_id}": Rule(may(ADMINISTRATOR, AUDITOR, REGISTRAR)),
    "POST /api/v1/proposals/{proposal_id}/approve": _ADMINISTRATOR,
    "POST /api/v1/proposals/{proposal_id}/refuse": _ADMINISTRATOR,
    "POST /api/v1/proposals/{proposal_id}/withdraw": Rule(may(ADMINISTRATOR, REGISTRAR)),
    "GET /api/v1/types": _ANYONE_KNOWN,
    "GET /api/v1/types/{code}": _ANYONE_KNOWN,
    "GET /api/v1/types/{code}/template.csv": _ISSUING,
    "POST /api/v1/types/{code}/local-codes": _ADMINISTRATOR,
    "DELETE /api/v1/types/{code}/local-codes/{local_code}": _ADMINISTRATOR,
    "GET /api/v1/type-drafts": _ADMINISTRATOR,
    "POST /api/v1/type-drafts": _ADMINISTRATOR,
    "GET /api/v1/type-drafts/{draft_id}": _ADMINISTRATOR,
    "PUT /api/v1/type-drafts/{draft_id}": Rule(may(ADMINISTRATOR), limit_bytes=256 * _KIB),
    "PUT /api/v1/type-drafts/{draft_id}/schema": Rule(may(ADMINISTRATOR), limit_bytes=256 * _KIB),
    "POST /api/v1/type-drafts/{draft_id}/take-back": _ADMINISTRATOR,
    "POST /api/v1/type-drafts/{draft_id}/discard": _ADMINISTRATOR,
    "POST /api/v1/type-drafts/{draft_id}/restore": _ADMINISTRATOR,
    "POST /api/v1/type-drafts/{draft_id}/publish": _ADMINISTRATOR,
    "GET /api/v1/matters": _ANYONE_KNOWN,
    "POST /api/v1/matters": _ADMINISTRATOR,
    "GET /api/v1/matters/{code}": _ANYONE_KNOWN,
    "PUT /api/v1/matters/{code}": _ADMINISTRATOR,
    "POST /api/v1/matters/{code}/retire": _ADMINISTRATOR,
    "POST /api/v1/matters/{code}/restore": _ADMINISTRATOR,
    "POST /api/v1/files": Rule(may(REGISTRAR, WINDOW), limit_bytes=64 * _MIB, body="streamed"),
    "POST /api/v1/certificates": Rule(may(REGISTRAR), limit_bytes=256 * _KIB),
    "POST /api/v1/certificates/batch": Rule(may(REGISTRAR), limit_bytes=17 * _MIB, body="streamed"),
    # The content's digest is the address: sending the same again changes nothing, so no key is due.
    "PUT /api/v1/uploads/{sha256}": Rule(may(REGISTRAR), limit_bytes=4096 * _MIB, body="streamed", asks=True),
    "GET /api/v1/uploads/{sha256}": _ISSUING,
    "POST /api/v1/imports": Rule(may(REGISTRAR), limit_bytes=256 * _KIB),
    "GET /api/v1/imports": _ISSUING,
    "GET /api/v1/imports/{import_id}": _ISSUING,
    "GET /api/v1/imports/{import_id}/columns": _ISSUING,
    "GET /api/v1/imports/{import_id}/rows": _ISSUING,
    "GET /api/v1/imports/{import_id}/refused.{form}": _ISSUING,
    "GET /api/v1/imports/{import_id}/events": _ISSUING,
    "POST /api/v1/imports/{import_id}/mapping": Rule(may(REGISTRAR), limit_bytes=256 * _KIB),
    "POST /api/v1/imports/{import_id}/pause": _ISSUING,
    "POST /api/v1/imports/{import_id}/resume": _ISSUING,
    "POST /api/v1/imports/{import_id}/cancel": _ISSUING,
    "POST /api/v1/imports/{import_id}/register": _ISSUING,
    "POST /api/v1/imports/{import_id}/undo": _ISSUING,
    "GET /api/v1/certificates": _READING,
    "POST /api/v1/certificates/search": Rule(may(REGISTRAR, WINDOW, AUDITOR), asks=True),
    "POST /api/v1/certificates/number-search": Rule(may(REGISTRAR, WINDOW, AUDITOR), asks=True),
    "GET /api/v1/certificates/{certificate_id}": _READING,
    "GET /api/v1/certificates/{certificate_id}/receipt": _READING,
    "GET /api/v1/certificates/{certificate_id}/evidence": _ISSUING,
    "POST /api/v1/certificates/{certificate_id}/disclosures": _READING,
    "GET /api/v1/certificates/{certificate_id}/status": _READING,
    "POST /api/v1/certificates/{certificate_id}/status": _ISSUING,
    "POST /api/v1/status-changes": Rule(may(REGISTRAR), limit_bytes=8 * _MIB),
    "GET /api/v1/evidence": _ISSUING,
    "POST /api/v1/certificates/{certificate_id}/copies": _HANDLING,
    "GET /api/v1/certificates/{certificate_id}/copies": _READING,
    "GET /api/v1/copies/{copy_id}/file": _HANDLING,
    "GET /api/v1/copies/{copy_id}/evidence": _HANDLING,
    "POST /api/v1/copies/{copy_id}/revoke": _ENDING,
    "POST /api/v1/certificates/{certificate_id}/extracts": Rule(may(WINDOW)),
    "GET /api/v1/certificates/{certificate_id}/extracts": _READING,
    "GET /api/v1/extracts/{extract_id}/file": _HANDLING,
    "POST /api/v1/certificates/{certificate_id}/disputes": _HANDLING,
    "GET /api/v1/disputes": _READING,
    "GET /api/v1/disputes/{dispute_id}": _READING,
    "POST /api/v1/disputes/{dispute_id}/accept": _ISSUING,
    "POST /api/v1/disputes/{dispute_id}/decision": _ISSUING,
    "POST /api/v1/disputes/{dispute_id}/closing": _HANDLING,
    "POST /api/v1/materials": Rule(may(REGISTRAR, WINDOW), limit_bytes=256 * _KIB),
    "GET /api/v1/materials": _READING,
    "POST /api/v1/invoices": _HANDLING,
    "GET /api/v1/materials/{material_id}": _READING,
    "GET /api/v1/materials/{material_id}/receipt": _READING,
    "POST /api/v1/codes": _CODING,
    "GET /api/v1/codes/{code_id}": _CODING,
    "GET /api/v1/codes/{code_id}.svg": _CODING,
    "GET /api/v1/codes/{code_id}.png": _CODING,
    "POST /api/v1/codes/{code_id}/reissue": _CODING,
    "POST /api/v1/codes/{code_id}/loss": _LOSING,
    "POST /api/v1/codes/losses": _ENDING,
    "POST /api/v1/fallbacks": Rule(PUBLIC, asks=True, bucket="reports"),
    "POST /api/v1/fallbacks/holders": Rule(may(WINDOW)),
    "POST /api/v1/fallbacks/taking": Rule(may(WINDOW, VENUE)),
    "GET /api/v1/codes/{code_id}/card.pdf": _CODING,
    "GET /api/v1/venues/{venue_id}/posters.pdf": _HOSTING,
    "GET /api/v1/components/labels.pdf": _HOSTING,
    "POST /api/v1/scans/search": Rule(may(WINDOW), asks=True),
    "POST /api/v1/relatives": _HANDLING,
    "POST /api/v1/relatives/search": Rule(may(REGISTRAR, WINDOW), asks=True),
    "DELETE /api/v1/relatives/{relative_id}": _ENDING,
    "POST /api/v1/enrolments": Rule(may(WINDOW)),
    "POST /api/v1/devices/search": Rule(may(WINDOW), asks=True),
    "POST /api/v1/devices/{device_id}/end": Rule(may(WINDOW), while_suspended=True),
    "POST /api/v1/devices": Rule(PUBLIC, asks=True, bucket="logins"),
    "POST /api/v1/devices/code": Rule(PUBLIC, asks=True, bucket="verifications"),
    "POST /api/v1/devices/uses": Rule(PUBLIC, asks=True, bucket="verifications"),
    "POST /api/v1/devices/delegations": Rule(PUBLIC, asks=True, bucket="verifications"),
    # A signature that was taken is taken: no key is due.
    "POST /api/v1/devices/delegations/signature": Rule(PUBLIC, asks=True, bucket="verifications"),
    "POST /api/v1/devices/extracts": Rule(PUBLIC, asks=True, bucket="verifications"),
    "POST /api/v1/delegations": _HANDLING,
    "POST /api/v1/delegations/search": Rule(may(REGISTRAR, WINDOW, AUDITOR), asks=True),
    "GET /api/v1/delegations/{delegation_id}": _READING,
    "POST /api/v1/delegations/{delegation_id}/signature": _HANDLING,
    "GET /api/v1/delegations/{delegation_id}/chain": _HANDLING,
    "GET /api/v1/delegations/{delegation_id}/cascade": _HANDLING,
    "POST /api/v1/delegations/{delegation_id}/revoke": _ENDING,
    "POST /api/v1/verifications": Rule(
        PUBLIC, limit_bytes=17 * _MIB, body="streamed", asks=True, bucket="verifications"
    ),
    "POST /api/v1/authorisations": _HANDLING,
    "GET /api/v1/authorisations": _HANDLING,
    "DELETE /api/v1/authorisations/{authorisation_id}": _ENDING,
    "POST /api/v1/uses": Rule(may(WINDOW)),
    "GET /api/v1/uses": Rule(may(WINDOW, AUDITOR)),
    "GET /api/v1/uses/{use_id}": Rule(may(WINDOW, AUDITOR)),
    "GET /api/v1/uses/{use_id}/receipt": Rule(may(WINDOW, AUDITOR)),
    "POST /api/v1/venues": Rule(may(VENUE, ADMINISTRATOR)),
    "GET /api/v1/venues": Rule(may(VENUE, ADMINISTRATOR, AUDITOR)),
    "POST /api/v1/venues/{venue_id}/passes": _HOSTING,
    "POST /api/v1/venues/{venue_id}/visits": Rule(may(VENUE, GATE), limit_bytes=16 * _MIB, while_suspended=True),
    "POST /api/v1/venue-applications": Rule(may(WINDOW, VENUE, ADMINISTRATOR)),
    "GET /api/v1/venue-applications": Rule(may(WINDOW, VENUE, ADMINISTRATOR, AUDITOR)),
    "POST /api/v1/venue-applications/{application_id}/decision": _HOSTING,
    "POST /api/v1/venues/{venue_id}/posters": _HOSTING,
    "GET /api/v1/venues/{venue_id}/posters": _HOSTING,
    "POST /api/v1/posters/{code_id}/place": _HOSTING,
    "POST /api/v1/posters/{code_id}/sightings": Rule(PUBLIC, bucket="reports"),
    "POST /api/v1/posters/{code_id}/reports": Rule(PUBLIC, bucket="reports"),
    "GET /api/v1/poster-alarms": Rule(may(VENUE, ADMINISTRATOR, AUDITOR)),
    "POST /api/v1/poster-alarms/{alarm_id}/closing": _HOSTING,
    "POST /api/v1/components": _HOSTING,
    "POST /api/v1/components/batch": Rule(may(VENUE), limit_bytes=256 * _KIB),
    "GET /api/v1/components": Rule(may(VENUE, ADMINISTRATOR, AUDITOR)),
    "GET /api/v1/components/{code}": _PUBLIC,
    "POST /api/v1/components/{code}/place": _HOSTING,
    "DELETE /api/v1/components/{code}": _HOSTING,
    "POST /api/v1/components/{code}/faults": Rule(PUBLIC, bucket="reports"),
    "POST /api/v1/components/{code}/inspections": _HOSTING,
    "GET /api/v1/faults": Rule(may(VENUE, ADMINISTRATOR, AUDITOR)),
    "POST /api/v1/faults/{fault_id}/handling": _HOSTING,
    "POST /api/v1/faults/{fault_id}/closing": _HOSTING,
    "GET /api/v1/quality": Rule(may(REGISTRAR, AUDITOR, ADMINISTRATOR)),
    "GET /api/v1/quality/findings": Rule(may(REGISTRAR, AUDITOR, ADMINISTRATOR)),
    "POST /api/v1/quality/reports": _ISSUING,
    "GET /api/v1/trust": _PUBLIC,
    "GET /api/v1/status": _PUBLIC,
    "GET /healthz": _PUBLIC,
    "GET /log/{path:path}": _PUBLIC,
    "GET /openapi.json": _ANYONE_KNOWN,
    "GET /docs": _ANYONE_KNOWN,
    "GET /docs/reference.css": _ANYONE_KNOWN,
}
