"""The real firmware with the lab's ACS and any STUN server: what tests wait for and look at."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeVar

from host_tools.capture.tap import TcpTap
from host_tools.free_port import free_port
from host_tools.lab import stun_codec as codec
from host_tools.lab.acs import Acs
from host_tools.lab.cpe import Cpe as Device
from host_tools.lab.cpe import Inform
from host_tools.lab.netns import OUTSIDE, KernelNat
from host_tools.lab.provision import Provision
from host_tools.lab.ring import Ring
from host_tools.lab.stun import Request, StunServer
from host_tools.lab.stun_codec import Address, Message, MessageType
from host_tools.lab.watch import Watch
from host_tools.wake import split_address
from tests.cpe import Cpe, far_period

MakeCpe = Callable[..., Cpe]
R = TypeVar("R", Message, Request)
ADDRESS = "Device.ManagementServer.UDPConnectionRequestAddress"
NAT_DETECTED = "Device.ManagementServer.NATDetected"
RUNG = "6 CONNECTION REQUEST"
CHANGED = "4 VALUE CHANGE"
IDLE = ["session", "idle;"]
USER, PASSWORD = "cpe", "acs-password"


class Scene:
    """`board`: the CPE as its serial port shows it; `device`: the same CPE as the ACS knows it."""

    def __init__(self, board: Cpe, acs: Acs, device: Device) -> None:
        self.board, self.acs, self.device = board, acs, device

    @property
    def port(self) -> int:
        """The primary port."""
        found = re.search(r"net: listening udp=(\d+)", self.board.said())
        assert found is not None
        return int(found[1])

    async def bound(self) -> Address:
        """The public address of the next binding found, or changed, on the board."""
        found = await self.board.seen(r"^I \d+ binding: (?:bound|changed) mapped=(\S+) nat=")
        return split_address(found[1])

    async def announced(self) -> Address:
        """The address of the next BINDING-CHANGE that the STUN server has confirmed."""
        found = await self.board.seen(r"^I \d+ binding: announced mapped=(\S+)$")
        return split_address(found[1])

    async def told(self, address: Address) -> Inform:
        """The Inform that reports `address` as changed, once its session is over."""
        at = 0
        while True:
            inform = await self.device.wait_inform(CHANGED, since=at)
            at = self.device.informs.index(inform) + 1
            if inform.parameters.get(ADDRESS) == shown(address):
                await self.device.wait_session_end(inform.session)
                return inform

    async def known(self, address: Address) -> None:
        """The ACS knows `address`, by an Inform or because it asked, and the board owes it nothing
        more: it is idle."""
        async with asyncio.timeout(10):
            while True:
                idle = any(line.split()[:2] == IDLE for line in await self.command("status"))
                if idle and self.device.parameters.get(ADDRESS) == shown(address):
                    return
                await asyncio.sleep(0.01)  # nothing says when a board has become idle

    async def settled(self) -> Address:
        """The first binding: found, announced, known to the ACS, and nothing more under way."""
        address = await self.bound()
        assert await self.announced() == address
        await self.known(address)
        return address

    async def ring(self, **options: Any) -> Ring:
        return await self.acs.ring(self.device, **options)

    async def wake(self, **options: Any) -> Ring:
        """Ring, and wait for the end of the session which that causes."""
        ring = await self.ring(**options)
        session = await ring.session()
        assert session.ok, session.reason
        return ring

    @property
    def rung(self) -> int:
        """How many Informs carried 6 CONNECTION REQUEST."""
        return sum(RUNG in inform.codes for inform in self.device.informs)

    async def command(self, line: str) -> list[str]:
        return await asyncio.to_thread(self.board.command, line)

    async def counts(self) -> dict[str, int]:
        """What the board counted: STUN (`requests`, `answers`, ...) and the rings by verdict."""
        text = "\n".join(await self.command("status"))
        lines = re.findall(r"^(?:stun|requests) +((?:[\w-]+=\d+ ?)+)$", text, re.MULTILINE)
        return {name: int(value) for name, value in re.findall(r"([\w-]+)=(\d+)", " ".join(lines))}

    async def published(self) -> str:
        """The UDPConnectionRequestAddress that the board itself has."""
        (line,) = await self.command(f"get {ADDRESS}")
        return line.removeprefix(f"{ADDRESS} = ").removesuffix("(string)").strip()

    async def wakeable(self) -> str:
        """What `status` says of being woken: "ready: ..." or "NOT READY: ..."."""
        told = [line for line in await self.command("status") if line.startswith("wake ")]
        return "\n".join(line.removeprefix("wake").strip() for line in told)


class Tap:
    """Every STUN message that crosses a user-space NAT, as the CPE sends and gets it."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.answers: dict[bytes, Message] = {}
        self._watch = Watch()

    def udp(self, src: Address, dst: Address, payload: bytes, interface: str = "inside") -> None:
        if interface != "inside" or payload[:1] > b"\1":
            return
        message = codec.parse(payload)
        if message.message_type == MessageType.BINDING_REQUEST:
            self.requests.append(message)
        else:
            self.answers[message.transaction_id] = message
        self._watch.notify()

    @property
    def transactions(self) -> list[Message]:
        return distinct(self.requests)

    def answer(self, request: Message) -> Message | None:
        return self.answers.get(request.transaction_id)

    async def answered(self, count: int, timeout: float = 20.0) -> list[Message]:
        """The answers to the first `count` transactions, in order."""

        def look() -> list[Message] | None:
            found = [self.answer(request) for request in self.transactions[:count]]
            answers = [answer for answer in found if answer is not None]
            return answers if len(answers) == count else None

        return await self._watch.until(look, timeout, f"{count} answered STUN transactions")


