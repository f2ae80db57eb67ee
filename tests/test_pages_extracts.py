"""Extracts in a real browser: what goes out and what stays, made on desk and phone, downloaded, and judged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pages_site import DESK, PHONE, Site, Watched, keep_picture
from playwright.sync_api import Browser, expect
from test_pages import faults_of

from verifier import verify
from verifier.extract import contents
from verifier.times import shanghai_day
from verifier.trust import TrustBundle

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(("viewport", "name"), [(DESK, "desk"), (PHONE, "phone")])
def test_a_window_sees_what_goes_out_makes_the_extract_and_downloads_it(
    browser: Browser, site: Site, viewport: dict[str, int], name: str, tmp_path: Path
) -> None:
    watched = Watched(browser, site, viewport)
    page = watched.page
    watched.log_in("wang")
    page.goto(f"/certificates/{site.certificate_id}")
    page.get_by_role("link", name="只给出所需字段").click()
    keep_picture(page, f"extracts-choose-{name}")
    assert faults_of(page) == []
    page.get_by_role("button", name="看看给出哪些").click()
    expect(page.get_by_label("经营范围")).to_be_checked()
    expect(page.get_by_role("listitem").filter(has_text="法定代表人")).to_contain_text("该事项不需要")
    page.get_by_label("经营范围").uncheck()
    page.get_by_label("办件编号").fill(f"CN-EXTRACT-{name}")
    keep_picture(page, f"extracts-offer-{name}")
    assert faults_of(page) == []
    page.get_by_role("button", name="出具摘录件").click()
    expect(page.get_by_text("摘录件已出具，可以下载。")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="住所").first
    expect(row.get_by_text("有效", exact=True)).to_be_visible()
    keep_picture(page, f"extracts-{name}")
    assert faults_of(page) == []
    with page.expect_download() as download:
        row.get_by_role("link").click()
    download.value.save_as(tmp_path / "one.sd-jwt")
    text = (tmp_path / "one.sd-jwt").read_bytes()
    told = contents(text)
    assert told["case_no"] == f"CN-EXTRACT-{name}" and told["certificate.extend_info.address"]
    assert not any(path.endswith(("business_scope", "legal_representative", "holder_code")) for path in told)
    trust = TrustBundle.open(page.request.get("/api/v1/trust").body())
    assert verify(text, trust, datetime.now(UTC)).state == "valid"
    # The page for verifying reads it as well.
    page.goto("/verify")
    page.locator('input[type="file"]').first.set_input_files(tmp_path / "one.sd-jwt")
    expect(page.get_by_role("heading", name="有效").first).to_be_visible()
    expect(page.locator("main")).to_contain_text("住所（经营场所）")
    expect(page.locator("main")).not_to_contain_text("陆文清")
    keep_picture(page, f"extracts-verdict-{name}")
    # And the reader that works without the server.
    page.goto("/gate")
    expect(page.locator("[data-part=trust-line]")).to_have_attribute("data-state", "fresh")
    for change, state in ((b"", "valid"), (b"A", "invalid")):
        (tmp_path / "two.sd-jwt").write_bytes(text.replace(b"~", change + b"~", 1))
        page.locator("[data-part=files-box] input").set_input_files(tmp_path / "two.sd-jwt")
        panel = page.locator("[data-part=verdict]")
        expect(panel).to_have_attribute("data-state", state)
        keep_picture(page, f"extracts-reader-{state}-{name}")
        if state == "valid":
            expect(panel).to_contain_text("住所（经营场所）")
            expect(panel).to_contain_text("没有证照的证据包")
            assert faults_of(page) == []
    assert watched.complaints == []
    watched.context.close()


def test_a_use_leads_to_its_extract_and_what_is_wrong_is_told(browser: Browser, site: Site) -> None:
    watched = Watched(browser, site)
    page = watched.page
    watched.log_in("wang")
    page.goto(f"/uses/{site.use_id}")
    page.get_by_role("link", name="只给出所需字段").click()
    expect(page.get_by_text("办理食品经营许可变更 · CN20261122-0001")).to_be_visible()
    page.get_by_label("有效至").evaluate("(field) => { field.removeAttribute('max'); field.value = '2999-01-01'; }")
    page.get_by_label("证照编号").uncheck()
    page.get_by_role("button", name="出具摘录件").click()
    expect(page.get_by_text("摘录件最长有效 180 天。").first).to_be_visible()
    expect(page.get_by_label("证照编号")).not_to_be_checked()
    expect(page.get_by_label("经营范围")).to_be_checked()
    # A field that the form does not offer is refused by the server.
    page.get_by_label("有效至").fill(shanghai_day(datetime.now(UTC)).isoformat())
    page.get_by_label("经营范围").evaluate("(box) => { box.value = 'extend_info.legal_representative'; }")
    page.get_by_role("button", name="出具摘录件").click()
    expect(page.get_by_role("alert")).to_contain_text("该事项的材料项不需要这些字段：法定代表人")
    keep_picture(page, "extracts-refused")
    assert [one for one in watched.complaints if "403" not in one and "422" not in one] == []
    watched.context.close()


def test_without_an_authorisation_nothing_is_made(browser: Browser, site: Site) -> None:
    watched = Watched(browser, site)
    page = watched.page
    watched.log_in("lin")
    page.goto(f"/certificates/{site.certificate_id}/extracts")
    # A registrar sees what was made, and makes none.
    expect(page.get_by_role("button", name="看看给出哪些")).to_have_count(0)
    assert page.request.post(f"/certificates/{site.certificate_id}/extracts").status == 403
    watched.context.close()
