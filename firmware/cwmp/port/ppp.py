"""PPP over a UART: a modem in data mode, or a peer at the other end of a serial line."""

import machine
import network

_PPP = network.PPP


class Link:
    """See `port.link`. Options: uart, baud, rxbuf (bytes), tx and rx (pins); `site`: ppp_username,
    ppp_password.
    """

    def __init__(self, options, site):
        wanted = {"rxbuf": options["rxbuf"]}
        for pin in ("tx", "rx"):
            if options.get(pin) is not None:
                wanted[pin] = options[pin]
        self._uart = machine.UART(options["uart"], options["baud"], **wanted)
        self._site = site
        self._nic = None

    def up(self):
        # After a link has died the object is of no use any more.
        nic = self._nic = _PPP(self._uart)
        nic.active(True)
        user, password = self._site["ppp_username"], self._site["ppp_password"]
        if not user:
            nic.connect()
        elif hasattr(_PPP, "SEC_PAP"):
            nic.connect(security=_PPP.SEC_PAP, user=user, key=password)
        else:  # before 1.25
            old = {"authmode": _PPP.AUTH_PAP, "username": user, "password": password}
            nic.connect(**old)

    def down(self):
        # Before any reset, or the chip crashes (B25). Waits up to 4 s for the peer's goodbye.
        nic, self._nic = self._nic, None
        if nic is not None:
            if hasattr(nic, "disconnect"):
                nic.disconnect()
            nic.active(False)

    def address(self):
        nic = self._nic
        return nic.ifconfig()[0] if nic is not None and nic.isconnected() else ""

    def status(self):
        return "down" if self._nic is None else "negotiating"
