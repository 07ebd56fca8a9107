"""The data model: reading it, over a declaration such as DEVICE2.

The declared texts are read where they are: only values and attributes that differ from their
defaults take more memory. What only a write, a boot or one method needs is in modules of its own,
loaded then: `model_checks`, `model_values`, `model_attributes`, `model_record`, `model_recall`,
`model_restore`, `rpc_names` and `rpc_objects`. They use the attributes below.
"""

from .cwmp_types import TYPES, UNKNOWN_TIME, to_native, to_text
from .fault import CwmpFault

_ACCESS_DEFAULT = ("Subscriber",)


class DataModel:
    """Parameters by full name. `settings` is what `settings.load` returned, `getters` {name:
    callable -> value}, with the instance number as argument in a table, and `others(name)` a value
    that none of them gives.

    `told` (dict) outlives this object where a board drops it between sessions. `checked`: the
    declaration and the record of `restore` were already taken since the boot.

    The runtime sets `persist(record)`, which writes a snapshot to flash or raises OSError, and
    `on_change(name, by_acs)`, which is told of every value that changed. Types are without prefix
    ("unsignedInt").
    """

    def __init__(
        self,
        declaration,
        settings,
        getters,
        log=None,
        told=None,
        checked=False,
        setters=None,
        others=None,
    ):
        self.objects = declaration
        self.settings = settings
        self.getters = getters
        self.others = others
        self.setters = setters or {}  # name: callable(value), or (number, value) in a table
        self.volatile = {}  # name: text, of those that begin with ~; the runtime keeps it
        self.rows = {}  # table: [next number, numbers ...], where the ACS may create rows
        self.log = log or _nothing
        self.values = {}  # name: canonical text, where it is not the default
        self.kept_attributes = {}  # name: (notification, access list), where not the defaults
        # name: text that `changed` told of, None: another one was read since.
        self._told = {} if told is None else told
        self.persist = None
        self.on_change = None
        if not checked:
            from .model_restore import check  # noqa: PLC0415 - once a boot

            check(self)

    # Reading

    def get(self, name):
        """Return (text, type) as the ACS reads it: hidden parameters are "" (CWMP-54); CwmpFault
        9005.
        """
        row = self.find(name)
        text = "" if "H" in row[1] else self.text(name, row)
        if name in self._told and self._told[name] != text:
            # Read between two changes: whoever read it has to hear of the next value, be it the
            # one told before.
            self._told[name] = None
        return text, row[0]

    def value(self, name):
        """Return the native value (int, bool or str), hidden ones in clear: for the agent's own
        use.
        """
        row = self.find(name)
        return to_native(row[0], self.text(name, row))

    def expand(self, path):
        """Return an iterator of the complete names that a complete, partial or empty path stands
        for.
        """
        if path and path[-1] != ".":
            self.find(path)
            return iter((path,))
        return (name for name, _ in self.below(path) if name[-1] != ".")

    def below(self, path):
        """Return an iterator of (name, flags) of all that a partial or empty path stands for, the
        objects too, their flags being "W" where the ACS may create or delete rows; CwmpFault 9005.
        """
        if path:
            self.object(path)
        return self._walk(path)

    def _walk(self, path):
        for text in self.objects:
            end = text.find("\n")
            owner, _, rows = text[:end].partition("{i}. ")
            inside = owner.startswith(path)
            if not rows:
                if inside:
                    yield owner, ""
                    yield from _lines(owner, text, end)
                continue
            flags = "" if rows[0] == "@" else "W"
            if inside:
                yield owner, flags
                numbers = self.instances(owner, rows)
                if isinstance(numbers, int):
                    numbers = range(1, numbers + 1)
            elif path.startswith(owner):
                numbers = (path[len(owner) : -1],)
            else:
                continue
            for number in numbers:
                row = f"{owner}{number}."
                yield row, flags
                yield from _lines(row, text, end)

    def instances(self, table, rows):
        """Return how many rows a table has, numbered from 1, or a list of their numbers. `rows`:
        what its declaration says.
        """
        return self.getters[rows[1:]]() if rows[0] == "@" else self.rows.get(table, (0,))[1:]

    def object(self, path):
        """Return the text that declares an object, and its instance number: 0 for no row, -1 for
        a table itself; CwmpFault 9005.
        """
        stem = path.rfind(".", 0, len(path) - 1) + 1
        number = path[stem:-1]
        number = int(number) if number.isdigit() and number[0] != "0" and len(number) < 8 else 0
        size = len(path)
        for text in self.objects:
            end = text.find("\n")
            if end == size and text.startswith(path):
                return text, 0
            if text.startswith("{i}. ", size) and text.startswith(path):
                return text, -1
            if number and text.startswith("{i}. ", stem) and text.startswith(path[:stem]):
                numbers = self.instances(path[:stem], text[stem + 5 : end])
                if number <= numbers if isinstance(numbers, int) else number in numbers:
                    return text, number
        raise CwmpFault(9005)

    def find(self, name):
        """Return the row (type, flags, limit as a text, default, instance number or 0) of a
        complete name; CwmpFault 9005.
        """
        leaf = name.rfind(".") + 1
        text, number = self.object(name[:leaf])
        at = text.find("\n" + name[leaf:] + " ") + 1
        row = text[at : text.find("\n", at)].split(" ", 3)
        if not at or row[0] != name[leaf:] or number < 0:
            raise CwmpFault(9005)
        return TYPES[row[2][0]], row[1], row[2][1:], row[3], number

    def text(self, name, row):
        """Return the canonical text of what `find` found; without a `name` its default."""
        kind, _, _, default, number = row
        if default[0] == "@":
            getter = self.getters.get(default[1:])
            try:
                if getter is None:
                    value = self.others(default[1:])
                else:
                    value = getter(number) if number else getter()
                return to_text(kind, value)
            except Exception as error:  # noqa: BLE001
                # A sensor that fails must not end a session in the middle of an answer.
                self.log("E", "model", 'getter={} error="{}"'.format(default[1:], repr(error)))
                return {"string": "", "dateTime": UNKNOWN_TIME}.get(kind, "0")
        if default[0] == "~":
            return self.volatile.get(name, default[1:])
        if default[0] == "#":
            table = self.object(default[1:])[0].partition("{i}. ")
            numbers = self.instances(table[0], table[2].partition("\n")[0])
            return str(numbers if isinstance(numbers, int) else len(numbers))
        text = self.values.get(name)
        if text is not None:
            return text
        if default[0] == "=":
            return default[1:]
        section, key = default.split(".")
        return to_text(kind, self.settings[section][key])

    def attributes(self, name):
        """Return (notification 0 to 2, access list as a tuple); CwmpFault 9005."""
        flags = self.find(name)[1]
        kept = self.kept_attributes.get(name)
        return kept or (2 if "F" in flags or "A" in flags else 0, _ACCESS_DEFAULT)

    def changed(self, name):
        """Tell that a dynamic value, or one that `restore` named, may have changed (STUN-62).

        Only a text that differs from the one told before is a change; "", 0 and false are what no
        ACS has to be told of first.
        """
        row = self.find(name)
        text = self.text(name, row)
        if self._told.get(name, "" if row[0] == "string" else "0") == text:
            return
        self._told[name] = text
        if self.on_change:
            self.on_change(name, False)


def _lines(owner, text, end):
    # Yields (name, flags) of the lines of `text` from its first line's `end` on.
    while end + 1 < len(text):
        line = end + 1
        end = text.find("\n", line)
        name, flags, _ = text[line:end].split(" ", 2)
        yield owner + name, flags


def _nothing(level, area, text):
    pass
