"""What an installation removes, the same on every kind of board."""

import json
from collections.abc import Iterable

# An image without it keeps the one that is there, its CA and its application.
CONFIGURATION = "site.json"
CA = "acs_ca.der"
APPLICATION = "app/"
LIST = "image.json"  # what was installed: goes first and comes last
PACKAGE = "lib/cwmp/"
# Files that would be found before lib/cwmp: an older layout, or one left by hand.
SHADOWS = ("cwmp", "cwmp.py", "cwmp.mpy", "lib/cwmp.py", "lib/cwmp.mpy", "main.mpy", "boot.mpy")


def stale(present: Iterable[str], listed: Iterable[str], new: Iterable[str]) -> list[str]:
    """Return which of the files `present` on a board have to go when `new` ones come: those that
    the last installation `listed`, all in our package, and shadows. Others belong to the device
    and its owner and stay.
    """
    old, coming = set(listed), set(new)
    there = set(present)
    if CONFIGURATION not in coming:
        coming |= {CONFIGURATION, CA} | {name for name in there if name.startswith(APPLICATION)}
    return sorted(
        name
        for name in there - coming
        if name in old
        or name.startswith(PACKAGE)
        or any(name == shadow or name.startswith(shadow + "/") for shadow in SHADOWS)
    )


def listed_in(content: bytes) -> list[str]:
    """Return the names in an image.json, none for one that is damaged."""
    try:
        return list(json.loads(content)["files"])
    except (ValueError, KeyError, TypeError):
        return []
