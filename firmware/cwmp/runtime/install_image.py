"""Writes a firmware image to the OTA partition as it comes: no more of it is in memory than what
the socket gave (CWMP-64).
"""

from micropython import const

from ..core.fault import CwmpFault

_BLOCK = const(4096)  # of the flash: erased as a whole


class Image:
    """`write` takes the image in pieces of any size; `slot`: the label of its partition."""

    def __init__(self, partition):
        self._partition = partition
        info = partition.info()
        self._room = info[3]
        self._at = 0
        self.slot = info[4]

    def write(self, view):
        at = 0
        while at < len(view):
            block, offset = divmod(self._at, _BLOCK)
            if self._at >= self._room:
                raise CwmpFault(9018, "the image is larger than its partition")
            if not offset:
                self._partition.ioctl(6, block)
            end = min(len(view), at + _BLOCK - offset)
            self._partition.writeblocks(block, view[at:end], offset)
            self._at += end - at
            at = end

    def close(self):
        pass

    def finish(self):
        return self.slot
