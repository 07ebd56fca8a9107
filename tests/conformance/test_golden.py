"""Golden transcripts of whole sessions, replayed with the firmware and with the lab ACS."""

import asyncio
import json
import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from host_tools.lab import udp_request
from host_tools.lab.acs import Acs
from host_tools.lab.certificates import NAME, Certificates
from host_tools.lab.cpe import Credentials
from host_tools.lab.files import FileServer
from tests.conformance import golden
from tests.conformance.golden import FOLDER, HOST, Differs, Part, Recorder, ReplayedAcs, Server
from tests.conformance.golden_scenes import PASSWORD, RINGER, SCENES, USERNAME, Scene
from tests.conformance.patched import boot_first
from tests.cpe import Cpe

pytestmark = pytest.mark.capability("filesystem", "loopback")


class Stage:
    """The firmware in a scene, from power-up to the end of its last session."""

    def __init__(
        self, make_cpe: Callable[..., Cpe], ports: dict[str, int], ca: str | None = None
    ) -> None:
        """`ca`: the file of the CA that an ACS with https is checked with."""
        self.ports = ports
        url = f"https://{NAME}" if ca else f"http://{HOST}"
        self.site: dict[str, Any] = {
            "device": {"serial_number": "GOLDEN-1"},
            "acs": {
                "url": f"{url}:{ports['acs']}/acs",
                "username": USERNAME,
                "password": PASSWORD,
            },
            "connection_request": {
                "port": ports["cpe"],
                "username": RINGER.username,
                "password": RINGER.password,
            },
        }
        if ca:
            self.site["acs"]["ca"] = ca
        self.board = make_cpe(self.site)
        boot_first(self.board, golden.BOOT)

    async def play(self, scene: Scene, server: Server) -> None:
        """Run all sessions; what `server` found wrong is raised."""
        files = FileServer(HOST, port=self.ports["files"])
        new = {**self.site, "device": {"description": "new"}}
        files.offer("site.json", json.dumps(new).encode())
        async with files, server:
            await asyncio.to_thread(self.board.start)
            for number in range(scene.sessions):
                if number and scene.again:
                    await scene.again(self)
                end = await self.board.seen(r"session: (done|failed.*)")
                if end[1] != "done":
                    raise server.failure or AssertionError(end[0])
            await self.idle()
            await asyncio.to_thread(self.board.stop)
            await server.ended()
        assert set(files.put) == set(scene.puts) and all(files.put.values())

    async def idle(self) -> None:
        """Nothing more is due: one session too many would begin at once."""
        async with asyncio.timeout(10):
            while not any(
                line.startswith("session   idle")
                for line in await asyncio.to_thread(self.board.command, "status")
            ):
                pass

    async def ring(self, by: Credentials) -> None:
        to = HOST, self.ports["cpe"]
        datagram = udp_request.build(by.username, by.password, *to, 1767268800, 1, "n", "spec")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(datagram, to)


class Tls:
    """What a scene over TLS takes; nothing for one without."""

    def __init__(self, scene: Scene, certificates: Certificates) -> None:
        self.ca: str | None = None
        self.server: ssl.SSLContext | None = None
        self.client: ssl.SSLContext | None = None
        if scene.tls:
            self.ca = str(certificates.folder / "ca.pem")
            self.server = certificates.server("golden")
            self.client = ssl.create_default_context(cafile=self.ca)


def lab(scene: Scene, ports: dict[str, int], port: int, tls: ssl.SSLContext | None = None) -> Acs:
    acs = Acs(HOST, port, tls=tls, **{"draw": golden.Draw(), **scene.acs})
    scene.arrange(acs, f"{HOST}:{ports['files']}")
    return acs


def transcript(name: str, ports: dict[str, int]) -> list[Part]:
    return golden.read((FOLDER / f"{name}.http").read_bytes(), ports)


