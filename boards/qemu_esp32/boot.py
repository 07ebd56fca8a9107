# A read of QEMU's flash costs some 20 ms whatever its size, and MicroPython's littlefs reads 32
# bytes at once: minutes for the imports of main.py. Here whole lines are read, and as many kept as
# the folders on the way to a module take, so that only the module itself is read for an import.
import os

from esp32 import Partition

LINE = 1024
MOST = 16


class Cached:
    def __init__(self, flash):
        self.flash = flash
        self.lines = {}
        self.used = []  # the numbers of the lines; the one used last is last

    def line(self, number):
        lines, used = self.lines, self.used
        if number in lines:
            if used[-1] != number:
                used.remove(number)
                used.append(number)
            return lines[number]
        line = lines.pop(used.pop(0)) if len(used) == MOST else memoryview(bytearray(LINE))
        at = number * LINE
        self.flash.readblocks(at // 4096, line, at % 4096)
        lines[number] = line
        used.append(number)
        return line

    def readblocks(self, block, into, offset=0):
        at = block * 4096 + offset
        done, size = 0, len(into)
        into = memoryview(into)
        while done < size:
            first = at % LINE
            count = min(LINE - first, size - done)
            into[done : done + count] = self.line(at // LINE)[first : first + count]
            done += count
            at += count

    def forget(self, at, size):
        for number in range(at // LINE, (at + size - 1) // LINE + 1):
            if number in self.lines:
                self.used.remove(number)
                del self.lines[number]

    def writeblocks(self, block, data, offset=0):
        self.forget(block * 4096 + offset, len(data))
        self.flash.writeblocks(block, data, offset)

    def ioctl(self, what, argument):
        if what == 6:  # erase
            self.forget(argument * 4096, 4096)
        return self.flash.ioctl(what, argument)


os.umount("/")
os.mount(os.VfsLfs2(Cached(Partition.find(Partition.TYPE_DATA, label="vfs")[0]), mtime=False), "/")
