"""Changes the ACS is to be told of: what an Inform includes and what is still owed (CWMP-33,
CWMP-60 to 63).
"""

from micropython import const

from .fault import CwmpFault

_PASSIVE = const(1)
_ACTIVE = const(2)
_SENT = const(4)  # in the Inform of the running session, and unchanged since


class Notification:
    """Pending changes of the data model `model`; `model.on_change` has to call `changed`."""

    def __init__(self, model):
        self._model = model
        self._pending = {}  # name: level, with _SENT or without
        self.dirty = False  # the store does not hold it yet

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
        if self._pending.get(name) != level:
            self._pending[name] = level
            self.dirty = True
        return level == _ACTIVE

    def pending(self):
        """True when an Inform has changes to report, and so lists 4 VALUE CHANGE."""
        self._drop_unwanted()
        return len(self._pending) > 0

    def names(self):
        """Return the names of pending changes."""
        return list(self._pending)

    def for_inform(self):
        """Return the names to include in an Inform; from now on they count as being told."""
        self._drop_unwanted()
        names = list(self._pending)
        for name in names:
            self._pending[name] |= _SENT
        return names

    def delivered(self, names):
        """The InformResponse came: forget `names`, but not those that changed again since
        `for_inform`.
        """
        for name in names:
            if self._pending.get(name, 0) & _SENT:
                self._forget(name)

    def failed(self):
        """No InformResponse came: everything is still owed."""
        for name, level in self._pending.items():
            self._pending[name] = level & ~_SENT

    def clear(self):
        """Forget everything: another ACS is served now, or the device was reset."""
        self.dirty = self.dirty or len(self._pending) > 0
        self._pending = {}

    def snapshot(self):
        """Return {name: level} for the store (CWMP-63)."""
        record = {}
        for name, level in self._pending.items():
            record[name] = level & ~_SENT
        return record

    def restore(self, record):
        """Take back a snapshot (dict or None); after the data model took back its own."""
        self._pending = {}
        for name, level in record.items() if isinstance(record, dict) else ():
            if level == _PASSIVE or level == _ACTIVE:
                self._pending[name] = level
        self._drop_unwanted()

    def _forget(self, name):
        if self._pending.pop(name, None) is not None:
            self.dirty = True

    def _drop_unwanted(self):
        # The ACS may have switched a notification off while a change waited.
        unwanted = None
        for name in self._pending:
            if not self._wanted(name):
                unwanted = unwanted or []
                unwanted.append(name)
        for name in unwanted or ():
            self._forget(name)

    def _wanted(self, name):
        try:
            return self._model.attributes(name)[0] > 0
        except CwmpFault:
            return False
