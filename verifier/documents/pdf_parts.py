"""What reading a PDF and judging its signatures share."""

from __future__ import annotations

import struct
import zlib
from typing import Any

#: What pyHanko lets out on damaged files besides its own errors.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def held(node: Any, key: str) -> Any:
    """What a dictionary holds under the key, followed to where it is defined; None where there is nothing."""
    return node[key] if isinstance(node, dict) and key in node else None
