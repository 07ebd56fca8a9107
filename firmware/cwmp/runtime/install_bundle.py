"""Takes an application bundle as it comes and writes its files into the folder that is not in use
(docs/transfers.md has the format; `python -m host_tools bundle` makes one).
"""

import os
from binascii import hexlify
from hashlib import sha256

from micropython import const

from ..core.fault import CwmpFault
from .slices import borrow
from .trial import app

MAGIC = "esp-cwmp-bundle"
IMAGE = "firmware.bin"  # an entry of that name is for the OTA partition
_LINE = const(1200)  # a signature of 4096 bits has 1024 digits
_FILES = const(200)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"


class Bundle:
    """`key`: modulus (hex text) of the key that has to have signed it, or "". `image()` gives the
    receiver of a firmware image. Nothing of it is in force before `finish` has returned its slot.
    """

    def __init__(self, port, key, image):
        self._board = port.name
        self._key = key
        self._image = image
        self.slot = "b" if app()[0] == "a" else "a"
        self._hash = sha256()
        self._line = b""
        self._on_line = self._head
        self._digest = None  # once all files are there
        self._left = 0  # of the file that is being written
        self._file = None
        self._files = 0
        self._whole = False  # its checksum is right
        self._signature = ""
        _remove(self.slot)

    def write(self, view):
        at = 0
        while at < len(view):
            if self._left:
                end = min(len(view), at + self._left)
                self._hash.update(view[at:end])
                self._file.write(view[at:end])
                self._left -= end - at
                if not self._left:
                    self.close()
            else:
                end = at
                while end < len(view) and view[end] != 10:
                    end += 1
                self._line += bytes(view[at:end])
                if len(self._line) > _LINE:
                    raise CwmpFault(9018, "a line is too long")
                if end < len(view):
                    end += 1
                    line = self._line
                    self._line = b""
                    if self._digest is None:
                        self._hash.update(line)
                        self._hash.update(b"\n")
                    try:
                        self._on_line(line.decode())
                    except (ValueError, TypeError):
                        raise CwmpFault(9018, "no application bundle")
            at = end

    def _head(self, line):
        magic, version, board = line.split(" ")
        if magic != MAGIC or version != "1":
            raise ValueError
        if board != self._board:
            raise CwmpFault(9018, "a bundle for another board")
        self._on_line = self._entry

    def _entry(self, line):
        if not line:
            self._on_line = self._tail
            self._digest = self._hash.digest()
            return
        name, size = line.split(" ")
        self._left = int(size)
        self._files += 1
        if self._left < 0 or self._files > _FILES or not _good(name):
            raise CwmpFault(9018, "a bad entry")
        if name == IMAGE:
            self._file = self._image()
            self.slot = self._file.slot
        elif len(self.slot) == 1:
            self._file = _create(self.slot + "/" + name)
        else:
            raise CwmpFault(9018, "files beside a firmware image")
        if not self._left:
            self.close()

    def _tail(self, line):
        kind, value = line.split(" ")
        if kind == "sha256":
            self._whole = value == hexlify(self._digest).decode()
            if not self._whole:
                raise CwmpFault(9018, "the checksum is wrong")
        elif kind == "rsa-sha256":
            self._signature = value

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def finish(self):
        if not self._whole or not self._files:
            raise CwmpFault(9017, "the bundle is not complete")
        if self._key and not borrow("wire.rsa_sha256").verify(
            self._key, self._digest, self._signature
        ):
            raise CwmpFault(9019, "the signature is missing or wrong")
        return self.slot


def _good(name):
    for part in name.split("/"):
        if not part or part[0] == ".":
            return False
    for letter in name:
        if letter not in _LETTERS:
            return False
    return len(name) <= 64


def _create(path):
    at = path.find("/")
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass  # it is there, or opening says what is wrong
        at = path.find("/", at + 1)
    return open(path, "wb")


def _remove(path):
    # A folder of ours has few levels: this calls itself twice.
    if len(path.split("/")) > 8:
        return
    try:
        names = [entry[0] for entry in os.ilistdir(path)]
    except OSError:
        try:
            os.remove(path)
        except OSError:
            pass
        return
    for name in names:
        if name not in (".", ".."):
            _remove(path + "/" + name)
    try:
        os.rmdir(path)
    except OSError:
        pass
