"""The demo's lab: ACS, STUN server, NAT, and a board that has never been anywhere."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools import image
from host_tools.capture.packets import Address
from host_tools.capture.recorder import Recorder
from host_tools.console import open_port
from host_tools.demo.place import Nat, Place
from host_tools.errors import Failed
from host_tools.flashing import Flashed, flash
from host_tools.lab.acs import Acs
from host_tools.lab.provision import Provision
from host_tools.lab.stun import StunServer
from host_tools.targets.pumped import PumpedTarget

KEEPALIVE = 5  # seconds, the shortest there is: a rebinding shows within the demo
STUN_USERNAME = "demo-cpe"


@dataclass
class Lab:
    """Everything that runs. `acs_address` is where the CPE finds the ACS."""

    place: Place
    recorder: Recorder
    stun: StunServer
    nat: Nat
    acs: Acs
    acs_address: Address
    cpe_port: int
    acs_password: str
    stun_password: str
    log_from: int = 0  # where this run begins in the serial log, which older ones may have begun

    @property
    def acs_url(self) -> str:
        return f"http://{self.acs_address[0]}:{self.acs_address[1]}/acs"

    @property
    def target(self) -> PumpedTarget:
        return self.place.target

    @property
    def cpe_address(self) -> Address:
        """The CPE's UDP port on its own side of the NAT."""
        return self.place.cpe_host, self.cpe_port

    @property
    def mapped(self) -> Address | None:
        """The address that the NAT gives that port outside; None when it gives none now."""
        return dict(self.nat.mappings).get(self.cpe_address)

    def patient(self, seconds: float) -> float:
        """How long to wait for what takes the unix board at most so long."""
        return seconds * self.target.pace

    @property
    def site(self) -> dict[str, Any]:
        """The site configuration a technician would flash: where the ACS is, the Wi-Fi to join,
        and no more.
        """
        return {
            "acs": {
                "url": self.acs_url,
                "username": self.acs_username,
                "password": self.acs_password,
            },
            "connection_request": {"port": self.cpe_port},
            "network": image.example_network(self.place.board),
            "log": {"level": "D"},
        }

    @property
    def acs_username(self) -> str:
        return "cpe"

    @property
    def said(self) -> str:
        """Everything that the board has said."""
        return self.target.said(self.log_from)

    async def build(self) -> image.Image:
        """Compile the firmware for the board."""
        return await asyncio.to_thread(image.build, self.place.board, self.site)

    async def flash(self, content: image.Image) -> Flashed:
        """Wipe the board's flash, install the image and power up, as `flash.py --erase` does."""
        return await asyncio.to_thread(flash, self.target, content, erase=True)

    async def console(self, command: str, timeout: float = 5.0) -> list[str]:
        """Type a command on the serial console and return the lines of its answer."""
        return await asyncio.to_thread(self._type, command, timeout)

    def _type(self, command: str, timeout: float) -> list[str]:
        since = self.target.log_position()
        with open_port(self.target.port) as port:
            port.write(f"{command}\r".encode())
            # Not from its echo on: a log line may come in the middle of that.
            shape = r"(?s)\A(.*?)^(ok|error: [^\n]*)$"
            answer = self.target.wait_line(shape, since, self.patient(timeout))
        if answer[2] != "ok":
            raise Failed(f"console: {command}: {answer[2]}")
        return str(answer[1]).splitlines()

    async def follow_serial(self, heard: Callable[[str], None]) -> None:
        """Hand on what the board says, line by line, until cancelled; then the rest of it."""
        shown = 0
        try:
            while True:
                await asyncio.sleep(0.02)
                shown = self._new_lines(shown, heard)
        finally:
            self._new_lines(shown, heard)

    def _new_lines(self, shown: int, heard: Callable[[str], None]) -> int:
        whole = self.said.split("\n")[:-1]
        for line in whole[shown:]:
            heard(line)
        return len(whole)

    def counts(self, status: list[str]) -> dict[str, int]:
        """The CPE's own count of UDP Connection Requests by verdict, from its `status` lines."""
        line = next((line for line in status if line.startswith("requests ")), "")
        return {name: int(count) for name, count in re.findall(r"([a-z-]+)=(\d+)", line)}


@asynccontextmanager
async def lab(place: Place, capture: Path) -> AsyncIterator[Lab]:
    """Start the servers, all on free ports; the board is not started yet."""
    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(Recorder(capture))
        try:
            made = await _start(stack, recorder, place)
        except OSError as error:
            reason = error.strerror or error
            raise Failed(f"the lab's servers cannot listen on {place.host}: {reason}") from error
        yield made


async def _start(stack: AsyncExitStack, recorder: Recorder, place: Place) -> Lab:
    acs_password, stun_password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    stun = StunServer(place.host, credentials={STUN_USERNAME: stun_password})
    # X13: Connection Requests leave from the STUN server's own socket, or this NAT drops them.
    acs = Acs(place.host, 0, "cpe", acs_password, send_udp=stun.send)
    nat = await place.nat(stack, recorder)
    with place.outside():
        await stack.enter_async_context(stun)
        await stack.enter_async_context(acs)
    stun_host, stun_port = place.stun_for_cpe(stun.address)
    acs.set_provision(
        Provision(
            stun_host=stun_host,
            stun_port=stun_port,
            stun_username=STUN_USERNAME,
            stun_password=stun_password,
            minimum_keepalive=KEEPALIVE,
            maximum_keepalive=KEEPALIVE,
        )
    )
    return Lab(
        place,
        recorder,
        stun,
        nat,
        acs,
        await place.acs_for_cpe(stack, (place.host, acs.port), recorder),
        place.cpe_port(),
        acs_password,
        stun_password,
        place.target.log_position(),
    )
