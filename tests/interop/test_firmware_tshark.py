"""tshark as a second opinion: on every byte, and on what `capture explain` makes of them."""

import asyncio
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from host_tools.capture import explain
from host_tools.capture.recorder import Recorder
from host_tools.capture.sniff import Sniffer
from host_tools.capture.story import Story
from host_tools.capture.tap import TcpTap
from host_tools.errors import UserError
from host_tools.lab import rpc, stun_faults
from host_tools.lab.namespace import Unavailable
from host_tools.lab.nat import UserNat
from host_tools.lab.netns import OUTSIDE, OUTSIDE_ALTERNATE, KernelNat
from host_tools.lab.stun import StunServer
from tests.interop.scene import ADDRESS, MakeCpe, Scene, scene
from tests.interop.servers import require

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]

STUN_USER, STUN_PASSWORD = "cpe-0001", "stun-password"
REQUEST, RESPONSE, ERROR = 0x0001, 0x0101, 0x0111
USERNAME, INTEGRITY, BINDING, CHANGE = 0x0006, 0x0008, 0xC001, 0xC002
WARNING, FAULT = 0x600000, 0x800000  # severities of tshark's expert information
EVENT = re.compile(r"\d+ [A-Z][A-Z ]+|M [A-Z][A-Za-z]+")

FIELDS = {
    "frame": "frame.number",
    "classic": "classicstun.type",
    "classic_attributes": "classicstun.att.type",
    "modern": "stun.type",
    "modern_attributes": "stun.att.type",
    "udp": "udp.payload",
    "method": "http.request.method",
    "status": "http.response.code",
    "length": "http.content_length",
    "tags": "xml.tag",
    "texts": "xml.cdata",
    "malformed": "_ws.malformed",
    "severity": "_ws.expert.severity",
}


@dataclass
class Frame:
    """One frame as tshark reads it: field -> its values, in order."""

    values: dict[str, list[str]]

    def __getitem__(self, field: str) -> list[str]:
        return self.values[field]

    @property
    def number(self) -> int:
        return int(self["frame"][0])

    @property
    def stun(self) -> tuple[int, list[int]] | None:
        """Type and attributes of a STUN message, whichever of its two dissectors took it."""
        kind = self["classic"] or self["modern"]
        attributes = self["classic_attributes"] or self["modern_attributes"]
        return (int(kind[0], 16), [int(number, 16) for number in attributes]) if kind else None

    @property
    def is_connection_request(self) -> bool:
        return bool(self["udp"]) and bytes.fromhex(self["udp"][0])[:4] == b"GET "

    @property
    def is_http(self) -> bool:
        return bool(self["method"] or self["status"])

    @property
    def cwmp(self) -> str:
        """The CWMP method in the body, without the prefix; "" when there is no body."""
        tags = [re.match(r"<cwmp:(\w+)", tag) for tag in self["tags"]]
        names = [tag[1] for tag in tags if tag and tag[1] not in ("ID", "HoldRequests")]
        return names[0] if names else ""

    @property
    def events(self) -> list[str]:
        return [text for text in self["texts"] if EVENT.fullmatch(text)]


async def read(path: Path, http_port: int) -> list[Frame]:
    """Every frame of the file, with the ACS's port read as HTTP."""
    argv = [require("tshark", "tshark"), "-r", str(path), "-d", f"tcp.port=={http_port},http"]
    argv += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]
    for field in FIELDS.values():
        argv += ["-e", field]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=True)
    frames = []
    for line in done.stdout.decode().splitlines():
        cells = line.split("\t")
        assert len(cells) == len(FIELDS)
        values = [cell.split("|") if cell else [] for cell in cells]
        frames.append(Frame(dict(zip(FIELDS, values, strict=True))))
    return frames


async def play(it: Scene) -> tuple[str, str]:
    """First contact, binding, a wake with a question; return the credentials to ring with."""
    await it.settled()
    it.device.queue(rpc.get_values("Device."))
    await it.wake()
    # The ACS is done before the CPE is, which still has its end of the connection to close.
    await it.board.seen(r"session: inform events=\"6 CONNECTION REQUEST\"")
    await it.board.seen(r"session: done")
    known = it.device.connection_request
    assert known is not None
    return known.username, known.password


def well_formed(frames: list[Frame], tolerated: int) -> None:
    """Nothing malformed, no remark as serious as `tolerated`, every body is CWMP."""
    for frame in frames:
        assert not frame["malformed"], f"frame {frame.number}"
        assert all(int(level) < tolerated for level in frame["severity"]), f"frame {frame.number}"
        if frame.is_http and frame["status"] != ["401"] and frame["length"] not in ([], ["0"]):
            assert frame.cwmp, f"frame {frame.number} is no CWMP message to tshark"


