"""Looking, verifying, using, coding, hosting and administering, in a real browser."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from page_maker import page_with, pdf_of
from pages_site import (
    COMPANY,
    COMPANY_CODE,
    PERSON_CODE,
    Watched,
    clerk_of,
    draft,
    keep_picture,
)
from playwright.sync_api import Page, expect

from api.composition import Services
from codes import picture
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.holders import HolderDraft
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.keys import rules as keys
from registry.materials import service as materials
from registry.materials.rules import MaterialDraft
from registry.work import REGISTRY
from verifier.code import CodeKind

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


# ---- Looking --------------------------------------------------------------------------------------------------------


def test_the_list_finds_by_number_by_identifier_and_by_holder_without_a_number_in_the_address(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    desk.log_in("wang")
    with services.registry.read(REGISTRY) as work:
        row = certificates.get(work, desk.site.certificate_id)
    for asked in (row.number, row.identifier):
        page.goto("/certificates")
        page.get_by_label("证照编号或证照标识").fill(asked)
        page.get_by_label("证照编号或证照标识").press("Enter")
        expect(page.locator("tbody tr")).to_have_count(1)
        assert asked not in page.url
    page.goto("/certificates")
    page.get_by_text("按持证主体查找", exact=True).click()
    page.get_by_label("证件类型").select_option("001")
    page.get_by_label("证件号码").fill(COMPANY_CODE)
    page.locator("details").get_by_role("button", name="查找").click()
    expect(page.get_by_role("alert")).to_contain_text("查询用途")
    assert page.get_by_label("证件号码").input_value() == COMPANY_CODE
    page.get_by_label("查询用途").fill("窗口受理核对")
    page.locator("details").get_by_role("button", name="查找").click()
    expect(page.locator("tbody tr").nth(2)).to_be_visible()
    assert COMPANY_CODE not in page.url
    assert COMPANY_CODE not in page.evaluate("JSON.stringify([history.state, document.referrer])")


def test_a_list_is_narrowed_by_period_type_and_state_at_an_address_that_can_be_kept(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/certificates")
    page.get_by_label("颁发日期起").fill("2026-01-05")
    page.get_by_label("颁发日期止").fill("2026-01-05")
    page.get_by_label("证照类型").select_option(desk.site.types[1])
    page.get_by_role("button", name="查找").first.click()
    page.wait_for_url("**/certificates?type=*&issued_from=2026-01-05&issued_to=2026-01-05")
    expect(page.locator("tbody tr").nth(2)).to_be_visible()
    page.get_by_label("颁发日期止").fill("2025-12-31")
    page.get_by_role("button", name="查找").first.click()
    expect(page.get_by_role("alert")).to_contain_text("止日早于起日")
    page.goto("/certificates?issued_from=2026-02-30")
    expect(page.get_by_role("alert")).to_contain_text("不是存在的日期")
    assert page.get_by_label("颁发日期起").input_value() == ""


def test_what_a_search_finds_is_turned_over_without_its_number_in_any_address(desk: Watched) -> None:
    page, services, code = desk.page, desk.site.services, "91310105MA1FL3X82W"
    numbers = [f"0500000020261126{n:04d}" for n in range(100, 130)]
    holder = (HolderDraft("上海长宁示例贸易有限公司", code, "001"),)
    with services.registry.begin(clerk_of(services)) as work:
        drafts = [replace(draft(desk.site.types[1], number), holders=holder) for number in numbers]
        certificates.register_many(work, drafts)
    desk.log_in("wang")
    page.goto("/certificates")
    page.get_by_text("按持证主体查找", exact=True).click()
    page.get_by_label("证件类型").select_option("001")
    page.get_by_label("证件号码").fill(code)
    page.get_by_label("查询用途").fill("窗口受理核对")
    page.locator("details").get_by_role("button", name="查找").click()
    expect(page.locator("tbody tr")).to_have_count(25)
    page.get_by_role("button", name="更早的证照").click()
    expect(page.locator("tbody tr")).to_have_count(5)
    assert code not in page.url
    page.get_by_role("button", name="回到最新").click()
    expect(page.locator("tbody tr")).to_have_count(25)


def test_the_detail_shows_face_proof_and_evidence_and_the_bundle_verifies(desk: Watched) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto(f"/certificates/{desk.site.certificate_id}")
    expect(page.get_by_role("article", name="营业执照")).to_contain_text(COMPANY)
    expect(page.get_by_text("锚定上链")).to_be_visible()
    page.get_by_text("收录证明").click()
    expect(page.get_by_role("img", name="从本条目到树根的证明路径")).to_be_visible()
    expect(page.get_by_role("img", name="企业码的二维码")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="下载证据包").click()
    bundle = download.value.path()
    page.goto("/verify")
    page.locator("[data-drop] input[type=file]").set_input_files(bundle)
    expect(page.get_by_role("heading", level=1)).to_have_text("有效")


def test_a_window_sees_a_masked_face_until_it_states_a_purpose(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    card = {
        "certificate_type_code": desk.site.types[4], "certificate_number": "3101052026000077", "issue_date": "20260105",
        "valid_from": "20260105", "valid_to": "长期",
        "holders": [{"holder_name": "欧阳建国", "holder_code": PERSON_CODE, "holder_code_type_code": "111"}],
        "extend_info": {"gender": "男", "born_on": "18991231"},
    }  # fmt: skip
    with services.registry.begin(clerk_of(services)) as work:
        certificate_id = certificates.register(work, parse_draft(card)).id
    desk.log_in("wang")
    page.goto(f"/certificates/{certificate_id}")
    expect(page.get_by_role("article")).to_contain_text("欧**国")
    assert PERSON_CODE not in page.content() and "欧阳建国" not in page.content()
    page.get_by_text("查看完整照面").click()
    page.get_by_label("查看用途").fill("核对申请人身份")
    page.get_by_role("button", name="查看并记录").click()
    expect(page.get_by_role("article")).to_contain_text(PERSON_CODE)


def test_a_change_of_status_asks_first_and_is_written_into_the_history(desk: Watched, tmp_path: Path) -> None:
    page, services = desk.page, desk.site.services
    with services.registry.begin(clerk_of(services)) as work:
        done = certificates.register(work, draft(desk.site.types[1], "05000000202606010001"))
    desk.log_in("lin")
    page.goto(f"/certificates/{done.id}")
    page.get_by_role("link", name="暂扣").click()
    expect(page.get_by_role("listitem").filter(has_text="可以恢复：之后可办理“暂扣发还”")).to_be_visible()
    page.get_by_label("事由").fill("年度抽查发现问题，限期整改。")
    page.get_by_label("决定文书编号").fill("沪长市监〔2026〕20号")
    desk.scripted()
    page.get_by_role("button", name="办理暂扣").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("年度抽查发现问题")
    dialog.get_by_role("button", name="取消").click()
    expect(dialog).to_have_count(0)
    assert not _events(services, done.id)
    page.get_by_role("button", name="办理暂扣").click()
    dialog.get_by_role("button", name="确认暂扣").click()
    expect(page.get_by_role("status")).to_contain_text("状态已变更")
    expect(page.locator(".timeline").first).to_contain_text("年度抽查发现问题")
    expect(page.locator(".timeline").first).to_contain_text("沪长市监〔2026〕20号")


def _events(services: Services, certificate_id: str) -> list[str]:
    with services.registry.read(REGISTRY) as work:
        return [event.operation for event in certificates.events_of(work, certificate_id)]


# ---- Verifying ------------------------------------------------------------------------------------------------------


def test_a_scanned_code_and_enter_give_a_verdict_and_the_next_scan_can_follow(desk: Watched) -> None:
    page, text = desk.page, desk.site.code_text
    page.goto("/verify")
    expect(page.get_by_label("扫码枪扫入")).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("有效")
    expect(page.get_by_text(COMPANY)).to_be_visible()
    assert text not in page.url
    expect(page.get_by_label("核验下一个")).to_be_focused()
    page.keyboard.type(text[:-4] + ("AAAA" if not text.endswith("AAAA") else "BBBB"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("无效")
    assert page.locator("svg.shape path").first.get_attribute("d").startswith("M39 7h42")


def test_what_a_chinese_input_method_makes_of_a_scan_is_read_all_the_same(desk: Watched) -> None:
    page = desk.page
    wide = {ord(sign): ord(sign) + 0xFEE0 for sign in map(chr, range(0x21, 0x7F))} | {ord(" "): 0x3000}
    page.goto("/")
    page.get_by_label("核验证照或二维码").fill(
        desk.site.code_text.translate(wide).replace("．", "。").replace("＄", "￥")
    )
    page.get_by_label("核验证照或二维码").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("有效")


def test_the_script_undoes_the_input_method_as_the_server_does(desk: Watched) -> None:
    page = desk.page
    page.goto("/verify")
    typed = page.evaluate(
        "text => import('/static/js/scan.js').then(scan => scan.asTyped(text))", "ＳＺ１：Ａ　Ｂ。、￥\r\n"
    )
    assert typed == "SZ1:A B./$"


def test_a_picture_of_a_code_is_read_and_a_foreign_one_is_not_ours(desk: Watched) -> None:
    page = desk.page
    for name, data, word in (
        ("code.png", picture.draw_png(desk.site.code_text), "有效"),
        ("code.svg", picture.draw_svg(desk.site.code_text).encode(), "有效"),
        ("none.png", blank_png(), "无法判定"),
        ("long.pdf", pdf_of(*(page_with(desk.site.code_text) for _ in range(26))), "无法判定"),
        ("code.pdf", pdf_of(page_with(), page_with(desk.site.code_text)), "有效"),
        ("noise.szb", b"nothing of ours", "不属本系统"),
    ):
        page.goto("/verify")
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        page.locator("[data-drop] input[type=file]").set_input_files(file)
        expect(page.get_by_role("heading", level=1)).to_have_text(word)
        if name.endswith("pdf"):
            said = "第 2 页（共 2 页，读到 1 个码）" if word == "有效" else "只看了前 25 页"
            expect(page.get_by_text(said).first).to_be_visible()
            expect(page.get_by_text("码有效不等于文件没有被改动")).to_have_count(1 if word == "有效" else 0)
            keep_picture(page, name)


def blank_png() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (320, 320), 255).save(out, "PNG")
    return out.getvalue()


def test_a_lost_code_is_not_in_force_and_says_what_to_do(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    key = services.keys.key_for(keys.CODES, services.clock())
    with services.registry.begin(clerk_of(services)) as work:
        lost = codes.issue(work, CodeRequest(CodeKind.ENTERPRISE, subject="91310105MA1FWT0226", name="示例公司"), key)
        text, lost_id = lost.text, lost.id
    desk.log_in("wang")
    page.goto(f"/codes/{lost_id}")
    desk.scripted()
    page.get_by_role("button", name="挂失").click()
    page.get_by_role("dialog").get_by_role("button", name="挂失").click()
    expect(page.get_by_role("status")).to_contain_text("已挂失")
    page.goto("/verify")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("不在有效状态")
    expect(page.locator(".notice")).to_contain_text("领取新码")
    page.get_by_text("全部检查").click()
    expect(page.locator(".check-failed")).to_contain_text("未通过")


# ---- Using ----------------------------------------------------------------------------------------------------------


def test_a_window_scans_a_code_authorises_and_uses_and_the_receipt_follows(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/use")
    page.get_by_label("办理事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill("CN20261122-0777")
    page.get_by_label("扫描个人码或企业码").fill(desk.site.code_text)
    page.get_by_label("扫描个人码或企业码").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")
    page.get_by_role("button", name="用于本办件").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("已用于本办件")
    expect(page.get_by_text("CN20261122-0777")).to_be_visible()


def test_an_unknown_case_or_applicant_is_pointed_out_beside_its_field(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/use")
    page.get_by_label("办理事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill("CN20261122-0778")
    page.get_by_label("证件号码").fill("310105189912319990")
    page.get_by_role("button", name="查找可用的证照").click()
    expect(page.locator("#f-holder_code")).to_have_attribute("aria-invalid", "true")


def test_a_one_time_material_can_be_used_once_and_the_second_window_sees_the_first_use(desk: Watched) -> None:
    register_proof(desk.site.services, desk.site.types[901])
    desk.log_in("wang")
    first, second = desk.page, desk.context.new_page()
    for page, case_no in ((first, "CN-A-1"), (second, "CN-A-2")):
        find_what_the_person_has(page, case_no)
    for page in (first, second):
        page.get_by_role("button", name="登记本人当场授权").click()
        expect(page.get_by_role("button", name="用于本办件")).to_be_visible()
    for page, heading in ((first, "已用于本办件"), (second, "不能用证")):
        page.get_by_role("button", name="用于本办件").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(second.get_by_text("首次使用", exact=True)).to_be_visible()
    find_what_the_person_has(first, "CN-A-3")
    expect(first.locator(".pick", has_text="已用过")).to_contain_text("只能用一次，")
    expect(first.get_by_role("button", name="用于本办件")).to_have_count(0)


def find_what_the_person_has(page: Page, case_no: str) -> None:
    page.goto("/use")
    page.get_by_label("办理事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill(case_no)
    page.get_by_label("证件类型").select_option("111")
    page.get_by_label("证件号码").fill(PERSON_CODE)
    page.get_by_role("button", name="查找可用的证照").click()


def register_proof(services: Services, type_code: str) -> None:
    with services.registry.begin(clerk_of(services)) as work:
        materials.register(
            work,
            MaterialDraft(
                type_code=type_code, title="居住情况证明", holders=(HolderDraft("欧阳建国", PERSON_CODE, "111"),),
                valid_from="20260105", valid_to="20270104",
                data={"address": "上海市长宁区虹桥路 1000 号", "issued_for": "食品经营许可变更"},
            ),
        )  # fmt: skip


# ---- Codes, venues, accounts ----------------------------------------------------------------------------------------


def test_an_enterprise_code_is_issued_shown_large_and_reissued_with_the_next_generation(desk: Watched) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto("/codes?kind=enterprise")
    page.get_by_label("统一社会信用代码").fill("92310105MA1FWT030X")
    page.get_by_label("企业名称").fill("长宁区示例便利店")
    page.get_by_role("button", name="制码").click()
    expect(page.get_by_role("status")).to_contain_text("码已制发")
    first = page.url
    desk.scripted()
    page.get_by_role("button", name="换发新码").click()
    page.get_by_role("dialog").get_by_role("button", name="换发新码").click()
    expect(page.locator("dl.facts > div", has_text="代次").locator("dd")).to_have_text("2")
    page.goto(first.partition("?")[0])
    expect(page.get_by_text("此码已不能使用")).to_be_visible()


def test_a_venue_is_registered_its_rule_changed_and_a_pass_granted(desk: Watched) -> None:
    page = desk.page
    desk.log_in("chen")
    page.goto("/venues")
    page.locator("summary", has_text="登记场所").click()
    page.get_by_label("场所名称").fill("临空商务楼 5 号（示例）")
    page.get_by_label("地址").fill("上海市长宁区临空路 5 号")
    page.get_by_label("责任单位").fill("12310105MB9T00038A")
    page.get_by_role("button", name="登记场所").click()
    expect(page.get_by_role("status")).to_contain_text("场所已登记")
    page.locator("summary", has_text="修改规则").click()
    page.locator("#f-to0").fill("20:00")
    page.get_by_role("button", name="保存规则").click()
    expect(page.get_by_text("每天 08:00–20:00")).to_be_visible()
    page.get_by_label("证件号码").fill(PERSON_CODE)
    page.get_by_role("button", name="发放").click()
    expect(page.get_by_role("status")).to_contain_text("通行证已发放")
    assert PERSON_CODE not in page.content()


def test_an_administrator_makes_an_account_and_a_token_whose_secrets_are_shown_once(desk: Watched) -> None:
    page = desk.page
    desk.log_in("chen")
    page.goto("/accounts")
    page.locator("summary", has_text="新建账号").click()
    page.locator("#f-username").fill("zhou")
    page.locator("#f-name").fill("周敏")
    page.locator("#f-department").select_option(index=1)
    page.locator("form[action='/accounts']").get_by_label("综合窗口").check()
    page.get_by_role("button", name="创建账号").click()
    expect(page.locator("#secret")).to_contain_text("Sz1-")
    page.locator("summary", has_text="新建令牌").click()
    page.locator("#f-token_name").fill("业务系统")
    page.locator("#f-token_department").select_option(index=1)
    page.locator("form[action='/tokens']").get_by_label("证照登记员").check()
    page.get_by_role("button", name="创建令牌").click()
    expect(page.locator("#secret")).to_contain_text("szt_")
    page.goto("/accounts")
    expect(page.locator("#secret")).to_have_count(0)
    desk.scripted()
    page.get_by_role("button", name="吊销 业务系统").click()
    page.get_by_role("dialog").get_by_role("button", name="吊销").click()
    expect(page.get_by_role("status")).to_contain_text("令牌已吊销")
    # A gate's, for one venue of its department; with another role besides it is refused, and the form is as it was.
    page.locator("summary", has_text="新建令牌").click()
    venue = page.locator(".choice", has=page.locator("input[name='token_venues']")).first
    name, department = venue.inner_text().strip().split(" · ")
    page.locator("#f-token_name").fill("东门闸口")
    page.locator("#f-token_department").select_option(label=department)
    page.locator("form[action='/tokens']").get_by_label("闸口", exact=True).check()
    page.locator("form[action='/tokens']").get_by_label("场所管理员").check()
    venue.locator("input").check()
    page.get_by_role("button", name="创建令牌").click()
    expect(page.locator("#token_venues-error")).to_contain_text("只有角色仅为“闸口”的令牌")
    expect(venue.locator("input")).to_be_checked()
    keep_picture(page, "token-of-a-venue")
    page.locator("form[action='/tokens']").get_by_label("场所管理员").uncheck()
    page.get_by_role("button", name="创建令牌").click()
    expect(page.locator("#secret")).to_contain_text("szt_")
    row = page.locator("tr", has_text="东门闸口")
    expect(row).to_contain_text(f"仅限 {name}")
