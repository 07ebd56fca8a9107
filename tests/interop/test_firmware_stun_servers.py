"""The firmware with other people's STUN servers, through a NAT that shows what passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab.nat import Behaviour, UserNat
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_client import StunClient
from host_tools.lab.stun_codec import CONNECTION_REQUEST_BINDING_VALUE, Address, AttributeType
from tests.interop.scene import NAT_DETECTED, MakeCpe, Scene, Tap, scene, shown
from tests.interop.servers import RunningServer

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]

A = AttributeType
CREDENTIALS = {"stun_username": "cpe-1", "stun_password": "stun-password"}  # 5 bytes: padded to 8
PAIRS = [
    ("stund", "cookie"),
    ("stund", "classic"),
    ("coturn", "cookie"),
    ("coturn", "classic"),
    ("modern_coturn", "cookie"),
]
each_server = pytest.mark.parametrize(("server", "transaction_id"), PAIRS, indirect=["server"])


@pytest.fixture
def server(request: pytest.FixtureRequest) -> RunningServer:
    found: RunningServer = request.getfixturevalue(f"{request.param}_server")
    return found


class Natted(Scene):
    nat: UserNat
    tap: Tap

    @property
    def outside(self) -> Address:
        return self.nat.mappings[0][1]


@asynccontextmanager
async def natted(
    make_cpe: MakeCpe, server: RunningServer, transaction_id: str, **options: Any
) -> AsyncIterator[Natted]:
    """A scene behind a NAT that lets anybody in: no ACS can ring from a real server's socket."""
    tap = Tap()
    async with UserNat(filtering=Behaviour.ENDPOINT_INDEPENDENT, recorder=tap) as nat:
        alias = nat.alias(server.address)
        async with scene(make_cpe, alias, transaction_id=transaction_id, **options) as found:
            it = Natted(found.board, found.acs, found.device)
            it.nat, it.tap = nat, tap
            yield it


@each_server
async def test_stun_12_binding_found_and_announced(
    make_cpe: MakeCpe, server: RunningServer, transaction_id: str
) -> None:
    async with natted(make_cpe, server, transaction_id) as it:
        assert await it.settled() == it.outside
        first, second = it.tap.transactions
        assert not first.has_binding_change and second.has_binding_change
        assert first.transaction_id != second.transaction_id
        assert first.has_cookie == second.has_cookie == (transaction_id == "cookie")
        assert it.device.parameters[NAT_DETECTED] in ("1", "true")
        assert await it.wakeable() == f"ready: an ACS can ring at {shown(it.outside)}"


@each_server
async def test_ucr_31_wake_from_a_stranger_to_the_server(
    make_cpe: MakeCpe, server: RunningServer, transaction_id: str
) -> None:
    async with natted(make_cpe, server, transaction_id) as it:
        await it.settled()
        ring = await it.wake()
        assert ring.to == it.outside
        assert it.rung == 1


async def test_stun_50_keepalives_are_answered_by_every_server(
    make_cpe: MakeCpe, request: pytest.FixtureRequest
) -> None:
    """All pairs at once, as each keepalive is a real wait."""

    async def two_keepalives(name: str, transaction_id: str) -> None:
        server = request.getfixturevalue(f"{name}_server")
        options = {"minimum_keepalive": 5, "maximum_keepalive": 5, **CREDENTIALS}
        async with natted(make_cpe, server, transaction_id, **options) as it:
            outside = await it.settled()
            answers = await it.tap.answered(4)
            changes = [request.has_binding_change for request in it.tap.transactions]
            assert changes[:4] == [False, True, False, False]
            assert not any(request.has_integrity for request in it.tap.requests)
            for answer in answers:
                assert outside in (answer.mapped_address, answer.xor_mapped_address)
            assert it.nat.counters["mappings"] == 1
            # The fourth answer has passed the NAT; it may not have been read yet.
            while (counts := await it.counts())["answers"] < 4:
                pass
            assert (counts["failures"], counts["errors"], counts["changes"]) == (0, 0, 1)

    await asyncio.gather(*(two_keepalives(*pair) for pair in PAIRS))


