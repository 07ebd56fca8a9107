"""Ethernet: the options of `network.LAN` as board.json has them, pins by number, the rest by
name.
"""

import machine
import network

_PINS = ("mdc", "mdio", "power", "ref_clk")


class Link:
    """See `port.link`."""

    def __init__(self, options, site):
        wanted = {}
        for key, value in options.items():
            if key in _PINS:
                wanted[key] = machine.Pin(value)
            elif key == "ref_clk_mode":
                wanted[key] = getattr(machine.Pin, value)  # IN or OUT
            elif key != "driver":
                wanted[key] = getattr(network, value) if isinstance(value, str) else value
        self._nic = network.LAN(**wanted)

    def up(self):
        self._nic.active(True)

    def down(self):
        self._nic.active(False)

    def address(self):
        nic = self._nic
        if not nic.isconnected():  # type: ignore  # not in the stubs' second LAN
            return ""
        # The cable is in before DHCP has answered.
        address = nic.ifconfig()[0]  # type: ignore
        return "" if address == "0.0.0.0" else address

    def status(self):
        connected = self._nic.isconnected()  # type: ignore
        return "no-address" if connected else "no-cable"
