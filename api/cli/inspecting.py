"""`suizheng inspect`: what files are and what their seals are worth, offline, for people or for machines."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson

from api.cli.arguments import now
from api.cli.errors import EXIT_INVALID, EXIT_NOT_IN_FORCE, EXIT_UNDECIDED, EXIT_USAGE, EXIT_VALID, CommandError
from api.cli.inspection_report import write_inspection
from api.cli.program import copyable
from api.cli.reading import read_given
from verifier.documents.apart import inspect_apart
from verifier.documents.certificates import Certificate, load_file, load_many
from verifier.documents.findings import Inspection, Note, Roots, worst
from verifier.documents.inspecting import MAX_FILE_BYTES
from verifier.errors import StaleTrustError, VerificationError
from verifier.trust import MAX_BUNDLE_BYTES, TrustBundle
from verifier.verdict import Policy, State

_EXIT = {
    State.INVALID: EXIT_INVALID,
    State.NOT_IN_FORCE: EXIT_NOT_IN_FORCE,
    State.UNDECIDED: EXIT_UNDECIDED,
    State.VALID: EXIT_VALID,
}
_POLICY = Policy(frozenset())


def run(options: argparse.Namespace) -> int:
    """Report on every file that can be read; the exit status of the worst, or 64 if one could not be read.

    Raises CommandError for trust that cannot be used.
    """
    at = options.at or now()
    roots, notes = _open_trust(options.trust, at)
    states, unreadable = list[State](), False
    for name in options.files:
        try:
            data = read_given(name, MAX_FILE_BYTES)
        except CommandError as error:
            sys.stdout.flush()
            sys.stderr.write(f"suizheng：{copyable(error.message)}\n")
            unreadable = True
            continue
        found = inspect_apart(data, name, roots, at)
        found = replace(found, notes=(*notes, *found.notes))
        states.append(found.state)
        _write(name, found, options.json)
    sys.stdout.flush()
    return EXIT_USAGE if unreadable else _EXIT[worst(states)]


def _write(name: str, found: Inspection, as_json: bool) -> None:
    if as_json:
        shown = name.encode("utf-8", "replace").decode()
        sys.stdout.write(orjson.dumps({"file": shown, **found.to_json()}).decode() + "\n")
    else:
        write_inspection(sys.stdout, name, found)


def _open_trust(paths: list[Path], at: datetime) -> tuple[Roots, list[Note]]:
    """The certificates of all trust that was named. A bundle past its time lends none, and a note says so."""
    certificates, notes = list[Certificate](), list[Note]()
    for path in paths:
        data = read_given(str(path), MAX_BUNDLE_BYTES)
        try:
            if not data.lstrip().startswith(b"{"):
                certificates += load_file(data)
                continue
            trust = TrustBundle.open(data)
            trust.check_fresh(at, _POLICY.max_trust_age)
            certificates += load_many(trust.content.seal_makers)
        except StaleTrustError as error:
            notes.append(Note(error.reason, f"{error.message}；没有采用其中的证书"))
        except VerificationError as error:
            message = f"{path} 不能作为信任的依据：{error.message}"
            raise CommandError(message) from error
    return Roots(tuple(certificates)), notes