@pytest.mark.parametrize("name", SCENES)
async def test_cwmp_01_13_21_a_golden_transcript_replayed_to_the_firmware(
    make_cpe: Callable[..., Cpe],
    name: str,
    request: pytest.FixtureRequest,
    certificates: Certificates,
):
    """Role ACS; with --record-golden the lab ACS plays it, and the transcript is made anew."""
    scene, ports = SCENES[name], golden.free_ports()
    tls = Tls(scene, certificates)
    stage = Stage(make_cpe, ports, tls.ca)
    if request.config.getoption("record_golden"):
        async with lab(scene, ports, 0, tls.server) as acs:
            recorder = Recorder(ports["acs"], acs.port, tls.server, tls.client)
            await stage.play(scene, recorder)
            assert acs.violations == []
        (FOLDER / f"{name}.http").write_bytes(golden.write(recorder.parts, ports))
        return
    replayed = ReplayedAcs(ports["acs"], transcript(name, ports), tls.server)
    await stage.play(scene, replayed)
    assert replayed.left == []


@pytest.mark.parametrize("name", SCENES)
async def test_cwmp_01_13_21_a_golden_transcript_replayed_to_the_lab_acs(
    name: str, certificates: Certificates
):
    """Role CPE; the ACS checks each message against the rules of spec 4 once more."""
    ports = golden.free_ports()
    tls = Tls(SCENES[name], certificates)
    await to_the_lab(name, ports, transcript(name, ports), tls)


async def to_the_lab(name: str, ports: dict[str, int], parts: list[Part], tls: Tls) -> None:
    scene = SCENES[name]
    async with lab(scene, ports, ports["acs"], tls.server) as acs:
        await golden.replay_cpe(acs.port, parts, tls.client)
        assert acs.violations == []
        (cpe,) = acs.cpes.values()
        assert [session.ok for session in cpe.sessions] == [True] * scene.sessions


def flipped(part: Part, at: int) -> Part:
    data = bytearray(part.data)
    data[at] ^= 1
    return replace(part, data=bytes(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda part: flipped(part, 0),
        lambda part: flipped(part, part.data.index(b"nonce")),
        lambda part: flipped(part, len(part.data) // 2),
        lambda part: flipped(part, -1),
        lambda part: replace(part, data=part.data[:-1]),
    ],
    ids=["first", "authorization", "middle", "last", "one-less"],
)
async def test_a_byte_that_the_firmware_does_not_send_fails_the_replay(
    make_cpe: Callable[..., Cpe], change: Callable[[Part], Part]
):
    ports = golden.free_ports()
    parts = transcript("bootstrap", ports)
    parts[4] = change(parts[4])
    replayed = ReplayedAcs(ports["acs"], parts)
    with pytest.raises(Differs):
        await Stage(make_cpe, ports).play(SCENES["bootstrap"], replayed)


@pytest.mark.parametrize("name", SCENES)
async def test_a_byte_that_the_lab_acs_does_not_send_fails_the_replay(
    name: str, certificates: Certificates
):
    drawn = random.Random(name)
    tls = Tls(SCENES[name], certificates)
    for _ in range(4):
        ports = golden.free_ports()
        parts = transcript(name, ports)
        number = drawn.choice([n for n, part in enumerate(parts) if part.who == "ACS"])
        parts[number] = flipped(parts[number], drawn.randrange(len(parts[number].data)))
        with pytest.raises(Differs):
            await to_the_lab(name, ports, parts, tls)


@pytest.mark.parametrize("name", ["wake", "tls"])
async def test_more_than_the_transcript_has_fails_the_replay(
    name: str, certificates: Certificates
):
    """The last answer of the lab ACS has a byte more, over TLS as without."""
    ports = golden.free_ports()
    *parts, last = transcript(name, ports)
    with pytest.raises(Differs, match="not in the transcript"):
        cut = replace(last, data=last.data[:-1])
        await to_the_lab(name, ports, [*parts, cut], Tls(SCENES[name], certificates))


def test_a_transcript_is_kept_and_read_as_it_was():
    ports = golden.free_ports()
    for name in SCENES:
        kept = (FOLDER / f"{name}.http").read_bytes()
        parts = golden.read(kept, ports)
        assert golden.write(parts, ports) == kept and len(parts) > 5
        assert str(ports["acs"]).encode() in parts[0].data
