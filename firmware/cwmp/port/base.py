"""What a board must provide. A port subclasses `Port` and overrides what its chip does in another
way.
"""

import os
import time

# MicroPython counts from 2000 on ESP32 and from 1970 on the unix port: asked of the clock itself
# (B19).
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0
_CLOCK_SET = 1704067200  # 2024-01-01: before it the clock was never set


class Port:
    """One board. Methods may block only where it is said."""

    name = "?"
    network = "host"  # the driver: names its rows in `core.settings.NETWORKS`
    folder = "state"  # where records are kept, from the root of the flash

    def unique_id(self):
        """Return a short text that differs from board to board for life (serial number)."""
        raise OSError("this board has no unique id: set device.serial_number")

    def random_bytes(self, count):
        """Return `count` random bytes fit for transaction ids and nonces."""
        return os.urandom(count)

    def unix_time(self):
        """Return Unix seconds, None when the clock was never set."""
        seconds = int(time.time()) + _EPOCH
        return seconds if seconds >= _CLOCK_SET else None

    async def start_network(self, site, log):
        """Bring the network up as `site["network"]` says; returns when an address is there."""

    def local_ip(self, address):
        """Return the local IPv4 address (text) used towards `address` (of getaddrinfo), "" when
        there is none.
        """
        raise OSError("no network")

    def prompt_after_exit(self):
        """Make sure that the MicroPython prompt comes when the program ends."""

    def reset(self):
        """Restart the board. Does not return."""
        raise SystemExit(3)
