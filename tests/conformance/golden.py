"""Golden transcripts: whole sessions as the firmware and the lab ACS had them on the wire,
replayed byte for byte with either of the two.

tests/data/golden/<scene>.http is a sequence of parts, each headed by `=== <connection> <who>` and
followed by one line end that is not of it. `who` is CPE, ACS, or END: the ACS closes here. What a
transcript cannot hold still is made to by the seams of `BOOT` and of `Acs`; PLACES has the rest.
Of a session over TLS a transcript has the plain bytes: the test is an end of TLS on either side.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from host_tools.free_port import free_port
from host_tools.lab.certificates import NAME

HOST = "127.0.0.1"
FOLDER = Path(__file__).resolve().parent.parent / "data" / "golden"

# The whole of what is normalised: ports, on which servers of tests do not agree. What stands for
# one in a transcript is no port, and as long as one.
PLACES = {"acs": 70001, "cpe": 70002, "files": 70003}

PATIENCE = 10  # s, for what a transcript says comes next

# The board: its clock stands, its dice always fall alike, and its heap is nobody's business.
BOOT = """
from cwmp.port import base, unix
from cwmp.runtime import http_send, values

class Dice:
    drawn = 0

    @staticmethod
    def urandom(count):
        Dice.drawn += 1
        return Dice.drawn.to_bytes(count, "big")

base.Port.random_bytes = lambda self, count: bytes(range(1, count + 1))
base.Port.raw_sockets = False
unix.UnixPort.unix_time = lambda self: 1767268800
http_send.os = Dice
usual = values.value

def value(management, key):
    if key == "up_time":
        return 77
    return 128 if key.startswith("memory") else usual(management, key)

values.value = value
"""


class Differs(AssertionError):
    """What came is not what the transcript has."""


@dataclass
class Part:
    """What one side sent before the other did, on a connection (numbers from 1)."""

    connection: int
    who: str
    data: bytes


def write(parts: list[Part], ports: Mapping[str, int]) -> bytes:
    """Return the transcript as it is kept."""
    text = b""
    for part in parts:
        text += b"=== %d %s\n" % (part.connection, part.who.encode())
        text += _replaced(part.data, ports, PLACES) + b"\n"
    return text


def read(text: bytes, ports: Mapping[str, int]) -> list[Part]:
    """Return the parts of a transcript, with these ports in it."""
    _, *pieces = re.split(rb"(?m)^=== (\d+) (CPE|ACS|END)\n", text)
    return [
        Part(int(number), who.decode(), _replaced(data[:-1], PLACES, ports))
        for number, who, data in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    ]


def _replaced(data: bytes, old: Mapping[str, int], new: Mapping[str, int]) -> bytes:
    for name, port in old.items():
        assert len(str(port)) == len(str(new[name])) == 5  # or Content-Length would not fit
        for host in (HOST, NAME):
            data = data.replace(f"{host}:{port}".encode(), f"{host}:{new[name]}".encode())
    return data


def free_ports() -> dict[str, int]:
    """Return a port of its own for each of PLACES: five digits, as all that the kernel picks."""
    found: dict[str, int] = {}
    while len(set(found.values())) < len(PLACES):
        found = {name: free_port() for name in PLACES}
    return found


class Draw:
    """As `secrets.token_hex`, but that anybody can guess."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, size: int) -> str:
        return f"{next(self._numbers):0{2 * size}x}"


async def expect(reader: asyncio.StreamReader, want: bytes, where: str) -> None:
    """Read exactly that; Differs as soon as something else comes, or nothing."""
    got = b""
    while len(got) < len(want):
        try:
            piece = await asyncio.wait_for(reader.read(len(want) - len(got)), PATIENCE)
        except TimeoutError:
            piece = b""
        got += piece
        if not piece or not want.startswith(got):
            at = next((n for n, byte in enumerate(got) if want[n] != byte), len(got))
            near = slice(max(0, at - 60), at + 60)
            raise Differs(f"{where}, byte {at}:\nwanted {want[near]!r}\ngot    {got[near]!r}")


async def expect_end(reader: asyncio.StreamReader, where: str) -> None:
    """The other side closes, and has no more to say."""
    more = await reader.read(200)
    if more:
        raise Differs(f"{where}: not in the transcript: {more!r}")


class Server:
    """What a CPE connects to, by https with what `tls` holds. `failure` is why a transcript does
    not fit.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.failure: Exception | None = None
        self._port = port
        self._tls = tls
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, HOST, self._port, ssl=self._tls)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._listening is not None:
            self._listening.close()
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Wait until all connections are over; what was wrong with one is raised."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failure:
            raise self.failure

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.serve(next(self._numbers), reader, writer)
        except (Differs, OSError) as error:
            self.failure = self.failure or error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        raise NotImplementedError


class Recorder(Server):
    """A relay before the ACS at port `acs` of HOST that keeps what passes, in `parts`; `to_acs`
    is the TLS of its own connections to there.
    """

    def __init__(
        self,
        port: int,
        acs: int,
        tls: ssl.SSLContext | None = None,
        to_acs: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port, tls)
        self.parts: list[Part] = []
        self._acs = acs
        self._to_acs = to_acs

    async def serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_acs, to_acs = await connect(self._acs, self._to_acs)
        pumps = {
            asyncio.create_task(self._pump(number, "CPE", reader, to_acs)),
            asyncio.create_task(self._pump(number, "ACS", from_acs, writer)),
        }
        done, left = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        if "ACS" in {task.result() for task in done}:
            self.parts.append(Part(number, "END", b""))
        for task in left:
            task.cancel()
        to_acs.close()

    async def _pump(
        self, number: int, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        while data := await reader.read(65536):
            last = self.parts[-1] if self.parts else None
            if last is None or (last.connection, last.who) != (number, who):
                last = Part(number, who, b"")
                self.parts.append(last)
            last.data += data
            writer.write(data)
        return who


class ReplayedAcs(Server):
    """Says what the ACS said in a transcript, as long as the CPE says what it said there."""

    def __init__(self, port: int, parts: list[Part], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port, tls)
        self.left = list(parts)

    async def serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        where = f"connection {number}"
        if not self.left or self.left[0].connection != number:
            raise Differs(f"{where} is opened, not in the transcript")
        while self.left and self.left[0].connection == number:
            part = self.left[0]
            if part.who == "CPE":
                await expect(reader, part.data, f"{where}, {len(self.left)} parts to go")
            elif part.who == "ACS":
                writer.write(part.data)
            else:
                self.left.pop(0)
                return
            self.left.pop(0)
        await expect_end(reader, where)


async def connect(
    port: int, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to HOST, whose certificate is for NAME."""
    name = NAME if tls else None
    return await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=name)


async def replay_cpe(port: int, parts: list[Part], tls: ssl.SSLContext | None = None) -> None:
    """Say to the ACS what the CPE said in a transcript; Differs when its answer is another."""
    reader, writer = None, None
    current = 0
    for number, part in enumerate(parts):
        where = f"connection {part.connection}, part {number}"
        if part.connection != current:
            if writer is not None:
                writer.close()
            reader, writer = await connect(port, tls)
            current = part.connection
        assert reader is not None and writer is not None
        if part.who == "CPE":
            writer.write(part.data)
        elif part.who == "ACS":
            await expect(reader, part.data, where)
        else:
            await expect_end(reader, where)
    if reader is not None and writer is not None:
        # TLS has no half of a connection: what still comes is read while it is closed.
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
        await expect_end(reader, f"connection {current}")
        writer.close()
