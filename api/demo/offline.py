"""A separate process that verifies a folder of evidence bundles with the verifier alone; it opens no connection.

`python -m api.demo.offline FOLDER BUNDLE`: one JSON line with the counts of states. Run in a network namespace without
interfaces where the machine permits; everywhere, sockets are refused before the verifier is imported.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn


def _no_network(*_: object, **__: object) -> NoReturn:
    raise OSError("this process has no network")


def main(folder: Path, trust_file: Path) -> None:
    """Count the verdicts on the bundles as they are, and on each with one byte changed."""
    socket.socket.connect = _no_network  # type: ignore[method-assign]
    socket.getaddrinfo = _no_network
    from verifier import State, TrustBundle, verify

    trust, at = TrustBundle.open(trust_file.read_bytes()), datetime.now(UTC)
    genuine: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tampered_refused = tampered = 0
    for place, path in enumerate(sorted(folder.glob("*.szb"))):
        data = bytearray(path.read_bytes())
        verdict = verify(bytes(data), trust, at)
        genuine[verdict.state.value] += 1
        if verdict.state is not State.VALID:
            reasons[verdict.reason] += 1
        data[place * 7919 % len(data)] ^= 1 << place % 8
        tampered += 1
        tampered_refused += verify(bytes(data), trust, at).state is not State.VALID
    print(
        json.dumps(
            {"states": genuine, "reasons": reasons, "tampered": tampered, "tampered_refused": tampered_refused},
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
