"""`suizheng verify`: whatever is presented, offline, in a report for people or for machines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime

import orjson

from api.cli.arguments import now
from api.cli.errors import EXIT_INVALID, EXIT_NOT_IN_FORCE, EXIT_UNDECIDED, EXIT_VALID, CommandError
from api.cli.reading import read_given
from api.cli.report import write_report
from api.gate.errors import TrustFileError
from api.gate.trust_file import open_trust
from api.presented import Judged, judge_file, unread
from codes import pages, payload, picture
from verifier.derived_copy import verify_copy
from verifier.evidence import MAGIC, MAX_BUNDLE_BYTES
from verifier.extract_verdict import verify_extract
from verifier.key_binding import Challenge
from verifier.sd_jwt import is_sd_jwt
from verifier.trust import TrustBundle
from verifier.verdict import State
from verifier.verify import verify

# The worst first: of several codes in a picture, it decides the exit status.
_EXIT = {
    State.INVALID: EXIT_INVALID,
    State.NOT_IN_FORCE: EXIT_NOT_IN_FORCE,
    State.UNDECIDED: EXIT_UNDECIDED,
    State.VALID: EXIT_VALID,
}


def run(options: argparse.Namespace) -> int:
    """Report on everything presented; the exit status of the worst verdict. Raises CommandError."""
    try:
        trust = open_trust(options.trust)
    except TrustFileError as error:
        raise CommandError(error.message) from error
    at = options.at or now()
    verdicts = _verdicts(options, trust, at)
    for one in verdicts:
        _write(one, trust, at, options.json)
    sys.stdout.flush()
    return exit_status({one.verdict.state for one in verdicts})


def _verdicts(options: argparse.Namespace, trust: TrustBundle, at: datetime) -> Sequence[Judged]:
    evidence = None if options.evidence is None else read_given(str(options.evidence), MAX_BUNDLE_BYTES)
    presented, is_file = _presented(options.presented)
    if is_sd_jwt(presented):
        challenge = _challenge(options)
        return [
            Judged(
                verify_extract(presented, trust, at, receiver=options.receiver, challenge=challenge, evidence=evidence)
            )
        ]
    if options.receiver is not None or options.nonce is not None:
        raise CommandError("--receiver 与 --nonce 只用于核验摘录件。")
    if evidence is not None:
        return [Judged(verify_copy(evidence, trust, at, read_given(options.presented, MAX_BUNDLE_BYTES)))]
    return _in_file(presented, trust, at) if is_file else [Judged(verify(presented, trust, at))]


def _challenge(options: argparse.Namespace) -> Challenge | None:
    if options.nonce is None:
        return None
    if options.receiver is None:
        raise CommandError("--nonce 须与 --receiver 同用：持证人的手机是对一个单位出示的。")
    return Challenge(options.receiver, options.nonce)


def exit_status(states: set[State]) -> int:
    """The status of the worst of these states; valid for none."""
    return next((status for state, status in _EXIT.items() if state in states), EXIT_VALID)


def _write(one: Judged, trust: TrustBundle, at: datetime, as_json: bool) -> None:
    if as_json:
        page = {} if one.page is None else {"page": one.page}
        sys.stdout.write(orjson.dumps({**page, **one.verdict.to_json()}).decode() + "\n")
    else:
        if one.page is not None:
            sys.stdout.write(f"第 {one.page} 页\n")
        write_report(sys.stdout, one.verdict, trust, at)


def _presented(name: str) -> tuple[bytes, bool]:
    """The bytes to verify, and whether they are a picture or a document with codes in it."""
    if name != "-" and payload.is_code(payload.normalise_scanned(name)):
        return name.encode(errors="replace"), False
    data = read_given(name, MAX_BUNDLE_BYTES)
    return data, not data.startswith(MAGIC) and pages.is_readable(data)


def _in_file(data: bytes, trust: TrustBundle, at: datetime) -> Sequence[Judged]:
    try:
        return judge_file(data, lambda one: verify(one, trust, at), at).judged
    except picture.PictureError as error:
        if pages.is_pdf(data):
            return [Judged(unread(error.reason, error.message, at))]
        raise CommandError(error.message) from error
