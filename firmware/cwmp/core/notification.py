"""Changes the ACS is to be told of: what an Inform includes and what is still owed (CWMP-33,
CWMP-60 to 63).
"""

from micropython import const

from .fault import CwmpFault

_PASSIVE = const(1)
_ACTIVE = const(2)
_SENT = const(4)  # in the Inform of the running session, and unchanged since


class Notification:
    """Pending changes of the data model `model`; `model.on_change` has to call `changed`.

    `owed` (dict) outlives this object, which a session makes when it needs one: "changes" {name:
    level, with _SENT or without}, and "dirty", True while the store does not hold it. The rest is
    `EventQueue`'s.
    """

    def __init__(self, model, owed=None):
        self._model = model
        self.owed = nothing() if owed is None else owed

    def changed(self, name, by_acs):
        """Note a change; True when it asks for a session (active). What the ACS wrote is not told
        back to it.
        """
        if by_acs:
            self._forget(name)
            return False
        level = self._model.attributes(name)[0]
        if not level:
            return False
        changes = self.owed["changes"]
        if changes.get(name) != level:
            changes[name] = level
            self.owed["dirty"] = True
        return level == _ACTIVE

    def pending(self):
        """True when an Inform has changes to report, and so lists 4 VALUE CHANGE."""
        self._drop_unwanted()
        return len(self.owed["changes"]) > 0

    def names(self):
        """Return the names of pending changes."""
        return list(self.owed["changes"])

    def for_inform(self):
        """Return the names to include in an Inform; from now on they count as being told."""
        self._drop_unwanted()
        changes = self.owed["changes"]
        names = list(changes)
        for name in names:
            changes[name] |= _SENT
        return names

    def delivered(self, names):
        """The InformResponse came: forget `names`, but not those that changed again since
        `for_inform`.
        """
        for name in names:
            if self.owed["changes"].get(name, 0) & _SENT:
                self._forget(name)

    def failed(self):
        """No InformResponse came: everything is still owed."""
        self.owed["changes"] = self.snapshot()

    def clear(self):
        """Forget everything: another ACS is served now, or the device was reset."""
        for name in self.names():
            self._forget(name)

    def snapshot(self):
        """Return {name: level} for the store (CWMP-63)."""
        return {name: level & ~_SENT for name, level in self.owed["changes"].items()}

    def restore(self, record):
        """Take back a snapshot (dict or None); after the data model took back its own."""
        self.owed["changes"] = changes = {}
        for name, level in record.items() if isinstance(record, dict) else ():
            if level == _PASSIVE or level == _ACTIVE:
                changes[name] = level
        self._drop_unwanted()

    def _forget(self, name):
        if self.owed["changes"].pop(name, None) is not None:
            self.owed["dirty"] = True

    def _drop_unwanted(self):
        # The ACS may have switched a notification off while a change waited.
        for name in self.names():
            try:
                wanted = self._model.attributes(name)[0]
            except CwmpFault:
                wanted = 0
            if not wanted:
                self._forget(name)


def nothing():
    """Return what is owed to no ACS yet."""
    return {"acs": None, "events": [], "changes": {}, "dirty": False}