def same_story(told: Story, frames: list[Frame]) -> None:
    """`capture explain` and tshark see the same messages in the same frames."""
    messages = {frame.number: frame.stun for frame in frames if frame.stun}
    assert {number for exchange in told.stun for number in exchange.frames} == set(messages)
    for exchange in told.stun:
        seen = [messages[number] for number in exchange.frames]
        requests = [attributes for kind, attributes in seen if kind == REQUEST]
        assert all((BINDING in attributes) == exchange.primary for attributes in requests)
        assert all((CHANGE in attributes) == exchange.binding_change for attributes in requests)
        signed = exchange.integrity != "absent"
        assert all((INTEGRITY in attributes) == signed for attributes in requests)
        assert any(kind == ERROR for kind, _ in seen) == (exchange.outcome == "error")
        assert any(kind == RESPONSE for kind, _ in seen) == (exchange.outcome == "mapped")

    rung = [frame.number for frame in frames if frame.is_connection_request]
    assert sorted(number for request in told.requests for number in request.frames) == rung

    steps = [step for step in told.steps if step.area in ("http", "cwmp")]
    for frame in frames:
        if frame.is_http:
            assert sum(frame.number in step.frames for step in steps) == 1, frame.number
    assert len(steps) == sum(frame.is_http for frame in frames)

    informs = [frame.events for frame in frames if frame["method"] and frame.cwmp == "Inform"]
    assert informs == [entry.events for entry in told.sessions for _ in range(entry.attempts)]
    asked = [frame.cwmp for frame in frames if frame["status"] and frame.cwmp]
    methods = [method for method in asked if method != "InformResponse"]
    assert methods == [method for entry in told.sessions for method in entry.rpcs]


def whole_story(told: Story) -> None:
    """What every run of `play` is."""
    assert told.sessions[0].events == ["0 BOOTSTRAP", "1 BOOT"]
    assert told.sessions[-1].events == ["6 CONNECTION REQUEST"]
    assert all(entry.end == "complete" for entry in told.sessions)
    assert told.verdicts() == {"accepted": 1, "duplicate": 2}
    assert len(told.wakes) == 1 and len(told.bindings) == 1
    assert told.bindings[0].announced_ns is not None
    wrong = [step.text for step in told.steps if step.mark == "wrong"]
    assert wrong == []


@pytest.mark.netns
@pytest.mark.usefixtures("kernel_nat_allowed")
@pytest.mark.parametrize("transaction_id", ["cookie", "classic"])
async def test_stun_15_tshark_reads_a_run_through_the_kernels_nat_as_explain_does(
    make_cpe: MakeCpe, tmp_path: Path, transaction_id: str
) -> None:
    """From the wire outside of the NAT, with a STUN server that wants integrity."""
    require("tshark", "tshark")
    file = tmp_path / "outside.pcapng"
    with KernelNat() as nat:
        try:
            sniffer = Sniffer("eth0", file, namespace=nat.outside.name)
            _ = nat.inside.name
            await asyncio.to_thread(sniffer.start)
        except (Unavailable, UserError) as reason:
            pytest.skip(str(reason))
        stun = StunServer(
            OUTSIDE,
            alternate=(OUTSIDE_ALTERNATE, 0),
            credentials={STUN_USER: STUN_PASSWORD},
        )
        stun.faults.add(stun_faults.DemandIntegrity())
        with nat.outside.entered():
            await stun.start()
        try:
            async with scene(
                make_cpe,
                stun.address,
                lab=stun,
                nat=nat,
                transaction_id=transaction_id,
                stun_username=STUN_USER,
                stun_password=STUN_PASSWORD,
            ) as it:
                user, password = await play(it)
                http_port = it.acs.port
                public = it.device.parameters[ADDRESS]
        finally:
            await stun.stop()
            await asyncio.to_thread(sniffer.stop)
    frames = await read(file, http_port)
    well_formed(frames, FAULT)
    dissector = "classic" if transaction_id == "classic" else "modern"
    messages = [frame.stun for frame in frames if frame.stun and frame[dissector]]
    assert messages == [frame.stun for frame in frames if frame.stun]
    requests = [attributes for attributes, _ in groupby(a for k, a in messages if k == REQUEST)]
    # By STUN-15 in this order; each once unsigned and once signed.
    assert requests == [
        [USERNAME, BINDING],
        [USERNAME, BINDING, INTEGRITY],
        [USERNAME, BINDING, CHANGE],
        [USERNAME, BINDING, CHANGE, INTEGRITY],
    ]
    reported = [frame for frame in frames if frame.events == ["4 VALUE CHANGE"]]
    assert public in reported[-1]["texts"]
    told = explain.story(file, password, username=user, stun_password=STUN_PASSWORD)
    whole_story(told)
    same_story(told, frames)
    variant = "padded" if transaction_id == "classic" else "unpadded"
    signed = [exchange for exchange in told.stun if exchange.integrity != "absent"]
    assert Counter(variant in exchange.integrity for exchange in signed) == {True: 2}


async def test_tshark_reads_a_recorded_run_through_the_user_space_nat_as_explain_does(
    make_cpe: MakeCpe, tmp_path: Path
) -> None:
    """The Recorder's packets are made by us: tshark must not even warn, on either side."""
    require("tshark", "tshark")
    file = tmp_path / "recorded.pcapng"
    with Recorder(file) as recorder:
        async with UserNat(recorder=recorder) as nat, StunServer() as stun:
            tap = TcpTap(("127.0.0.1", 0), ("127.0.0.1", 0), recorder)
            async with scene(make_cpe, nat.alias(stun.address), lab=stun, tap=tap) as it:
                user, password = await play(it)
            http_port = tap.address[1]
    frames = await read(file, http_port)
    well_formed(frames, WARNING)
    told = explain.story(file, password, username=user)
    whole_story(told)
    same_story(told, frames)
    assert len(told.stun) == 2 and all(len(entry.frames) >= 4 for entry in told.stun)
    assert told.bindings[0].natted and told.cpes[0].both_sides
