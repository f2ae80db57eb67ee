"""An office at work: the whole application over a real database, with departments, scopes and one token for each role.

Everything is set up through HTTP, as an administrator would.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx import Client, Response

from api.access import ROLES
from api.app import create_app
from api.composition import Services, compose
from api.settings import NO_CHAIN, Settings

ORIGIN = "http://127.0.0.1:8310"
PASSWORD = "Example-2026-Office"
ISSUER = "11310105MB9T00011M"
USER = "12310105MB9T00038A"
LICENCE = "11100000MB0341032Y001"
RESIDENCE_PROOF = "11310105MB9T00011M901"
COMPANY = "91310105MA1FWT014B"
PERSON = "310105189901010006"

_KEYS = itertools.count(1)


def key() -> dict[str, str]:
    """A fresh Idempotency-Key."""
    return {"Idempotency-Key": f"office-key-{next(_KEYS):08d}"}


@dataclass
class Office:
    """The application and those who call it."""

    client: Client
    has_chain: bool
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def as_role(self, role: str, department: str = ISSUER) -> dict[str, str]:
        """The headers of a department's system with this role, with a fresh key."""
        return {"Authorization": f"Bearer {self.tokens[role, department]}", **key()}

    def send(
        self, method: str, path: str, role: str = "administrator", department: str = ISSUER, **kwargs: Any
    ) -> Response:
        """A request of that role; `headers` add to or replace its own."""
        headers = {**self.as_role(role, department), **kwargs.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **kwargs)

    def settle(self) -> None:
        """Wait until the worker has taken everything acknowledged into the log and, if there is a chain, onto it."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            standing = self.client.get("/api/v1/status").json()
            if standing["unanchored" if self.has_chain else "waiting"] == 0:
                return
            time.sleep(0.02)
        raise AssertionError(f"not settled in ten minutes: {standing}")


@dataclass(kw_only=True)
class OpenOffice(Office):
    """An office in this process."""

    services: Services


def settings_in(folder: Path, **more: Any) -> Settings:
    """Settings of a trial in this folder."""
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{folder / 'registry.db'}",
        "chain": NO_CHAIN,
        "verifications_per_minute": 100_000,
        "logins_per_minute": 100_000,
        **more,
    }
    return Settings(data=folder, **given)


@contextmanager
def open_office(settings: Settings) -> Iterator[OpenOffice]:
    """A whole office; the application's worker runs."""
    services = compose(settings)
    with TestClient(create_app(services), base_url=ORIGIN) as client:
        office = OpenOffice(client, services.chain is not None, services=services)
        furnish(office, str(services.first_password))
        yield office


def furnish(office: Office, first_password: str) -> None:
    """Departments, scopes and tokens, made by the administrator."""
    client = office.client
    entry = {"username": "admin", "password": first_password}
    assert client.post("/api/v1/sessions", json=entry).status_code == 201
    change = {"current_password": first_password, "new_password": PASSWORD}
    assert client.post("/api/v1/password", json=change, headers={"Origin": ORIGIN}).status_code == 200
    department = {
        "code": USER,
        "name": "上海市长宁区民生服务中心（示例）",
        "short_name": "民生中心",
        "level": "district",
    }
    _made(client, "/api/v1/departments", department)
    types = [one["code"] for one in client.get("/api/v1/types").json()["items"]]
    for code, actions in ((ISSUER, ("issue", "use")), (USER, ("use",))):
        for type_code in types:
            for action in actions:
                scope = {"type_code": type_code, "action": action, "valid_from_on": "2020-01-01"}
                _made(client, f"/api/v1/departments/{code}/scopes", scope)
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    for role in sorted(ROLES):
        for code in (ISSUER, USER):
            token = {"name": f"{role} of {code}", "department": code, "roles": [role], "expires_at": expires_at}
            office.tokens[role, code] = _made(client, "/api/v1/tokens", token)["secret"]
    client.delete("/api/v1/sessions", headers={"Origin": ORIGIN})
    client.cookies.clear()


def _made(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body, headers={"Origin": ORIGIN})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def licence(number: int = 1, **more: Any) -> dict[str, Any]:
    """The draft of a business licence of a company that does not exist."""
    return {
        "certificate_type_code": LICENCE,
        "certificate_number": f"0500000020260101{number:04d}",
        "issue_date": "20260105",
        "valid_from": "20260105",
        "valid_to": "长期",
        "holders": [
            {
                "holder_name": "上海长宁示例商贸有限公司",
                "holder_code": COMPANY,
                "holder_code_type_code": "001",
            }
        ],
        "extend_info": {
            "entity_type": "有限责任公司",
            "legal_representative": "示例甲",
            "established_on": "20260105",
            "address": "上海市长宁区示例路 1 号",
            "business_scope": "日用百货销售",
        },
        **more,
    }


def register(office: Office, number: int, **more: Any) -> dict[str, Any]:
    answer = office.send("POST", "/api/v1/certificates", "registrar", json=licence(number, **more))
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def reason(answer: Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["reason"])


def check_problem(answer: Response, status: int, reason: str) -> dict[str, Any]:
    """The problem document of a refusal, which must be whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert problem["instance"] == f"urn:suizheng:request:{answer.headers['x-request-id']}"
    assert problem["title"] and problem["detail"]
    return problem
