"""The district: departments with scopes, their systems' tokens, matters, and one administrator who does all that."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from api.demo import files
from api.demo.client import Client
from api.demo.stage import Stage

ONE_TIME_PROOF = "11310105MB9T00011M901"
MATERIAL = "11310105MB9T00011M902"
MATTER = "310105-0001"
OTHER_MATTER = "310105-0002"
PURPOSE = "办理户外招牌设置备案"
OTHER_PURPOSE = "办理老年人综合津贴核对"

_ISSUES = (
    (files.MARKET, files.BUSINESS),
    (files.MARKET, files.FOOD),
    (files.DISABLED, files.DISABILITY),
    (files.CIVIL, files.SENIOR),
    (files.BUILDING, files.OPERATION),
    (files.STREET, ONE_TIME_PROOF),
    (files.WINDOW, MATERIAL),
)
_USES = tuple(
    (department, type_code)
    for department in (files.WINDOW, files.CIVIL)
    for type_code in (files.BUSINESS, files.FOOD, files.SENIOR, ONE_TIME_PROOF)
)
_PEOPLE = (
    ("registrar", "发证演示员", files.MARKET, "registrar"),
    ("window", "窗口演示员", files.WINDOW, "window"),
    ("venue", "场所演示员", files.STREET, "venue"),
)


def set_up(stage: Stage) -> None:
    """Log in with the one-time password, change it, and make departments, scopes, tokens and matters."""
    administrator = Client(stage.server.url)
    first = stage.server.one_time_password()
    chosen = secrets.token_urlsafe(18)
    administrator.post("/api/v1/sessions", {"username": "admin", "password": first})
    administrator.post("/api/v1/password", {"current_password": first, "new_password": chosen})
    administrator.post("/api/v1/sessions", {"username": "admin", "password": chosen})
    for code, (name, short_name) in files.DEPARTMENTS.items():
        administrator.post("/api/v1/departments", {"code": code, "name": name, "short_name": short_name})
    for action, scopes in (("issue", _ISSUES), ("use", _USES)):
        for department, type_code in scopes:
            scope = {"type_code": type_code, "action": action}
            administrator.post(f"/api/v1/departments/{department}/scopes", scope)
    for code, name, department, purpose in (
        (MATTER, "户外招牌设置备案", files.WINDOW, PURPOSE),
        (OTHER_MATTER, "老年人综合津贴", files.CIVIL, OTHER_PURPOSE),
    ):
        accepts = [files.BUSINESS, files.FOOD, files.SENIOR, ONE_TIME_PROOF]
        slot = {"code": "CL00310105", "name": "主体资格或身份证明", "accepts": accepts}
        matter = {"code": code, "name": name, "department": department, "purpose": purpose, "slots": [slot]}
        administrator.post("/api/v1/matters", matter)
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for code in files.DEPARTMENTS:
        token = {"name": "演示系统", "department": code, "roles": ["registrar", "window", "venue"], "expires_at": ends}
        stage.clients[code] = Client(stage.server.url, administrator.post("/api/v1/tokens", token)["secret"])
    # For looking at the pages afterwards; printed at the end, kept nowhere.
    for username, name, department, role in _PEOPLE:
        person = {"username": username, "name": name, "department": department, "roles": [role]}
        stage.accounts[username] = administrator.post("/api/v1/accounts", person)["one_time_password"]
    stage.accounts["admin"] = chosen
    administrator.close()
    stage.tell("部门、权限与事项", f"{len(files.DEPARTMENTS)} 个部门，{len(_ISSUES)} 项颁发权，2 个事项")
