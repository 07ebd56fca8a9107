# Imported by boot.py. A read of QEMU's flash costs some 20 ms, whatever its size; MicroPython's
# littlefs reads 32 bytes at once, and an import looks for its file in many places: minutes for
# those of main.py. So littlefs is mounted with larger reads, and /lib is one file, lib.pack, whose
# index is kept and whose blocks are read past littlefs.
import io
import os
from array import array

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
    # "<bytes of the index>\n", the index with a line "/path offset size" for each file, the files.
    def __init__(self, path, flash):
        self.chip = flash.chip
        with open(path, "rb") as file:
            self.index = b"\n" + file.read(int(file.readline()))
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

    def stat(self, path):
        path = b"\n" + path.encode()
        if path + b" " in self.index:
            return FILE
        if path + b"/" in self.index:
            return FOLDER
        raise OSError(2)

    def open(self, path, mode):
        path = b"\n" + path.encode() + b" "
        at = self.index.find(path)
        if at < 0:
            raise OSError(2)
        at += len(path)
        offset, size = self.index[at : self.index.find(b"\n", at)].split()
        return Piece(self, self.start + int(offset), int(size))


class Piece(io.IOBase):
    # A file of the pack, while an import reads it.
    def __init__(self, pack, at, size):
        self.pack = pack
        self.at = at
        self.left = size
        self.piece = b""
        self.buffer = memoryview(bytearray(2048))

    def readinto(self, into):
        # Fills `into`: to an import, less than that is the end.
        done = 0
        while done < len(into) and self.left:
            if not len(self.piece):  # a memoryview is true, empty or not
                self.piece = self.pack.read(self.at, self.left, self.buffer)
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
os.mount(os.VfsLfs2(flash, readsize=256, mtime=False), "/")
os.mount(Pack("lib.pack", flash), "/lib")
del flash
