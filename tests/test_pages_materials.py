"""The pages of materials, in a real browser: register by upload, find again, look at seals, receipt and use."""

from __future__ import annotations

import io
from datetime import timedelta
from hashlib import sha256

import pytest
from ofd_maker import Maker, make_cast, plain_files, sealer
from pages_site import (
    COMPANY,
    COMPANY_CODE,
    Site,
    Watched,
    clerk_of,
    io_file,
    is_anchored,
    keep_picture,
    wait_until,
)
from playwright.sync_api import expect
from test_pages import faults_of

from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.certificates.holders import HolderDraft
from registry.files import service as files
from registry.files.service import AttachedFile
from registry.materials import service as materials
from registry.materials.rules import MaterialDraft
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CASE, TITLE, PURPOSE = "CL-PAGES-0001", "场地租赁合同（示例）", "办理食品经营许可变更"
#: Somebody about whom no other test asks.
TENANT = "310105189903030078"


def test_a_material_is_uploaded_found_inspected_and_proved(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/materials")
    page.get_by_role("link", name="登记材料").first.click()
    page.get_by_label("材料类型").select_option(label="办件材料")
    page.get_by_role("button", name="填写").click()
    page.get_by_label("材料名称").fill(TITLE)
    page.get_by_label("有效期起始").fill("2026-01-05")
    page.get_by_label("办件编号").fill(CASE)
    page.get_by_label("姓名或单位名称").fill(COMPANY)
    page.get_by_label("证件类型").select_option("001")
    page.get_by_label("证件号码").fill("91310105MA1FWT014X")
    page.get_by_role("button", name="登记", exact=True).click()
    # Neither a file nor content, and a number that cannot be.
    expect(page.locator("#holders\\.0\\.holder_code-error")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("至少有一个附件")
    expect(page.get_by_label("材料名称")).to_have_value(TITLE)
    desk.scripted()
    page.get_by_label("证件号码").fill(COMPANY_CODE)
    page.get_by_label("页数").fill("2")
    sealed = Maker(plain_files()).add(sealer(make_cast())).packed()
    page.locator("input[type=file]").set_input_files(
        {"name": "合同.ofd", "mimeType": "application/octet-stream", "buffer": sealed}
    )
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url("**/materials/*?done=material")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(page.get_by_role("region", name="基本情况")).to_contain_text(COMPANY_CODE)
    address = page.url.partition("?")[0]

    page.get_by_role("link", name="核验附件的签章").click()
    files = page.get_by_role("region", name="附件")
    # Whole, by a maker whom nobody here trusts.
    expect(files.locator(".badge").first).to_have_text("无法判定")
    expect(files).to_contain_text("OFD 版式文件")

    wait_until(lambda: is_anchored(desk.site.services))
    page.goto(address)
    receipt = page.get_by_role("link", name="存证回执")
    assert page.request.get(str(receipt.get_attribute("href"))).json()["anchor"]["block_number"] > 0

    page.goto("/materials")
    page.get_by_label("办件编号").fill(CASE)
    page.get_by_role("button", name="查找").click()
    expect(page.get_by_role("link", name=TITLE)).to_have_count(1)
    page.goto("/materials?q=NOTHING")
    expect(page.get_by_text("没有找到")).to_be_visible()


def test_a_material_is_about_several_people_added_and_removed_by_keyboard(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/materials/new?type=11310105MB9T00011M902")
    page.get_by_label("材料名称").fill("共同租赁合同（示例）")
    page.get_by_label("有效期起始").fill("2026-01-05")
    people = (("示例甲", "310105189903030078"), ("示例乙", "310105189903040073"), ("示例丙", "310105189903050079"))
    expect(page.get_by_role("button", name="移除")).to_have_count(0)
    desk.scripted()
    page.locator("input[type=file]").set_input_files(io_file(b"%PDF-1.7\n%%EOF\n", "合同.pdf"))
    for place, (name, _) in enumerate(people):
        # A person who was added has the focus, and what was typed before is still there.
        who = page.get_by_role("group", name=f"涉及的人或单位{f' {place + 1}' if place else ''}")
        if place:
            expect(who.get_by_label("姓名或单位名称")).to_be_focused()
        who.get_by_label("姓名或单位名称").fill(name)
        who.get_by_label("证件类型").select_option("111")
        who.get_by_label("证件号码").fill("1")
        if place < 2:
            page.get_by_role("button", name="增加一位").press("Enter")
            expect(page.get_by_label("姓名或单位名称")).to_have_count(place + 2)
    page.get_by_role("button", name="移除 2").press("Enter")
    expect(page.get_by_label("姓名或单位名称")).to_have_count(2)
    # Taken back where it was, and removed again.
    undo = page.get_by_role("button", name="撤销移除")
    expect(undo).to_be_focused()
    keep_picture(page, "material-holder-removed")
    undo.press("Enter")
    back = page.get_by_role("group", name="涉及的人或单位 2").get_by_label("姓名或单位名称")
    expect(back).to_be_focused()
    expect(back).to_have_value("示例乙")
    expect(undo).to_be_hidden()
    page.get_by_role("button", name="移除 2").press("Enter")
    # The file that was chosen before is chosen still.
    chosen = "input => Array.from(input.files, file => file.name)"
    assert page.locator("input[type=file]").evaluate(chosen) == ["合同.pdf"]
    second = page.get_by_role("group", name="涉及的人或单位 2")
    expect(second.get_by_label("姓名或单位名称")).to_have_value("示例丙")
    page.get_by_label("页数").fill("2")
    page.get_by_role("button", name="登记", exact=True).click()
    # Each wrong number is told at its own person.
    expect(page.locator("#holders\\.0\\.holder_code-error")).to_be_visible()
    expect(page.locator("#holders\\.1\\.holder_code-error")).to_be_visible()
    assert faults_of(page) == []
    expect(page.locator("#files-error")).to_contain_text("合同.pdf")
    keep_picture(page, "material-holders")
    desk.scripted()


def a_proof(site: Site, number: int) -> str:
    """A proof of residence, which counts once."""
    draft = MaterialDraft(
        site.types[901], f"居住情况证明 {number}", (HolderDraft("随丙", TENANT, "111"),), "20260105", "20261231",
        {"address": f"上海市长宁区示例路 {number} 号", "issued_for": PURPOSE},
    )  # fmt: skip
    with site.services.registry.begin(clerk_of(site.services)) as work:
        return materials.register(work, draft).id


def test_what_counts_once_says_whether_it_was_used_and_by_whom(desk: Watched) -> None:
    site, page = desk.site, desk.page
    item = a_proof(site, 1)
    desk.log_in("wang")
    page.goto(f"/materials/{item}")
    expect(page.get_by_role("region", name="一次性使用")).to_contain_text("尚未使用")
    with site.services.registry.begin(clerk_of(site.services)) as work:
        department = work.actor.department or ""
        grant = authorisations.grant(
            work,
            AuthorisationDraft(
                "function", department, "CN-FOOD-01", PURPOSE, work.at, work.at + timedelta(days=1),
                item_kind="material", item_id=item,
            ),
        )  # fmt: skip
        uses.reuse(
            work,
            ReuseRequest("material", item, "CN-FOOD-01", CASE, PURPOSE, grant.id, None, "staff:demo", "desk-1"),
        )
    page.reload()
    expect(page.get_by_role("region", name="一次性使用")).to_contain_text("不能再用")
    expect(page.locator(".lead .badge", has_text="已使用")).to_be_visible()


def test_pages_of_the_list_follow_one_another_and_lose_nobody(desk: Watched) -> None:
    for number in range(100, 127):
        a_proof(desk.site, number)
    desk.log_in("wang")
    page = desk.page
    page.goto(f"/materials?type={desk.site.types[901]}")
    seen = page.locator("tbody th a").all_inner_texts()
    assert len(seen) == 25
    page.get_by_role("link", name="更早的材料").click()
    page.wait_for_url("**cursor=**")
    seen += page.locator("tbody th a").all_inner_texts()
    assert {f"居住情况证明 {number}" for number in range(100, 127)} <= set(seen) and len(set(seen)) == len(seen)


def test_who_opens_what(desk: Watched) -> None:
    item = a_proof(desk.site, 2)
    desk.log_in("chen")
    desk.page.goto(f"/materials/{item}")
    expect(desk.page.get_by_role("region", name="基本情况")).to_contain_text(TENANT)
    desk.context.clear_cookies()
    desk.log_in("lin")
    assert desk.page.request.get(f"/materials/{item}").status == 200
    assert desk.page.request.get("/materials/NOTHING").status == 404
    assert desk.page.request.get("/materials/new?type=11100000MB0341032Y001").status == 422


def test_a_file_is_found_by_its_digest_among_what_one_may_see_and_not_kept(desk: Watched) -> None:
    site, page = desk.site, desk.page
    data, name = b"%PDF-1.7\n% a file that one test alone has\n%%EOF\n", "查找示例（租赁合同）"
    with site.services.registry.begin(clerk_of(site.services)) as work:
        stored = site.services.files.put(io.BytesIO(data), 1_000)
        files.register(work, stored)
        draft = MaterialDraft(site.types[902], name, (HolderDraft("随丙", TENANT, "111"),), "20260105", "长期", {})
        materials.register(work, draft, [AttachedFile("合同.pdf", stored.sha256)])
    desk.log_in("wang")
    page.goto("/materials")
    page.locator("summary", has_text="这个文件登记过吗").press("Enter")
    page.locator("input[type=file]").set_input_files(io_file(data, "改了名字.pdf"))
    page.get_by_role("button", name="按文件查找").click()
    expect(page.locator(".notice")).to_contain_text("“改了名字.pdf”登记过")
    expect(page.get_by_role("link", name=name)).to_have_count(1)
    keep_picture(page, "material-by-file")
    assert faults_of(page) == []
    # One byte more is another file, and it is kept nowhere.
    page.locator("summary", has_text="这个文件登记过吗").press("Enter")
    page.locator("input[type=file]").set_input_files(io_file(data + b"\n", "另一个.pdf"))
    page.get_by_role("button", name="按文件查找").click()
    expect(page.locator(".notice")).to_contain_text("没有登记过“另一个.pdf”")
    keep_picture(page, "material-no-file")
    with site.services.registry.read(clerk_of(site.services)) as work:
        assert files.find_many(work, [sha256(data + b"\n").digest()]) == {}
    refused = page.request.post("/materials/file", multipart={"none": ""}, headers={"Origin": site.url})
    assert refused.status == 422 and "请选择要查的文件" in refused.text()
