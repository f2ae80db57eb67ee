"""How large the QR of each kind can become: the bounds of docs/code-format.md, with the largest numbers there are."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from delegation_world import HANDLER, MANAGER, Office
from world import FOOD, NOON, VENUE_ID, make_world

from codes import picture
from registry.codes.rules import FAR, MAX_PRINTED_CHARS, apart
from registry.devices.rules import MAX_GRANTS
from verifier.code import CodeClaims, CodeKind, Grant, GrantKind, open_code, show_code, sign_code
from verifier.delegated_code import MAX_SHOWN_CHARS
from verifier.errors import MalformedError
from verifier.status import CAPACITY
from verifier.suites import SoftwareKey, Suite

WORLD = make_world(1)
#: The largest places in status lists and the largest generation that two bytes hold.
LIST, INDEX, GENERATION = 2**16 - 1, CAPACITY - 1, 2**16 - 1
ISSUERS = {suite: SoftwareKey.generate(suite) for suite in Suite}
#: docs/code-format.md section 3.
VENUE_CHARS = {Suite.ED25519: 214, Suite.ES256: 214, Suite.SM2: 220}
DEVICES = {suite: SoftwareKey.generate(suite) for suite in (Suite.ED25519, Suite.ES256)}


def version(text: str, level: picture.Level) -> int:
    """The version of the QR that is drawn, read from its side (ISO/IEC 18004 5.3.1)."""
    found = re.search(r'viewBox="0 0 (\d+) ', picture.draw_svg(text, level, title="码"))
    assert found is not None
    return (int(found[1]) - 2 * picture.QUIET_ZONE - 17) // 4


def grants(count: int) -> tuple[Grant, ...]:
    """So many things a person may hold, each as large as it can be."""
    until = FAR
    kinds = ((GrantKind.CERTIFICATE, FOOD), (GrantKind.PASS, VENUE_ID))
    return tuple(Grant(*kinds[number % 2], LIST, INDEX - number, until) for number in range(count))


def largest(kind: CodeKind, **changes: Any) -> CodeClaims:
    return WORLD.claims(kind, status_list=LIST, status_index=INDEX, generation=GENERATION, **changes)


@pytest.mark.parametrize("device", list(DEVICES))
@pytest.mark.parametrize("issuer", list(Suite))
@pytest.mark.parametrize("count", range(MAX_GRANTS + 1))
def test_a_dynamic_code_has_at_most_version_12_however_much_the_person_holds(
    count: int, issuer: Suite, device: Suite
) -> None:
    held = largest(CodeKind.PERSON, grants=grants(count), device_key=DEVICES[device].public)
    texts = [sign_code(one, ISSUERS[issuer]) for one in apart(held)]
    shown = [show_code(text, DEVICES[device], NOON) for text in texts]
    assert [len(open_code(text)[2].grants) for text in shown] == [0] + [1] * count
    assert max(version(text, picture.SCREEN) for text in shown) <= 12


def test_a_code_for_a_phone_that_shows_two_things_at_once_is_refused() -> None:
    claims = largest(CodeKind.PERSON, grants=grants(2), device_key=DEVICES[Suite.ES256].public)
    with pytest.raises(MalformedError):
        open_code(sign_code(claims, ISSUERS[Suite.ED25519]))
    assert len(open_code(sign_code(largest(CodeKind.PERSON, grants=grants(2)), ISSUERS[Suite.ED25519]))[2].grants) == 2


@pytest.mark.parametrize("issuer", list(Suite))
def test_a_printed_code_within_its_bound_has_at_most_version_12(issuer: Suite) -> None:
    text = sign_code(largest(CodeKind.PRINTED, grants=grants(1)), ISSUERS[issuer])
    assert len(text) <= MAX_PRINTED_CHARS and version(text, picture.PRINT) <= 12
    assert version("A" * MAX_PRINTED_CHARS, picture.PRINT) == 12 < version("A" * (MAX_PRINTED_CHARS + 1), picture.PRINT)


@pytest.mark.parametrize("issuer", list(Suite))
def test_a_poster_has_at_most_version_8_whatever_its_claims(issuer: Suite) -> None:
    last = datetime.fromtimestamp(2**32 - 1, UTC)
    posters = [
        WORLD.claims(CodeKind.VENUE, status_list=1, status_index=1),
        largest(CodeKind.VENUE, code_id=b"\xff" * 8, subject="7" + "z" * 25, issued_at=last, expires_at=last),
    ]
    texts = [sign_code(claims, ISSUERS[issuer]) for claims in posters]
    assert [open_code(text)[2] for text in texts] == posters
    assert max(version(text, picture.SCREEN) for text in texts) <= 8 and len(texts[1]) <= VENUE_CHARS[issuer]


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": 2**16},
        {"status_list": 2**16},
        {"status_index": 2**24},
        {"expires_at": datetime.fromtimestamp(2**32, UTC)},
        {"issued_at": datetime.fromtimestamp(2**32, UTC)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_poster_that_would_be_larger_is_not_made(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="场所码放不下") as refused:
        sign_code(WORLD.claims(CodeKind.VENUE, **changes), ISSUERS[Suite.SM2])
    assert refused.value.reason == "out_of_range"


@pytest.mark.parametrize("suite", list(Suite))
def test_a_delegated_code_within_its_bound_has_at_most_version_20(suite: Suite) -> None:
    office, key = Office(), SoftwareKey.generate(suite)
    text = office.show(office.chain(MANAGER, replace(HANDLER, key=key.public)), key)
    assert len(text) <= MAX_SHOWN_CHARS and version(text, picture.SCREEN) <= 20
    assert version("A" * MAX_SHOWN_CHARS, picture.SCREEN) == 20 < version("A" * (MAX_SHOWN_CHARS + 1), picture.SCREEN)
