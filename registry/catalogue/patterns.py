"""Regular expressions of types: written by people, and run on whatever somebody hands in.

They run in the engine of the schemas, which gives up after a bounded number of steps; Python's own would let one
pattern such as `^(a+)+$` hold up the whole process for ever.
"""

from __future__ import annotations

from verifier.schema import FaceSchema


class WholePattern:
    """A form that a whole text must have. Raises MalformedError for what is no regular expression (ECMA-262)."""

    def __init__(self, pattern: str) -> None:
        # By itself first: `a)|(b` becomes one only in brackets.
        FaceSchema({"type": "string", "pattern": pattern})
        self._has_form = FaceSchema({"type": "string", "pattern": f"^(?:{pattern})$"}).is_valid

    def fullmatch(self, text: str) -> bool:
        """Whether the whole text has the form; a text that cannot be judged in so many steps has not."""
        return self._has_form(text)
