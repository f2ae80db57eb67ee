"""What processes that we start know of the environment of the one that starts them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.import_worker import environment
from codes.processes import surroundings

ROOT = Path(__file__).parent.parent
SECRETS = {
    "SUIZHENG_DATABASE_URL": "postgresql+psycopg://registry:example-password@127.0.0.1/registry",
    "SUIZHENG_TOKEN": "szt_example-token", "AWS_SECRET_ACCESS_KEY": "example-key", "PGPASSWORD": "example-password",
}  # fmt: skip


def test_a_child_is_told_where_things_lie_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    tell = "import json, os, codes.processes; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", tell], env=surroundings(), capture_output=True, text=True, check=True, cwd="/"
    )
    told = json.loads(done.stdout)
    assert told["LANG"] == "C.UTF-8" and not SECRETS.keys() & told.keys()
    assert "example" not in done.stdout.replace(str(ROOT), "")


def test_every_process_is_started_with_an_environment_of_its_own() -> None:
    unsaid = []
    for folder in ("api", "registry", "chain", "verifier", "codes"):
        # The demonstration starts this very program as an operator would.
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.is_relative_to(ROOT / "api" / "demo"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                    given = {keyword.arg for keyword in node.keywords}
                    unsaid += [] if "env" in given else [f"{path.relative_to(ROOT)}:{node.lineno}"]
    assert unsaid == []


def test_the_process_of_imports_knows_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "SOFTHSM2_CONF": "/example"}.items():
        monkeypatch.setenv(name, value)
    told = environment()
    assert not any(name.startswith("SUIZHENG_") for name in told)
    # What the store's and the token's libraries read themselves.
    assert told["AWS_SECRET_ACCESS_KEY"] == "example-key" and told["SOFTHSM2_CONF"] == "/example"
