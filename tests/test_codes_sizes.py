"""How large the QR of each kind can become: the bounds of docs/code-format.md, with the largest numbers there are."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from delegation_world import HANDLER, MANAGER, Office
from world import FOOD, NOON, VENUE_ID, make_world

from codes import picture
from registry.codes.rules import MAX_PRINTED_CHARS, apart
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
DEVICES = {suite: SoftwareKey.generate(suite) for suite in (Suite.ED25519, Suite.ES256)}


def version(text: str, level: picture.Level) -> int:
    """The version of the QR that is drawn, read from its side (ISO/IEC 18004 5.3.1)."""
    found = re.search(r'viewBox="0 0 (\d+) ', picture.draw_svg(text, level, title="码"))
    assert found is not None
    return (int(found[1]) - 2 * picture.QUIET_ZONE - 17) // 4


def grants(count: int) -> tuple[Grant, ...]:
    """So many things a person may hold, each as large as it can be."""
    until = NOON + timedelta(days=180)
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


@pytest.mark.parametrize(("issuer", "most"), [(Suite.ED25519, 8), (Suite.ES256, 8), (Suite.SM2, 9)])
def test_a_poster_has_at_most_version_8_and_9_with_sm2_whose_number_is_longer(issuer: Suite, most: int) -> None:
    claims = WORLD.claims(CodeKind.VENUE, name=None, status_list=23, status_index=INDEX, generation=255)
    assert version(sign_code(claims, ISSUERS[issuer]), picture.SCREEN) <= most


@pytest.mark.parametrize("suite", list(Suite))
def test_a_delegated_code_within_its_bound_has_at_most_version_20(suite: Suite) -> None:
    office, key = Office(), SoftwareKey.generate(suite)
    text = office.show(office.chain(MANAGER, replace(HANDLER, key=key.public)), key)
    assert len(text) <= MAX_SHOWN_CHARS and version(text, picture.SCREEN) <= 20
    assert version("A" * MAX_SHOWN_CHARS, picture.SCREEN) == 20 < version("A" * (MAX_SHOWN_CHARS + 1), picture.SCREEN)
