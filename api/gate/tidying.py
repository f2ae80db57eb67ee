"""Keeping a gate's journal short: visits that the registry has are dropped from it, a good while after."""

from __future__ import annotations

import sys

from api.gate.journal import Journal
from api.gate.mark import read_mark

KEPT_VISITS = 10_000
"""Visits that stay after they were handed in, should the registry be set back to a backup: some days of a busy gate."""
LOOK_EVERY = 500
"""Visits between two looks at how far the journal was handed in."""


def tidy(journal: Journal, kept: int = KEPT_VISITS) -> int:
    """How many visits were dropped: all that were handed in but the last ones, once it is worth writing the file anew.

    It is when as many lines go as stay, so that each visit is written twice at most. Anti-passback, the replay memory
    and the newest admission stay as they are. Windows replaces no file that is open: there nothing is dropped. Raises
    GateError; then the journal is as it was.
    """
    accepted = read_mark(journal.path, journal.header.gate).accepted
    if accepted > journal.sequence or sys.platform == "win32":
        return 0
    before, through = journal.header.sequence, accepted - kept
    if through - before < max(kept, len(journal.memory), 1):
        return 0
    journal.drop(through)
    return through - before
