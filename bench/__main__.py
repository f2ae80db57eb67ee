"""Runs the benches, prints one table and writes bench/results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Result

RESULTS = Path(__file__).parent / "results.json"
BENCHES = {
    "issue_durable": "bench.issuing:issue_durable",
    "issue_durable_heap": "bench.issuing:issue_durable_heap",
    "import_100k": "bench.importing:import_100k",
    "import_100k_postgresql": "bench.importing:import_100k_postgresql",
    "import_memory": "bench.importing:import_memory",
    "http_register": "bench.served:http_register",
    "anchor_lag": "bench.anchoring:anchor_lag",
    "canonicalise": "bench.formats:canonicalise_bench",
    "code_verify": "bench.coding:code_verify",
    "code_verify_es256": "bench.coding:code_verify_es256",
    "code_verify_sm2": "bench.coding:code_verify_sm2",
    "dynamic_verify": "bench.coding:dynamic_verify",
    "code_issue": "bench.coding:code_issue",
    "code_issue_es256": "bench.coding:code_issue_es256",
    "code_issue_sm2": "bench.coding:code_issue_sm2",
    "browser_verify": "bench.browser:browser_verify",
    "camera_to_verdict": "bench.browser:camera_to_verdict",
    "verify_bundle": "bench.formats:verify_bundle",
    "status_change": "bench.changing:status_change",
    "status_list_10m": "bench.statuses:status_list_10m",
    "status_list_25m": "bench.statuses:status_list_25m",
    "status_lookup": "bench.statuses:status_lookup",
    "log_append": "bench.logging:log_append",
    "log_append_signed": "bench.logging:log_append_signed",
    "log_proof": "bench.log_size:log_proof",
    "log_proof_cold": "bench.log_size:log_proof_cold",
    "log_memory": "bench.log_size:log_memory",
    "search_1m": "bench.searching:search_1m",
    "log_growth": "bench.log_size:log_growth",
    "file_store": "bench.filing:file_store",
}


def main() -> None:
    """Run one bench or all.

    A goal that is missed is shown, never hidden, and does not change the exit status; a bench that cannot run is named
    with its reason, the others go on, and the status is 1.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHES))
    chosen = parser.parse_args().only
    console = Console()
    table = Table("bench", "value", "limit", "ratio", "min–max", "goal", "met")
    not_run: dict[str, str] = {}
    for name in [chosen] if chosen else BENCHES:
        module, function = BENCHES[name].split(":")
        try:
            with console.status(f"{name} …"):
                result: Result = getattr(importlib.import_module(module), function)()
        # Whatever one of them lacks, the others are worth their time.
        except Exception as error:  # noqa: BLE001
            not_run[name] = str(error) or type(error).__name__
            continue
        _write(name, result)
        numbers = (f"{result.value:,.6g} {result.unit}", f"{result.limit:,.6g} {result.unit}", f"{result.ratio:.2f}")
        table.add_row(result.name, *numbers, result.spread, result.goal, "yes" if result.met else "[red]no[/red]")
    console.print(table)
    for name, reason in not_run.items():
        console.print(f"{name} did not run: {reason}", style="red", markup=False)
    sys.exit(1 if not_run else 0)


def _write(name: str, result: Result) -> None:
    kept = {item["name"]: item for item in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    kept[name] = result.to_json()
    RESULTS.write_text(
        json.dumps([kept[name] for name in BENCHES if name in kept], ensure_ascii=False, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
