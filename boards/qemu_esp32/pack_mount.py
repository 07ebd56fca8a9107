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
FOLDER = (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Flash:
    # `last`: the block that was read last.
    def __init__(self):
        self.chip = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
        self.writeblocks = self.chip.writeblocks
        self.ioctl = self.chip.ioctl

    def readblocks(self, block, into, offset=0):
        self.last = block
        self.chip.readblocks(block, into, offset)


class Pack:
    # host_tools/pack.py says what is in the file.
    def __init__(self, path, flash):
        self.chip = flash.chip
        self.buffer = memoryview(bytearray(1024))  # of the one file that an import has open
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
                self.chip.readblocks(last, pointer)
                last = int.from_bytes(pointer, "little")

    def read(self, at, left, into):
        # -> a piece of the file from `at`, at most `left` and what `into` takes.
        n = 0
        while self.ends[n] <= at:
            n += 1
        left = min(left, len(into), self.ends[n] - at)
        piece = into[:left]
        self.chip.readblocks(self.blocks[n], piece, BLOCK - (self.ends[n] - at))
        return piece

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
        n = self.find(path)
        return FOLDER if self.places[n] == self.places[n + 1] else FILE

    def open(self, path, mode):
        return Piece(self, self.find(path))


class Piece(io.IOBase):
    # A file of the pack, while an import reads it.
    def __init__(self, pack, n):
        at, end = pack.places[n] * 4, pack.places[n + 1] * 4
        self.pack = pack
        self.at = pack.start + at
        self.left = end - at
        self.piece = b""

    def readinto(self, into):
        # Fills `into`: to an import, less than that is the end.
        done = 0
        while done < len(into) and self.left:
            if not len(self.piece):  # a memoryview is true, empty or not
                self.piece = self.pack.read(self.at, self.left, self.pack.buffer)
            piece = self.piece[: len(into) - done]
            self.piece = self.piece[len(piece) :]
            into[done : done + len(piece)] = piece
            done += len(piece)
            self.at += len(piece)
            self.left -= len(piece)
        return done

    def ioctl(self, what, argument):
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
