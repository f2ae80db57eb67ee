"""Derived copies in a real browser: made by a use on desk and phone, downloaded, and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
from pages_site import DESK, PHONE, PICTURES, Site, Watched, keep_picture
from playwright.sync_api import Browser, expect
from test_pages import faults_of

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(("viewport", "name"), [(DESK, "desk"), (PHONE, "phone")])
def test_a_window_makes_a_copy_from_a_use_and_downloads_it(
    browser: Browser, site: Site, viewport: dict[str, int], name: str, tmp_path: Path
) -> None:
    watched = Watched(browser, site, viewport)
    page = watched.page
    watched.log_in("wang")
    page.goto(f"/uses/{site.use_id}")
    page.get_by_role("link", name="制作加注件").click()
    expect(page.get_by_text("办理食品经营许可变更 · CN20261122-0001")).to_be_visible()
    page.get_by_label("接收单位").fill("长宁区食品安全办公室")
    page.get_by_role("button", name="制作加注件").click()
    expect(page.get_by_text("加注件已制作，可以下载。")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="长宁区食品安全办公室").first
    expect(row.get_by_text("有效", exact=True)).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, f"copies-{name}")
    with page.expect_download() as download:
        row.get_by_role("link", name="PDF").click()
    download.value.save_as(tmp_path / "copy.pdf")
    document = pypdfium2.PdfDocument(tmp_path / "copy.pdf")
    assert "长宁区食品安全办公室" in document[0].get_textpage().get_text_range()
    row.locator("summary").click()
    row.get_by_label("作废事由").fill("接收单位填错")
    assert faults_of(page) == []
    keep_picture(page, f"copies-end-{name}")
    row.get_by_role("button", name="作废").click()
    expect(page.get_by_text("加注件已作废：")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="接收单位填错").first.get_by_text("已作废")).to_be_visible()
    keep_picture(page, f"copies-ended-{name}")
    if PICTURES:
        document[0].render(scale=1.2).to_pil().save(f"{PICTURES}/copy-pdf.png")
    assert watched.complaints == []
    watched.context.close()


def test_a_registrar_makes_one_from_the_certificate_and_is_told_what_is_wrong(browser: Browser, site: Site) -> None:
    watched = Watched(browser, site)
    page = watched.page
    watched.log_in("lin")
    page.goto(f"/certificates/{site.certificate_id}")
    page.get_by_role("link", name="制作与查看").click()
    page.get_by_label("事项").select_option("CN-FOOD-01")
    page.get_by_label("用途").fill("办理食品经营许可变更")
    page.get_by_label("接收单位").fill("接收单位")
    page.get_by_label("有效至").evaluate("(field) => { field.removeAttribute('max'); field.value = '2999-01-01'; }")
    page.get_by_role("button", name="制作加注件").click()
    expect(page.get_by_text("加注件最长有效 180 天。").first).to_be_visible()
    assert page.get_by_label("接收单位").input_value() == "接收单位"
    keep_picture(page, "copies-refused")
    assert watched.complaints == []
    watched.context.close()
