"""Undelivered events: what an Inform lists and what survives a failure or a boot (the 4.4 table,
CWMP-40).
"""

from micropython import const

VALUE_CHANGE = "4 VALUE CHANGE"

_MAX = const(64)  # of one Inform (CWMP-30)
_KEY_SIZE = const(32)

# What happens to an event that was not delivered.
_BOOT = const(1)  # survives a boot
_DROP = const(2)  # does not survive a failed session
_KEYED = const(4)  # each occurrence has its own CommandKey and is listed

# Code: (retention, the request whose response delivers it), in the order in which an Inform lists
# them. 4 VALUE CHANGE is not kept here: it is listed iff changes are included (CWMP-33), and they
# are kept by `notification`.
_TABLE = (
    ("0 BOOTSTRAP", _BOOT, "Inform"),
    ("1 BOOT", 0, "Inform"),  # made anew by each boot
    ("2 PERIODIC", 0, "Inform"),
    ("3 SCHEDULED", _BOOT, "Inform"),
    (VALUE_CHANGE, 0, "Inform"),
    ("5 KICKED", _BOOT, "Inform"),
    ("6 CONNECTION REQUEST", _DROP, "Inform"),
    ("7 TRANSFER COMPLETE", _BOOT, "TransferComplete"),
    ("8 DIAGNOSTICS COMPLETE", 0, "Inform"),
    ("9 REQUEST DOWNLOAD", 0, "RequestDownload"),
    ("10 AUTONOMOUS TRANSFER COMPLETE", _BOOT, "AutonomousTransferComplete"),
    ("13 WAKEUP", 0, "Inform"),
    ("14 HEARTBEAT", 0, "Inform"),
    ("M Reboot", _BOOT | _KEYED, "Inform"),
    ("M ScheduleInform", _BOOT | _KEYED, "Inform"),
    ("M Download", _BOOT | _KEYED, "TransferComplete"),
    ("M Upload", _BOOT | _KEYED, "TransferComplete"),
    ("M ScheduleDownload", _BOOT | _KEYED, "TransferComplete"),
)
_SINGLE = const(13)  # codes above that occur once: room is kept for them


def _row(code):
    for index, row in enumerate(_TABLE):
        if row[0] == code:
            return index, row
    raise ValueError("unknown event code")


class EventQueue:
    """Events by code and CommandKey, at most 64 of them. `notification` (a Notification) decides
    on 4 VALUE CHANGE.
    """

    def __init__(self, notification=None, log=None):
        self._notification = notification
        self._log = log
        self._events = []  # [place in _TABLE, key, in the Inform of the running session]
        self._acs = None  # URL of the ACS that BOOTSTRAP went, or is to go, to
        self._dirty = False

    @property
    def dirty(self):
        """True while the store does not hold what `snapshot` returns; the runtime sets it to
        False.
        """
        return self._dirty or (self._notification is not None and self._notification.dirty)

    @dirty.setter
    def dirty(self, value):
        self._dirty = value
        if self._notification is not None:
            self._notification.dirty = value

    def add(self, code, key=""):
        """Queue an event; False when there is no room for one more `M` event. ValueError: unknown
        code, long key.
        """
        index, (_, retention, _) = _row(code)
        keyed = retention & _KEYED
        if len(key) > _KEY_SIZE or (key and not keyed):
            raise ValueError("bad CommandKey")
        if code == VALUE_CHANGE:
            return True
        at = 0
        listed = 0
        for event in self._events:
            if event[0] == index and not keyed:
                event[2] = False  # it happened again: the Inform under way does not tell that
                return True
            if event[0] <= index:
                at += 1
            if _TABLE[event[0]][1] & _KEYED:
                listed += 1
        if keyed and listed >= _MAX - _SINGLE:
            if self._log:
                self._log("W", "session", 'event-dropped code="{}" reason=full'.format(code))
            return False
        self._events.insert(at, [index, key, False])
        self._dirty = self._dirty or retention & _BOOT != 0
        return True

    def for_inform(self):
        """Return [(code, key)] for an Inform; 4 VALUE CHANGE iff it includes changes (CWMP-33)."""
        changes = self._notification is not None and self._notification.pending()
        listed = []
        for event in self._events:
            if changes and event[0] > 4:
                listed.append((VALUE_CHANGE, ""))
                changes = False
            event[2] = True
            listed.append((_TABLE[event[0]][0], event[1]))
        if changes:
            listed.append((VALUE_CHANGE, ""))
        return listed

    def pending(self):
        """Return the undelivered [(code, key)]; changes are told by `Notification.names`."""
        return [(_TABLE[event[0]][0], event[1]) for event in self._events]

    def delivered(self, events, answer="Inform"):
        """Remove those of [(code, key)] that were listed and a response to `answer` delivers."""
        for code, key in events:
            for at, event in enumerate(self._events):
                row = _TABLE[event[0]]
                if row[0] == code and event[1] == key and event[2] and row[2] == answer:
                    self._remove(at)
                    break

    def failed(self):
        """The session failed: 6 CONNECTION REQUEST goes (TCR-24), all else waits, changes too."""
        if self._notification is not None:
            self._notification.failed()
        for at in range(len(self._events) - 1, -1, -1):
            self._events[at][2] = False
            if _TABLE[self._events[at][0]][1] & _DROP:
                self._remove(at)

    def contact(self, url):
        """Before the first session with an ACS: True when `url` is a new one.

        Then 0 BOOTSTRAP is queued, and what the previous ACS was owed is discarded (CWMP-40).
        """
        if url == self._acs:
            return False
        self._acs = url
        self.bootstrap()
        return True

    def bootstrap(self):
        """Queue 0 BOOTSTRAP alone: a new ACS, or a factory reset."""
        self._events = []
        if self._notification is not None:
            self._notification.clear()
        self.add("0 BOOTSTRAP")

    def snapshot(self):
        """Return the record for the store: what survives a boot, the pending changes and the ACS
        known.
        """
        events = []
        for index, key, _ in self._events:
            if _TABLE[index][1] & _BOOT:
                events.append((_TABLE[index][0], key))
        changes = self._notification.snapshot() if self._notification is not None else {}
        return {"acs": self._acs, "events": events, "changes": changes}

    def restore(self, record):
        """Take back a snapshot (dict or None); events this version does not know are dropped."""
        if not isinstance(record, dict):
            record = {}
        self._events = []
        self._acs = record.get("acs")
        events = record.get("events")
        for event in events if isinstance(events, list) else ():
            try:
                self.add(event[0], event[1])
            except (ValueError, IndexError, TypeError):
                continue
        if self._notification is not None:
            self._notification.restore(record.get("changes"))
        self._dirty = False

    def after_boot(self, url=None):
        """Apply the retention rules of a boot, then add BOOTSTRAP if the ACS at `url` is new, then
        1 BOOT.
        """
        for at in range(len(self._events) - 1, -1, -1):
            self._events[at][2] = False
            if not _TABLE[self._events[at][0]][1] & _BOOT:
                self._events.pop(at)
        if self._notification is not None:
            self._notification.failed()
        if url:
            self.contact(url)
        self.add("1 BOOT")

    def _remove(self, at):
        event = self._events.pop(at)
        self._dirty = self._dirty or _TABLE[event[0]][1] & _BOOT != 0