@pytest.mark.parametrize("transaction_id", ["cookie", "classic"])
async def test_x6_stund_takes_every_request_of_ours(
    make_cpe: MakeCpe, stund_server: RunningServer, transaction_id: str
) -> None:
    """It drops attributes with uncounted padding: the username of 5 bytes would be such a one."""
    async with natted(make_cpe, stund_server, transaction_id, **CREDENTIALS) as it:
        await it.settled()
        assert len(it.tap.transactions) == 2
        for request in it.tap.requests:
            assert request.get(A.CONNECTION_REQUEST_BINDING) == CONNECTION_REQUEST_BINDING_VALUE
            assert request.get(A.USERNAME) == b"cpe-1   "
            assert len(request.data) < 200
            assert it.tap.answer(request) is not None


@pytest.mark.parametrize("transaction_id", ["cookie", "classic"])
async def test_x7_integrity_is_never_offered_to_stund(
    make_cpe: MakeCpe, stund_server: RunningServer, transaction_id: str
) -> None:
    """Not with credentials either (STUN-30): so its `hmac-not-implemented` never comes."""
    async with natted(make_cpe, stund_server, transaction_id, **CREDENTIALS) as it:
        await it.settled()
        for request in it.tap.requests:
            assert not request.has_integrity
            answer = it.tap.answer(request)
            assert answer is not None and not answer.has_integrity


@each_server
async def test_x9_minimum_period_and_no_probe_from_the_primary_port(
    make_cpe: MakeCpe, server: RunningServer, transaction_id: str
) -> None:
    """Whatever the server makes of RESPONSE-ADDRESS: what leaves the primary port has none
    (STUN-16), and as long as no lifetime was discovered the minimum is the period (STUN-52)."""
    options = {"minimum_keepalive": 7, "maximum_keepalive": 600}
    async with natted(make_cpe, server, transaction_id, **options) as it:
        await it.settled()
        for request in it.tap.requests:
            assert not request.has(A.RESPONSE_ADDRESS) and not request.has(A.CHANGE_REQUEST)
        assert any("keepalive=7 s" in line for line in await it.command("binding"))


async def test_stun_21_modern_coturn_tells_the_address_in_xor_form_only(
    make_cpe: MakeCpe, modern_coturn_server: RunningServer
) -> None:
    async with natted(make_cpe, modern_coturn_server, "cookie") as it:
        assert await it.settled() == it.outside
        for answer in it.tap.answers.values():
            assert answer.mapped_address is None
            assert answer.xor_mapped_address == it.outside


async def test_x10_classic_ids_against_modern_coturn_fail_and_status_says_so(
    make_cpe: MakeCpe, modern_coturn_server: RunningServer
) -> None:
    """coturn drops every send (STUN-40); then `status` names server and reason."""
    async with natted(make_cpe, modern_coturn_server, "classic") as it:
        failed = await it.board.seen(r"^W \d+ binding: failed reason=\"(.*)\" failures=1 ")
        assert failed[1] == "timeout"
        assert len(it.tap.transactions) == 1
        assert 1 < len(it.tap.requests) <= 9 and it.tap.answers == {}
        (alias,) = it.nat.aliases.values()
        said = await it.wakeable()
        assert said.startswith("NOT READY: ")
        assert f"no STUN answer from {shown(alias)}: timeout" in said
        assert any("(none) nat=0" in line for line in await it.command("binding"))
        assert await it.published() == ""


async def test_stun_64_a_nat_that_lets_in_the_stun_server_alone(make_cpe: MakeCpe) -> None:
    """That is what an ACS with a STUN server of its own rings from the server's socket for."""
    stun = StunServer()
    await stun.start()
    try:
        async with (
            UserNat(filtering=Behaviour.ADDRESS_AND_PORT_DEPENDENT) as nat,
            scene(make_cpe, nat.alias(stun.address), lab=stun) as it,
            StunClient() as stranger,
        ):
            await it.settled()
            of_server, it.acs.send_udp = it.acs.send_udp, stranger.send
            await it.ring(copies=1)
            await nat.wait_until(lambda nat: nat.counters["filtered"] == 1)
            it.acs.send_udp = of_server
            await it.wake(copies=1)
            assert it.rung == 1 and nat.counters["filtered"] == 1
    finally:
        await stun.stop()
