"""Small records on flash that survive a power cut at any byte (B26): params, events, fresh, each a
file of its own.
"""

import json
import os
from binascii import crc32

from micropython import const

# A record is one line "<crc32> <size>" and JSON. It is written to a temporary name and renamed;
# the generation before it is kept. Whatever step a cut hits, one of the three files holds what was
# acknowledged last, or what was about to be. `new` stands before `old`: a whole one without `json`
# beside it is a save that was cut between the two renames.
_HEAD = const(32)
_BLOCK = const(256)
_GENERATIONS = (".json", ".new", ".old")


class Store:
    """Records by name in `folder`. log(level, area, text)."""

    def __init__(self, folder, log):
        self._path = folder + "/"
        self._log = log

    def begin(self):
        """At the start: make the folder if it is missing, and say what a cut has left behind.
        Return whether there is a record "jobs": most boards have none to load.
        """
        folder = self._path[:-1]
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there, or the first `save` says what is wrong
        has_jobs = False
        try:
            files = os.listdir(folder)
        except OSError:
            files = ()
        for file in files:
            if file.endswith(".new"):  # of a cut in the middle of `save`
                self._log("W", "store", "unfinished record={}".format(file[: -len(".new")]))
            if file.startswith("jobs."):
                has_jobs = True
        return has_jobs

    def load(self, name):
        """Return the value saved last under `name`, None when there is none."""
        damaged = False
        for suffix in _GENERATIONS:
            try:
                value = _read(self._path + name + suffix, json.load)
            except OSError:
                continue
            if value is not None:
                if suffix != ".json":
                    self._log("W", "store", "recovered record={} from={}".format(name, suffix[1:]))
                if suffix == ".new":  # finish the save: the next one writes over this file
                    os.rename(self._path + name + suffix, self._path + name + ".json")
                return value[0]
            if suffix != ".new":  # a torn new file is what a cut leaves: nothing was acknowledged
                damaged = True
                self._log("W", "store", "damaged record={} file={}".format(name, suffix[1:]))
        if damaged:
            self._log("E", "store", "lost record={}".format(name))
        return None

    def save(self, name, value):
        """Put `value` (dict, list, text, numbers) on flash; it is there when this returns. OSError
        when it is not.
        """
        path = self._path + name
        new = path + ".new"
        # Made twice, so that no record has to be in memory as one text.
        size = crc = 0
        for piece in _pieces(value):
            crc = crc32(piece, crc)
            size += len(piece)
        with open(new, "wb") as file:
            file.write("{:08x} {}\n".format(crc, size).encode())
            for piece in _pieces(value):
                file.write(piece)
        # A damaged one never pushes a good old one out.
        try:
            whole = _read(path + ".json", bool)
        except OSError:
            whole = None  # the first one
        if whole:
            os.rename(path + ".json", path + ".old")
        os.rename(new, path + ".json")

    def remove(self, name):
        """Forget a record (factory reset); oldest first, so that a cut does not bring an older one
        back.
        """
        for suffix in (".old", ".new", ".json"):
            try:
                os.remove(self._path + name + suffix)
            except OSError:
                continue


def _pieces(value):
    # JSON as bytes, in pieces of one entry.
    if isinstance(value, dict):
        head = "{"
        for key, entry in value.items():
            yield (head + json.dumps(str(key)) + ": ").encode()
            yield from _pieces(entry)
            head = ", "
        yield b"}" if value else b"{}"
    else:
        yield json.dumps(value).encode()


def _read(path, parse):
    # Returns (what parse(file) makes of the JSON,), or None for what is not a whole record.
    with open(path, "rb") as file:
        head = file.readline(_HEAD)
        crc = size = 0
        while True:
            block = file.read(_BLOCK)
            if not block:
                break
            crc = crc32(block, crc)
            size += len(block)
        if head != "{:08x} {}\n".format(crc, size).encode():
            return None
        file.seek(len(head))
        try:
            return (parse(file),)
        except ValueError:
            return None
