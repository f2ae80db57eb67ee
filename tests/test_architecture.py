"""The rules of the house, executed: arrows, sizes, words, and what the offline verifier may load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "chain", "codes", "contracts", "registry", "verifier")
SOURCES = [
    path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "versions" not in path.parts
]
MAX_LINES = 400
FORBIDDEN_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
FORBIDDEN_MODULES = {
    "alembic",
    "api",
    "chain",
    "eth",
    "eth_tester",
    "fastapi",
    "http.client",
    "httpx",
    "PIL",
    "psycopg",
    "registry",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "urllib.request",
    "uvicorn",
    "web3",
    "zxingcpp",
}


def test_arrows_point_down() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_verifier_alone_loads_no_database_http_or_chain_library() -> None:
    # A fresh interpreter: the linter does not follow the implicit import of parent packages.
    program = "import sys, verifier, verifier.admission; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & FORBIDDEN_MODULES == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_none_of_its_neighbours(package: str) -> None:
    program = f"import sys, {package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    neighbours = set(PACKAGES) - {package} - ({"codes"} if package == "verifier" else set())
    assert set(done.stdout.split()) & neighbours == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_small_and_finished(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert not FORBIDDEN_WORDS.search(text)


def test_every_package_says_what_it_owns() -> None:
    for package in PACKAGES:
        first = (ROOT / package / "__init__.py").read_text()
        assert first.startswith('"""') and len(first) > 80, package


def test_the_readme_names_real_functions_in_its_walk() -> None:
    readme = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:api|registry|chain|codes|verifier)(?:\.\w+)+)`", readme)
    assert len(named) >= 8
    for name in named:
        module, _, attribute = name.rpartition(".")
        found = subprocess.run(
            [sys.executable, "-c", f"import importlib; getattr(importlib.import_module({module!r}), {attribute!r})"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, f"README names {name}: {found.stderr[-200:]}"


def test_nothing_that_runs_is_under_gpl_or_agpl() -> None:
    needed, seen = ["suizheng"], set[str]()
    while needed:
        name = needed.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        info = distribution.metadata
        licence = " ".join([info.get("License-Expression") or "", *(info.get_all("Classifier") or [])])
        assert not re.search(r"\bA?GPL|Affero|GNU General Public", licence), (name, licence)
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement or (name == "suizheng" and "extra == 'server'" in requirement):
                needed.append(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
    assert len(seen) > 40


def test_every_bench_has_its_figures_in_the_results() -> None:
    names = re.findall(r'^    "(\w+)": "bench\.', (ROOT / "bench/__main__.py").read_text(), re.MULTILINE)
    results = json.loads((ROOT / "bench/results.json").read_text())
    assert [one["name"] for one in results] == names != []
    assert all({"name", "value", "unit", "limit", "ratio"} <= one.keys() for one in results)
