"""What a board must provide. A port subclasses `Port` and overrides what its chip does in another
way.
"""

import os
import time

import machine

# MicroPython counts from 2000 on ESP32 and from 1970 on the unix port: asked of the clock itself
# (B19).
EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0
_CLOCK_SET = 1704067200  # 2024-01-01: before it the clock was never set
MARK = b"cwmp"  # before the boot counter: this memory holds anything after power-up


class Port:
    """One board. Methods may block only where it is said. Each port has besides:

    `unique_id()`: a short text that differs from board to board for life (serial number).
    `set_unix_time(seconds)`: set the clock to whole Unix seconds.
    `counters(store)`: what keeps small records that change often; `store` where flash is all there
    is.
    `start_network(site, log, changed)`: awaited to bring the network up as `site["network"]` says;
    returns when an address is there. `changed()` is called when it was lost and is back.
    `silent(ms)`: nobody has answered for so long, though somebody was asked (B22); 0: all is well.
    `local_ip(address)`: the local IPv4 address (text) used towards `address` (of getaddrinfo), ""
    when there is none. OSError: no network.
    `leave()`: the prompt comes now, whatever must not run on is taken down.
    `reset()`: restart the board. Does not return.
    """

    name = "?"
    network = "host"  # the driver: names its rows in `core.settings.NETWORKS`
    folder = "state"  # where records are kept, from the root of the flash
    raw_sockets = True  # whether ICMP can be spoken
    watchdog_s = 60  # getaddrinfo and a TLS handshake may take a good part of it
    tasks = ()  # (name, task) that must not end
    firmware = ""  # the module that knows the partitions of firmware images, where there are some

    def __init__(self):
        self.board = {}  # what board.json says
        self.fed = False  # whether the watchdog runs

    def take_board(self, board):
        """Take what board.json, written by `flash.py`, says of this board. KeyError, TypeError:
        it is damaged.
        """
        self.board = board
        self.name = board["name"]
        self.network = board["network"]["driver"]

    def random_bytes(self, count):
        """Return `count` random bytes fit for transaction ids and nonces."""
        return os.urandom(count)

    def unix_time(self):
        """Return Unix seconds, None when the clock was never set."""
        seconds = int(time.time()) + EPOCH
        return seconds if seconds >= _CLOCK_SET else None

    # What outlives a reset, but not the power

    def set_failed_boots(self, count):
        """Keep how many boots in a row did not come to be good, where there is memory for it."""
        if hasattr(machine, "RTC"):
            machine.RTC().memory(MARK + bytes((min(count, 255),)))

    def watchdog(self, seconds):
        """Start the watchdog, or give it another time, and return the function that feeds it;
        None: there is none. It can never be stopped.
        """
        if hasattr(machine, "WDT"):
            self.fed = True
            return machine.WDT(timeout=seconds * 1000).feed

    def prompt_after_exit(self):
        """Make sure that the MicroPython prompt comes when the program ends."""
