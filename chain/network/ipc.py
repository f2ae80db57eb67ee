"""Questions to a node over the socket in its own folder, where only its owner gets in."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from chain.errors import NetworkError

_PIECE = 65_536
#: A node that shares its processor with others may take seconds to say a word.
ANSWERS_SECONDS = 30.0


def ask(path: Path, method: str, *parameters: object, timeout_seconds: float = ANSWERS_SECONDS) -> Any:
    """The result of one JSON-RPC call.

    Raises NetworkError: node_slow when it does not answer in time, node_silent when nobody is there, node_refused.
    """
    question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode() + b"\n"
    try:
        answer = json.loads(_exchange(path, question, timeout_seconds))
    except TimeoutError as error:
        raise NetworkError("node_slow", f"节点在 {timeout_seconds:g} 秒内没有应答（{path.parent.name}）") from error
    except (OSError, ValueError) as error:
        raise NetworkError("node_silent", f"节点没有应答（{path.parent.name}）") from error
    if "error" in answer:
        raise NetworkError("node_refused", f"节点拒绝了 {method}：{answer['error'].get('message')}")
    return answer.get("result")


def _exchange(path: Path, question: bytes, timeout_seconds: float) -> bytes:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_seconds)
            # A socket's path holds 107 bytes at most; the folder's own may be longer.
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            connection.sendall(question)
            answer = b""
            while not answer.endswith(b"\n"):
                piece = connection.recv(_PIECE)
                if not piece:
                    break
                answer += piece
    finally:
        os.close(folder)
    return answer
