"""A new software key in a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from api.cli.errors import CommandError
from api.gate.errors import cause_of
from verifier.suites import SoftwareKey, Suite


def write_new_key(out: Path, what: str, suite: Suite = Suite.ED25519) -> SoftwareKey:
    """Draw a key and write it durably to a file that must not exist yet.

    `what` names the key in the CommandError of a file that cannot be written.
    """
    key = SoftwareKey.generate(suite)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.to_pem())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CommandError(f"无法写入{what} {out}：{cause_of(error)}") from error
    return key


def public_text(key: SoftwareKey) -> str:
    """The public part as SUITE:HEX, as commands take it."""
    return f"{key.public.suite.name}:{key.public.raw.hex()}"
