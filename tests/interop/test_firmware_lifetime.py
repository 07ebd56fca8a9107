"""Lifetime discovery by the firmware in real time: real STUN servers, the kernel's NAT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab.nat import Behaviour, UserNat
from host_tools.lab.netns import OUTSIDE, OUTSIDE_ALTERNATE, KernelNat, Unavailable
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_codec import AttributeType
from tests.interop import servers
from tests.interop.scene import MakeCpe, Scene, Tap, scene
from tests.interop.servers import RunningServer

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]

EI = Behaviour.ENDPOINT_INDEPENDENT


async def line(it: Scene, start: str) -> str:
    (found,) = [line for line in await it.command("binding") if line.startswith(start)]
    return found


@asynccontextmanager
async def behind_stund(make_cpe: MakeCpe, period: tuple[int, int], **nat: Any) -> AsyncIterator:
    """A CPE short of memory behind the kernel's NAT, stund outside; the ACS rings from
    elsewhere."""
    with KernelNat(filtering=EI, **nat) as kernel:
        try:
            _ = kernel.inside.name
        except Unavailable as reason:
            pytest.skip(str(reason))
        with servers.stund((OUTSIDE, OUTSIDE_ALTERNATE), kernel.outside) as stund:
            options = {
                "minimum_keepalive": period[0],
                "maximum_keepalive": period[1],
                "memory": "save",
            }
            async with scene(make_cpe, stund.address, nat=kernel, **options) as it:
                yield it


async def discovered(it: Scene, timeout: int, within: float) -> int:
    """The period that is found behind a NAT of `timeout` seconds."""
    before = await it.settled()
    found = await it.board.seen(
        r"binding: lifetime holds_s=(\d+) forgotten_s=(\d+) period_s=(\d+) probes=(\d+)$",
        timeout=within,
    )
    holds, forgotten, period, probes = (int(text) for text in found.groups())
    assert holds < timeout <= forgotten <= holds + max(1, forgotten // 20)
    assert period < holds and probes <= 8
    assert f"keepalive={period} s" in await line(it, "binding ")
    assert f"found by {probes} probes" in await line(it, "lifetime ")
    # stund has two addresses: it can show what it is that lets everybody in.
    async with asyncio.timeout(30):
        while "anybody can ring" not in (named := await line(it, "nat ")):
            await asyncio.sleep(0.1)  # nothing announces that
    assert "one public port for all destinations" in named
    ring = await it.wake()
    assert ring.to == before  # never at risk: it is the one of the beginning
    assert (await it.counts())["changes"] == 1
    return period


@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
@pytest.mark.timeout(150)
async def test_stun_53_x9_stund_and_the_kernels_nat_in_real_time(make_cpe: MakeCpe) -> None:
    async with behind_stund(make_cpe, (5, 8), timeout=8) as it:
        assert await discovered(it, 8, 120) == 6  # more than the minimum


@pytest.mark.soak
@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
@pytest.mark.parametrize(
    ("period", "timeouts"), [((10, 30), (20, 20)), ((20, 90), (30, 60))], ids=["20s", "60s"]
)
async def test_soak_stund_and_the_kernels_timeouts_as_they_are(
    make_cpe: MakeCpe, period: tuple[int, int], timeouts: tuple[int, int]
) -> None:
    """The second one as Linux comes: 30 s for a new flow, more once it goes both ways."""
    new, stream = timeouts
    async with behind_stund(make_cpe, period, timeout=new, stream_timeout=stream) as it:
        assert await discovered(it, stream, 900) >= 0.9 * stream


@pytest.mark.soak
@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
@pytest.mark.parametrize("hairpin", [False, True])
async def test_soak_stun_51_the_nat_is_named_where_the_acs_fixes_the_period(
    make_cpe: MakeCpe, hairpin: bool
) -> None:
    """In a minute of quiet, once; what no ACS elsewhere can ring through says so."""
    filtering = EI if hairpin else Behaviour.ADDRESS_DEPENDENT
    with (
        KernelNat(filtering=filtering, hairpin=hairpin, timeout=60) as kernel,
        servers.stund((OUTSIDE, OUTSIDE_ALTERNATE), kernel.outside) as stund,
    ):
        options = {"minimum_keepalive": 30, "maximum_keepalive": 30}
        async with scene(make_cpe, stund.address, nat=kernel, **options) as it:
            await it.settled()
            async with asyncio.timeout(150):
                while "one public port" not in (named := await line(it, "nat ")):
                    await asyncio.sleep(1)  # nothing announces that
            told = await it.wakeable()
            assert "ready: an ACS can ring" in told
            alone = "the NAT lets in the STUN server alone: no ACS on another address can ring"
            if hairpin:
                assert "whoever is behind it can use the public address, too" in named
                assert "anybody can ring" in named and alone not in told
            else:
                assert "from behind it the public address was not seen to work" in named
                assert "an ACS can ring from the STUN server's address only" in named
                assert alone in told
            assert "the ACS fixes the keepalive period" in await line(it, "lifetime ")
            assert (await it.counts())["changes"] == 1


@asynccontextmanager
async def natted(
    make_cpe: MakeCpe, server: RunningServer, memory: str = "auto"
) -> AsyncIterator[tuple[Scene, Tap]]:
    tap = Tap()
    async with UserNat(filtering=EI, recorder=tap) as nat:
        options = {"minimum_keepalive": 5, "maximum_keepalive": 600, "memory": memory}
        async with scene(make_cpe, nat.alias(server.address), **options) as it:
            yield it, tap


async def test_stun_53_x9_what_each_server_makes_of_the_probe(
    make_cpe: MakeCpe, request: pytest.FixtureRequest
) -> None:
    """All at once, as each of them first shows that its binding lives: a real wait."""
    names = ["stund", "coturn", "modern_coturn"]
    found = [request.getfixturevalue(f"{name}_server") for name in names]
    stund, *coturns = found
    await asyncio.gather(
        honours(make_cpe, stund),
        answers_the_sender(make_cpe, coturns[0], "keep"),
        answers_the_sender(make_cpe, coturns[1], "save"),
        is_played(make_cpe, "stuntman", "W", "ignores", "ignores RESPONSE-ADDRESS and answers"),
        is_played(make_cpe, "freeacs", "I", "honours", "honours RESPONSE-ADDRESS"),
    )


async def honours(make_cpe: MakeCpe, server: RunningServer) -> None:
    async with natted(make_cpe, server) as (it, _):
        await it.settled()
        await it.board.seen(r"^I \d+ binding: lifetime server=honours$", 30)
        await it.board.seen(r"^D \d+ binding: lifetime probe wait_s=10 held=1$", 30)
        assert "an idle binding holds 10 s" in await line(it, "lifetime ")


async def answers_the_sender(make_cpe: MakeCpe, server: RunningServer, memory: str) -> None:
    async with natted(make_cpe, server, memory) as (it, tap):
        await it.settled()
        said = await it.board.seen(r"^W \d+ binding: lifetime server=(\w+) error=(\d+) ", 30)
        assert said.groups() == ("ignores", "0")
        probes = [r for r in tap.requests if r.has(AttributeType.RESPONSE_ADDRESS)]
        assert len({probe.data for probe in probes}) == 1
        assert not any(probe.has_connection_request_binding for probe in probes)
        told = await line(it, "lifetime ")
        assert "ignores RESPONSE-ADDRESS and answers the sender: minimum period" in told
        assert "keepalive=5 s" in await line(it, "binding ")
        assert (await it.wakeable()).startswith("ready: ")


async def is_played(
    make_cpe: MakeCpe, personality: str, level: str, logged: str, told: str
) -> None:
    """A server that is not installed here, as the lab plays it."""
    stun = StunServer(personality=personality)
    await stun.start()
    options = {"minimum_keepalive": 5, "maximum_keepalive": 600}
    try:
        async with scene(make_cpe, stun.address, lab=stun, **options) as it:
            await it.settled()
            await it.board.seen(rf"^{level} \d+ binding: lifetime server={logged}\b", 40)
            assert f"the STUN server {told}" in await line(it, "lifetime ")
    finally:
        await stun.stop()
