"""The data model: reads, all-or-nothing writes, attributes and what is kept, over a declaration
such as DEVICE2.

The declared table is iterated, never copied: only values and attributes that differ from their
defaults take memory.
"""

from micropython import const

from .cwmp_types import local_name, parse, to_native, to_text
from .device2 import (
    DENY,
    DYNAMIC,
    FORCE,
    FORCE_DEFAULT,
    HIDDEN,
    INFORM,
    KEPT,
    LATER,
    URL,
    WRITABLE,
)
from .fault import CwmpFault

PARAMETER_KEY = "Device.ManagementServer.ParameterKey"

_KEY_SIZE = const(32)
_ACCESS_ENTRIES = const(8)
_ACCESS_SIZE = const(64)
_ACCESS_DEFAULT = ("Subscriber",)
_INTEGERS = ("int", "unsignedInt")
_INITIAL = {"boolean": "0", "unsignedInt": "0"}  # dynamic values before anybody told of them


def _nothing(level, area, text):
    pass


class DataModel:
    """Parameters by full name. `settings` is what `settings.load` returned, `getters` {name:
    callable -> value}.

    `told` (dict) outlives this object where a board drops it between sessions.

    The runtime sets `persist(record)`, which writes a snapshot to flash or raises OSError, and
    `on_change(name, by_acs)`, which is told of every value that changed. Types are without prefix
    ("unsignedInt").
    """

    def __init__(self, declaration, settings, getters, log=None, told=None):
        self._objects = declaration
        self._settings = settings
        self._getters = getters
        self._log = log or _nothing
        self._values = {}  # name: canonical text, where it is not the default
        self._attributes = {}  # name: (notification, access list), where they are not the default
        self._object = 0  # where the last name was found: most calls walk the tree in order
        self._row = 0
        # name: text that `changed` told of, None: another one was read since.
        self._told = {} if told is None else told
        self.persist = None
        self.on_change = None
        for _, rows in declaration:
            for row in rows:
                if row[4] & DYNAMIC and row[3] not in getters:
                    raise ValueError("no getter " + row[3])
                if not row[4] & DYNAMIC:
                    parse(row[1], self._default(row))  # a wrong one shows at boot, not at an ACS

    def attach(self, persist, on_change):
        """Set both callables."""
        self.persist = persist
        self.on_change = on_change

    # Reading

    def get(self, name):
        """Return (text, type) as the ACS reads it: hidden parameters are "" (CWMP-54); CwmpFault
        9005.
        """
        row = self._find(name)
        text = "" if row[4] & HIDDEN else self._text(name, row)
        if name in self._told and self._told[name] != text:
            # Read between two changes: whoever read it has to hear of the next value, be it the
            # one told before.
            self._told[name] = None
        return text, row[1]

    def value(self, name):
        """Return the native value (int, bool or str), hidden ones in clear: for the agent's own
        use.
        """
        row = self._find(name)
        return to_native(row[1], self._text(name, row))

    def expand(self, path):
        """Return an iterator of the complete names that a complete, partial or empty path stands
        for.
        """
        if path and path[-1] != ".":
            self._find(path)
            return iter((path,))
        self._check_object(path)
        return self._below(path)

    def children(self, path, next_level):
        """Return an iterator of (name, writable) for GetParameterNames (CWMP-53); CwmpFault 9005
        or 9003.
        """
        if path and path[-1] != ".":
            row = self._find(path)
            if next_level:
                raise CwmpFault(9003, "NextLevel with a complete name")
            return iter(((path, bool(row[4] & WRITABLE)),))
        self._check_object(path)
        return self._names(path, next_level)

    def forced_inform(self):
        """Return an iterator of the names that every Inform carries (CWMP-31)."""
        for path, rows in self._objects:
            for row in rows:
                if row[4] & INFORM:
                    yield path + row[0]

    def _below(self, path):
        for owner, rows in self._objects:
            if owner.startswith(path):
                for row in rows:
                    yield owner + row[0]

    def _names(self, path, next_level):
        for owner, rows in self._objects:
            if not owner.startswith(path):
                continue
            inside = owner[len(path) :]
            if not next_level or (inside and inside.find(".") == len(inside) - 1):
                yield owner, False
            if not next_level or not inside:
                for row in rows:
                    yield owner + row[0], bool(row[4] & WRITABLE)

    def _check_object(self, path):
        if path:
            for owner, _ in self._objects:
                if owner == path:
                    return
            raise CwmpFault(9005)

    def _find(self, name):
        dot = name.rfind(".") + 1
        owner, leaf = name[:dot], name[dot:]
        objects = self._objects
        at = self._object
        if objects[at][0] != owner:
            for at in range(len(objects)):
                if objects[at][0] == owner:
                    break
            else:
                raise CwmpFault(9005)
        rows = objects[at][1]
        start = self._row if at == self._object else 0
        for step in range(len(rows)):
            index = start + step
            if index >= len(rows):
                index -= len(rows)
            if rows[index][0] == leaf:
                self._object, self._row = at, index
                return rows[index]
        raise CwmpFault(9005)

    def _default(self, row):
        default = row[3]
        if isinstance(default, str):
            return default
        return to_text(row[1], self._settings[default[0]][default[1]])

    def _text(self, name, row):
        if row[4] & DYNAMIC:
            return to_text(row[1], self._getters[row[3]]())
        text = self._values.get(name)
        return self._default(row) if text is None else text

    # Writing

    def set_errors(self, items):
        """Return [(name, code, text)] for a SetParameterValues of [(name, text, xsi type or
        None)].

        Names that are listed twice come first, with 9003: they make the whole call wrong
        (CWMP-51).
        """
        errors = []
        seen = {}
        for name, _, _ in items:
            count = seen.get(name, 0) + 1
            seen[name] = count
            if count == 2:
                errors.append((name, 9003, "Listed twice"))
        for name, text, xsi_type in items:
            try:
                self._checked(name, text, xsi_type)
            except CwmpFault as fault:
                errors.append((name, fault.code, fault.text))
        return errors

    def _checked(self, name, text, xsi_type):
        # Returns the canonical text of a write, or raises the fault of this one parameter (DM-05).
        _, of_type, limit, _, flags = self._find(name)
        if not flags & WRITABLE:
            raise CwmpFault(9008)
        if xsi_type:
            given = local_name(xsi_type)
            if given != of_type and not (given in _INTEGERS and of_type in _INTEGERS):
                raise CwmpFault(9006, "Type is " + of_type)
        try:
            text = parse(of_type, text)
        except ValueError as error:
            raise CwmpFault(9007, str(error))
        if of_type == "string":
            if limit is not None and len(text) > limit:
                raise CwmpFault(9007, "Longer than {}".format(limit))
            if flags & URL and not _is_url(text):
                raise CwmpFault(9007, "Not an http or https URL")
        elif limit is not None and not limit[0] <= int(text) <= limit[1]:
            raise CwmpFault(9007, "Not within {} to {}".format(limit[0], limit[1]))
        return text

    def set(self, items, parameter_key):
        """Write all `items` or none, and the ParameterKey (CWMP-51, 52); return the Status, 0 or
        1.

        They are on flash before this returns and before anything is changed in memory. Raises
        CwmpFault 9003 with `details`, or 9002 when flash failed.
        """
        errors = self.set_errors(items)
        if errors:
            details = [error for error in errors if error[1] != 9003]
            raise CwmpFault(
                9003, None if len(details) == len(errors) else "Parameter listed twice", details
            )
        if len(parameter_key) > _KEY_SIZE:
            raise CwmpFault(9003, "ParameterKey is longer than 32")
        status = 0
        changes = []
        for name, text, xsi_type in items:
            row = self._find(name)
            text = self._checked(name, text, xsi_type)
            if text != self._text(name, row):
                changes.append((name, text, self._default(row)))
                if row[4] & LATER:
                    status = 1
        if parameter_key != self.value(PARAMETER_KEY):
            changes.append((PARAMETER_KEY, parameter_key, ""))
        self._commit(changes, True)
        return status

    def set_local(self, name, text):
        """A write by the device itself or its console, which notifies the ACS; CwmpFault 9005,
        9007, 9008, 9002.
        """
        text = self._checked(name, text, None)
        row = self._find(name)
        if text != self._text(name, row):
            self._commit([(name, text, self._default(row))], False)

    def changed(self, name):
        """Tell that a dynamic value, or one that `restore` named, may have changed (STUN-62).

        Only a text that differs from the one told before is a change; "", 0 and false are what no
        ACS has to be told of first.
        """
        row = self._find(name)
        text = self._text(name, row)
        if self._told.get(name, _INITIAL.get(row[1], "")) == text:
            return
        self._told[name] = text
        if self.on_change:
            self.on_change(name, False)

    def _commit(self, changes, by_acs):
        if not changes:
            return
        values = self._values.copy()
        for name, text, default in changes:
            if text == default:
                values.pop(name, None)
            else:
                values[name] = text
        self._write(values, self._attributes)
        self._values = values
        if self.on_change:
            for name, _, _ in changes:
                self.on_change(name, by_acs)

    def _write(self, values, attributes):
        if not self.persist:
            return
        try:
            self.persist(self._record(values, attributes))
        except OSError as error:
            self._log("E", "store", 'failed what=params error="{}"'.format(error))
            raise CwmpFault(9002, "Not stored")

    # Attributes

    def attributes(self, name):
        """Return (notification 0 to 2, access list as a tuple); CwmpFault 9005."""
        return self._attributes_of(name, self._find(name), self._attributes)

    def _attributes_of(self, name, row, attributes):
        kept = attributes.get(name)
        return kept or (2 if row[4] & (FORCE | FORCE_DEFAULT) else 0, _ACCESS_DEFAULT)

    def set_attributes(self, items):
        """Apply all of [(name or partial path, notification or None, access list or None)], or
        none (CWMP-60, 61).

        A forced active notification stays as it is, whatever is asked: passive must never be
        refused. CwmpFault 9005, 9003, 9009, 9004, or 9002 when flash failed.
        """
        attributes = self._attributes.copy()
        for path, notification, access_list in items:
            if notification is not None:
                if not 0 <= notification <= 6:
                    raise CwmpFault(9003, "Notification is 0 to 6")
                if notification > 2:
                    raise CwmpFault(9009, "Lightweight notification is not supported")
            if access_list is not None:
                access_list = _access(access_list)
            for name in self.expand(path):
                row = self._find(name)
                attributes[name] = self._merged(name, row, attributes, notification, access_list)
                if attributes[name] == self._attributes_of(name, row, {}):
                    attributes.pop(name)
        if attributes != self._attributes:
            self._write(self._values, attributes)
            self._attributes = attributes

    def _merged(self, name, row, attributes, notification, access_list):
        old_notification, old_list = self._attributes_of(name, row, attributes)
        if notification is None or row[4] & FORCE:
            notification = old_notification
        elif notification == 2 and row[4] & DENY:
            raise CwmpFault(9009, "No active notification for " + name)
        return notification, old_list if access_list is None else access_list

    # Keeping

    def snapshot(self):
        """Return the record for the store: values, attributes and what the forced read-only values
        are now.
        """
        return self._record(self._values, self._attributes)

    def _record(self, values, attributes):
        seen = {}
        for path, rows in self._objects:
            for row in rows:
                if row[4] & FORCE and not row[4] & WRITABLE:
                    seen[path + row[0]] = self._text(path + row[0], row)
        return {"values": values, "attributes": attributes, "seen": seen}

    def restore(self, record):
        """Take back a snapshot (dict or None); return the names whose forced read-only value is a
        new one.

        Those are for `changed`: a software update is notified (CWMP-61). What this version does
        not know or would not accept is dropped, and logged without its value.
        """
        self._values = {}
        self._attributes = {}
        for name, text in _part(record, "values").items():
            try:
                row = self._find(name)
                if row[4] & WRITABLE:
                    text = self._checked(name, text, None)
                elif not row[4] & KEPT or not isinstance(text, str):
                    raise CwmpFault(9008)
                self._values[name] = text
            except (CwmpFault, AttributeError, TypeError):
                self._log("W", "store", "dropped value=" + name)
        for name, kept in _part(record, "attributes").items():
            try:
                row = self._find(name)
                merged = self._merged(name, row, {}, kept[0], tuple(kept[1]))
                self._attributes[name] = merged
            except (CwmpFault, IndexError, TypeError):
                self._log("W", "store", "dropped attribute=" + name)
        updated = []
        for name, text in _part(record, "seen").items():
            try:
                if self.get(name)[0] != text:
                    updated.append(name)
            except CwmpFault:
                continue
        return tuple(updated)

    def factory_reset(self):
        """Forget values and attributes, on flash first (DM-04). Observers are not told: the device
        reboots next.
        """
        self._write({}, {})
        self._values = {}
        self._attributes = {}


def _part(record, key):
    part = record.get(key) if isinstance(record, dict) else None
    return part if isinstance(part, dict) else {}


def _is_url(text):
    rest = text[7:] if text.startswith("http://") else ""
    if text.startswith("https://"):
        rest = text[8:]
    return rest != "" and rest[0] not in "/?#:" and " " not in text


def _access(entries):
    if len(entries) > _ACCESS_ENTRIES:
        raise CwmpFault(9004, "AccessList has more than 8 entries")
    for entry in entries:
        if len(entry) > _ACCESS_SIZE:
            raise CwmpFault(9003, "AccessList entry longer than 64")
    return tuple(entries)
