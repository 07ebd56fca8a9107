"""A firmware image by Download (CWMP-64), on a board whose OTA partitions are made of files.

No target of the suite has real ones: QEMU's official image has one application. The module `esp32`
below keeps to what the IDF does: a block is erased before it is written, an image is checked when
it is chosen, and what is not accepted before the next reset is given up by the boot loader.
"""

import hashlib
import random
from typing import Any

import pytest

from host_tools import bundle
from host_tools.lab import acs_faults, rpc
from host_tools.lab.files import Fault, FileServer
from host_tools.lab.rpc import FIRMWARE
from tests.conformance.patched import boot_first
from tests.conformance.rig import Rig
from tests.conformance.test_applications import reported

pytestmark = pytest.mark.capability("filesystem", "power_cut")

SIZE = 64 * 4096
PARTITIONS = """
from hashlib import sha256


class Partition:
    RUNNING = 1
    TYPE_APP = 0

    def __init__(self, label):
        self.label = state()[0] if label == 1 else label

    @classmethod
    def find(cls, kind, subtype=255, label=None):
        return [cls(label)]

    def get_next_update(self):
        return Partition("ota_1" if self.label == "ota_0" else "ota_0")

    def info(self):
        return (0, 16, 0x10000, 262144, self.label, False)

    def ioctl(self, command, block):
        if command != 6:
            raise OSError(22)
        for at in range(0, 4096, 512):
            self._put(block * 4096 + at, b"\\xff" * 512)

    def writeblocks(self, block, data, offset):
        at = block * 4096 + offset
        with open(self.label, "rb") as file:
            file.seek(at)
            there = bytearray(file.read(len(data)))
        for place in range(len(data)):
            there[place] &= data[place]
        self._put(at, there)

    def _put(self, at, data):
        with open(self.label, "r+b") as file:
            file.seek(at)
            file.write(data)

    def set_boot(self):
        with open(self.label, "rb") as file:
            size = int.from_bytes(file.read(4)[1:], "big")
            file.seek(0)
            digest = sha256()
            while size > 0:
                digest.update(file.read(min(size, 1000)))
                size -= 1000
            if digest.digest() != file.read(32):
                raise OSError(-0x2503, "ESP_ERR_OTA_VALIDATE_FAILED")
        keep(self.label, "new")

    @staticmethod
    def mark_app_valid_cancel_rollback():
        keep(state()[0], "valid")


def state():
    with open("otadata") as file:
        return file.read().split()


def keep(*words):
    with open("otadata", "w") as file:
        file.write(" ".join(words))


try:
    label, kind = state()
    other = "ota_1" if label == "ota_0" else "ota_0"
    if kind == "new":
        keep(label, "pending")
    elif kind == "pending":
        keep(other, "valid")
except OSError:
    for name in ("ota_0", "ota_1"):
        with open(name, "wb") as file:
            for _ in range(64):
                file.write(b"\\x5a" * 4096)
    keep("ota_0", "valid")
"""
BOOT = """
import esp32
from cwmp.port.unix import UnixPort

UnixPort.firmware = "port.ota"
"""


def image(size: int, seed: int) -> bytes:
    """An image that the stand-in takes: 0xE9, its size, content, SHA-256."""
    body = b"\xe9" + size.to_bytes(3, "big") + random.Random(seed).randbytes(size - 4)
    return body + hashlib.sha256(body).digest()


@pytest.fixture
async def board(rig: Rig) -> Rig:
    """The rig's board with OTA partitions."""
    rig.board.target.write_file("lib/esp32.py", PARTITIONS.encode())
    boot_first(rig.board, BOOT)
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    await rig.informed("1 BOOT", seen)
    await rig.idle()
    return rig


@pytest.fixture
async def files(board: Rig) -> Any:
    async with FileServer(board.host) as server:
        yield server


def otadata(rig: Rig) -> str:
    return (rig.board.flash / "otadata").read_text()


async def install(rig: Rig, url: str) -> Any:
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    return await reported(rig, informs, transfers)


async def test_cwmp_64_an_image_is_reported_by_itself_and_accepted(board: Rig, files: FileServer):
    for seed, label in ((1, "ota_1"), (2, "ota_0")):
        content = image(100_001 * seed, seed)
        complete, inform = await install(board, files.offer("x", content))
        assert complete.code == 0 and "1 BOOT" in inform.codes
        assert (board.board.flash / label).read_bytes()[: len(content)] == content
        assert otadata(board) == f"{label} valid"
    # In a bundle, which can be signed, it is the same.
    made = bundle.make("unix", {bundle.IMAGE: image(5000, 3)})
    complete, _ = await install(board, files.offer("x", made))
    assert complete.code == 0 and otadata(board) == "ota_1 valid"


async def test_cwmp_64_a_damaged_image_is_not_taken(board: Rig, files: FileServer):
    good = image(30_000, 1)
    for content, code in (
        (good[:-1] + b"?", 9018),
        (good[:20_000], 9018),
        (b"\xe9" + bytes(SIZE), 9018),
        (bundle.make("unix", {bundle.IMAGE: good, "x": b""}), 9018),
    ):
        complete, inform = await install(board, files.offer("x", content))
        assert complete.code == code and "1 BOOT" not in inform.codes
        assert otadata(board) == "ota_0 valid"


async def test_cwmp_64_an_image_without_a_session_is_given_up(board: Rig, files: FileServer):
    url = files.offer("x", image(10_000, 1))
    informs, transfers = len(board.cpe.informs), len(board.cpe.transfers)
    await board.ask(rpc.download(url, FIRMWARE, "k"))
    board.acs.script.on(acs_faults.http_status(503), times=None)
    await board.board.seen("transfer: on-trial slot=ota_1")
    await board.board.seen("session: failed")
    assert otadata(board) == "ota_1 pending"
    await board.power_cut()
    board.acs.script.clear()
    complete, _ = await reported(board, informs, transfers)
    assert complete.code == 9010 and complete.text == "ota_0 runs, the image was given up"
    assert otadata(board) == "ota_0 valid"


async def test_cwmp_64_power_that_fails_while_an_image_is_written(board: Rig, files: FileServer):
    content = image(100_000, 1)
    url = files.offer("x", content, Fault(stall=50_000))
    informs, transfers = len(board.cpe.informs), len(board.cpe.transfers)
    await board.ask(rpc.download(url, FIRMWARE, "k"))
    await files.wait_stalled()
    await board.power_cut()
    files.go_on()
    files.offer("x", content)
    complete, _ = await reported(board, informs, transfers)
    assert complete.code == 0 and otadata(board) == "ota_1 valid"
    assert (board.board.flash / "ota_1").read_bytes()[: len(content)] == content
