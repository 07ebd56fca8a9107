"""Writing an OTA partition, against a partition with the rules of flash.

No target of the suite has an OTA partition: the official image for QEMU has one application. What
stands in here erases blocks, clears bits only, and checks an image before it boots it, as the IDF
does; the real `esp32.Partition` is the same four methods.
"""

from support import raises

from cwmp.core.fault import CwmpFault
from cwmp.runtime.install_image import Image

BLOCK = 4096


class Partition:
    """`blocks` of 4096 bytes, dirty at first: what is not erased cannot be written."""

    def __init__(self, blocks):
        self.flash = bytearray(b"\x5a" * (blocks * BLOCK))
        self.erased = []

    def info(self):
        return (0, 17, 0x110000, len(self.flash), "ota_1", False)

    def ioctl(self, command, block):
        assert command == 6 and 0 <= block < len(self.flash) // BLOCK
        self.erased.append(block)
        for at in range(block * BLOCK, (block + 1) * BLOCK):
            self.flash[at] = 0xFF

    def writeblocks(self, block, data, offset):
        # With an offset nothing is erased, and the write may not leave the partition.
        start = block * BLOCK + offset
        assert offset < BLOCK and start + len(data) <= len(self.flash)
        for at in range(len(data)):
            self.flash[start + at] &= data[at]


def image(size):
    return bytes([(7 * at + at // 251) & 255 for at in range(size)])


def written(size, step, blocks=4):
    partition = Partition(blocks)
    receiver = Image(partition)
    content = memoryview(image(size))
    for at in range(0, size, step):
        receiver.write(content[at : at + step])
    receiver.close()
    assert receiver.finish() == "ota_1"
    return partition


def test_cwmp_64_an_image_in_pieces_of_any_size():
    for size, step in ((3 * BLOCK, 1024), (9001, 1000), (BLOCK, 5000), (10, 3), (8193, 4097)):
        partition = written(size, step)
        assert bytes(partition.flash[:size]) == image(size)
        # Each block is erased once, and none that the image does not reach.
        assert partition.erased == list(range((size + BLOCK - 1) // BLOCK))
        rest = (size + BLOCK - 1) // BLOCK * BLOCK
        assert bytes(partition.flash[rest:]) == b"\x5a" * (len(partition.flash) - rest)


def test_cwmp_64_an_image_that_fits_exactly_and_one_that_does_not():
    partition = written(2 * BLOCK, 777, 2)
    assert bytes(partition.flash) == image(2 * BLOCK)
    receiver = Image(Partition(2))
    receiver.write(memoryview(image(2 * BLOCK)))
    assert raises(CwmpFault, receiver.write, memoryview(b"x")).code == 9018
