"""A chip whose network has no memory left, for nobody would ever hear of it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools import boards, image, micropython_image
from host_tools.errors import UserError
from host_tools.package import package
from host_tools.targets.qemu import QemuTarget, qemu_for

pytestmark = pytest.mark.timeout(300)
BOARD = boards.load("qemu_esp32")
# Threads whose stacks take all that the system has, in steps; what the agent would tell the port.
SCRIPT = """\
import _thread
import esp32
from cwmp.port.esp32 import Esp32Port
from cwmp.port.link import Keeper

class Link:
    def down(self): print("down")

def log(level, area, text): print(level, area, text)

def left(): return max([one[2] for one in esp32.idf_heap_info(esp32.HEAP_DATA)])

port = Esp32Port()
port.link = Link()
port._keeper = Keeper(port.link, log, None)
port.silent(300000)
print("alive", left() > 4096)
lock = _thread.allocate_lock()
lock.acquire()
def hold():
    lock.acquire()
stack = 65536
while stack >= 2048:
    try:
        _thread.stack_size(stack)
        _thread.start_new_thread(hold, ())
    except (OSError, RuntimeError, MemoryError):
        stack //= 2
taken = []
try:
    while left() >= 4096:
        taken.append(bytearray(1024))
except MemoryError:
    pass
port.silent(900000)
print("still alive", left())
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[QemuTarget]:
    try:
        qemu_for(BOARD)
        micropython_image.find(BOARD)
    except UserError as reason:
        pytest.skip(str(reason))
    target = QemuTarget(tmp_path, BOARD)
    files = dict(image.build(BOARD, None).files)
    files["main.py"] = package(BOARD, image.FIRMWARE).script(SCRIPT).encode()
    target.install(files)
    yield target
    target.stop()
    print(target.said())


def test_b22_silence_without_memory_restarts_the_chip_and_with_it_the_link_only(board):
    board.start()
    board.wait_line("^alive True", 0, 100)
    board.wait_line("^E net no-memory left=", 0, 60, fatal="^still alive")
    board.wait_line("SW_CPU_RESET", 0, 60)
