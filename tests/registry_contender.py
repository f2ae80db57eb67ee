"""A process that wants to use a one-time item: `python registry_contender.py URL ITEM AUTHORISATION CASE [KILL]`.

Prints `won ID` or `lost ID-OF-THE-FIRST-USE`. With KILL it dies by SIGKILL at a point: `before-commit` (everything is
written, nothing committed) or `after-commit` (committed, nobody told).
"""

from __future__ import annotations

import os
import signal
import sys

from registry_house import CARE, House, actor, request

from registry.database import open_engine
from registry.errors import BusyError, ReuseRefusedError
from registry.uses import service as uses


def main(url: str, item: str, authorisation: str, case: str, kill: str = "") -> None:
    house = House(open_engine(url))
    wanted = request(item, authorisation, item_kind="material", case_no=case)
    sys.stdin.readline()
    while True:
        try:
            with house.registry.begin(actor(CARE)) as work:
                use = uses.reuse(work, wanted)
                if kill == "before-commit":
                    os.kill(os.getpid(), signal.SIGKILL)
            if kill == "after-commit":
                os.kill(os.getpid(), signal.SIGKILL)
            print("won", use.id)
        except ReuseRefusedError as refused:
            print("lost", refused.evidence.get("first_use_id", refused.reason))
        except BusyError:
            continue
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
