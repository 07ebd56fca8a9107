# MicroPython reads QEMU's slow flash 32 bytes at once; pack_mount.py says what is done about it.
import os

from esp32 import Partition

os.umount("/")
os.mount(os.VfsLfs2(Partition.find(Partition.TYPE_DATA, label="vfs")[0], readsize=512), "/")
import pack_mount  # noqa: E402, F401
