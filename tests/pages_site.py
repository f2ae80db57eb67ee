"""A real server with one of everything in it, and a browser that watches what its pages do."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import openpyxl
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.app import create_app
from api.composition import Services, compose
from api.http.codes import code_of
from api.http.public import standing_of
from api.settings import Settings
from chain.network.ports import free_ports
from registry.accounts import service as accounts
from registry.applications import service as applications
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.catalogue import drafting
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.rules import CertificateDraft
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.components import service as components
from registry.components.rules import ComponentDraft
from registry.delegations import service as delegations
from registry.delegations.rules import DelegationDraft
from registry.departments import service as departments
from registry.disputes import service as disputes
from registry.keys import rules as keys
from registry.posters import service as posters
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.venues import service as venues
from registry.work import REGISTRY, Actor, Work
from verifier.code import CodeKind
from verifier.delegation import Role
from verifier.suites import SigningKey, SoftwareKey

#: A folder for pictures of the pages that tests see, to be looked at.
PICTURES = os.environ.get("SUIZHENG_PICTURES")
PASSWORD = "Suizheng-2026"
COMPANY, COMPANY_CODE = "上海长宁虹桥食品有限公司（示例）", "91310105MA1FWT014B"
PERSON_CODE = "31010518991231999X"
LAMP = "3101050118000123"
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# A machine may be slow; a page that is right is right whenever it comes.
PATIENCE_MS = 45_000
expect.set_options(timeout=PATIENCE_MS)
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LICENCE_HEADERS = (
    "证照编号", "持证主体", "持证主体代码", "证照颁发日期", "有效期起始", "有效期截止", "主体类型",
    "法定代表人（负责人、经营者）", "成立日期", "住所（经营场所）", "经营范围",
)  # fmt: skip


def licence_row(number: str, holder_code: str = COMPANY_CODE, valid_to: str = "长期") -> tuple[str, ...]:
    return (
        number, COMPANY, holder_code, "20260105", "20260105", valid_to, "有限责任公司", "陆文清", "20260105",
        "上海市长宁区虹桥路 1000 号", "食品经营（销售预包装食品）；餐饮管理",
    )  # fmt: skip


def workbook(*rows: tuple[str, ...]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (LICENCE_HEADERS, *rows):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@dataclass(frozen=True)
class Site:
    """A running server and what stands in it."""

    url: str
    app: FastAPI
    services: Services
    types: dict[int, str]
    certificate_id: str
    use_id: str
    code_id: str
    code_text: str
    venue_id: str
    delegation_id: str
    type_draft_id: str


def settings_in(folder: Path) -> Settings:
    (port,) = free_ports(1)
    return Settings(
        data=folder, database_url=f"sqlite:///{folder / 'registry.db'}", port=port, public_url=f"http://127.0.0.1:{port}",
        logins_per_minute=100_000, verifications_per_minute=100_000,
    )  # fmt: skip


def populate(services: Services) -> dict[str, object]:
    """Accounts, a matter, and one of everything that a page shows."""
    registry = services.registry
    with registry.begin(REGISTRY) as work:
        types = {row.number: row.code for row in catalogue.list_types(work)}
        operator = departments.operator(work).code
        for code in types.values():
            departments.grant_scope(work, operator, code, "issue")
            departments.grant_scope(work, operator, code, "use")
        for username, name, roles in (
            ("lin", "林晓岚", ["registrar"]),
            ("wang", "王其昌", ["window"]),
            ("chen", "陈明远", ["registrar", "window", "venue", "administrator", "auditor"]),
        ):
            accounts.create_staff(work, username, name, roles, operator, password=PASSWORD)
        accounts.create_staff(work, "new", "新同事", ["window"], operator)
        needed = ("holders.holder_name", "certificate_number", "extend_info.address", "extend_info.business_scope")
        slots = (
            Slot("CL01", "主体资格证明", (types[1],), True, needed),
            Slot("CL02", "居住情况证明", (types[901],), False),
        )
        type_draft_id = drafting.start(work, types[3]).id
        catalogue.register_matter(work, "CN-FOOD-01", "食品经营许可变更", operator, "办理食品经营许可变更", slots)
    with registry.begin(clerk_of(services)) as work:
        drafts = [draft(types[1], f"0500000020260101{n:04d}") for n in range(1, 4)]
        outcomes = certificates.register_many(work, drafts)
        certificate_id = outcomes[0].id
        certificates.change_status(
            work, outcomes[1].id, "suspend", "年度抽查发现问题，限期整改。", document="沪长市监〔2026〕12号"
        )
        disputes.raise_dispute(work, outcomes[2].id, "住所应为虹桥路 1000 号 5 层。", for_holder=True)
        grant = authorisations.grant(
            work,
            AuthorisationDraft(
                "function", operator, "CN-FOOD-01", "办理食品经营许可变更", work.at, work.at + timedelta(days=30),
                type_code=types[1],
            ),
        )  # fmt: skip
        use = uses.reuse(
            work,
            ReuseRequest(
                "certificate", certificate_id, "CN-FOOD-01", "CN20261122-0001", "办理食品经营许可变更", grant.id, None,
                "staff:demo", "desk-1",
            ),
        )  # fmt: skip
        rule = {
            "hours": [
                {"days": [1, 2, 3, 4, 5], "from": "17:00", "to": "21:00"},
                {"days": [6, 7], "from": "08:00", "to": "21:00"},
            ],
            "admit": {"types": [types[4]], "pass": True},
            "anti_passback_seconds": 60,
        }  # fmt: skip
        venue = venues.register(
            work, "长宁区第一中学体育场（示例）", "上海市长宁区虹桥路 1000 号", "310105", "12310105MB9T00038A", rule
        )
        venues.grant_pass(work, venue.id, "111", PERSON_CODE, work.at, work.at + timedelta(days=30))
        key = services.keys.key_for(keys.CODES, services.clock())
        code = codes.issue(work, CodeRequest(CodeKind.ENTERPRISE, subject=COMPANY_CODE, name=COMPANY), key)
        codes.issue(work, CodeRequest(CodeKind.VENUE, subject=venue.id), key)
        delegation_id = delegate(work, key)
        lamp = ComponentDraft(LAMP, "虹桥路 1000 号东侧人行道", COMPANY_CODE, "长宁区示例照明管理所")
        components.register(work, lamp, key)
        components.report_fault(work, LAMP, "晚上不亮，灯罩有裂缝")
        components.handle_fault(work, components.report_fault(work, LAMP, "灯杆上贴了小广告").id, "已清除")
        components.inspect(work, LAMP, "damaged", "灯罩破裂，已报修")
        applications.apply(
            work, COMPANY_CODE, ("111", PERSON_CODE), "handler", "营业执照 05000000202601010001、授权书 2026-01",
            "虹桥路社区图书馆（示例）", "上海市长宁区虹桥路 1002 号", "310105",
        )  # fmt: skip
        first, second = posters.make(work, venue.id, 2, key)
        posters.put_up(work, first.code_id, "南门入口右侧立柱", "wtw3ef")
        posters.report(work, second.code_id, "moved", "现在贴在地铁 10 号线出口")
    return {
        "types": types, "certificate_id": certificate_id, "use_id": use.id, "code_id": code.id,
        "code_text": code_of(code).text, "venue_id": venue.id,
        "delegation_id": delegation_id, "type_draft_id": type_draft_id,
    }  # fmt: skip


MANAGER_DEVICE, HANDLER_DEVICE = SoftwareKey.generate(), SoftwareKey.generate()


def delegate(work: Work, key: SigningKey, enterprise: str = COMPANY_CODE) -> str:
    """A manager of an enterprise that has its code, with a handler for one matter; the handler's id."""
    public = MANAGER_DEVICE.public
    manager = delegations.grant(
        work,
        DelegationDraft(
            enterprise, Role.MANAGER, "张三丰", ("111", PERSON_CODE), int(public.suite), public.raw, work.at,
            work.at + timedelta(days=300), document="委托书 2026-001",
        ),
        key,
    )  # fmt: skip
    public = HANDLER_DEVICE.public
    handler = delegations.grant(
        work,
        DelegationDraft(
            enterprise, Role.HANDLER, "李四", ("111", PERSON_CODE), int(public.suite), public.raw, work.at,
            work.at + timedelta(days=30), ("CN-FOOD-01",), parent_id=manager.id,
        ),
        key,
    )  # fmt: skip
    delegations.complete(work, handler.id, MANAGER_DEVICE.sign(delegations.to_be_signed(work, handler)))
    return handler.id


