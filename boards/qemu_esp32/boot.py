# QEMU's flash is slow: a read costs some 20 ms, whatever its size, and MicroPython reads 32 bytes
# at once. The chip has a cache for its flash, which the emulator does without, and whose memory it
# leaves unused: there this keeps what is read of the file system, a block of 4 KB at a time.
import sys

usual = sys.path[:]
sys.path[:] = ()  # until all is mounted nothing is looked for: a file could extend any of these
for name in ("os", "io", "array", "binascii", "uctypes"):
    sys.modules[name] = __import__(name)
sys.path[:] = usual
import os  # noqa: E402
from array import array  # noqa: E402

from esp32 import Partition  # noqa: E402
from uctypes import bytearray_at  # noqa: E402

MEMORY = 0x40070000  # of the cache of the first core: 32 KB
PLACES = 8
BLOCK = 4096
ERASE = 6


class Flash:
    # The partition as littlefs and the pack read it. `last`: the block that was read last.
    def __init__(self):
        self.chip = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
        self.blocks = array("h", (-1,) * PLACES)  # the one in each place of the memory
        self.memory = memoryview(bytearray_at(MEMORY, BLOCK * PLACES))
        self.next = 0

    def readblocks(self, block, into, offset=0):
        self.last = block
        place = self.place(block)
        if place < 0:
            place = self.next
            self.next = (place + 1) % PLACES
            self.blocks[place] = -1
            self.chip.readblocks(block, self.memory[place * BLOCK : (place + 1) * BLOCK], 0)
            self.blocks[place] = block
        offset += place * BLOCK
        into[:] = self.memory[offset : offset + len(into)]

    def writeblocks(self, block, content, offset=0):
        place = self.place(block)
        if place >= 0:
            self.blocks[place] = -1
        self.chip.writeblocks(block, content, offset)
        if place >= 0:
            start = place * BLOCK + offset
            self.memory[start : start + len(content)] = content
            self.blocks[place] = block

    def ioctl(self, what, argument):
        if what == ERASE and self.place(argument) >= 0:
            self.blocks[self.place(argument)] = -1
        return self.chip.ioctl(what, argument)

    def fill(self, last):
        # Keeps that block and as many before it as there is place for: one read, if a long one.
        if self.place(last) < 0 and last >= PLACES:
            self.blocks = array("h", (-1,) * PLACES)
            self.chip.readblocks(last + 1 - PLACES, self.memory, 0)
            self.blocks = array("h", range(last + 1 - PLACES, last + 1))

    def place(self, block):
        for place, there in enumerate(self.blocks):
            if there == block:
                return place
        return -1


flash = Flash()
os.umount("/")
os.mount(os.VfsLfs2(flash, readsize=128, mtime=False), "/")
import pack_mount  # noqa: E402

pack_mount.mount(flash)
