"""Compiles the contracts: `python -m contracts.compile` writes artifacts/*.json; `--check` only compares.

The compiler is a development tool; the artifacts in the repository are what gets deployed.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import vyper
from vyper.compiler import compile_code
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.utils import keccak256

FOLDER = Path(__file__).parent
ARTIFACTS = FOLDER / "artifacts"
NAMES = ("members", "heads", "uses", "governors", "catalogue")

_IMPORT = re.compile(r"^import (\w+)$", re.MULTILINE)


def compile_contract(name: str) -> dict[str, Any]:
    """The artifact of one contract: ABI, code to deploy, and the hash by which the deployed code is recognised.

    `runtime_hash` is the Keccak-256 of the runtime code without its immutables; `immutable_bytes` of those follow it
    on the chain. `source_sha256` is over the contract and the modules it is made of, in the order of import.
    """
    sources = _sources(name)
    output = compile_code(
        sources[name],
        contract_path=f"{name}.vy",
        input_bundle=FilesystemInputBundle([FOLDER]),
        output_formats=["abi", "bytecode", "bytecode_runtime", "layout", "settings_dict"],
    )
    immutables = output["layout"].get("code_layout", {}).values()
    return {
        "name": name,
        "compiler": {"name": "vyper", "version": vyper.__version__, **output["settings_dict"]},
        "source_sha256": hashlib.sha256("".join(sources.values()).encode()).hexdigest(),
        "runtime_hash": "0x" + keccak256(bytes.fromhex(output["bytecode_runtime"][2:])).hex(),
        "immutable_bytes": sum(place["length"] for place in immutables),
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtime": output["bytecode_runtime"],
    }


def _sources(name: str) -> dict[str, str]:
    """The sources of a contract and of every module it imports, by name."""
    found: dict[str, str] = {}
    wanted = [name]
    while wanted:
        module = wanted.pop(0)
        if module not in found:
            found[module] = (FOLDER / f"{module}.vy").read_text(encoding="utf-8")
            wanted += _IMPORT.findall(found[module])
    return found


def artifact_text(name: str) -> str:
    """The artifact as it stands in the repository."""
    return json.dumps(compile_contract(name), indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write every artifact, or with `--check` report those that differ; 1 if any does."""
    stale = []
    for name in NAMES:
        path, text = ARTIFACTS / f"{name}.json", artifact_text(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            ARTIFACTS.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    changed = ", ".join(stale) or "none"
    sys.stdout.write(f"contracts: {'differ' if '--check' in arguments else 'written'}: {changed}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
