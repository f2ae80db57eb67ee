"""A whole server as a process of its own, to be killed: prints the first password (or "-") and serves until then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import uvicorn

from api.app import create_app
from api.composition import compose
from api.settings import Settings

if __name__ == "__main__":
    settings = Settings.from_environment(os.environ)
    services = compose(settings)
    print(services.first_password or "-", flush=True)
    uvicorn.run(create_app(services), host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)
