"""Looks at altered documents, each in a process forked from this one: `python tests/page_crashes.py COUNT SEED`.

Prints how many ended in which way: `read`, `died` by a signal, as a reader of hostile documents may, or `raised`,
which codes.page_process never may.
"""

from __future__ import annotations

import os
import random
import resource
import sys
from collections import Counter

import page_maker
from fuzz_mutations import mutate

from codes import page_process, payload

_CODE = payload.encode(random.Random(1).randbytes(150))


def look_at_all(count: int, seed: int) -> Counter[str]:
    """How so many documents ended."""
    chance = random.Random(seed)
    page = page_maker.page_with(_CODE)
    drawn = page_maker.drawing(b"BT /F 20 Tf 50 50 Td (SZ) Tj ET 1 0 0 rg 10 10 90 90 re f", entries=b"/Font<<>>")
    kinds = {
        page_maker.pdf_of(page): page_process._pdf(),
        drawn: page_process._pdf(),
        page_maker.tiff_of(page): page_process._tiff(),
        page_maker.tiff_of(page, compression="tiff_lzw"): page_process._tiff(),
    }
    ended = Counter[str]()
    for _ in range(count):
        first = chance.choice(list(kinds))
        altered = mutate(chance, first, list(kinds))
        if not (child := os.fork()):
            resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            _look_at(altered, kinds[first])
        _, status = os.waitpid(child, 0)
        ended["died" if os.WIFSIGNALED(status) else "raised" if os.WEXITSTATUS(status) else "read"] += 1
    return ended


def _look_at(data: bytes, opened: object) -> None:
    try:
        lines = list(page_process._lines(opened, data, 3, 60.0))
        assert lines[0].keys() in ({"pages"}, {"refused"})
        for line in lines[1:]:
            assert line.keys() == {"page", "texts", "whole", "words"} and set(line["texts"]) <= {_CODE}
    except BaseException as error:  # noqa: BLE001 told to whoever counts
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    print(*(f"{name}={many}" for name, many in sorted(look_at_all(int(sys.argv[1]), int(sys.argv[2])).items())))
