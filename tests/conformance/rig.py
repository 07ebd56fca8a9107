"""A CPE under test with the servers it talks to: lab ACS, lab STUN server, serial console.

Whatever a test does, at its end the ACS has seen no violation of the protocol, and the serial port
no secret and no traceback.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from host_tools.free_port import free_port
from host_tools.lab.acs import Acs
from host_tools.lab.cpe import Cpe as KnownCpe
from host_tools.lab.cpe import Inform, Session
from host_tools.lab.provision import Provision
from host_tools.lab.ring import Ring, TcpRing
from host_tools.lab.rpc import Rpc
from host_tools.lab.stun import StunServer
from tests.benches import Bench, lacking
from tests.cpe import Cpe, far_period

MS = "Device.ManagementServer."
INFO = "Device.DeviceInfo."
ADDRESS = MS + "UDPConnectionRequestAddress"
ACS_USERNAME = "cpe-17"
ACS_PASSWORD = "acs-Secret-4711"
STUN_PASSWORD = "stun-Secret-0815"
RING = "6 CONNECTION REQUEST"
CHANGE = "4 VALUE CHANGE"

MakeRig = Callable[..., Awaitable["Rig"]]


class Rig:
    """`board`: the CPE as its serial port shows it; `cpe`: the same as the ACS knows it."""

    def __init__(
        self, board: Cpe, site: dict[str, Any], acs: Acs, stun: StunServer, port: int
    ) -> None:
        self.board = board
        self.site = site
        self.acs = acs
        self.stun = stun
        self.port = port  # the primary port
        self.host = acs.host  # of the STUN server, too
        self.acss = [acs]
        self.closing = contextlib.AsyncExitStack()  # what else a test has running
        self.secrets = {ACS_PASSWORD, STUN_PASSWORD}

    @property
    def address(self) -> str:
        """The board's own address."""
        return self.board.target.address

    def can(self, capability: str) -> bool:
        return capability in self.board.capabilities

    def within(self, seconds: float) -> asyncio.Timeout:
        """`asyncio.timeout`, as long as the kind of target needs."""
        return asyncio.timeout(seconds * self.board.target.pace)

    @property
    def cpe(self) -> KnownCpe:
        return next(iter(self.acs.cpes.values()))

    def provision(self, **more: Any) -> Provision:
        """The usual set-up of a CPE, with `more` laid over it."""
        return replace(credentials(self.acs, self.stun), **more)

    async def start(self, banner: bool = True) -> None:
        await asyncio.to_thread(self.board.start, banner=banner)

    async def ready(self, timeout: float = 10.0) -> "Rig":
        """Wait until the ACS can ring this CPE and nothing is going on; start it if need be."""
        if not self.board.running:
            await self.start()
        cpe = await self.acs.wait_cpe(timeout)
        await self.until(lambda: cpe.connection_request, "credentials", timeout)
        binding = await self.stun.wait_binding(timeout, lambda binding: bool(binding.change_seen))
        mapped = "{}:{}".format(*binding.mapped)
        await self.until(lambda: cpe.parameters.get(ADDRESS) == mapped, mapped, timeout)
        await self.idle(timeout)
        return self

    async def until(
        self, predicate: Callable[[], object], what: str, timeout: float = 10.0
    ) -> None:
        """Wait until something is true on this side; the failure tells what the board said."""
        end = time.monotonic() + timeout * self.board.target.pace
        while not predicate():
            if time.monotonic() > end:
                last = "\n  ".join(self.board.said().splitlines()[-25:])
                sessions = [cpe.sessions for cpe in self.acs.cpes.values()]
                pytest.fail(f"no {what} in {timeout:g} s; {sessions}; the board said:\n  {last}")
            await asyncio.sleep(0.002)

    async def idle(self, timeout: float = 10.0) -> list[str]:
        """Wait until no session runs or is due; return what `status` says then."""
        async with self.within(timeout):
            while True:
                said = await self.command("status")
                running = any(cpe.session for acs in self.acss for cpe in acs.cpes.values())
                if not running and any(line.startswith("session   idle") for line in said):
                    return said
                await asyncio.sleep(0.01 * self.board.target.pace)  # an answer is work, too

    async def saved(self) -> None:
        """Wait until it is idle and has on flash what it keeps: it writes that in the turn of its
        loop in which it has become idle, and `status` may be answered in the same one, before.
        """
        await self.idle()
        await self.idle()

    async def command(self, line: str) -> list[str]:
        """Type a command on the console and return what it says before `ok`."""
        return await asyncio.to_thread(self.board.command, line)

    async def set(self, name: str, value: object) -> None:
        """Change a ManagementServer parameter on the device itself, as its own user would."""
        await self.command(f"set {MS}{name} {value}")

    async def get(self, name: str) -> str:
        """The value of a parameter as the console shows it."""
        said = await self.command(f"get {name}")
        (line,) = [line for line in said if line.startswith(name + " = ")]
        return line.partition(" = ")[2].rpartition("  (")[0]

    async def wake(self, **options: Any) -> Session:
        """Ring and return the session that it woke, when that has ended."""
        return await (await self.ring(**options)).session()

    async def ring(self, **options: Any) -> Ring:
        """Ring. ts counts milliseconds: of one ts only so many requests are remembered."""
        options.setdefault("ts", time.time_ns() // 1_000_000)
        return await self.acs.ring(self.cpe, **options)

    @property
    def url(self) -> str:
        """ConnectionRequestURL as the ACS knows it."""
        return self.cpe.parameters[MS + "ConnectionRequestURL"]

    async def ring_tcp(self, **options: Any) -> TcpRing:
        """Ring by TCP."""
        options.setdefault("timeout", 2 * self.board.target.pace)
        return await self.acs.ring_tcp(self.cpe, **options)

    async def call(self, *calls: Rpc) -> list[Any]:
        """Queue RPCs, wake the CPE, return their results; a fault is returned, not raised."""
        futures = [self.cpe.queue(call) for call in calls]
        await self.wake()
        return await asyncio.gather(*futures, return_exceptions=True)

    async def ask(self, call: Rpc) -> Any:
        """`call` for one RPC; its fault is raised."""
        (result,) = await self.call(call)
        if isinstance(result, BaseException):
            raise result
        return result

    async def informed(self, event: str | None, since: int, timeout: float = 10.0) -> Inform:
        """The first Inform with the event from index `since` on, when its session has ended."""
        inform = await self.cpe.wait_inform(event, since, timeout)
        await self.cpe.wait_session_end(inform.session, timeout)
        return inform

    async def power_cut(self, before_power: Callable[[], None] | None = None) -> None:
        """Take the power away and give it back; a target that cannot do it skips the test."""
        if not self.can("power_cut"):
            pytest.skip(f"the {self.board.target.kind} target has no power_cut")
        await asyncio.to_thread(self.board.power_cut, before_power)

    async def stop(self) -> None:
        await asyncio.to_thread(self.board.stop)

    def send(self, datagram: bytes) -> None:
        """Send any datagram to the primary port, from the STUN server's socket."""
        self.stun.send(datagram, (self.address, self.port))

    async def reboot(self) -> None:
        """Restart by the console."""
        await self.command("reboot")

    async def new_acs(self, **options: Any) -> Acs:
        """One more ACS, watched like the first."""
        usual = {"host": self.host, "username": ACS_USERNAME, "password": ACS_PASSWORD}
        acs = Acs(**{**usual, **options})
        await acs.start()
        self.acss.append(acs)
        return acs

    def check(self) -> None:
        """What holds at the end of every test."""
        for acs in self.acss:
            assert acs.violations == [], [str(violation) for violation in acs.violations]
        said = self.board.said()
        known = {cpe.connection_request for acs in self.acss for cpe in acs.cpes.values()}
        secrets = self.secrets | {one.password for one in known if one}
        assert [secret for secret in secrets if secret in said] == []
        assert "Traceback" not in said, said
        beside = self.board.target.state / "pump.err"  # what the board's own process complains of
        assert not beside.exists() or "Traceback" not in beside.read_text()


def spaced(lines: list[str]) -> bool:
    """Whether ten seconds of the device's time lie between any two of these lines of its log; it
    looks at its clock before it writes, a slow one some time before.
    """
    times = [int(line.split()[1]) for line in lines]
    return all(later - one >= 9900 for one, later in itertools.pairwise(times))


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the sections of `more` laid over it."""
    return {
        section: {**base.get(section, {}), **more.get(section, {})} for section in {**base, **more}
    }


def credentials(acs: Acs, stun: StunServer) -> Provision:
    """How a CPE is set up on first contact: credentials, the STUN server, short waits."""
    return Provision(
        stun_host=stun.address[0],
        stun_port=stun.address[1],
        minimum_keepalive=5,
        maximum_keepalive=5,
        more={"CWMPRetryMinimumWaitInterval": 1, "CWMPRetryIntervalMultiplier": 1000},
    )


@pytest.fixture
async def make_rig(make_cpe: Callable[..., Cpe], bench: Bench) -> Any:
    """Make rigs: `await make_rig(site={...}, provision={...} or None, acs={...}, stun={...})`.

    Each argument lays its entries over what is usual. The CPE is not powered; `ready()` does it.
    """
    if reason := lacking(bench, {"network"}):
        pytest.skip(reason)
    rigs: list[Rig] = []

    async def make(
        site: Mapping[str, Any] | None = None,
        provision: Mapping[str, Any] | None = None,
        acs: Mapping[str, Any] | None = None,
        stun: Mapping[str, Any] | None = None,
        provisioned: bool = True,
    ) -> Rig:
        server = StunServer(**{"host": bench.host_address, **(stun or {})})
        await server.start()
        manager = Acs(
            **{
                "host": bench.host_address,
                "username": ACS_USERNAME,
                "password": ACS_PASSWORD,
                "send_udp": server.send,
                "reconnect_grace": 0.2,  # s: whether a session broke off is known that soon
                **(acs or {}),
            }
        )
        await manager.start()
        port = free_port()
        usual = {
            "acs": {"url": manager.url, "username": ACS_USERNAME, "password": ACS_PASSWORD},
            "connection_request": {"port": port, "limit_count": 1000},
            "inform": far_period(),
            "limits": {"freshness_write_s": 0},
            "log": {"level": "D"},
        }
        whole = merged(usual, site or {})
        rig = Rig(make_cpe(whole), whole, manager, server, port)
        if provisioned:
            manager.set_provision(rig.provision(**(provision or {})))
        rigs.append(rig)
        return rig

    with bench.lab():
        yield make
        for rig in rigs:
            await rig.stop()
            for manager in rig.acss:
                await manager.stop()
            await rig.stun.stop()
            await rig.closing.aclose()
    for rig in rigs:
        rig.check()


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    """A CPE that has met its ACS, has a binding, and waits to be rung."""
    return await (await make_rig()).ready()
