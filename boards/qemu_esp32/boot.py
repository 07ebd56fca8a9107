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

from esp32 import Partition  # noqa: E402
from uctypes import bytearray_at  # noqa: E402

MEMORY = 0x40070000  # of the caches of both cores: 64 KB
PLACES = 16
BLOCK = 4096
ERASE = 6


class Flash:
    # The partition as littlefs and the pack read it. `last`: the block that was read last.
    def __init__(self):
        self.chip = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
        self.memory = memoryview(bytearray_at(MEMORY, BLOCK * PLACES))
        self.starts = {}  # of a block that is kept: where it begins in the memory
        self.next = 0

    def readblocks(self, block, into, offset=0):
        self.last = block
        start = self.starts.get(block)
        if start is None:
            start = self.next
            self.next = (start + BLOCK) % (BLOCK * PLACES)
            for other in [other for other in self.starts if self.starts[other] == start]:
                del self.starts[other]
            self.chip.readblocks(block, self.memory[start : start + BLOCK], 0)
            self.starts[block] = start
        start += offset
        into[:] = self.memory[start : start + len(into)]

    def writeblocks(self, block, content, offset=0):
        start = self.starts.pop(block, None)
        self.chip.writeblocks(block, content, offset)
        if start is not None:
            self.memory[start + offset : start + offset + len(content)] = content
            self.starts[block] = start

    def ioctl(self, what, argument):
        if what == ERASE:
            self.starts.pop(argument, None)
        return self.chip.ioctl(what, argument)

    def fill(self, last):
        # Keeps that block and as many before it as there is place for: one read, if a long one.
        if last not in self.starts and last >= PLACES:
            self.starts = {}
            self.chip.readblocks(last + 1 - PLACES, self.memory, 0)
            self.starts = {last - n: (PLACES - 1 - n) * BLOCK for n in range(PLACES)}


flash = Flash()
os.umount("/")
os.mount(os.VfsLfs2(flash, readsize=128, mtime=False), "/")
import pack_mount  # noqa: E402

pack_mount.mount(flash)
