# Imported by boot.py. An import looks for its file in many places: minutes for those of main.py.
# So /lib is one file, lib.pack, whose index is kept and whose blocks are read past littlefs.
import io
import os
from array import array
from binascii import crc32

BLOCK = 4096
FOLDER = (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
KEY = 0x3FFFFFFF


class Pack:
    # host_tools/pack.py says what is in the file.
    def __init__(self, path, flash):
        self.flash = flash
        with open(path, "rb") as file:
            self.folders, count = map(int, file.readline().split())
            self.entries = {key: n for n, key in enumerate(array("I", file.read(4 * count)))}
            self.places = array("H", file.read(2 * count + 2))
            self.start = file.tell()
            size = file.seek(0, 2)
            file.seek(size - 1)
            file.read(1)
            self.walk(size, flash.last)

    def walk(self, size, last):
        # Block n of a file of littlefs begins with a pointer to block n - 1, and more of them.
        ends = []
        end = BLOCK
        while True:
            ends.append(end)
            if end >= size:
                break
            n = len(ends)
            end += BLOCK - pointers(n)
        self.ends = array("I", ends)
        self.blocks = array("H", ends)
        pointer = bytearray(4)
        for n in range(len(ends) - 1, -1, -1):
            self.blocks[n] = last
            if n:
                self.flash.fill(last)  # most often the others are just before it
                self.flash.readblocks(last, pointer)
                last = int.from_bytes(pointer, "little")

    def read(self, at, into):
        # Fills `into` from `at`.
        done = n = 0
        while done < len(into):
            while self.ends[n] <= at:
                n += 1
            some = into[done : done + self.ends[n] - at]
            self.flash.readblocks(self.blocks[n], some, BLOCK - (self.ends[n] - at))
            done += len(some)
            at += len(some)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    # An import takes any exception of `stat` for "no such file", and Ctrl-C would be one. It is
    # raised where the program jumps: so there is no jump here, nor an exception to compare with.

    def stat(self, path):
        try:
            return (FILE, FOLDER)[self.entries[crc32(path) & KEY] < self.folders]
        except:  # noqa: E722 - there is no such entry
            raise OSError(2)  # noqa: B904

    def open(self, path, mode):
        n = self.entries.get(crc32(path) & KEY)
        if n is None:
            raise OSError(2)
        return Piece(self, n)


class Piece(io.IOBase):
    # A file of the pack, while an import reads it.
    def __init__(self, pack, n):
        self.pack = pack
        self.at, self.end = pack.places[n] * 4, pack.places[n + 1] * 4

    def readinto(self, into):
        # Fills `into`: to an import, less than that is the end.
        some = memoryview(into)[: self.end - self.at]
        self.pack.read(self.pack.start + self.at, some)
        self.at += len(some)
        return len(some)

    def ioctl(self, what, argument):
        if what == 11:  # how much to read at once
            return 240
        return 0 if what == 4 else -1  # close


def pointers(n):
    # Bytes of the pointers at the start of block n > 0: one for each power of two that divides n.
    size = 4
    while not n & 1:
        size += 4
        n >>= 1
    return size


def mount(flash):
    os.mount(Pack("lib.pack", flash), "/lib")
