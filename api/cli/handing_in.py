"""`suizheng hand-in`: give a gate's visits to the registry."""

from __future__ import annotations

import argparse
import os
import sys

from api.cli.errors import CommandError
from api.gate.errors import GateError
from api.gate.hand_in import Progress, check_server, hand_in, read_token


def run(options: argparse.Namespace) -> int:
    """Hand in what was not accepted yet. Raises CommandError; then it is safe to try again."""
    try:
        server = check_server(options.server, options.allow_http)
        token = read_token(dict(os.environ), options.token_file)
        done = hand_in(options.journal, server, token, _tell)
    except GateError as error:
        raise CommandError(error.message) from error
    sys.stdout.write(f"✓ 已上交 {done.visits} 条，共 {done.batches} 批；登记处已有至第 {done.accepted} 条\n")
    return 0


def _tell(progress: Progress) -> None:
    sys.stderr.write(f"已上交至第 {progress.accepted} 条\n")
