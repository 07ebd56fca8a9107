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
    (EI, EI): (nk.ANY, nk.ANY),
    (EI, AD): (nk.ANY, nk.HOST),
    (EI, APD): (nk.ANY, nk.PORT),
    (APD, APD): (nk.HOST, nk.PORT),
}


def examine(behaviours: tuple[Behaviour, Behaviour]) -> tuple[int, int]:
    """Mapping and filtering, as found from inside such a NAT."""
    mapping, filtering = behaviours
    with (
        KernelNat(mapping=mapping, filtering=filtering) as nat,
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
        return kind.mapping, kind.filtering


def now() -> int:
    return time.monotonic_ns() // 1_000_000


@pytest.mark.interop
@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
def test_kinds_of_the_kernels_nat_are_named_by_asking_stund() -> None:
    """All at once: what a NAT keeps out is waited for, 9.5 s for each question."""
    with ThreadPoolExecutor(len(NATS)) as pool:
        assert dict(zip(NATS, pool.map(examine, NATS), strict=True)) == NATS
