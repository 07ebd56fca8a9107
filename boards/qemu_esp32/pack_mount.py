# Imported by boot.py. A read of QEMU's flash costs some 20 ms, whatever its size; MicroPython's
# littlefs reads 32 bytes at once, and an import looks for its file in many places: minutes for
# those of main.py. So littlefs is mounted with larger reads, and /lib is one file, lib.pack, whose
# index is kept and whose blocks are read past littlefs.
import io
import os
from array import array
from binascii import crc32

from esp32 import Partition

BLOCK = 4096
PIECE = 1024
FOLDER = (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Flash:
    # The partition, as littlefs and the pack read it. `last`: the block that was read last.
    def __init__(self):
        self.chip = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
        self.piece = memoryview(bytearray(PIECE))  # of the flash, from `at` on
        self.at = -1

    def readblocks(self, block, into, offset=0):
        self.last = block
        done = 0
        while done < len(into):
            start = offset & (PIECE - 1)
            at = block * BLOCK + offset - start
            if at != self.at:
                self.at = -1
                self.chip.readblocks(block, self.piece, offset - start)
                self.at = at
            some = self.piece[start : start + len(into) - done]
            into[done : done + len(some)] = some
            done += len(some)
            offset += len(some)

    def writeblocks(self, block, content, offset=0):
        self.at = -1
        self.chip.writeblocks(block, content, offset)

    def ioctl(self, what, argument):
        self.at = -1  # it may be erased
        return self.chip.ioctl(what, argument)


class Pack:
    # host_tools/pack.py says what is in the file.
    def __init__(self, path, flash):
        self.flash = flash
        self.interrupted = False
        with open(path, "rb") as file:
            count = int(file.readline())
            self.keys = array("I", file.read(4 * count))
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
                self.flash.chip.readblocks(last, pointer, 0)
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

    def find(self, path):
        # -> number of the entry.
        key = crc32(path)
        for n in range(len(self.keys)):
            if self.keys[n] == key:
                return n
        raise OSError(2)

    def stat(self, path):
        try:
            n = self.find(path)
        except KeyboardInterrupt:  # an import would take it for "no such file"
            self.interrupted = True
            n = self.find(path)
        return FOLDER if self.places[n] == self.places[n + 1] else FILE

    def open(self, path, mode):
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt
        return Piece(self, self.find(path))


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


flash = Flash()
os.umount("/")
os.mount(os.VfsLfs2(flash, readsize=128, mtime=False), "/")
os.mount(Pack("lib.pack", flash), "/lib")
del flash
