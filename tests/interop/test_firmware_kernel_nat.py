"""The firmware behind the kernel's NAT, its ACS and STUN server outside of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab.namespace import Namespace, Unavailable
from host_tools.lab.nat import Behaviour
from host_tools.lab.netns import (
    INSIDE,
    OUTSIDE,
    OUTSIDE_ALTERNATE,
    ROUTER_OUTSIDE,
    KernelNat,
)
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_client import StunClient
from host_tools.lab.stun_codec import Address
from tests.interop import servers
from tests.interop.scene import CHANGED, NAT_DETECTED, MakeCpe, Scene, distinct, scene, shown

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.interop,
    pytest.mark.netns,
    pytest.mark.usefixtures("kernel_nat_allowed"),
]

KEEPALIVE: dict[str, Any] = {"minimum_keepalive": 5, "maximum_keepalive": 5}  # seconds
EI, AD, APD = Behaviour


class Behind(Scene):
    nat: KernelNat
    stun: StunServer

    def stranger(self, host: str) -> StunClient:
        """A socket outside that is not the STUN server's."""
        with self.nat.outside.entered():
            return StunClient(host)

    async def ring_from(self, sender: StunClient) -> None:
        """Ring as an ACS would that does not share the STUN server's socket."""
        own, self.acs.send_udp = self.acs.send_udp, sender.send
        try:
            await self.ring(copies=1)
        finally:
            self.acs.send_udp = own

    async def heard_change(self, since: int) -> tuple[Address, list[bool]]:
        """After request number `since`: the source of the next BINDING-CHANGE, and for each
        transaction up to it whether it was one."""
        change = await self.stun.wait_request(lambda request: request.is_change, 10, since)
        until = [r for r in self.stun.log if since < r.number <= change.number]
        return change.source, [request.is_change for request in distinct(until)]


def named(namespace: Namespace) -> None:
    """The CPE is started by `ip netns exec`: that needs a name, and so the right to mount."""
    try:
        _ = namespace.name
    except Unavailable as reason:
        pytest.skip(str(reason))


@asynccontextmanager
async def behind(
    make_cpe: MakeCpe, *, provision: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Behind]:
    """A CPE in the inside namespace of a KernelNat with these options, lab servers outside."""
    with KernelNat(**options) as nat:
        named(nat.inside)
        stun = StunServer(OUTSIDE, alternate=(OUTSIDE_ALTERNATE, 0))
        with nat.outside.entered():
            await stun.start()
        try:
            wanted = provision or {}
            async with scene(make_cpe, stun.address, lab=stun, nat=nat, **wanted) as found:
                it = Behind(found.board, found.acs, found.device)
                it.nat, it.stun = nat, stun
                yield it
        finally:
            await stun.stop()


@pytest.mark.parametrize("transaction_id", ["cookie", "classic"])
async def test_x13_wake_through_a_nat_that_rewrites_ports(
    make_cpe: MakeCpe, transaction_id: str
) -> None:
    ports = (21000, 21099)
    wanted = {"transaction_id": transaction_id}
    async with behind(make_cpe, ports=ports, provision=wanted) as it:
        address = await it.settled()
        assert address[0] == ROUTER_OUTSIDE and ports[0] <= address[1] <= ports[1]
        assert it.device.parameters[NAT_DETECTED] in ("1", "true")
        (entry,) = it.nat.tracked()  # one mapping only: the primary port's
        assert entry.inside[0] == INSIDE and entry.outside == address
        assert [request.is_change for request in distinct(it.stun.log)] == [False, True]
        await it.wake()
        assert it.rung == 1
        assert await it.wakeable() == f"ready: an ACS can ring at {shown(address)}"


async def test_stun_60_nat_that_keeps_the_port_is_a_nat(make_cpe: MakeCpe) -> None:
    async with behind(make_cpe, ports=None) as it:
        address = await it.settled()
        (entry,) = it.nat.tracked()
        assert address == (ROUTER_OUTSIDE, entry.inside[1])
        assert it.device.parameters[NAT_DETECTED] in ("1", "true")
        await it.wake()


@pytest.mark.parametrize("host", [OUTSIDE, OUTSIDE_ALTERNATE])
@pytest.mark.parametrize("filtering", [EI, AD, APD])
async def test_stun_64_ucr_31_source_of_the_ring_matters_to_the_nat_alone(
    make_cpe: MakeCpe, filtering: Behaviour, host: str
) -> None:
    """From another port of the STUN server's host, or another host; then from its own (X13)."""
    passes = filtering is EI or (filtering is AD and host == OUTSIDE)
    async with behind(make_cpe, filtering=filtering) as it:
        await it.settled()
        with it.stranger(host) as stranger:
            await it.ring_from(stranger)
        if passes:
            await it.device.wait_inform("6 CONNECTION REQUEST")
            await it.device.wait_session_end()
        await it.wake(copies=1)
        assert it.rung == 1 + passes
        counts = await it.counts()
        assert counts["accepted"] == 1 + passes
        assert "duplicate" not in counts and "stale" not in counts


async def test_b10_rebinding_is_noticed_by_the_next_keepalive(make_cpe: MakeCpe) -> None:
    async with behind(make_cpe, ports=(23000, 23099), provision=KEEPALIVE) as it:
        before = await it.settled()
        heard, informed = it.stun.received, len(it.device.informs)
        it.nat.rebind()
        await it.ring()  # to where nobody is any more
        after, changes = await it.heard_change(heard)
        assert changes == [False, True]  # one keepalive, and BINDING-CHANGE at once (STUN-12)
        assert after != before and 23100 <= after[1] <= 23199
        assert await it.bound() == await it.announced() == after
        await it.told(after)
        (inform,) = it.device.informs[informed:]
        assert inform.codes == [CHANGED]
        ring = await it.wake()
        assert ring.to == after
        assert it.rung == 1


async def test_x13_ring_into_an_expired_mapping_is_lost_and_the_next_keepalive_opens_a_new_one(
    make_cpe: MakeCpe,
) -> None:
    async with behind(make_cpe, ports=(24000, 24099), timeout=2, provision=KEEPALIVE) as it:
        before = await it.settled()
        while it.nat.tracked():  # the table is the event; nothing announces an expiry
            await asyncio.sleep(0.1)
        heard = it.stun.received
        assert [request.is_change for request in distinct(it.stun.log)] == [False, True]
        await it.ring()
        it.nat.rebind()  # none is left to forget: the new one only gets another port for sure
        after, changes = await it.heard_change(heard)
        assert changes == [False, True]
        assert after != before and len(it.nat.tracked()) == 1
        assert (await it.told(after)).codes == [CHANGED]
        assert it.rung == 0
        assert (await it.wake()).to == after
        assert it.rung == 1
        assert (await it.counts())["accepted"] == 1


async def test_x5_stund_outside_finds_rebinding_and_lets_any_source_wake(
    make_cpe: MakeCpe,
) -> None:
    """A real server behind a real NAT: the ACS has no way to its socket and rings from its own."""
    with KernelNat(filtering=EI) as nat:
        named(nat.inside)
        with servers.stund((OUTSIDE, OUTSIDE_ALTERNATE), nat.outside) as stund:
            async with scene(make_cpe, stund.address, nat=nat, **KEEPALIVE) as it:
                before = await it.settled()
                assert before in [entry.outside for entry in nat.tracked()]
                await it.wake()
                nat.rebind()
                after = await it.bound()
                assert after != before and await it.announced() == after
                assert (await it.told(after)).codes == [CHANGED]
                assert (await it.wake()).to == after
                assert it.rung == 2
