"""Inspecting in a process of its own, with bounds on its time and memory.

OFD and PDF are nested formats with references: a file of a kilobyte can be made to keep any reader busy for days, or to
fill the memory. Here it ends that process and nothing else. `python -P -m verifier.documents.apart` is that process: a
question comes by its standard input, the answer goes by its standard output.
"""

from __future__ import annotations

import copyreg
import importlib.util
import pickle
import subprocess
import sys
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from verifier.digests import double_digest
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Format, Inspection, Roots
from verifier.documents.inspecting import MAX_FILE_BYTES, inspect
from verifier.documents.sniffing import sniff
from verifier.verdict import State

PROCESSOR_SECONDS: Final = 20
"""A sound file of 100 MB takes a few."""
WAIT_SECONDS: Final = 120
"""On the clock, for crowded machines."""
MEMORY_BYTES: Final = 2 << 30

_NO_MEMORY: Final = 70
_NESTED = frozenset((Format.OFD, Format.PDF))


def inspect_apart(
    data: bytes, name: str, roots: Roots, at: datetime, *, seconds: int = PROCESSOR_SECONDS, memory: int = MEMORY_BYTES
) -> Inspection:
    """What `inspect` answers, or that the file takes too much: undecided, `too_laborious`. Raises for no bytes."""
    kind = sniff(data)
    if kind not in _NESTED or len(data) > MAX_FILE_BYTES:
        return inspect(data, name, roots, at)
    trusted = [certificate.data for certificate in roots.certificates]
    asked = pickle.dumps((seconds, memory, data, name, trusted, at))
    # -P: the folder that somebody stands in lends no modules.
    command = [sys.executable, "-P", "-m", "verifier.documents.apart"]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=WAIT_SECONDS, check=False)  # noqa: S603 our own
    except subprocess.TimeoutExpired:
        return _too_laborious(data, kind, at)
    if done.returncode == _NO_MEMORY or done.returncode < 0:
        return _too_laborious(data, kind, at)
    if done.returncode:
        raise RuntimeError(f"the inspecting process failed:\n{done.stderr.decode(errors='replace')}")
    answer: Inspection = pickle.loads(done.stdout)  # noqa: S301 what our own process wrote
    return answer


def _too_laborious(data: bytes, kind: Format, at: datetime) -> Inspection:
    digests = double_digest(data)
    return Inspection(
        format=kind,
        state=State.UNDECIDED,
        reason="too_laborious",
        message="文件的结构异常复杂，核验超出了时间或内存的上限，已停止；真伪无法判定，请向出具方重新索取文件",
        at=at,
        size=len(data),
        sha256=digests.sha256.hex(),
        sm3=digests.sm3.hex(),
    )


def _as_dict(proxy: Any) -> Any:
    return dict, (dict(proxy),)


def main() -> None:
    """Answer one question; ended by the system where that takes too much."""
    copyreg.pickle(MappingProxyType, _as_dict)
    seconds, memory, data, name, trusted, at = pickle.load(sys.stdin.buffer)  # noqa: S301 from who started this process
    if importlib.util.find_spec("resource") is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        answer = pickle.dumps(inspect(data, name, Roots(tuple(Certificate.load(der) for der in trusted)), at))
    except MemoryError:
        sys.exit(_NO_MEMORY)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
