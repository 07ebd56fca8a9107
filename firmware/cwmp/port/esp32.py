"""ESP32-class boards: the network driver that board.json names, NVS, the clock."""

import time
from binascii import hexlify

import esp32
import machine
from micropython import const

from .base import EPOCH, Port

_STARVED = const(4096)  # bytes in one piece; with so few neither Wi-Fi nor PPP came back


def _largest():
    return max([one[2] for one in esp32.idf_heap_info(esp32.HEAP_DATA)])


class Esp32Port(Port):
    name = "esp32"
    network = "wlan"
    folder = "/state"
    firmware = "port.ota"

    def __init__(self):
        super().__init__()
        self.link = None  # the driver, see `port.link`
        self._keeper = None

    def unique_id(self):
        return hexlify(machine.unique_id()).decode().upper()

    def set_unix_time(self, seconds):
        t = time.gmtime(seconds - EPOCH)
        machine.RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))

    def counters(self, store):
        from .nvs import Records  # noqa: PLC0415 - a slice

        return Records(esp32.NVS("cwmp"), store)

    async def start_network(self, site, log, changed):
        # Only the driver in use costs memory.
        if self.network == "lan":
            from .lan import Link  # noqa: PLC0415
        elif self.network == "ppp":
            from .ppp import Link  # noqa: PLC0415
        else:
            from .wlan import Link  # noqa: PLC0415
        from .link import Keeper  # noqa: PLC0415

        self.link = Link(self.board.get("network", {}), site["network"])
        self._keeper = Keeper(self.link, log, changed)
        await self._keeper.start()

    def silent(self, ms):
        # A heap that took what the network lives on keeps it as long as one new name is in there.
        if self._keeper.silent(ms):
            left = _largest()
            if left < _STARVED:
                self._keeper.log("E", "net", "no-memory left={}; reset".format(left))
                self.reset()

    @property
    def tasks(self):
        return (("link", self._keeper.task),) if self._keeper else ()

    def local_ip(self, address):
        return self.link.address()

    def leave(self):
        if self._keeper:
            self._keeper.stop()
            self._keeper = None
        if self.link and self.network == "ppp":  # it does not survive a soft reset (B25)
            self.link.down()

    def reset(self):
        if self.link:
            self.link.down()
        machine.reset()
