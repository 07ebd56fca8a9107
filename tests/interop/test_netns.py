"""The kernel's NAT between namespaces: it rewrites, filters, expires and rebinds for real."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab.namespace import NAMES, Namespace, Unavailable
from host_tools.lab.nat import Behaviour
from host_tools.lab.netns import (
    INSIDE,
    OUTSIDE,
    OUTSIDE_ALTERNATE,
    ROUTER_OUTSIDE,
    KernelNat,
)
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_client import BINDING, StunClient
from host_tools.lab.stun_codec import Address, AttributeType, change_request_value

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.netns,
    pytest.mark.usefixtures("kernel_nat_allowed"),
]

EI, AD, APD = Behaviour


class Lab:
    def __init__(self, nat: KernelNat, server: StunServer, cpe: StunClient) -> None:
        self.nat, self.server, self.cpe = nat, server, cpe

    def client(self, namespace: Namespace, host: str) -> StunClient:
        with namespace.entered():
            return StunClient(host)

    async def mapped(self, server: Address | None = None) -> Address:
        answer, _ = await self.cpe.ask(server or self.server.address, [BINDING])
        assert answer.mapped_address is not None
        return answer.mapped_address

    async def passes(
        self, sender: StunClient, outside: Address, target: Address | None = None
    ) -> bool:
        """Whether a datagram to `target` (the mapping itself) gets in: one of the STUN server,
        sent after it to the mapping, is let in anyway."""
        sender.send(b"ring", target or outside)
        self.server.send(b"marker", outside)
        data, _ = await self.cpe.receive()
        if data == b"ring":
            assert (await self.cpe.receive())[0] == b"marker"
        return data == b"ring"


@asynccontextmanager
async def lab(**options: Any) -> AsyncIterator[Lab]:
    with KernelNat(**options) as nat:
        server = StunServer(OUTSIDE, alternate=(OUTSIDE_ALTERNATE, 0))
        with nat.outside.entered():
            await server.start()
        with nat.inside.entered():
            cpe = StunClient(INSIDE)
        try:
            with cpe:
                yield Lab(nat, server, cpe)
        finally:
            await server.stop()


async def test_entered_sockets_belong_to_the_namespace_and_the_thread_comes_home() -> None:
    home = os.readlink("/proc/thread-self/ns/net")
    with KernelNat() as nat:
        with nat.inside.entered():
            assert os.readlink("/proc/thread-self/ns/net") != home
            listener = socket.create_server(("127.0.0.1", 0))
        assert os.readlink("/proc/thread-self/ns/net") == home
        with listener:  # its port is taken there, and only there
            taken = listener.getsockname()
            with nat.inside.entered(), pytest.raises(OSError, match="in use"):
                socket.create_server(taken)
            with nat.outside.entered():
                socket.create_server(taken).close()
        with pytest.raises(ZeroDivisionError), nat.outside.entered():
            _ = 1 // 0
        assert os.readlink("/proc/thread-self/ns/net") == home


async def test_ports_are_rewritten_into_the_range() -> None:
    async with lab(ports=(21000, 21099)) as net:
        host, port = await net.mapped()
        assert host == ROUTER_OUTSIDE
        assert 21000 <= port <= 21099 and port != net.cpe.address[1]
        entry = net.nat.tracked()[0]
        assert (entry.inside, entry.remote) == (net.cpe.address, net.server.address)
        assert entry.outside == (host, port)


async def test_ports_are_kept_when_no_range_is_given() -> None:
    async with lab(ports=None) as net:
        assert await net.mapped() == (ROUTER_OUTSIDE, net.cpe.address[1])


@pytest.mark.parametrize("mapping", [EI, APD])
async def test_mapping_kinds(mapping: Behaviour) -> None:
    async with lab(mapping=mapping) as net:
        assert net.server.alternate is not None
        other_port = (OUTSIDE, net.server.alternate[1])
        remotes = [net.server.address, other_port, net.server.alternate]
        mapped = {await net.mapped(remote) for remote in remotes}
        # Three, or two: the kernel draws a port for each, and may draw one twice.
        assert (len(mapped) == 1) == (mapping is EI)


@pytest.mark.parametrize("ports", [None, (22000, 22999)])
@pytest.mark.parametrize("filtering", [EI, AD, APD])
async def test_ucr_31_filtering_kinds(filtering: Behaviour, ports: tuple[int, int] | None) -> None:
    async with lab(filtering=filtering, ports=ports) as net:
        outside = await net.mapped()
        same_host = net.client(net.nat.outside, OUTSIDE)
        other_host = net.client(net.nat.outside, OUTSIDE_ALTERNATE)
        with same_host, other_host:
            assert await net.passes(same_host, outside) == (filtering in (EI, AD))
            assert await net.passes(other_host, outside) == (filtering is EI)
            assert await net.mapped() == outside
            if filtering is EI:  # and the CPE can answer a stranger from the same mapping
                net.cpe.send(b"hello", other_host.address)
                assert await other_host.receive() == (b"hello", outside)
                unheld = (ROUTER_OUTSIDE, outside[1] + 1)
                assert not await net.passes(other_host, outside, unheld)


async def test_stun_16_answers_from_the_alternate_address_are_filtered() -> None:
    async with lab() as net:
        change = (AttributeType.CHANGE_REQUEST, change_request_value(True, True))
        with pytest.raises(TimeoutError):
            await net.cpe.ask(net.server.address, [change], timeout=0.2)
        assert net.server.log[-1].outcome == "success"


async def test_b10_rebind_in_mid_run() -> None:
    async with lab(ports=(23000, 23099)) as net:
        before = await net.mapped()
        net.nat.rebind()
        assert net.nat.tracked() == []
        net.server.send(b"late", before)
        after = await net.mapped()  # the first thing to arrive: the late datagram was dropped
        assert 23100 <= after[1] <= 23199
        net.server.send(b"ring", after)
        assert await net.cpe.receive() == (b"ring", net.server.address)


async def test_rebind_of_a_port_keeping_nat_changes_the_port() -> None:
    async with lab(ports=None, filtering=EI) as net:
        before = await net.mapped()
        net.nat.rebind()
        assert await net.mapped() != before


async def test_expire_closes_the_mapping_for_the_server() -> None:
    async with lab(filtering=EI) as net:
        before = await net.mapped()
        net.nat.expire()
        net.server.send(b"late", before)
        answer, _ = await net.cpe.ask(net.server.address)
        assert answer.mapped_address is not None


async def test_mapping_expires_after_the_lowered_timeout() -> None:
    async with lab(timeout=1) as net:
        outside = await net.mapped()
        assert len(net.nat.tracked()) == 1
        async with asyncio.timeout(10):
            while net.nat.tracked():  # the table is the event; nothing announces an expiry
                await asyncio.sleep(0.1)
        net.server.send(b"late", outside)
        await net.mapped()


async def test_x13_the_acs_rings_from_the_stun_servers_socket() -> None:
    async with lab() as net:
        await net.mapped()
        binding = await net.server.wait_binding()
        other = net.client(net.nat.outside, OUTSIDE)
        with other:
            other.send(b"GET http://other HTTP/1.1\r\n\r\n", binding.mapped)
            net.server.send(b"GET http://right HTTP/1.1\r\n\r\n", binding.mapped, binding.local)
            data, source = await net.cpe.receive()
            assert (data, source) == (b"GET http://right HTTP/1.1\r\n\r\n", net.server.address)


async def test_programs_inside_reach_tcp_servers_outside() -> None:
    """As a CPE does its ACS: run and popen, TCP through the same NAT."""
    with KernelNat() as nat:
        with nat.outside.entered():
            listener = socket.create_server((OUTSIDE, 0))
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('{OUTSIDE}', {port}), 5).sendall(b'up')"
        process = nat.inside.popen([sys.executable, "-c", code])
        connection, peer = await asyncio.to_thread(listener.accept)
        with connection, listener:
            assert peer[0] == ROUTER_OUTSIDE
            assert connection.recv(2) == b"up"
        assert process.wait(5) == 0
        assert nat.inside.run(["true"]).returncode == 0
        with pytest.raises(RuntimeError, match="inside: `false` failed"):
            nat.inside.run(["false"])


async def test_everything_ends_with_the_context() -> None:
    with KernelNat() as nat:
        process = nat.inside.popen(["sleep", "60"], stdout=subprocess.DEVNULL)
        path = nat.inside.path
    assert process.returncode is not None
    assert not os.path.exists(path)


async def test_a_namespace_can_be_named_for_other_programs() -> None:
    with KernelNat() as nat:
        try:
            name = nat.inside.name
        except Unavailable as reason:
            pytest.skip(str(reason))
        argv = ["ip", "netns", "exec", name, "ip", "-brief", "address", "show", "eth0"]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
        assert f"{INSIDE}/24" in done.stdout
        assert nat.inside.name == name and nat.outside.name != name
        assert (NAMES / name).exists()
    assert not (NAMES / name).exists()


async def test_names_of_a_killed_run_are_cleared_up() -> None:
    code = (
        "import os; from host_tools.lab.namespace import Namespace;"
        "print(Namespace('dead').name, flush=True); os.kill(os.getpid(), 9)"
    )
    argv = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
    if "Unavailable" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    left = NAMES / done.stdout.strip()
    assert left.exists()
    namespace = Namespace("next")
    try:
        assert namespace.name
        assert not left.exists()
    finally:
        namespace.close()


async def test_kinds_that_the_kernel_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="address-dependent mapping"):
        KernelNat(mapping=AD)
    with pytest.raises(ValueError, match="filtering only"):
        KernelNat(mapping=APD, filtering=EI)
