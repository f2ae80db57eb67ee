"""Servers to be killed: each line of the input starts one, forked from this process, which has loaded everything.

One at a time. Each says `serving PID PASSWORD` (the first password, or "-"), and when it has ended this process says
`ended SIGNAL`, or `ended 0` where none ended it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import uvicorn

from api.app import create_app
from api.composition import compose
from api.settings import Settings


def serve(settings: Settings) -> None:
    services = compose(settings)
    print(f"serving {os.getpid()} {services.first_password or '-'}", flush=True)
    uvicorn.run(create_app(services), host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    given = Settings.from_environment(os.environ)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                serve(given)
            finally:
                sys.stderr.flush()
                os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}", flush=True)
