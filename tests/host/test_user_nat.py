"""The user-space NAT: mapping and filtering kinds (RFC 4787), expiry, rebinding, loss, capture."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from host_tools.lab import stun_codec as codec
from host_tools.lab.nat import Behaviour, UserNat
from host_tools.lab.nat_command import obey
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_client import BINDING, CHANGE, StunClient
from host_tools.lab.stun_codec import Address, AttributeType
from tests.interop.servers import stund

pytestmark = pytest.mark.asyncio

KINDS = list(Behaviour)
EI, AD, APD = KINDS


@dataclass
class Lab:
    """A NAT between one CPE and three servers: `a` and `b` share a host, `c` has another."""

    nat: UserNat
    cpe: StunClient
    a: StunClient
    b: StunClient
    c: StunClient

    def alias(self, server: StunClient) -> Address:
        return self.nat.alias(server.address)

    async def out(self, server: StunClient, data: bytes = b"out") -> Address:
        """Send through the NAT; returns the outside address that the server sees."""
        self.cpe.send(data, self.alias(server))
        received, source = await server.receive()
        assert received == data
        return source

    async def reaches(self, server: StunClient, outside: Address) -> bool:
        """Whether a datagram from this server gets through the filter."""
        counters = self.nat.counters
        passed, filtered = counters["inbound"], counters["filtered"]
        server.send(b"in", outside)
        await self.counted("inbound", "filtered", total=passed + filtered + 1)
        if counters["inbound"] == passed:
            return False
        data, source = await self.cpe.receive()
        assert (data, source) == (b"in", self.alias(server))
        return True

    async def counted(self, *names: str, total: int = 1) -> None:
        await self.nat.wait_until(lambda nat: sum(nat.counters[name] for name in names) >= total)


@asynccontextmanager
async def lab(**options: object) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as stack:
        nat = await stack.enter_async_context(UserNat(**options))  # type: ignore[arg-type]
        hosts = ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2")
        cpe, a, b, c = [await stack.enter_async_context(StunClient(host)) for host in hosts]
        yield Lab(nat, cpe, a, b, c)


@pytest.mark.parametrize("kind", KINDS)
async def test_mapping_kinds(kind: Behaviour) -> None:
    async with lab(mapping=kind) as net:
        at_a, at_b, at_c = [await net.out(server) for server in (net.a, net.b, net.c)]
        assert {at_a[0], at_b[0], at_c[0]} == {"127.0.20.1"}
        assert net.cpe.address[1] not in (at_a[1], at_b[1], at_c[1])
        assert (at_a == at_b) == (kind in (EI, AD))
        assert (at_a == at_c) == (kind is EI)
        assert await net.out(net.a) == at_a
        assert net.nat.counters["mappings"] == {EI: 1, AD: 2, APD: 3}[kind]
        async with StunClient() as second:
            second.send(b"x", net.alias(net.a))
            _, source = await net.a.receive()
            assert source not in (at_a, at_b, at_c)


@pytest.mark.parametrize("filtering", KINDS)
@pytest.mark.parametrize("mapping", KINDS)
async def test_ucr_31_filtering_kinds(mapping: Behaviour, filtering: Behaviour) -> None:
    async with lab(mapping=mapping, filtering=filtering) as net:
        outside = await net.out(net.a)
        assert await net.reaches(net.a, outside)
        assert await net.reaches(net.b, outside) == (filtering in (EI, AD))
        assert await net.reaches(net.c, outside) == (filtering is EI)


async def test_answers_come_from_the_alias_and_may_be_answered() -> None:
    async with lab(filtering=EI) as net:
        outside = await net.out(net.a)
        net.c.send(b"ring", outside)
        data, stranger = await net.cpe.receive()
        assert data == b"ring"
        assert stranger == net.nat.aliases[net.c.address]
        assert stranger[0] == "127.0.10.1" and stranger != net.alias(net.a)
        net.cpe.send(b"who?", stranger)
        assert await net.c.receive() == (b"who?", outside)


@pytest.mark.parametrize("filtering", KINDS)
@pytest.mark.parametrize("hairpin", [False, True])
async def test_hairpin(filtering: Behaviour, hairpin: bool) -> None:
    """To its own public address, and from a neighbour behind the same NAT."""
    async with lab(filtering=filtering, hairpin=hairpin) as net, StunClient() as second:
        outside = await net.out(net.a)
        net.cpe.send(b"me", outside)
        await net.counted("hairpin", "no hairpin")
        if hairpin:
            assert (await net.cpe.receive())[0] == b"me"
        second.send(b"out", net.alias(net.a))
        _, neighbour = await net.a.receive()
        second.send(b"ring", outside)
        await net.counted("hairpin", "no hairpin", total=2)
        # Both have the NAT's own host outside, of which only the CPE wrote to a port.
        if hairpin and filtering in (EI, AD):
            data, alias = await net.cpe.receive()
            assert data == b"ring" and net.nat.aliases[neighbour] == alias
        assert net.nat.counters["hairpin"] == 2 * hairpin
        assert net.nat.counters["filtered"] == (hairpin and filtering is APD)


async def test_double_nat() -> None:
    """Two in a row, either of which may forget."""
    async with (
        UserNat(inside_host="127.0.10.2", outside_host="127.0.30.1") as outer,
        UserNat() as inner,
        StunClient() as cpe,
        StunClient() as server,
    ):
        via = inner.alias(outer.alias(server.address))
        cpe.send(b"out", via)
        _, seen = await server.receive()
        assert seen[0] == outer.outside_host and seen not in inner.mappings
        for nat in (inner, outer):
            server.send(b"in", seen)
            assert await cpe.receive() == (b"in", via)
            nat.rebind()
            server.send(b"lost", seen)
            cpe.send(b"out", via)
            _, after = await server.receive()
            assert after != seen
            seen = after
        server.send(b"in", seen)
        assert await cpe.receive() == (b"in", via)  # what was lost did not come late


async def test_strangers_are_bounded() -> None:
    async with lab(filtering=EI, max_strangers=1) as net:
        outside = await net.out(net.a)
        net.b.send(b"1", outside)
        assert (await net.cpe.receive())[0] == b"1"
        net.c.send(b"2", outside)
        await net.counted("aliases refused")
        net.b.send(b"3", outside)
        assert (await net.cpe.receive())[0] == b"3"


async def test_mappings_are_bounded() -> None:
    async with lab(max_mappings=1) as net, StunClient() as second:
        await net.out(net.a)
        second.send(b"x", net.alias(net.a))
        await net.counted("mappings refused")
        await net.out(net.a)


async def test_preserve_port_until_it_is_taken() -> None:
    async with lab(preserve_port=True) as net:
        port = net.cpe.address[1]
        assert await net.out(net.a) == ("127.0.20.1", port)
        async with StunClient("127.0.0.3", port) as twin:
            twin.send(b"x", net.alias(net.a))
            _, source = await net.a.receive()
            assert source[1] != port
        net.nat.expire()
        assert await net.out(net.a) == ("127.0.20.1", port)


@pytest.mark.parametrize("preserve", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_b10_rebind_gives_every_mapping_another_port(
    kind: Behaviour, preserve: bool
) -> None:
    async with lab(mapping=kind, preserve_port=preserve, filtering=EI) as net:
        before = [await net.out(server) for server in (net.a, net.c)]
        assert await net.reaches(net.a, before[0])
        count = len(net.nat.mappings)
        net.nat.rebind()
        assert net.nat.mappings == []
        assert net.nat.counters["rebound"] == count
        net.a.send(b"late", before[0])
        after = [await net.out(server) for server in (net.a, net.c)]
        assert before[0] != after[0] and before[1] != after[1]
        assert await net.reaches(net.a, after[0])  # the late datagram did not come in before
        inside, outside = net.nat.mappings[0]
        assert (inside, outside) == (net.cpe.address, after[0])


async def test_mapping_times_out_unless_refreshed() -> None:
    async with lab(timeout=1.0, filtering=EI) as net:
        first = await net.out(net.a)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while loop.time() - begin < 1.2:  # outbound traffic keeps it open beyond its timeout
            assert await net.out(net.a) == first
            await asyncio.sleep(0.05)
        assert net.nat.counters["mappings"] == 1
        await net.nat.wait_until(lambda nat: not nat.mappings)
        assert net.nat.counters["expired"] == 1
        net.a.send(b"late", first)
        assert await net.out(net.a) != first
        assert net.nat.counters["inbound"] == 0


@pytest.mark.parametrize("refresh", [False, True])
async def test_inbound_refresh_is_a_choice(refresh: bool) -> None:
    async with lab(timeout=0.8, filtering=EI, refresh_inbound=refresh) as net:
        outside = await net.out(net.a)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while loop.time() - begin < 1.0 and net.nat.mappings:
            net.a.send(b"in", outside)
            await asyncio.sleep(0.03)
        assert net.nat.counters["expired"] == (0 if refresh else 1)


async def test_drop_windows() -> None:
    async with lab() as net:
        outside = await net.out(net.a)
        with net.nat.dropping("outbound"):
            net.cpe.send(b"lost", net.alias(net.a))
            await net.counted("dropped outbound")
            assert await net.reaches(net.a, outside)
        with net.nat.dropping():
            net.a.send(b"lost", outside)
            await net.counted("dropped inbound")
        net.nat.drop_next(2, "inbound")
        for data in (b"1", b"2", b"3"):
            net.a.send(data, outside)
        assert (await net.cpe.receive())[0] == b"3"
        assert net.nat.counters["dropped inbound"] == 3
        assert await net.out(net.a) == outside


class Tap:
    def __init__(self) -> None:
        self.packets: list[tuple[str, Address, Address, bytes]] = []

    def udp(self, src: Address, dst: Address, payload: bytes, interface: str = "inside") -> None:
        self.packets.append((interface, src, dst, payload))


async def test_recorder_sees_each_datagram_on_both_sides() -> None:
    tap = Tap()
    async with lab(recorder=tap) as net:
        outside = await net.out(net.a)
        assert await net.reaches(net.a, outside)
        assert not await net.reaches(net.c, outside)
        inside, alias, server = net.cpe.address, net.alias(net.a), net.a.address
        assert tap.packets == [
            ("inside", inside, alias, b"out"),
            ("outside", outside, server, b"out"),
            ("outside", server, outside, b"in"),
            ("inside", alias, inside, b"in"),
            ("outside", net.c.address, outside, b"in"),
        ]


async def test_typed_commands() -> None:
    async with lab() as net:
        outside = await net.out(net.a)
        line = f"{net.cpe.address[0]}:{net.cpe.address[1]} <-> {outside[0]}:{outside[1]}"
        assert line in obey(net.nat, "show")
        obey(net.nat, "drop inbound")
        net.a.send(b"lost", outside)
        await net.counted("dropped inbound")
        obey(net.nat, "pass")
        assert await net.reaches(net.a, outside)
        assert obey(net.nat, "rebind") == "rebind: 1 mappings forgotten"
        assert await net.out(net.a) != outside
        obey(net.nat, "expire")
        assert net.nat.counters["expired"] == 1
        assert "rebind" in obey(net.nat, "what")
        assert "drop" in obey(net.nat, "drop sideways")


# STUN through the NAT


async def test_stun_60_the_server_sees_the_mapped_address_and_its_change() -> None:
    async with lab() as net, StunServer() as server:
        alias = net.nat.alias(server.address)
        user = (AttributeType.USERNAME, b"cpe-0001")
        answer, source = await net.cpe.ask(alias, [user, BINDING])
        assert source == alias
        assert [(net.cpe.address, answer.mapped_address)] == net.nat.mappings
        binding = server.bindings["cpe-0001"]
        server.send(b"GET http://ring HTTP/1.1\r\n\r\n", binding.mapped)
        assert await net.cpe.receive() == (b"GET http://ring HTTP/1.1\r\n\r\n", alias)
        net.nat.rebind()
        await net.cpe.ask(alias, [user, BINDING, CHANGE])
        assert binding.mapped != answer.mapped_address
        server.send(b"GET http://again HTTP/1.1\r\n\r\n", binding.mapped)
        assert (await net.cpe.receive())[0] == b"GET http://again HTTP/1.1\r\n\r\n"


async def test_stun_53_a_probe_finds_out_whether_a_mapping_still_stands() -> None:
    async with lab() as net, StunServer() as server, StunClient() as prober:
        alias = net.nat.alias(server.address)
        answer, _ = await net.cpe.ask(alias)
        assert answer.mapped_address is not None
        probe = [
            (AttributeType.RESPONSE_ADDRESS, codec.encode_address(answer.mapped_address)),
            (AttributeType.CHANGE_REQUEST, codec.change_request_value(False, False)),
        ]
        tid = bytes(range(16))
        prober.send(codec.build(1, tid, probe), alias)
        data, _ = await net.cpe.receive()
        assert codec.parse(data).transaction_id == tid
        net.nat.expire()
        prober.send(codec.build(1, tid, probe), alias)
        await server.wait_request(lambda request: request.number == 3)
        marker, _ = await net.cpe.ask(alias)  # nothing of the probe came before its answer
        assert marker.transaction_id != tid and net.nat.counters["inbound"] == 3


async def test_x9_debian_stund_through_the_nat() -> None:
    with stund() as server:
        async with lab() as net:
            alias = net.nat.alias(server.address)
            answer, source = await net.cpe.ask(alias, [BINDING], resend=True)
            assert source == alias
            assert net.nat.mappings == [(net.cpe.address, answer.mapped_address)]
            # Its answer from the alternate port is filtered: the NAT has never heard of it.
            change = (AttributeType.CHANGE_REQUEST, codec.change_request_value(False, True))
            net.cpe.send(codec.build(1, bytes(range(16)), [change]), alias)
            await net.counted("filtered")
