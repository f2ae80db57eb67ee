"""Genuine parts in the wrong company: of all bundles that can be put together from them, only the whole ones hold."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import delegation_world as delegation
import pytest
from conftest import missing
from mixing import mixed
from pages_site import Watched
from playwright.sync_api import Page
from test_reader_evidence import ours, theirs
from wallet_stage import VENDOR
from world import NOON, World, fixed_key, make_world

from codes import payload
from verifier import verify
from verifier.delegated_code import Chain
from verifier.delegation import sign_link
from verifier.errors import MalformedError
from verifier.status import Status, StatusList
from verifier.trust import status_subject

pytest_plugins = ("pages_fixtures",)


def test_parts_of_different_items_logs_and_moments_make_no_valid_bundle() -> None:
    world = make_world(4)
    trust, reasons = world.trust(), Counter[str]()
    for names, data, is_genuine in mixed(world):
        verdict = verify(data, trust, NOON)
        assert (str(verdict.state) == "valid") is is_genuine, names
        reasons[verdict.reason] += 1
    assert {"digest_differs", "wrong_signature", "unknown_log_key", "anchor_differs", "head_unknown"} <= reasons.keys()
    assert {"unknown_key", "head_contradicted", "file_count", "ok"} <= reasons.keys()


def test_links_of_two_true_chains_make_no_third() -> None:
    office = delegation.Office()
    trust, signer = office.trust(), office.world.code_key
    told = []
    for number, company in enumerate((delegation.COMPANY, delegation.OTHER_COMPANY)):
        keys = [fixed_key(f"{role} of {company}") for role in ("manager", "handler")]
        said = [
            replace(link, key=key.public, status_index=link.status_index + 10 * number)
            for link, key in zip((delegation.MANAGER, delegation.HANDLER), keys, strict=True)
        ]
        first = sign_link(said[0], signer, company.encode())
        second = sign_link(said[1], keys[0], first.anchor)
        code = payload.decode(office.enterprise(subject=company, status_index=960 + number))
        told.append((code, first, second, keys[1]))
    for names in itertools.product((0, 1), repeat=4):
        code, first, second, device = (told[name][part] for part, name in enumerate(names))
        text = Chain(code, signer.public.kid, (first, second)).show(device, NOON - timedelta(seconds=5))
        assert (str(verify(text.encode(), trust, NOON).state) == "valid") is (len(set(names)) == 1), names


def test_a_list_of_states_under_another_lists_number_keeps_the_bundle_from_being_opened() -> None:
    world = make_world(1)
    tokens = {number: _states(world, number) for number in (1, 2)}
    assert world.trust(statuses=tokens).status(2, 0)[0] is Status.VALID
    for swapped in ({1: tokens[2], 2: tokens[1]}, {**tokens, 2: tokens[1]}):
        with pytest.raises(MalformedError, match="wrong_list"):
            world.trust(statuses=swapped)


def _states(world: World, number: int) -> bytes:
    subject = status_subject(world.content.origin, number)
    return StatusList().to_token(world.status_key, subject, NOON, NOON + timedelta(days=1))


@pytest.fixture
def page(desk: Watched) -> Page:
    if not (VENDOR / "schema.js").exists():
        missing("web parts (make web)")
    desk.page.goto("/verify")
    return desk.page


@pytest.mark.browser
@pytest.mark.slow
def test_the_browser_judges_every_mixture_as_the_verifier_does(page: Page) -> None:
    world = make_world(4)
    trust, cases = world.trust(), {data: names for names, data, _ in mixed(world)}
    found = theirs(page, trust, [(data, NOON) for data in cases])
    assert len(found) > 300
    for (data, names), judged in zip(cases.items(), found, strict=True):
        assert judged == ours(trust, data, NOON), names
