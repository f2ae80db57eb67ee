"""Two departments rely on what others issued: accepted under an authorisation, refused with a named reason."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from api.demo import files
from api.demo.client import AnswerError, Client
from api.demo.people import company_code
from api.demo.setting_up import MATTER, ONE_TIME_PROOF, OTHER_MATTER, OTHER_PURPOSE, PURPOSE
from api.demo.stage import Stage, expect

Json = dict[str, Any]
CONTENDERS = 8


def reuse(stage: Stage) -> None:
    """The accepted use with its receipt, the refusals, and the race for a one-time item."""
    window = stage.clients[files.WINDOW]
    licence = stage.certificates[files.business_licence(7)["证照编号"]]
    holder = {"holder_code": company_code(7), "holder_code_type_code": "001"}
    grant = _grant(window, files.WINDOW, "certificate", licence, MATTER, PURPOSE, subject=holder)
    request = _request("certificate", licence, MATTER, PURPOSE, grant, subject=holder)
    window.post("/api/v1/uses", request)
    stage.counted["reuse_accepted"] += 1
    stage.tell("跨部门复用", "区行政服务中心凭授权使用区市场监管局的营业执照，受理并生成用证回执")
    _refusals(stage, window, licence, request, holder)
    _race(stage)


def _refusals(stage: Stage, window: Client, licence: str, request: Json, holder: Json) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    short = _grant(window, files.WINDOW, "certificate", licence, MATTER, PURPOSE, subject=holder, ends=soon)
    other = {"holder_code": company_code(8), "holder_code_type_code": "001"}
    suspended = stage.certificates[files.business_licence(9)["证照编号"]]
    revoked_grant = _grant(window, files.WINDOW, "certificate", suspended, MATTER, PURPOSE)
    stage.clients[files.MARKET].post(
        f"/api/v1/certificates/{suspended}/status",
        {
            "operation": "revoke",
            "reason": "提交虚假材料取得（示例）",
            "authority": files.MARKET,
            "effective_at": datetime.now(UTC).isoformat(),
        },
    )
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds() + 0.1))
    for expected, changed in (
        ("wrong_purpose", {"purpose": "其他用途"}),
        ("authorisation_expired", {"authorisation_id": short}),
        ("wrong_subject", {"subject": other}),
        ("item_revoked", {"item_id": suspended, "authorisation_id": revoked_grant, "subject": None}),
    ):
        try:
            window.post("/api/v1/uses", {**request, **changed})
        except AnswerError as refused:
            expect(refused.reason == expected, f"refused for {refused.reason} instead of {expected}")
            stage.counted["reuse_refused"] += 1
            stage.console.print(f"    [yellow]{expected}[/yellow]：{refused.problem.get('detail')}")
        else:
            expect(False, f"a use was accepted that should be refused: {expected}")
    stage.tell("拒绝复用", f"{stage.counted['reuse_refused']} 次，各有具名原因并记录在案")


def _race(stage: Stage) -> None:
    """Two departments, several windows each, one one-time proof, the same moment."""
    name, number = files.senior_holder(1)
    street = stage.clients[files.STREET]
    proof = street.post(
        "/api/v1/materials",
        {
            "type_code": ONE_TIME_PROOF,
            "title": "居住情况证明",
            "holders": [{"holder_name": name, "holder_code": number, "holder_code_type_code": "111"}],
            "valid_from": f"{datetime.now(UTC) - timedelta(days=1):%Y%m%d}",
            "valid_to": f"{datetime.now(UTC) + timedelta(days=90):%Y%m%d}",
            "data": {"address": "上海市长宁区示例路 1 弄", "issued_for": "津贴核对"},
        },
    )["id"]
    sides = ((files.WINDOW, MATTER, PURPOSE), (files.CIVIL, OTHER_MATTER, OTHER_PURPOSE))
    won: list[str] = []
    reasons: list[str] = []
    ready = threading.Barrier(CONTENDERS)

    def contend(department: str, request: Json) -> None:
        client = stage.clients[department].twin()
        ready.wait()
        try:
            won.append(client.post("/api/v1/uses", request)["id"])
        except AnswerError as refused:
            reasons.append(refused.reason)

    threads = []
    for place in range(CONTENDERS):
        department, matter, purpose = sides[place % 2]
        grant = _grant(stage.clients[department], department, "material", proof, matter, purpose)
        request = _request("material", proof, matter, purpose, grant, subject=None)
        threads.append(threading.Thread(target=contend, args=(department, request)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(len(won) == 1 and set(reasons) == {"already_used"}, f"winners {len(won)}, reasons {reasons}")
    stage.counted["one_time_winners"] = len(won)
    stage.counted["reuse_accepted"] += 1
    stage.counted["reuse_refused"] += len(reasons)
    stage.tell("一次性材料", f"两个部门 {CONTENDERS} 个窗口同时使用，恰有 1 个成功，其余收到首次使用的证据")


def _grant(
    client: Client,
    grantee: str,
    kind: str,
    item: str,
    matter: str,
    purpose: str,
    subject: Json | None = None,
    ends: datetime | None = None,
) -> str:
    body = {
        "route": "holder" if subject else "function",
        "grantee": grantee,
        "matter_code": matter,
        "purpose": purpose,
        "valid_to_at": (ends or datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "item_kind": kind,
        "item_id": item,
        "subject": subject,
    }
    return str(client.post("/api/v1/authorisations", body)["id"])


def _request(kind: str, item: str, matter: str, purpose: str, grant: str, subject: Json | None) -> Json:
    return {
        "item_kind": kind,
        "item_id": item,
        "matter_code": matter,
        "case_no": "CN2026112200001",
        "purpose": purpose,
        "authorisation_id": grant,
        "subject": subject,
        "operator": "W0012",
        "device": "window-12",
    }