def draft(type_code: str, number: str, holder_code: str = COMPANY_CODE) -> CertificateDraft:
    facts = {
        "certificate_type_code": type_code, "certificate_number": number, "issue_date": "20260105",
        "valid_from": "20260105", "valid_to": "长期",
        "holders": [{"holder_name": COMPANY, "holder_code": holder_code, "holder_code_type_code": "001"}],
        "extend_info": {
            "entity_type": "有限责任公司（自然人独资）", "legal_representative": "陆文清",
            "registered_capital": "人民币 500 万元整", "established_on": "20260105",
            "address": "上海市长宁区虹桥路 1000 号 3 层",
            "business_scope": "食品经营（销售预包装食品）；餐饮管理；" * 4,
        },
    }  # fmt: skip
    return parse_draft(facts)


def clerk_of(services: Services) -> Actor:
    """The operating department's own system, with every role at the desks."""
    with services.registry.read(REGISTRY) as work:
        operator = departments.operator(work).code
    return Actor("system:tests", "system", operator, frozenset({"registrar", "window", "venue"}))


def io_file(data: bytes, name: str = "rows.xlsx") -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def verdict(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def start(folder: Path) -> Iterator[Site]:
    services = compose(settings_in(folder))
    things = populate(services)
    app = create_app(services)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=services.settings.port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    wait_until(lambda: is_anchored(services))
    try:
        yield Site(url=services.settings.public_url, app=app, services=services, **things)  # type: ignore[arg-type]
    finally:
        server.should_exit = True
        thread.join(30)


def is_anchored(services: Services) -> bool:
    standing = standing_of(services)
    return standing.size > 0 and standing.unanchored == 0


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the server did not get there in time"
        time.sleep(0.05)


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page where a folder for pictures is given."""
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


class Watched:
    """A browser context that remembers every complaint of a page and every request to anyone but the server."""

    def __init__(self, browser: Browser, site: Site, viewport: dict[str, int] = DESK) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(viewport=viewport, locale="zh-CN", base_url=site.url)
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: object) -> None:
        text, kind = message.text, message.type  # type: ignore[attr-defined]
        # A page that answers 4xx on purpose (a refused form) is noted by the browser as a failed load of itself.
        if kind in ("error", "warning") and "status of 4" not in text:
            self.complaints.append(f"{kind}: {text}")

    def _request(self, request: object) -> None:
        url: str = request.url  # type: ignore[attr-defined]
        if not url.startswith((self.site.url, "blob:", "data:")):
            self.complaints.append(f"request to another host: {url}")

    def scripted(self) -> None:
        """Wait until the page's script answers clicks; before that the page works without it, and asks differently."""
        self.page.locator("html[data-script=on]").wait_for(state="attached")

    def log_in(self, username: str, password: str = PASSWORD) -> None:
        self.say_password(username, password)
        self.page.wait_for_url(lambda url: "/login" not in url)

    def say_password(self, username: str, password: str = PASSWORD) -> None:
        """The first step of a log-in; whatever comes then."""
        self.page.goto("/login")
        self.page.get_by_label("用户名").fill(username)
        self.page.get_by_label("口令").fill(password)
        self.page.locator("main").get_by_role("button", name="登录").click()


def pages_of(site: Site) -> dict[str, str]:
    """Every page a GET can open, by name."""
    return {
        "home": "/", "verify": "/verify", "status": "/status", "password": "/password", "register": "/register",
        "imports": "/imports",
        "single": f"/register/single?type={site.types[2]}", "certificates": "/certificates",
        "certificate": f"/certificates/{site.certificate_id}", "use": "/use", "use-result": f"/uses/{site.use_id}",
        "copies": f"/certificates/{site.certificate_id}/copies?use={site.use_id}",
        "extracts": f"/certificates/{site.certificate_id}/extracts?use={site.use_id}",
        "codes": "/codes?kind=person", "code": f"/codes/{site.code_id}", "venues": "/venues",
        "phones": "/devices",
        "venue": f"/venues/{site.venue_id}", "accounts": "/accounts", "keys": "/keys",
        "materials": "/materials", "material-new": f"/materials/new?type={site.types[902]}",
        "matters": "/matters", "matter": "/matters/CN-FOOD-01", "matter-edit": "/matters/CN-FOOD-01/edit",
        "departments": "/departments", "types": "/types", "type": f"/types/{site.types[3]}",
        "type-draft": f"/types/drafts/{site.type_draft_id}?check=1",
        "proposals": "/proposals", "trusted": "/trusted",
        "signing-keys": "/signing-keys?department=11310105MB9T00011M",
        "delegations": "/delegations", "delegation": f"/delegations/{site.delegation_id}",
        "quality": "/quality?month=2026-01",
        "quality-findings": f"/quality/findings?month=2026-01&type={site.types[1]}&department=11310105MB9T00011M",
        "not-found": "/certificates/nothing",
    }  # fmt: skip


def variants_of(site: Site) -> dict[str, str]:
    """The same pages showing something else."""
    return {
        "single-many": f"/register/single?type={site.types[3]}",
        **{f"change-{label}": f"/certificates/{site.certificate_id}/changes/{label}" for label in ("revoke", "change")},
        "certificates-none": "/certificates?issued_to=1950-01-01",
        "codes-enterprise": "/codes?kind=enterprise", "codes-venue": "/codes?kind=venue",
        "codes-printed": "/codes?kind=printed", "relatives": "/relatives", "components": "/components",
        "component": f"/components/{LAMP}", "faults": "/components/faults",
        "applications": "/venues/applications", "posters": f"/venues/{site.venue_id}/posters",
        "alarms": "/venues/alarms", "scans": "/scans", "quality-none": "/quality?month=2020-01",
        "type-schema": f"/types/drafts/{site.type_draft_id}/schema",
        "type-review": f"/types/drafts/{site.type_draft_id}/publish",
    }  # fmt: skip
