# MicroPython reads QEMU's slow flash 32 bytes at once; pack_mount.py says what is done about it.
# Until then nothing is looked for there: a file could extend each of these modules.
import sys

usual = sys.path[:]
sys.path[:] = ()
for name in ("os", "io", "array", "binascii"):
    sys.modules[name] = __import__(name)
sys.path[:] = usual
import os  # noqa: E402

from esp32 import Partition  # noqa: E402

os.umount("/")
os.mount(os.VfsLfs2(Partition.find(Partition.TYPE_DATA, label="vfs")[0], readsize=512), "/")
import pack_mount  # noqa: E402, F401
