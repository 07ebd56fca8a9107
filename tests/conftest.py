"""Paths for every suite: the firmware's `wire` and `core` run under CPython with a small
`micropython` module.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in ("firmware", "tests/shims", "tests/unit", "."):
    path = str(ROOT / folder)
    if path not in sys.path:
        sys.path.insert(0, path)
