"""`python -m api.cli` is `suizheng`."""

from __future__ import annotations

import sys

from api.cli.main import main

sys.exit(main())
