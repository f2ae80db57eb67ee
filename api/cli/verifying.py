"""`suizheng verify`: whatever is presented, offline, in a report for people or for machines."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

import orjson

from api.cli.arguments import now
from api.cli.errors import EXIT_INVALID, EXIT_NOT_IN_FORCE, EXIT_UNDECIDED, EXIT_VALID, CommandError
from api.cli.reading import read_given
from api.cli.report import write_report
from api.gate.errors import TrustFileError
from api.gate.trust_file import open_trust
from codes import payload
from verifier.derived_copy import verify_copy
from verifier.evidence import MAGIC, MAX_BUNDLE_BYTES
from verifier.trust import TrustBundle
from verifier.verdict import State, Verdict
from verifier.verify import verify

# The worst first: of several codes in a picture, it decides the exit status.
_EXIT = {
    State.INVALID: EXIT_INVALID,
    State.NOT_IN_FORCE: EXIT_NOT_IN_FORCE,
    State.UNDECIDED: EXIT_UNDECIDED,
    State.VALID: EXIT_VALID,
}
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"<svg", b"<?xml")


def run(options: argparse.Namespace) -> int:
    """Report on everything presented; the exit status of the worst verdict. Raises CommandError."""
    try:
        trust = open_trust(options.trust)
    except TrustFileError as error:
        raise CommandError(error.message) from error
    at = options.at or now()
    if options.evidence is not None:
        evidence = read_given(str(options.evidence), MAX_BUNDLE_BYTES)
        verdicts = [verify_copy(evidence, trust, at, read_given(options.presented, MAX_BUNDLE_BYTES))]
    else:
        verdicts = [verify(one, trust, at) for one in _presented(options.presented)]
    for verdict in verdicts:
        _write(verdict, trust, at, options.json)
    sys.stdout.flush()
    return exit_status({verdict.state for verdict in verdicts})


def exit_status(states: set[State]) -> int:
    """The status of the worst of these states; valid for none."""
    return next((status for state, status in _EXIT.items() if state in states), EXIT_VALID)


def _write(verdict: Verdict, trust: TrustBundle, at: datetime, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(verdict.to_json()).decode() + "\n")
    else:
        write_report(sys.stdout, verdict, trust, at)


def _presented(name: str) -> list[bytes]:
    """The bytes to verify: one evidence bundle or code, or every code of ours in a picture."""
    if name != "-" and payload.is_code(payload.normalise_scanned(name)):
        return [name.encode(errors="replace")]
    data = read_given(name, MAX_BUNDLE_BYTES)
    if data.startswith(MAGIC) or not data.lstrip()[:5].startswith(_PICTURES):
        return [data]
    return _in_picture(data)


def _in_picture(data: bytes) -> list[bytes]:
    from codes import picture

    try:
        return [text.encode() for text in picture.read(data)]
    except picture.ForeignCodeError:
        # Something was presented, and it is not ours: a verdict, not a failure to read.
        return [b""]
    except picture.PictureError as error:
        raise CommandError(error.message) from error
