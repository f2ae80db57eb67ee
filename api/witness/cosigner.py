"""The life of a submission: bytes in, a cosignature or a refusal out, and on the disk in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from api.witness.folder import Identity
from api.witness.submission import Answer, FindKeys, RefusalError, check_follows, read_submission
from verifier.cosignature import cosign


class Cosigner:
    """One witness. Safe to share between threads."""

    def __init__(self, identity: Identity, find_keys: FindKeys, clock: Callable[[], datetime]) -> None:
        self._identity = identity
        self._find_keys = find_keys
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to a request.

        The steps: (1) bounded and well-formed, (2) a known log, (3) signed by it, (4) it follows from the newest head
        that we cosigned, (5) it is the newest now, on the disk, (6) only then it is cosigned.

        Raises WitnessFolderError if the memory fails: then nothing was cosigned.
        """
        identity = self._identity
        try:
            # (1) … (3) Nothing is written for strangers.
            submission = read_submission(body, self._find_keys)
            at = self._clock()
            # (4), (5) In one transaction. A crash after it costs an answer, which the log asks for again.
            identity.memory.advance(
                submission.checkpoint, submission.note, at, lambda known: check_follows(submission, known)
            )
        except RefusalError as refusal:
            return refusal.answer
        # (6) The time is that of the decision, not later.
        return Answer(200, cosign(submission.checkpoint, identity.name, identity.key, at))
