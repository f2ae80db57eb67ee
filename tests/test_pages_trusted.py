"""Certificates of others in a browser: what a file holds is seen before it is trusted; bad files say what they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pages_site import PHONE, Site, Watched, io_file, keep_picture
from playwright.sync_api import Browser, Page, expect

from registry.trust import certificates
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER, MAKER = "issuer.eu-dcc", "seal_maker"


def pem(name: str, *, days: int = 90, encrypts: bool = False) -> bytes:
    who = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(who, who, KEY.public_key(), 7, now - timedelta(days=900), now + timedelta(days=days))
    if encrypts:
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=True, data_encipherment=True,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = made.add_extension(usage, critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def look(page: Page, purpose: str, data: bytes) -> None:
    page.goto("/trusted")
    if not page.get_by_label("用于").is_visible():
        page.locator("summary", has_text="信任一张证书").press("Enter")
    page.get_by_label("用于").select_option(purpose)
    page.locator("input[type=file]").set_input_files(io_file(data, "certificate.pem"))
    page.get_by_role("button", name="先看看是什么").click()


def known(site: Site) -> list[str]:
    with site.services.registry.read(REGISTRY) as work:
        return [row.name for row in certificates.list_all(work.session)]


@pytest.fixture
def chen(desk: Watched) -> Iterator[Page]:
    desk.log_in("chen")
    yield desk.page


def test_a_certificate_is_seen_before_it_is_trusted_and_ended_with_a_reason(chen: Page, site: Site) -> None:
    data, name = pem("示例签发者·甲"), "示例签发者·甲"
    digest = sha256(x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)).hexdigest()
    look(chen, ISSUER, data)
    preview = chen.get_by_role("region", name="文件里是这张证书")
    expect(preview).to_contain_text(name)
    expect(preview).to_contain_text("XX")
    groups = preview.locator("[data-fingerprint]").inner_text().split()
    assert "".join(groups) == digest and {len(group) for group in groups} == {4}
    assert name not in known(site)
    keep_picture(chen, "trusted-preview")
    # What was typed is still there where the reason is missing, and the file needs not be chosen again.
    chen.get_by_label("称呼").fill("示例国卫生署（甲）")
    chen.get_by_label("信任的依据").fill("　")
    chen.get_by_role("button", name="信任这张证书").click()
    expect(chen.locator("#reason-error")).to_be_visible()
    expect(chen.get_by_label("称呼")).to_have_value("示例国卫生署（甲）")
    chen.get_by_label("信任的依据").fill("示例〔2026〕7号")
    chen.get_by_role("button", name="信任这张证书").press("Enter")
    chen.wait_for_url("**/trusted?done=trusted")
    card = chen.get_by_role("article", name="示例国卫生署（甲）")
    expect(card).to_contain_text("示例〔2026〕7号")
    expect(card).to_contain_text("陈明远")
    keep_picture(chen, "trusted-list")
    # The same file again is known.
    look(chen, ISSUER, data)
    expect(chen.locator("main")).to_contain_text("已在信任之列")
    chen.goto("/trusted")
    card.locator("summary", has_text="不再信任").press("Enter")
    card.get_by_label("不再信任的理由").fill("　")
    card.get_by_role("button", name="不再信任").click()
    expect(card.locator(".field-error")).to_contain_text("理由")
    card.get_by_label("不再信任的理由").fill("对方更换了密钥")
    card.get_by_role("button", name="不再信任").click()
    chen.wait_for_url("**/trusted?done=trust_ended")
    expect(card).to_have_count(0)
    chen.locator("summary", has_text="示例国卫生署（甲）").press("Enter")
    expect(chen.locator("main")).to_contain_text("对方更换了密钥")
    with site.services.registry.read(REGISTRY) as work:
        row = next(row for row in certificates.list_all(work.session) if row.name == "示例国卫生署（甲）")
        assert row.removed_because == "对方更换了密钥"


def test_every_bad_file_says_what_it_is_and_nothing_is_kept(chen: Page, site: Site) -> None:
    before = known(site)
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(KEY, hashes.SHA256())
    for purpose, data, said in (
        (ISSUER, pem("示例乙") + pem("上级机构"), "2 张证书"),
        (MAKER, pem("示例乙") + key, "私钥"),
        (MAKER, request.public_bytes(Encoding.PEM), "证书请求"),
        (ISSUER, pem("示例乙", days=-1), "到期"),
        (MAKER, pem("示例乙", encrypts=True), "签名证书"),
        (ISSUER, pem("示例乙", encrypts=True), "数字签名"),
        (MAKER, "这不是证书".encode(), "没有可读取的"),
    ):
        look(chen, purpose, data)
        expect(chen.locator("#file-error")).to_contain_text(said)
        # The purpose that was chosen stays so.
        expect(chen.get_by_label("用于")).to_have_value(purpose)
        assert "PRIVATE" not in chen.content()
    keep_picture(chen, "trusted-refused")
    assert known(site) == before
    # A maker's that has expired is told, not refused.
    look(chen, MAKER, pem("示例制章人", days=-1))
    expect(chen.get_by_role("region", name="文件里是这张证书")).to_contain_text("已到期")


def test_a_preview_fits_a_phone(browser: Browser, site: Site) -> None:
    phone = Watched(browser, site, PHONE)
    phone.log_in("chen")
    look(phone.page, MAKER, pem("示例制章人（手机）"))
    keep_picture(phone.page, "trusted-preview-phone")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    phone.context.close()
    assert phone.complaints == []
