"""The walk of one certificate: from a department to an offline verdict in a bare process, and on to its reuse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.composition import Services, compose
from api.demo.files import BUSINESS, MARKET, WINDOW, business_licence
from api.settings import Settings
from codes import picture
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.departments import service as departments
from registry.evidence import service as evidence
from registry.keys import rules as key_rules
from registry.log.receipts import receipt_of
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.work import REGISTRY, Actor
from verifier import CodeKind, State, TrustBundle, verify
from verifier.merkle import leaf_hash
from verifier.receipt import check_receipt

CLERK = Actor("walk-clerk", "staff", MARKET, frozenset(("registrar",)))
WINDOW_CLERK = Actor("walk-window", "staff", WINDOW, frozenset(("window",)))
PURPOSE = "办理户外招牌设置备案"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    data = tmp_path / "data"
    opened = compose(Settings(data=data, database_url=f"sqlite:///{data / 'registry.db'}"))
    yield opened
    opened.close()


def settle(services: Services) -> None:
    """Tick until nothing is left to do: what the worker does by itself."""
    for _ in range(20):
        if services.pipeline.tick().idle:
            return
    raise AssertionError("the pipeline does not come to rest")


def set_up(services: Services) -> None:
    with services.registry.begin(REGISTRY) as work:
        departments.register(work, MARKET, "区市场监督管理局（示例）", "区市场监管局", "district")
        departments.register(work, WINDOW, "区行政服务中心（示例）", "区行政服务中心", "district")
        departments.grant_scope(work, MARKET, BUSINESS, "issue")
        departments.grant_scope(work, WINDOW, BUSINESS, "use")
        slot = Slot("CL0001", "营业执照", (BUSINESS,), True)
        catalogue.register_matter(work, "310105-0001", "户外招牌设置备案", WINDOW, PURPOSE, (slot,))


def draft() -> dict[str, object]:
    row = business_licence(1)
    return {
        "certificate_type_code": BUSINESS,
        "certificate_number": row["证照编号"],
        "issue_date": "20260302",
        "valid_from": "20260302",
        "valid_to": "长期",
        "holders": [
            {"holder_name": row["持证主体"], "holder_code": row["持证主体代码"], "holder_code_type_code": "001"}
        ],
        "extend_info": {
            "entity_type": row["主体类型"],
            "legal_representative": row["法定代表人（负责人、经营者）"],
            "established_on": "20260302",
            "address": row["住所（经营场所）"],
            "business_scope": row["经营范围"],
        },
    }


def test_one_certificate_walks_from_a_department_to_an_offline_verdict_and_a_reuse(
    services: Services, tmp_path: Path
) -> None:
    set_up(services)
    # 1, 2: parsed, checked, stored, in the outbox.
    with services.registry.begin(CLERK) as work:
        registered = certificates.register(work, parse_draft(draft()))
    # 3 to 5: sealed, sequenced, published, anchored.
    settle(services)
    # 6: the evidence bundle, and an enterprise code as a picture.
    key = services.keys.key_for(key_rules.CODES, services.clock())
    with services.registry.begin(CLERK) as work:
        row = business_licence(1)
        request = CodeRequest(kind=CodeKind.ENTERPRISE, subject=row["持证主体代码"], name=row["持证主体"])
        code = codes.issue(work, request, key).text
    settle(services)
    with services.registry.read(CLERK) as work:
        bundle = evidence.export(work, services.pipeline.log, registered.id, services.files.reader(work))
    trust_data = services.trust.data()
    trust = TrustBundle.open(trust_data)
    assert picture.read(picture.draw_png(code)) == [code]
    # 7: a verdict here, and in a process that has nothing but the two files.
    assert verify(bundle, trust, services.clock()).state is State.VALID
    assert verify(code.encode(), trust, services.clock()).state is State.VALID
    (tmp_path / "bundle.szb").write_bytes(bundle)
    (tmp_path / "trust.json").write_bytes(trust_data)
    command = [sys.executable, "-m", "api.cli", "verify", str(tmp_path / "bundle.szb")]
    done = subprocess.run([*command, "--trust", str(tmp_path / "trust.json")], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    # 8: another department relies on it and gets a receipt.
    with services.registry.begin(WINDOW_CLERK) as work:
        permission = AuthorisationDraft(
            route="function",
            grantee=WINDOW,
            matter_code="310105-0001",
            purpose=PURPOSE,
            valid_from_at=work.at,
            valid_to_at=work.at + timedelta(days=1),
            item_kind="certificate",
            item_id=registered.id,
        )
        granted = authorisations.grant(work, permission)
    with services.registry.begin(WINDOW_CLERK) as work:
        wanted = ReuseRequest(
            "certificate", registered.id, "310105-0001", "CN1", PURPOSE, granted.id, None, "W1", "window-1"
        )
        use = uses.reuse(work, wanted)
    settle(services)
    with services.registry.read(WINDOW_CLERK) as work:
        receipt = receipt_of(work, services.pipeline.log, use.entry_id)
    log_key = trust.key(trust.content.log_kid, "log", services.clock()).public
    facts = check_receipt(receipt.receipt, leaf_hash(receipt.signed_entry), trust.content.origin, log_key)
    assert facts.index == receipt.index
    assert (facts.size, facts.root) == (receipt.anchor.size, receipt.anchor.root)


def test_nothing_personal_is_in_the_log_or_in_a_code(services: Services) -> None:
    set_up(services)
    with services.registry.begin(CLERK) as work:
        certificates.register(work, parse_draft(draft()))
    settle(services)
    row = business_licence(1)
    published = b"".join(path.read_bytes() for path in (services.settings.data / "log").rglob("*") if path.is_file())
    assert len(published) > 500
    for private in ("法定代表人（负责人、经营者）", "证照编号", "持证主体", "住所（经营场所）"):
        assert row[private].encode() not in published
