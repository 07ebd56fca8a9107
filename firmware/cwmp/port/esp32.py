"""ESP32-class boards: Wi-Fi as a station. Reconnecting is the chip's own business."""

import asyncio
from binascii import hexlify

import machine
import network

from .base import Port

_POLL_MS = 200
_PATIENCE = 50  # polls until the log says once more that there is no link


class Esp32Port(Port):
    name = "esp32"
    network = "wlan"
    folder = "/state"

    def __init__(self):
        self._link = None

    def unique_id(self):
        return hexlify(machine.unique_id()).decode().upper()

    async def start_network(self, site, log):
        link = self._link = network.WLAN(network.STA_IF)
        link.active(True)
        if hasattr(network.WLAN, "PM_NONE"):
            # With power save a datagram may wait for hundreds of milliseconds in the access point.
            link.config(pm=network.WLAN.PM_NONE)
        link.connect(site["network"]["ssid"], site["network"]["password"])
        polls = 0
        while not link.isconnected():
            if polls % _PATIENCE == 0:
                log("I", "net", "connecting status={}".format(link.status()))
            polls += 1
            await asyncio.sleep_ms(_POLL_MS)

    def local_ip(self, address):
        return self._link.ifconfig()[0]

    def reset(self):
        machine.reset()
