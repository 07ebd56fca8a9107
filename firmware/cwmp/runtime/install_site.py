"""Takes a `3 Vendor Configuration File`: the site's configuration, checked before it replaces the
one in use; and gives the `1 Vendor Configuration File` of an Upload.
"""

import json
import os

from micropython import const

from ..core import settings
from ..core.fault import CwmpFault
from .trial import NEW_SITE, OLD_SITE, SITE

_MOST = const(16384)
_FILE = "site.json"
_RAW = "site.part"
# What no file changes: who the device is, and whom it trusts.
_FIXED = (
    ("device", "oui"),
    ("device", "product_class"),
    ("device", "serial_number"),
    ("acs", "ca"),
    ("acs", "bundle_key"),
)


class Site:
    """`write` takes the file in pieces; `finish` checks it and leaves it as `NEW_SITE`."""

    def __init__(self, port):
        self._rows = settings.NETWORKS[port.network]
        self._left = _MOST
        self._file = open(_RAW, "wb")

    def write(self, view):
        self._left -= len(view)
        if self._left < 0:
            raise CwmpFault(9018, "a configuration larger than {}".format(_MOST))
        self._file.write(view)

    def close(self):
        self._file.close()

    def finish(self):
        try:
            with open(_RAW) as file:
                site = json.load(file)
            settings.load(site, self._rows)
        except ValueError as error:
            raise CwmpFault(9018, str(error) or "no JSON")
        finally:
            os.remove(_RAW)
        with open(_FILE) as file:
            before = json.load(file)
        # A file without secrets is what the device itself uploads: they stay.
        for row in settings.SETTINGS + self._rows:
            section, key, secret = row[0], row[1], row[5]
            fixed = (section, key) in _FIXED
            if fixed:
                site.get(section, {}).pop(key, None)
            if fixed or (secret and key not in site.get(section, ())):
                if key in before.get(section, ()):
                    site.setdefault(section, {})[key] = before[section][key]
        for name, content in ((OLD_SITE, before), (NEW_SITE, site)):
            with open(name, "w") as file:
                json.dump(content, file)
        return SITE


def without_secrets(port):
    """Return the site's configuration as JSON text, but for passwords."""
    with open(_FILE) as file:
        site = json.load(file)
    for row in settings.SETTINGS + settings.NETWORKS[port.network]:
        if row[5]:
            site.get(row[0], {}).pop(row[1], None)
    return json.dumps(site)
