"""What the lab's servers need of a packet recorder (host_tools.capture provides it)."""

from typing import Literal, Protocol

from host_tools.lab.stun_codec import Address

Interface = Literal["inside", "outside"]


class Wiretap(Protocol):
    """Takes every datagram at the moment it passes."""

    def udp(
        self, src: Address, dst: Address, payload: bytes, interface: Interface = ...
    ) -> None: ...
