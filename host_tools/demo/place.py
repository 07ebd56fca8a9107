"""Where the demo takes place: the board, and the network between it and the servers."""

from abc import ABC, abstractmethod
from collections import Counter
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from typing import Protocol

from host_tools.boards import Board
from host_tools.capture.recorder import Recorder
from host_tools.lab.stun_codec import Address
from host_tools.targets.pumped import PumpedTarget


class Nat(Protocol):
    """What the story needs of a NAT: `counters` has "inbound" and "filtered"."""

    @property
    def outside_host(self) -> str: ...

    @property
    def counters(self) -> Counter[str]: ...

    @property
    def mappings(self) -> list[tuple[Address, Address]]: ...

    def rebind(self) -> None: ...


class Place(ABC):
    """`host`: the servers' address; `cpe_host`: the board's own, behind the NAT; `cast`: who
    plays the CPE, for people; `times`: what they should know of its times.
    """

    host: str
    cpe_host: str
    cast: str
    times = "Times count from power-on."

    def __init__(self, board: Board, target: PumpedTarget) -> None:
        self.board = board
        self.target = target

    @abstractmethod
    def cpe_port(self) -> int:
        """A UDP port that is free on `cpe_host`."""

    @abstractmethod
    async def nat(self, stack: AsyncExitStack, recorder: Recorder) -> Nat:
        """Start the NAT, and record both its sides."""

    def outside(self) -> AbstractContextManager[None]:
        """Sockets that are made in here are the servers'."""
        return nullcontext()

    def stun_for_cpe(self, server: Address) -> Address:
        """Where the CPE finds the STUN server."""
        return server

    async def acs_for_cpe(
        self, stack: AsyncExitStack, server: Address, recorder: Recorder
    ) -> Address:
        """Where the CPE finds the ACS; what they say is recorded from now on."""
        return server
