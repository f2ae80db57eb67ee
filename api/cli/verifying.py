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
from verifier.extract_verdict import verify_extract
from verifier.key_binding import Challenge
from verifier.sd_jwt import is_sd_jwt
from verifier.trust import TrustBundle
from verifier.verdict import State, Verdict
from verifier.verify import is_known_code, verify

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
    verdicts = _verdicts(options, trust, at)
    for verdict in verdicts:
        _write(verdict, trust, at, options.json)
    sys.stdout.flush()
    return exit_status({verdict.state for verdict in verdicts})


def _verdicts(options: argparse.Namespace, trust: TrustBundle, at: datetime) -> list[Verdict]:
    evidence = None if options.evidence is None else read_given(str(options.evidence), MAX_BUNDLE_BYTES)
    presented = _presented(options.presented)
    if len(presented) == 1 and is_sd_jwt(presented[0]):
        challenge = _challenge(options)
        return [
            verify_extract(presented[0], trust, at, receiver=options.receiver, challenge=challenge, evidence=evidence)
        ]
    if options.receiver is not None or options.nonce is not None:
        raise CommandError("--receiver 与 --nonce 只用于核验摘录件。")
    if evidence is not None:
        return [verify_copy(evidence, trust, at, read_given(options.presented, MAX_BUNDLE_BYTES))]
    return [verify(one, trust, at) for one in presented]


def _challenge(options: argparse.Namespace) -> Challenge | None:
    if options.nonce is None:
        return None
    if options.receiver is None:
        raise CommandError("--nonce 须与 --receiver 同用：持证人的手机是对一个单位出示的。")
    return Challenge(options.receiver, options.nonce)


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
        return [text.encode() for text in picture.read(data, is_known_code)]
    except picture.ForeignCodeError:
        # Something was presented, and it is not ours: a verdict, not a failure to read.
        return [b""]
    except picture.PictureError as error:
        raise CommandError(error.message) from error
