"""What reading a PDF and judging its signatures share."""

from __future__ import annotations

import struct
import zlib
from typing import Any

#: White space of PDF (ISO 32000-1 table 1).
BLANKS = b"\0\t\n\f\r "
#: What is said of bytes behind the end of a file.
TRAILING = "PDF 文件结尾之后还有别的内容，不受签名保护，别的程序可能把它当作另一份文件"
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