def distinct(requests: Iterable[R]) -> list[R]:
    """The first send of each transaction, in order: on a busy machine an answer may take longer
    than the 100 ms after which a request is sent again."""
    return list({request.data: request for request in reversed(list(requests))}.values())[::-1]


def shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


@asynccontextmanager
async def scene(
    make_cpe: MakeCpe,
    stun: Address,
    *,
    lab: StunServer | None = None,
    nat: KernelNat | None = None,
    tap: TcpTap | None = None,
    transaction_id: str = "cookie",
    memory: str = "auto",
    **provision: Any,
) -> AsyncIterator[Scene]:
    """A CPE that an ACS sets up to use the STUN server at `stun`; powered up, first session over.

    `lab`: that server, when it is the lab's; the ACS then rings from its socket. `nat`: the CPE
    lives inside, the ACS outside. `tap`: a relay in front of the ACS, started here. Whatever the
    CPE sends to the ACS is checked against the standard to the very end. `memory` is a setting.
    """
    host = OUTSIDE if nat is not None else "127.0.0.1"
    outside: AbstractContextManager[None] = nat.outside.entered() if nat else nullcontext()
    acs = Acs(host, username=USER, password=PASSWORD, send_udp=lab.send if lab else None)
    acs.set_provision(Provision(stun_host=stun[0], stun_port=stun[1], **provision))
    with outside:
        await acs.start()
    url = acs.url
    if tap is not None:
        tap.target = (acs.host, acs.port)
        tapped = await tap.start()
        url = f"http://{shown(tapped)}/acs"
    site = {
        "acs": {"url": url, "username": USER, "password": PASSWORD},
        "connection_request": {"port": free_port()},
        "stun": {"transaction_id": transaction_id},
        "inform": far_period(),
        "log": {"level": "D"},
        "limits": {"memory": memory},
    }
    board = make_cpe(site, netns=nat.inside.name if nat else "")
    try:
        await asyncio.to_thread(board.start)
        device = await acs.wait_cpe()
        await device.wait_session_end(1)
        yield Scene(board, acs, device)
    finally:
        await asyncio.to_thread(board.stop)
        if tap is not None:
            await tap.stop()
        await acs.stop()
    assert acs.violations == []
    assert "Traceback" not in board.said()
