"""Extracts on the phone: listed for their holder, presented to one reader by the phone's key, once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pages_site import PERSON_CODE, PHONE, Site, Watched, clerk_of, keep_picture
from playwright.sync_api import Browser, expect
from test_pages import faults_of
from wallet_stage import enrol, window_ticket

from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.errors import NotAnchoredYetError
from registry.extracts import service as extracts
from registry.extracts.rules import ExtractRequest
from registry.extracts.tables import Extract
from registry.keys.rules import department_purpose
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from verifier.extract_verdict import verify_extract
from verifier.key_binding import Challenge

pytest_plugins = ("pages_fixtures", "wallet_stage")
pytestmark = [pytest.mark.browser, pytest.mark.slow]
MATTER, PURPOSE = "CN-WALLET-EXTRACT", "核对老年优待资格"
FIELDS = ("holders.holder_name", "extend_info.gender")


def make_extract(site: Site) -> Extract:
    """An extract of a card of the person with the phone, for the operating department."""
    services, who = site.services, clerk_of(site.services)
    operator, card = str(who.department), site.types[4]
    facts = {
        "certificate_type_code": card, "certificate_number": "3101052026077001", "issue_date": "20260101",
        "valid_from": "20260101", "valid_to": "长期", "extend_info": {"gender": "男", "born_on": "18990101"},
        "holders": [{"holder_name": "随甲", "holder_code": PERSON_CODE, "holder_code_type_code": "111"}],
    }  # fmt: skip
    with services.registry.begin(who) as work:
        catalogue.register_matter(
            work, MATTER, "老年优待", operator, PURPOSE, (Slot("CL01", "优待证", (card,), True, FIELDS),)
        )
        (made,) = certificates.register_many(work, [parse_draft(facts)])
        until = work.at + timedelta(days=9)
        grant = authorisations.grant(
            work, AuthorisationDraft("function", operator, MATTER, PURPOSE, work.at, until, type_code=card)
        )
        request = ReuseRequest("certificate", made.id, MATTER, "2026-07", PURPOSE, grant.id, None, "staff:1", "desk-1")
        use = uses.reuse(work, request)
    wanted = ExtractRequest(made.id, operator, until)
    while True:
        try:
            with services.registry.begin(who) as work:
                return extracts.make(
                    work, wanted, uses.get(work, use.id),
                    lambda code, at: services.keys.key_for(department_purpose(code), at),
                )  # fmt: skip
        except NotAnchoredYetError:
            time.sleep(0.1)


def test_the_holder_presents_an_extract_from_the_phone_to_one_reader_once(
    browser: Browser, site: Site, clerk: Watched, tmp_path: Path
) -> None:
    phone, reader = Watched(browser, site, PHONE), Watched(browser, site, PHONE)
    enrol(phone.page, window_ticket(clerk))
    box = phone.page.locator("[data-part=extracts-box]")
    box.locator("summary").click()
    expect(box).to_contain_text("没有可出示的摘录件")
    made = make_extract(site)
    assert made.device_id is not None
    # The window reads: its screen shows a check code for this once.
    page = reader.page
    page.goto("/gate")
    expect(page.locator("[data-part=trust-line]")).to_have_attribute("data-state", "fresh")
    page.locator("[data-part=asking-box] summary").click()
    page.get_by_label("本单位的统一社会信用代码").fill(made.receiver)
    nonce = page.locator("[data-part=asking-nonce]").inner_text()
    keep_picture(page, "wallet-extracts-reader")
    assert faults_of(page) == []
    # The holder types it on the phone.
    box.locator("summary").click()
    box.locator("summary").click()
    expect(box.get_by_role("listitem")).to_contain_text("用于老年优待")
    box.get_by_role("button", name="出示").click()
    box.get_by_label("对方给出的核验码").fill(nonce)
    keep_picture(phone.page, "wallet-extracts-present")
    assert faults_of(phone.page) == []
    box.get_by_role("button", name="用这部手机签名").click()
    keep_picture(phone.page, "wallet-extracts-signed")
    with phone.page.expect_download() as download:
        box.get_by_role("link", name="保存文件").click()
    presented = tmp_path / "presented.sd-jwt"
    download.value.save_as(presented)
    page.locator("[data-part=files-box] input").set_input_files(presented)
    panel = page.locator("[data-part=verdict]")
    expect(panel).to_have_attribute("data-state", "valid")
    expect(panel).to_contain_text("随甲")
    expect(panel).not_to_contain_text("没有指明核验单位")
    keep_picture(page, "wallet-extracts-verdict")
    # The same file again, and what was never bound: the check code has changed.
    for file, why in ((presented, "wrong_nonce"), (tmp_path / "bare.sd-jwt", "key_binding_missing")):
        page.locator("[data-part=close]").click()
        (tmp_path / "bare.sd-jwt").write_text(made.text)
        page.locator("[data-part=files-box] input").set_input_files(file)
        expect(panel).to_have_attribute("data-reason", why)
    # The verifier on the command line says the same.
    trust, now, text = site.services.trust.bundle(), datetime.now(UTC), presented.read_bytes()
    asked = Challenge(made.receiver, nonce.replace(" ", ""))
    verdict = verify_extract(text, trust, now, receiver=made.receiver, challenge=asked)
    assert (verdict.state, verdict.reason) == ("valid", "ok")
    assert verify_extract(text, trust, now, challenge=Challenge(made.receiver, "1")).reason == "wrong_nonce"
    for watched in (phone, reader):
        watched.context.close()
        assert watched.complaints == []


def test_only_the_phone_it_is_bound_to_is_told(browser: Browser, site: Site, clerk: Watched) -> None:
    with site.services.registry.read(clerk_of(site.services)) as work:
        assert extracts.held_by(work, "0" * 26) == []
    next_phone = Watched(browser, site, PHONE)
    enrol(next_phone.page, window_ticket(clerk))
    box = next_phone.page.locator("[data-part=extracts-box]")
    box.locator("summary").click()
    expect(box).to_contain_text("没有可出示的摘录件")
    next_phone.context.close()
