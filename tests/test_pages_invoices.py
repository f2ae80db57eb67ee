"""E-invoices in a real browser: read, registered, met again, and refused with the field, on desk and phone."""

from __future__ import annotations

import pytest
from conftest import missing
from ofd_maker import Maker, make_cast, pack, plain_files, sealer, unpack
from pages_site import DESK, PHONE, Site, Watched, keep_picture
from playwright.sync_api import Browser, Page, expect
from test_inspect_invoices import DIGITAL, XBRL
from test_pages import faults_of

from verifier import sm2

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def upload(page: Page, site: Site, data: bytes) -> None:
    page.goto("/invoices")
    page.locator("input[type=file]").set_input_files({"name": "a.ofd", "mimeType": "application/ofd", "buffer": data})
    page.get_by_role("button", name="读取发票").click()


@pytest.mark.parametrize(("viewport", "name"), [(DESK, "desk"), (PHONE, "phone")])
def test_a_window_reads_registers_and_meets_an_invoice_again(
    browser: Browser, site: Site, viewport: dict[str, int], name: str
) -> None:
    if not sm2.available():
        missing("SM2 in the system's OpenSSL")
    number = DIGITAL[:-4] + {"desk": "0001", "phone": "0002"}[name]
    data = Maker(plain_files(attached={"a.xml": XBRL.replace(DIGITAL.encode(), number.encode())}))
    sealed = data.add(sealer(make_cast())).packed()
    watched = Watched(browser, site, viewport)
    page = watched.page
    watched.log_in("wang")
    page.goto("/invoices")
    assert faults_of(page) == []
    upload(page, site, sealed)
    expect(page.get_by_text(number)).to_be_visible()
    expect(page.get_by_text("签章：无法判定")).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, f"invoices-read-{name}")
    page.get_by_label("持证主体").fill("随甲")
    page.get_by_label("证件类型").select_option("111")
    page.get_by_label("证件号码").fill("310105189901010007")
    page.get_by_role("button", name="登记发票").click()
    expect(page.locator(".field-error")).to_be_visible()
    keep_picture(page, f"invoices-refused-{name}")
    page.get_by_label("证件号码").fill("310105189901010006")
    page.get_by_role("button", name="登记发票").click()
    expect(page.get_by_text("发票已登记。")).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, f"invoices-one-{name}")
    upload(page, site, sealed)
    page.get_by_label("持证主体").fill("随甲")
    page.get_by_label("证件号码").fill("310105189901010006")
    page.get_by_role("button", name="登记发票").click()
    expect(page.get_by_text("该发票此前已登记")).to_be_visible()
    inside = unpack(sealed)
    upload(page, site, pack({**inside, "Doc_0/Attachs/a.xml": XBRL.replace(b"106.00", b"906.00")}))
    expect(page.get_by_role("alert").get_by_text("文件被改动").first).to_be_visible()
    keep_picture(page, f"invoices-altered-{name}")
    watched.context.close()
