"""Speed, measured against limits taken in the same run: `python -m bench [--only NAME]`, results in results.json.

The stage of the formats' benches is the tests' own world.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
