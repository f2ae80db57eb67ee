"""Whatever is sent to whichever operation: nothing fails inside, and a refusal says why in Chinese."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_office import ISSUER, LICENCE, OpenOffice, open_office, register, settings_in
from httpx import Response

from api.access import OPERATIONS, ROLES, Rule
from api.pages.access import PAGE_ACCESS

#: One of each kind that once went through to a conversion, to a database or to the calendar's ends.
TEXTS = ("\0", "签名", "9" * 5000, "0001-01-01T00:00", "=1+1", "9999-12-31", '{"a":' * 40, "<b>\r\nX: 1", "[" * 2000)
TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-26T00:00:00Z")
ASKED = ("version", "department", "at", "on", "limit", "cursor", "index", "day", "next", "matter")
#: What takes the rest of a form far enough for the one hostile field to matter.
USUAL = {
    "agreed": "yes", "reason": "示例", "purpose": "示例", "suite": "ED25519", "public": "00" * 32, "revision": "1",
    "rows.0.name": "a", "rows.0.title": "甲", "rows.0.kind": "text", "holder_code_type_code": "001",
}  # fmt: skip
#: They would shut out those who ask.
LEFT_OUT = {"POST /logout", "POST /password", "POST /api/v1/password", "DELETE /api/v1/sessions"} | {
    f"{method} {path}"
    for method, path in itertools.product(
        ("POST", "DELETE"),
        (
            "/tokens/{token_id}/revoke",
            "/api/v1/tokens/{token_id}",
            "/api/v1/departments/{code}/suspend",
            "/departments/{code}/suspend",
        ),
    )
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"), reports_per_minute=100_000)) as office:
        yield office


@pytest.fixture(scope="module")
def known(office: OpenOffice) -> dict[str, str]:
    """Things that are there, by the names under which paths ask for them."""
    started = office.send("POST", "/types/drafts", data={"type_code": LICENCE}, follow_redirects=False)
    keys = office.send("GET", "/api/v1/keys").json()["items"]
    return {
        "certificate_id": register(office, 1)["id"], "code": ISSUER, "type_code": LICENCE,
        "draft_id": started.headers["location"].rsplit("/", 1)[1], "kid": keys[0]["kid"], "form": "csv",
    }  # fmt: skip


def path_of(template: str, known: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(?::path)?\}", lambda found: known.get(found[1], "0" * 26), template)


def caller(rule: Rule) -> str:
    return min(rule.roles & ROLES or {"administrator"})


def check(answer: Response, operation: str, sent: object) -> None:
    assert answer.status_code < 500, (operation, str(sent)[:400], answer.text[:400])
    if answer.status_code >= 400 and operation in OPERATIONS:
        assert answer.headers["content-type"] == "application/problem+json", operation
        assert re.search("[一-龥]", answer.json()["detail"]), operation


def sample(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value of the schema, as small as it allows."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].removeprefix("#/components/schemas/")], schemas)
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], schemas)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("format") == "date-time":
        return TIMES[2]
    made = {"array": [], "boolean": True, "integer": schema.get("minimum", 1), "number": 1, "null": None}
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {name: sample(properties[name], schemas) for name in schema.get("required", ())}
    if schema.get("type") == "array" and schema.get("minItems"):
        return [sample(schema["items"], schemas)]
    return made.get(str(schema.get("type")), "00" * (schema.get("minLength", 2) // 2) or "0")


def worse(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[Any]:
    """Hostile values of the same JSON type, as long as the schema lets them be."""
    if "$ref" in schema:
        yield from worse(schemas[schema["$ref"].removeprefix("#/components/schemas/")], schemas)
    for part in schema.get("anyOf", ()):
        yield from worse(part, schemas)
    if schema.get("format") == "date-time":
        yield from TIMES
    elif schema.get("type") == "string":
        yield from (text[: schema.get("maxLength")] for text in TEXTS[:2])
    elif schema.get("type") in ("integer", "number"):
        yield 2**63
    elif schema.get("type") == "array":
        yield from ([value] for value in worse(schema["items"], schemas))
    elif "properties" in schema:
        base = sample(schema, schemas)
        for name, part in schema["properties"].items():
            yield from ({**base, name: value} for value in worse(part, schemas))
    elif schema.get("type") == "object":
        yield {"a": TEXTS[0]}


def test_no_body_of_the_interface_fails_inside(office: OpenOffice, known: dict[str, str]) -> None:
    document = office.send("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    for operation, rule in OPERATIONS.items():
        method, template = operation.split(" ", 1)
        described = document["paths"].get(template, {}).get(method.lower(), {})
        body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if body is not None and operation not in LEFT_OUT:
            for sent in worse(body, schemas):
                answer = office.send(method, path_of(template, known), caller(rule), json=sent)
                check(answer, operation, sent)


def fields_of(operation: str) -> list[str]:
    """The names that the module of a page reads from forms."""
    method, template = operation.split(" ", 1)
    for module in (Path(__file__).parent.parent / "api" / "pages").glob("*.py"):
        text = module.read_text()
        if f'@router.{method.lower()}("{template}")' in text:
            return sorted(set(re.findall(r'form(?:\.\w+\(|, )"([a-z_]+)"', text)))
    raise AssertionError(operation)


def test_no_form_of_a_page_fails_inside(office: OpenOffice, known: dict[str, str]) -> None:
    for operation, rule in PAGE_ACCESS.items():
        method, template = operation.split(" ", 1)
        if method == "POST" and operation not in LEFT_OUT:
            for text in TEXTS:
                sent = {**dict.fromkeys(fields_of(operation), text), **USUAL}
                answer = office.send(method, path_of(template, known), caller(rule), data=sent, follow_redirects=False)
                check(answer, operation, sent)


@pytest.mark.parametrize(
    ("path", "role", "sent"),
    [
        ("/signing-keys/end", "registrar", {"kid": "签名"}),
        ("/signing-keys/end", "registrar", {"kid": "00" * 8, "compromised_at": "0001-01-01T00:00"}),
        ("/signing-keys/challenge", "registrar", {"valid_from": "0001-01-01T00:00"}),
        ("/keys/rotate", "administrator", {"purpose": "codes", "lead": "9" * 5000}),
        ("/types/drafts/{draft_id}", "administrator", {"do": "add." + "9" * 5000}),
        ("/register/single", "registrar", {"type_code": LICENCE, "holders": "9" * 5000}),
    ],
)
def test_a_form_that_once_failed_inside_is_refused(
    office: OpenOffice, known: dict[str, str], path: str, role: str, sent: dict[str, str]
) -> None:
    answer = office.send("POST", path_of(path, known), role, data={**USUAL, **sent}, follow_redirects=False)
    assert answer.status_code in (303, 404, 409, 422), answer.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"certificate_type_code": "\\ud800"}',
        b'{"certificate_type_code": "\xed\xa0\x80"}',
        '{"certificate_type_code": "a"}'.encode("utf-16"),
        b'{"certificate_type_code": "a"',
        b"[" * 100_000,
    ],
)
def test_what_is_no_text_or_no_json_is_refused(office: OpenOffice, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path, role in (("certificates", "registrar"), ("departments", "administrator"), ("codes", "window")):
        answer = office.send("POST", f"/api/v1/{path}", role, content=body, headers=headers)
        assert answer.status_code in (400, 413), answer.text
        check(answer, f"POST /api/v1/{path}", body)
    marked = {"headers": headers, "content": b"\xef\xbb\xbf{}"}
    assert office.send("POST", "/api/v1/departments", **marked).status_code == 422
    # Two halves are one character.
    whole = {"headers": headers, "content": b'{"code": "1", "name": "\\ud83d\\ude00", "short_name": "1"}'}
    assert office.send("POST", "/api/v1/departments", **whole).status_code == 422


@pytest.mark.parametrize("at", TIMES[:2])
def test_a_time_that_not_every_zone_has_is_refused(office: OpenOffice, known: dict[str, str], at: str) -> None:
    wanted = {"suite": "ED25519", "public": "00" * 32, "valid_from": at}
    for path, sent in (
        ("/verifications", {"text": "SZ1:0", "at": at}),
        (f"/departments/{ISSUER}/keys/challenges", wanted),
    ):
        answer = office.send("POST", f"/api/v1{path}", "registrar", json=sent)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] in ("at", "valid_from")


def test_a_bound_that_was_passed_is_told(office: OpenOffice, known: dict[str, str]) -> None:
    status = f"/api/v1/certificates/{known['certificate_id']}/status?at=2026-01-04T12:00:00+08:00"
    long = {"code": ISSUER, "name": "一" * 101, "short_name": "一"}
    for answer, told in (
        (office.send("GET", "/api/v1/certificates?limit=1000", "registrar"), "最大 200"),
        (office.send("GET", "/api/v1/certificates?limit=0", "registrar"), "最小 1"),
        (office.send("POST", "/api/v1/departments", json=long), "100"),
        (office.send("GET", status, "registrar"), "%2B"),
    ):
        assert answer.status_code == 422 and told in answer.json()["errors"][0]["message"], answer.text


def test_a_signature_that_is_no_base64_is_refused(office: OpenOffice) -> None:
    for text in ("签名", "AAA", "****"):
        proof = {"challenge_id": "0" * 26, "signature": text}
        answer = office.send("POST", f"/api/v1/departments/{ISSUER}/keys", "registrar", json=proof)
        assert answer.status_code in (404, 422), answer.text


def test_no_question_of_an_address_fails_inside(office: OpenOffice, known: dict[str, str]) -> None:
    for operation, rule in (OPERATIONS | PAGE_ACCESS).items():
        method, template = operation.split(" ", 1)
        # Events are a stream without an end.
        if method == "GET" and not template.endswith("/events"):
            for text in TEXTS[:3]:
                asked = dict.fromkeys(ASKED, text[:300])
                answer = office.send(method, path_of(template, known), caller(rule), params=asked)
                check(answer, operation, asked)


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(office: OpenOffice) -> None:
    body, path = b'{"username": "a", "password": "b"}', "/api/v1/sessions"
    sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    assert office.client.post(path, content=body, headers=sent).status_code == 401
    answer = office.client.post(path, content=body, headers={**sent, "Transfer-Encoding": "chunked"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "two_lengths")
    assert answer.headers["connection"] == "close" and "content-security-policy" in answer.headers


def test_nobody_is_sent_to_a_host_that_a_request_names(office: OpenOffice) -> None:
    for path in ("/certificates/", "/static", "/login/", "/api/v1/types/"):
        answer = office.client.get(path, headers={"Host": "elsewhere.example"}, follow_redirects=False)
        assert (answer.status_code, answer.headers.get("location")) == (404, None), path
    kept = office.client.get(
        "/certificates", headers={"Host": "elsewhere.example", "Accept": "text/html"}, follow_redirects=False
    )
    assert kept.headers["location"] == "/login?next=/certificates"
