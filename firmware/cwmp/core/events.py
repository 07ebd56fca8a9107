"""Undelivered events: what an Inform lists and what survives a failure or a boot (the 4.4 table,
CWMP-40).
"""

from micropython import const

from .notification import Notification

VALUE_CHANGE = "4 VALUE CHANGE"

_MAX = const(64)  # of one Inform (CWMP-30)
_KEY_SIZE = const(32)

# The events in the order in which an Inform lists them: `code|flags|request`. `request` is the one
# whose response delivers the event, without it the Inform. 4 VALUE CHANGE is not kept here: it is
# listed iff changes are included (CWMP-33), and they are kept by `notification`. Flags:
#   B  survives a boot; 1 BOOT is made anew by each
#   X  does not survive a failed session
#   M  each occurrence has its own CommandKey and is listed
_TABLE = """
0 BOOTSTRAP|B|
1 BOOT||
2 PERIODIC||
3 SCHEDULED|B|
4 VALUE CHANGE||
5 KICKED|B|
6 CONNECTION REQUEST|X|
7 TRANSFER COMPLETE|B|TransferComplete
8 DIAGNOSTICS COMPLETE||
9 REQUEST DOWNLOAD||RequestDownload
10 AUTONOMOUS TRANSFER COMPLETE|B|AutonomousTransferComplete
13 WAKEUP||
14 HEARTBEAT||
M Reboot|BM|
M ScheduleInform|BM|
M Download|BM|TransferComplete
M Upload|BM|TransferComplete
M ScheduleDownload|BM|TransferComplete
"""
_SINGLE = const(13)  # codes above that occur once: room is kept for them


def known(code):
    """Whether it is one of the table."""
    return "|" not in code and code != "" and _TABLE.find(f"\n{code}|") >= 0


# An event of the queue.
_PLACE = const(0)  # in _TABLE
_CODE = const(1)
_FLAGS = const(2)
_ANSWER = const(3)
_CODE_KEY = const(4)
_SENT = const(5)  # in the Inform of the running session


class EventQueue:
    """Events by code and CommandKey, at most 64 of them. `notification` (a Notification) decides
    on 4 VALUE CHANGE.

    What it knows is in `notification.owed`: "events", "acs", the URL of the ACS that BOOTSTRAP
    went, or is to go, to, and "dirty", True while the store does not hold what `snapshot` returns.
    """

    def __init__(self, notification=None, log=None):
        self.notification = notification or Notification(None)
        self.owed = self.notification.owed
        self._log = log

    def add(self, code, key=""):
        """Queue an event; False when there is no room for one more `M` event. ValueError: unknown
        code, long key.
        """
        place = _TABLE.find(f"\n{code}|")
        if place < 0 or "|" in code:
            raise ValueError("unknown event code")
        _, flags, answer = _TABLE[place + 1 : _TABLE.find("\n", place + 1)].split("|")
        keyed = "M" in flags
        if len(key) > _KEY_SIZE or (key and not keyed):
            raise ValueError("bad CommandKey")
        if code == VALUE_CHANGE:
            return True
        at = 0
        listed = 0
        events = self.owed["events"]
        for other in events:
            if other[_PLACE] == place and not keyed:
                other[_SENT] = False  # again: the Inform under way does not tell that
                return True
            if other[_PLACE] <= place:
                at += 1
            if "M" in other[_FLAGS]:
                listed += 1
        if keyed and listed >= _MAX - _SINGLE:
            if self._log:
                self._log("W", "session", f'event-dropped code="{code}" reason=full')
            return False
        events.insert(at, [place, code, flags, answer or "Inform", key, False])
        self._changed(flags)
        return True

    def _changed(self, flags):
        if "B" in flags:
            self.owed["dirty"] = True

    def for_inform(self):
        """Return [(code, key)] for an Inform; 4 VALUE CHANGE iff it includes changes (CWMP-33)."""
        changes = self.notification.pending()
        place = _TABLE.find(VALUE_CHANGE)
        listed = []
        for event in self.owed["events"]:
            if changes and event[_PLACE] > place:
                listed.append((VALUE_CHANGE, ""))
                changes = False
            event[_SENT] = True
            listed.append((event[_CODE], event[_CODE_KEY]))
        if changes:
            listed.append((VALUE_CHANGE, ""))
        return listed

    def pending(self):
        """Return the undelivered [(code, key)]; changes are told by `Notification.names`."""
        return [(event[_CODE], event[_CODE_KEY]) for event in self.owed["events"]]

    def delivered(self, events, answer="Inform"):
        """Remove those of [(code, key)] that were listed and a response to `answer` delivers."""
        for code, key in events:
            waiting = self.owed["events"]
            for event in waiting:
                if event[_CODE] == code and event[_ANSWER:] == [answer, key, True]:
                    waiting.remove(event)
                    self._changed(event[_FLAGS])
                    break

    def failed(self):
        """The session failed: 6 CONNECTION REQUEST goes (TCR-24), all else waits, changes too."""
        self.notification.failed()
        self.owed["events"] = events = [
            event for event in self.owed["events"] if "X" not in event[_FLAGS]
        ]
        for event in events:
            event[_SENT] = False

    def contact(self, url):
        """Before the first session with an ACS: True when `url` is a new one.

        Then 0 BOOTSTRAP is queued, and what the previous ACS was owed is discarded (CWMP-40).
        """
        if url == self.owed["acs"]:
            return False
        self.bootstrap()
        self.owed["acs"] = url
        return True

    def bootstrap(self):
        """Queue 0 BOOTSTRAP alone: a new ACS, or a factory reset."""
        self.owed["events"] = []
        self.notification.clear()
        self.add("0 BOOTSTRAP")

    def snapshot(self):
        """Return the record for the store: what survives a boot, the pending changes and the ACS
        known.
        """
        owed = self.owed
        events = [
            (event[_CODE], event[_CODE_KEY]) for event in owed["events"] if "B" in event[_FLAGS]
        ]
        return {"acs": owed["acs"], "events": events, "changes": self.notification.snapshot()}

    def restore(self, record):
        """Take back a snapshot (dict or None); events this version does not know are dropped."""
        if not isinstance(record, dict):
            record = {}
        self.owed["events"] = []
        self.owed["acs"] = record.get("acs")
        events = record.get("events")
        for event in events if isinstance(events, list) else ():
            try:
                self.add(event[0], event[1])
            except (ValueError, IndexError, TypeError):
                continue
        self.owed["dirty"] = False
        self.notification.restore(record.get("changes"))

    def after_boot(self, url=None):
        """Apply the retention rules of a boot, then add BOOTSTRAP if the ACS at `url` is new, then
        1 BOOT.
        """
        self.failed()
        self.owed["events"] = [event for event in self.owed["events"] if "B" in event[_FLAGS]]
        if url:
            self.contact(url)
        self.add("1 BOOT")
