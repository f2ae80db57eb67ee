"""The ceremony of root keys from the first file to a client that follows, as operators do it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_office import OpenOffice, key, open_office, reason, settings_in
from test_foreign import ec, make_certificate

from api.cli.main import main
from registry.keys.rules import TRUST_ROOT
from verifier.trust import TrustBundle

LEAD = timedelta(seconds=0)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 0) -> str:
    capsys.readouterr()
    assert main([str(one) for one in arguments]) == status
    said = capsys.readouterr()
    return said.out + said.err


def publisher(office: OpenOffice) -> str:
    public = office.services.keys.key_for(TRUST_ROOT, office.services.clock()).public
    return f"{public.suite.name}:{public.raw.hex()}"


def install(office: OpenOffice, path: Path) -> Any:
    import orjson

    body = {"document": orjson.loads(path.read_bytes())}
    return office.send("POST", "/api/v1/trust/root", json=body)


def test_two_of_three_root_keys_name_the_publisher_and_later_replace_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = tmp_path / "offline"
    offline.mkdir()
    keys = [offline / f"{name}.pem" for name in ("jia", "yi", "bing", "ding")]
    publics = [run(capsys, "trust", "root", "key", "--out", path).strip() for path in keys]
    data = tmp_path / "data"
    with open_office(settings_in(data)) as office:
        origin = office.services.trust.bundle().content.registry
        client = tmp_path / "client.json"
        client.write_bytes(office.client.get("/api/v1/trust").content)
        first, second = offline / "root-1.json", offline / "root-2.json"
        run(
            capsys, "trust", "root", "new", "--registry", origin, "--threshold", "2", "--publisher", publisher(office),
            *(word for public in publics[:3] for word in ("--root", public)), "--out", first,
        )  # fmt: skip
        assert "1 / 2" in run(capsys, "trust", "root", "sign", first, "--key", keys[0])
        assert reason(install(office, first), 422) == "invalid_draft"
        assert "签名已足" in run(capsys, "trust", "root", "sign", first, "--key", keys[1])
        made = install(office, first)
        assert made.status_code == 201 and made.json()["version"] == 1
        assert install(office, first).status_code == 201
        rooted = TrustBundle.open(client.read_bytes()).accept(office.client.get("/api/v1/trust").content)
        assert rooted.root is not None and rooted.root.fingerprint == made.json()["fingerprint"]
        # The publisher's key is replaced: until the root keys have named the new one, the old one goes on.
        before = publisher(office)
        office.services.keys.rotate(TRUST_ROOT, office.services.clock() - timedelta(seconds=2), lead=LEAD)
        assert publisher(office) != before
        still = rooted.accept(office.client.get("/api/v1/trust").content)
        assert still.content.root_keys == rooted.content.root_keys
        run(
            capsys, "trust", "root", "next", first, "--publisher", publisher(office), "--root", publics[1],
            "--root", publics[2], "--root", publics[3], "--out", second,
        )  # fmt: skip
        for path in (keys[2], keys[3]):
            run(capsys, "trust", "root", "sign", second, "--before", first, "--key", path)
        assert "按上一版根密钥：1 / 2" in run(capsys, "trust", "root", "show", second, "--before", first)
        assert reason(install(office, second), 422) == "invalid_draft"
        assert "签名已足" in run(capsys, "trust", "root", "sign", second, "--before", first, "--key", keys[0])
        assert install(office, second).status_code == 201
        newest = office.client.get("/api/v1/trust").content
        assert rooted.accept(newest).root == TrustBundle.open(newest).root
        assert [one.version for one in (d.content for d in TrustBundle.open(newest).content.root_chain)] == [1, 2]
    monkeypatch.setenv("SUIZHENG_CHAIN", "none")
    client.write_bytes(rooted.data)
    wrong = run(capsys, "trust", "export", "--data", data, "--out", client, "--root", "00" * 32, status=64)
    assert "指纹不符" in wrong and client.read_bytes() == rooted.data
    fingerprint = made.json()["fingerprint"]
    assert "第 2 版" in run(capsys, "trust", "export", "--data", data, "--out", client, "--root", fingerprint)
    assert "第 2 版已启用" in run(capsys, "trust", "root", "install", second, "--data", data)
    assert run(capsys, "trust", "update", "--server", "http://127.0.0.1:9", "--trust", tmp_path / "none", status=64)


def test_certificates_of_others_are_in_the_next_bundle_until_they_are_removed(tmp_path: Path) -> None:
    import base64

    der = make_certificate(ec.generate_private_key(ec.SECP256R1()))
    text = base64.b64encode(der).decode()
    with open_office(settings_in(tmp_path)) as office:
        facts = {"name": "示例", "certificate": text, "reason": "示例文号"}
        maker = office.send("POST", "/api/v1/trust/certificates", json={"kind": "seal_maker", **facts})
        issuer = {"kind": "issuer", "profile": "eu-dcc", **facts}
        made = office.send("POST", "/api/v1/trust/certificates", json=issuer)
        assert (maker.status_code, made.status_code) == (201, 201)
        content = TrustBundle.open(office.client.get("/api/v1/trust").content).content
        assert content.seal_makers == (der,) and content.issuers[0].certificate == der
        again = office.send("POST", "/api/v1/trust/certificates", json=issuer)
        assert reason(again, 409) == "certificate_exists"
        for wrong in (
            {**issuer, "certificate": "AAAA"},
            {**issuer, "profile": None},
            {"kind": "seal_maker", "profile": "eu-dcc", **facts},
            {**issuer, "reason": ""},
        ):
            assert office.send("POST", "/api/v1/trust/certificates", json=wrong).status_code == 422
        once = {"headers": key()}
        address = f"/api/v1/trust/certificates/{made.json()['id']}/remove"
        assert office.send("POST", address, json={"reason": " "}).status_code == 422
        gone = office.send("POST", address, json={"reason": "示例：对方停用"}, **once)
        assert (gone.status_code, gone.json()["removed_because"]) == (200, "示例：对方停用")
        content = TrustBundle.open(office.client.get("/api/v1/trust").content).content
        assert content.issuers == () and content.seal_makers == (der,)
        assert len(office.send("GET", "/api/v1/trust/certificates", "auditor").json()["items"]) == 2
