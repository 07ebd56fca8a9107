"""What the firmware's core makes of the kernel's NAT, asking a real server with two addresses."""

import os
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cwmp.core import nat_kind as nk
from host_tools.lab.nat import Behaviour
from host_tools.lab.netns import OUTSIDE, OUTSIDE_ALTERNATE, KernelNat
from tests.interop import servers

EI, AD, APD = Behaviour
NATS = {
    (EI, EI, True): (nk.ANY, nk.ANY, nk.SEEN),
    (EI, EI, False): (nk.ANY, nk.ANY, nk.NOT_SEEN),
    (EI, AD, False): (nk.ANY, nk.HOST, nk.NOT_SEEN),
    (EI, APD, False): (nk.ANY, nk.PORT, nk.NOT_SEEN),
    (APD, APD, False): (nk.HOST, nk.PORT, nk.NOT_SEEN),
}


def examine(behaviours: tuple[Behaviour, Behaviour, bool]) -> tuple[int, int, int]:
    """Mapping, filtering and hairpin, as found from inside such a NAT."""
    mapping, filtering, hairpin = behaviours
    with (
        KernelNat(mapping=mapping, filtering=filtering, hairpin=hairpin) as nat,
        servers.stund((OUTSIDE, OUTSIDE_ALTERNATE), nat.outside) as stund,
    ):
        with nat.inside.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            kind = nk.NatKind(os.urandom, stund.address, now())
            while not kind.done:
                left = max(0, kind.deadline() - now()) / 1000
                if select.select([sock], [], [], left)[0]:
                    data = sock.recv(2048)
                    kind.datagram(0, data, len(data), now())
                out = kind.tick(now())
                if out:
                    sock.sendto(*out)
        return kind.mapping, kind.filtering, kind.hairpin


def now() -> int:
    return time.monotonic_ns() // 1_000_000


@pytest.mark.interop
@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
def test_kinds_of_the_kernels_nat_are_named_by_asking_stund() -> None:
    """All at once: what a NAT keeps out is waited for, 9.5 s for each question."""
    with ThreadPoolExecutor(len(NATS)) as pool:
        assert dict(zip(NATS, pool.map(examine, NATS), strict=True)) == NATS
