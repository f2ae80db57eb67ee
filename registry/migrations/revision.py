"""Write the migration that leads from the newest revision to the tables in code.

`python -m registry.migrations.revision ID MESSAGE`, with an id such as 0002. Read what it writes before committing it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from registry.database import migrate, open_engine


def write(revision: str, message: str) -> None:
    """Compare an empty SQLite database at the newest revision with the tables in code, and write the difference."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/registry.db")
        migrate(engine)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=revision)
        engine.dispose()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
