"""The demo on an ESP32 in QEMU, behind the kernel's NAT between network namespaces."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from pathlib import Path

from host_tools import boards, micropython_image
from host_tools.capture.recorder import Recorder
from host_tools.capture.router_tap import RouterTap
from host_tools.demo.place import Place
from host_tools.errors import UserError
from host_tools.lab.netns import INSIDE, OUTSIDE, KernelNat
from host_tools.targets.qemu import QemuTarget, qemu_for

BOARD = "qemu_esp32"
CPE_PORT = 7547


class Namespaces(Place):
    host, cpe_host = OUTSIDE, INSIDE
    times = "Times count from power-on, and are those of an emulator, not of a chip."

    def __init__(
        self, state: Path, nat: KernelNat, board: boards.Board, micropython: Path
    ) -> None:
        target = QemuTarget(state, board, micropython=micropython, netns=nat.inside.path)
        super().__init__(board, target)
        self.cast = f"the firmware on an ESP32 in QEMU, with {micropython.name}"
        self._nat = nat

    def cpe_port(self) -> int:
        return CPE_PORT  # the board is alone there

    async def nat(self, stack: AsyncExitStack, recorder: Recorder) -> KernelNat:
        udp = {"in0": "inside", "out0": "outside"}
        tap = RouterTap(self._nat.router.entered(), recorder, udp=udp, tcp={"out0": "acs"})
        await stack.enter_async_context(tap)
        return self._nat

    def outside(self) -> AbstractContextManager[None]:
        return self._nat.outside.entered()


@contextmanager
def namespaces(
    state: Path, *, board: str = BOARD, micropython: Path | None = None
) -> Iterator[Namespaces]:
    """Make the place for a QEMU board with its files in `state`. `UserError` when there is no
    QEMU, no MicroPython image, no right to make namespaces.
    """
    chip = boards.load(board)
    if chip.target != "qemu":
        raise UserError(f"board {board} does not run in QEMU")
    qemu_for(chip)
    image = micropython_image.find(chip, micropython)
    nat = KernelNat()
    try:
        nat.__enter__()
    except RuntimeError as error:  # Unavailable is one
        raise UserError(f"the demo on QEMU takes a NAT of the kernel: {error}") from None
    try:
        yield Namespaces(state, nat, chip, image)
    finally:
        nat.close()
