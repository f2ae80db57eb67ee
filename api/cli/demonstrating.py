"""`suizheng demo`: the whole walk on this machine."""

from __future__ import annotations

import argparse

from api.demo.main import run as run_demo


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; its exit status."""
    return run_demo()
