# A read of QEMU's flash costs some 20 ms whatever its size. MicroPython's littlefs reads 32 bytes at
# once, and an import looks for its file in many places: minutes for those of main.py. So littlefs
# is mounted again with larger reads, and /lib is one file, lib.pack, with an index that is kept.
import io
import os

from esp32 import Partition

FOLDER = (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Piece(io.IOBase):
    # A file of the pack. An import reads it to the end before it does anything else.
    def __init__(self, file, at, size):
        self.file = file
        self.left = size
        file.seek(at)

    def readinto(self, into):
        count = self.file.readinto(memoryview(into)[: self.left])
        self.left -= count
        return count

    def ioctl(self, what, argument):
        return 0 if what == 4 else -1  # close


class Pack:
    # "<bytes of the index>\n", the index with a line "/path offset size" for each file, the files.
    def __init__(self, path):
        self.file = open(path, "rb")
        size = int(self.file.readline())
        self.index = b"\n" + self.file.read(size)
        self.start = self.file.tell()

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
        return Piece(self.file, self.start + int(offset), int(size))


os.umount("/")
os.mount(
    os.VfsLfs2(Partition.find(Partition.TYPE_DATA, label="vfs")[0], readsize=512, mtime=False), "/"
)
os.mount(Pack("lib.pack"), "/lib")
