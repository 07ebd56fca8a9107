"""The core of the firmware in simulated time: NATs, a STUN server and an ACS as models, a clock
that jumps from event to event.

`clock`, `nat`, `server`, `device` and `world` run under MicroPython too: no typing, no dataclass.
Here the firmware is made importable, for a host that needs MicroPython's own module replaced.
"""

import sys

if sys.implementation.name != "micropython":
    from pathlib import Path

    _ROOT = Path(__file__).resolve().parent.parent.parent
    for _folder in (_ROOT / "firmware", _ROOT / "tests" / "shims"):
        if str(_folder) not in sys.path:
            sys.path.append(str(_folder))
