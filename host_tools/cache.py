"""Where downloads are kept: $ESP_CWMP_CACHE, else `~/.cache/esp-cwmp`."""

import os
from pathlib import Path


def folder() -> Path:
    """Return the folder, which need not exist."""
    named = os.environ.get("ESP_CWMP_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "esp-cwmp"
