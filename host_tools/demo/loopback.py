"""The demo on loopback: the unix board, and a NAT in user space. Needs no rights at all."""

import random
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from host_tools import boards
from host_tools.capture.recorder import Recorder
from host_tools.capture.tap import TcpTap
from host_tools.demo.place import Place
from host_tools.errors import UserError
from host_tools.lab.nat import Behaviour, UserNat
from host_tools.lab.stun_codec import Address
from host_tools.targets.unix import DEFAULT_HEAP, UnixTarget, find_interpreter

_PORTS = range(20000, 32000)  # below those that the system gives out: nobody draws it meanwhile


class Loopback(Place):
    host = cpe_host = "127.0.0.1"

    def __init__(self, state: Path, interpreter: str | None, heap: str) -> None:
        target = UnixTarget(state, interpreter=find_interpreter(interpreter), heap=heap)
        super().__init__(boards.load("unix"), target)
        self.cast = f"the firmware on MicroPython's unix port, with a heap of {heap}"
        self._nat: UserNat | None = None

    def cpe_port(self) -> int:
        return free_udp_port()

    async def nat(self, stack: AsyncExitStack, recorder: Recorder) -> UserNat:
        # The strictest filter: only the address and port that the CPE has sent to may answer.
        filtering = Behaviour.ADDRESS_AND_PORT_DEPENDENT
        self._nat = UserNat(filtering=filtering, recorder=recorder)
        return await stack.enter_async_context(self._nat)

    def stun_for_cpe(self, server: Address) -> Address:
        """An address on the CPE's own side of the NAT."""
        assert self._nat is not None
        return self._nat.alias(server)

    async def acs_for_cpe(
        self, stack: AsyncExitStack, server: Address, recorder: Recorder
    ) -> Address:
        tap = await stack.enter_async_context(TcpTap((self.host, 0), server, recorder))
        return tap.address


def free_udp_port() -> int:
    """Return a UDP port that nothing on this machine is bound to."""
    for port in random.sample(_PORTS, 200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise UserError("no free UDP port for the CPE")


@contextmanager
def loopback(
    state: Path, *, interpreter: str | None = None, heap: str | None = None
) -> Iterator[Loopback]:
    """Make the place for a unix board that keeps its flash in `state`."""
    yield Loopback(state, interpreter, heap or DEFAULT_HEAP)
