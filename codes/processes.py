"""What a process of ours, or a program of others, is given of this one's environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: Where programs and libraries lie, which language is spoken, where to put what is in passing. No secret is among them:
#: addresses of databases with their passwords, keys of stores and tokens are variables too.
_KEPT: Final = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENSSL_CONF", "OPENSSL_MODULES", "PATH", "PYTHONPATH",
    "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ",
)  # fmt: skip
_ROOT: Final = str(Path(__file__).parent.parent)


def surroundings() -> dict[str, str]:
    """The environment for a child: what is kept of our own, and the folder where our modules are found."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, [kept.get("PYTHONPATH")])])}
