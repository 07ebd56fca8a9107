"""What comes first after power-up and is not needed again: configuration and banner."""

import json
import sys

from .. import VERSION, core
from .slices import drop

SITE = "site.json"
OLDEST = (1, 23, 0)  # MicroPython before it lacks what TLS and PPP need


def site(port, log):
    """Say who we are and return the checked configuration; None when the agent cannot run, which
    the log explains.
    """
    found = wrong = None
    try:
        port.read_board()
        found = _site(port)
    except ValueError as error:
        wrong = error
    _banner(log, port, found)
    if sys.implementation.version[:3] < OLDEST:
        text = "MicroPython is too old: this firmware needs {}.{}.{} or newer"
        log("E", "boot", text.format(*OLDEST))
        return None
    if found is None:
        text = 'config file={} error="{}"; mend it and flash again'
        log("E", "boot", text.format(SITE, wrong))
    return found


def _banner(log, port, site):
    # What flash.py waits for: the device's identity is in it unless the configuration is broken.
    text = "start version={} board={} micropython={}.{}.{}".format(
        VERSION, port.name, *sys.implementation.version[:3]
    )
    if site:
        device = site["device"]
        names = ("oui", "product_class", "serial_number")
        text += " id=" + "-".join([device[name] for name in names])
    log("I", "boot", text)


def _site(port):
    # The checked configuration; ValueError says why it cannot be used. The table of settings is of
    # no use afterwards: what it takes in memory is given back.
    from ..core import settings  # noqa: PLC0415

    try:
        with open(SITE) as file:
            site = settings.load(json.load(file), settings.NETWORKS[port.network])
    except OSError:
        raise ValueError("it is missing")
    except MemoryError:
        raise ValueError("it does not fit into memory")
    finally:
        drop(core, "settings")
    if not site["device"]["serial_number"]:
        site["device"]["serial_number"] = port.unique_id()
    return site
