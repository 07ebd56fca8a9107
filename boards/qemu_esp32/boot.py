# A read of QEMU's flash costs some 20 ms whatever its size, and MicroPython's littlefs reads 32
# bytes at once: minutes for the imports of main.py. Here a line is read at once and some lines are
# kept. Once something is written the imports are over, and few will do.
import os

from esp32 import Partition

LINE = 1024
MANY, FEW = 16, 4


class Cached:
    def __init__(self, flash):
        self.flash = flash
        self.lines = {}
        self.used = []  # the line used last is last
        self.most = MANY

    def line(self, number):
        lines, used = self.lines, self.used
        if number in lines:
            if used[-1] != number:
                used.remove(number)
                used.append(number)
            return lines[number]
        if len(used) < self.most:
            line = memoryview(bytearray(LINE))
        else:
            line = lines.pop(used.pop(0))
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

    def forget(self, first, last):
        if self.most > FEW:
            self.most = FEW
            for number in self.used[:-FEW]:
                del self.lines[number]
            self.used = self.used[-FEW:]
        for number in [number for number in self.used if first <= number <= last]:
            self.used.remove(number)
            del self.lines[number]

    def writeblocks(self, block, data, offset=0):
        at = block * 4096 + offset
        self.forget(at // LINE, (at + len(data) - 1) // LINE)
        self.flash.writeblocks(block, data, offset)

    def ioctl(self, what, argument):
        if what == 6:  # erase
            self.forget(argument * 4096 // LINE, argument * 4096 // LINE + 4096 // LINE - 1)
        return self.flash.ioctl(what, argument)


os.umount("/")
os.mount(os.VfsLfs2(Cached(Partition.find(Partition.TYPE_DATA, label="vfs")[0]), mtime=False), "/")
