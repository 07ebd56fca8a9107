"""Wi-Fi as a station."""

import network

_STATUS = {
    200: "beacon-timeout",
    201: "no-such-network",
    202: "wrong-password",
    203: "refused",
    204: "handshake-timeout",  # a wrong password, most of the time
    1000: "idle",
    1001: "connecting",
    1010: "no-address",
}


class Link:
    """See `port.link`. `site`: ssid, password, power_save."""

    def __init__(self, options, site):
        self._site = site
        self._nic = network.WLAN(network.STA_IF)

    def up(self):
        nic = self._nic
        nic.active(False)  # what a soft reset left connecting takes no new order
        nic.active(True)
        if not self._site["power_save"] and hasattr(network.WLAN, "PM_NONE"):
            # With power save a datagram may wait for hundreds of milliseconds in the access point.
            nic.config(pm=network.WLAN.PM_NONE)
        nic.connect(self._site["ssid"], self._site["password"])

    def down(self):
        self._nic.active(False)

    def address(self):
        nic = self._nic
        return nic.ifconfig()[0] if nic.isconnected() else ""

    def status(self):
        status = self._nic.status()
        return _STATUS.get(status, status)

    def mac(self):
        """Return the station's address, as "02:00:00:00:00:01"."""
        return ":".join(["%02X" % byte for byte in self._nic.config("mac")])

    def signal(self):
        """Return what arrives of the access point, in dBm; 0 when there is none."""
        return self._nic.status("rssi") if self._nic.isconnected() else 0
