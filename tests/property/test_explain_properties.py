"""Whatever a capture holds, explaining it ends in a story or in one clear line."""

import contextlib
import json
import struct
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from host_tools.capture import cwmp, explain, http, report, stun, udp_request
from host_tools.capture.container import CaptureFile, Frame
from host_tools.capture.recorder import Recorder
from host_tools.errors import UserError
from tests.host import capture_scenes as scenes

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
BUSY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def example_capture() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        with scenes.Scene(path) as scene:
            scene.bind(change=True, username="cpe-0001")
            scene.ring(scenes.datagram(scenes.signed()), copies=2)
            scene.session("6 CONNECTION REQUEST", challenge=True)
            for vector in scenes.vectors("stun_classic")["vectors"]:
                scene.recorder.udp(scenes.CPE, scenes.STUN, bytes.fromhex(vector["hex"]))
        return path.read_bytes()


EXAMPLE = example_capture()


def example_frames() -> list[Frame]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        path.write_bytes(EXAMPLE)
        return list(CaptureFile(path))


def explained(content: bytes) -> None:
    """Explain, print and export; only UserError may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcap"
        path.write_bytes(content)
        try:
            told = explain.story(path, "cr-pass", username="cpe-user", stun_password="s3cret")
        except UserError as error:
            assert "\n" not in str(error)
            return
        console = Console(file=open("/dev/null", "w"), no_color=True, width=100)  # noqa: SIM115
        with console.file:
            report.print_story(told, console)
        json.dumps(told.as_dict())
        for step in told.steps:
            assert step.filter is None or step.frames


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The example with bytes changed, cut out, doubled or cut off."""
    data = bytearray(EXAMPLE)
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["change", "cut", "double", "field", "end"]))
        if kind == "change":
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif kind == "field":
            value = draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]))
            data[at : at + 4] = struct.pack("<I", value)
        elif at > 100:
            del data[at:]
        if not data:
            data = bytearray(EXAMPLE)
    return bytes(data)


@QUICK
@given(mutations())
def test_a_damaged_capture_never_crashes_explain(content: bytes) -> None:
    explained(content)


FRAMES = [frame.data for frame in example_frames()]


@st.composite
def packet_mutations(draw: st.DrawFn) -> bytes:
    """A sound container of the example's packets: damaged, cut, lost, repeated, reordered."""
    order = draw(st.lists(st.integers(0, len(FRAMES) - 1), min_size=1, max_size=60))
    linktype = draw(st.sampled_from([101, 101, 101, 1, 0, 9, 113, 276]))
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    for number in sorted(order) if draw(st.booleans()) else order:
        packet = bytearray(FRAMES[number])
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(packet) - 1))
            packet[at] = draw(st.integers(0, 255))
        length = len(packet)
        if draw(st.integers(0, 9)) == 0:
            del packet[draw(st.integers(1, length)) :]
        seconds = draw(st.integers(0, 0xFFFFFFFF)) if draw(st.integers(0, 9)) == 0 else number
        content += struct.pack("<IIII", seconds, 0, len(packet), length) + packet
    return content


@BUSY
@given(packet_mutations())
def test_damaged_packets_in_a_sound_container(content: bytes) -> None:
    explained(content)


@st.composite
def payload_mutations(draw: st.DrawFn) -> list[bytes]:
    """Datagrams near STUN and near Connection Requests, in a sound file."""
    seeds = [bytes.fromhex(v["hex"]) for v in scenes.vectors("stun_classic")["vectors"]]
    requests = scenes.vectors("udp_connection_request")["vectors"]
    seeds += [bytes.fromhex(v["datagram_hex"]) for v in requests]
    made = []
    for _ in range(draw(st.integers(1, 6))):
        data = bytearray(draw(st.sampled_from(seeds)))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(data)))
            data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
        made.append(bytes(data))
    return made


@BUSY
@given(payload_mutations(), st.booleans())
def test_odd_datagrams_in_a_sound_capture(payloads: list[bytes], to_cpe: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        with Recorder(path) as recorder:
            for payload in payloads:
                ends = (scenes.STUN, scenes.CPE) if to_cpe else (scenes.CPE, scenes.STUN)
                recorder.udp(*ends, payload)
        explained(path.read_bytes())


@BUSY
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=8), st.data())
def test_odd_tcp_data_in_a_sound_capture(
    pieces: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    sound = [
        scenes.post(scenes.inform("1 BOOT")),
        scenes.answer(scenes.envelope("InformResponse")),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b'HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm="\\\r\n\r\n',
        b"GET /x HTTP/1.1\r\nAuthorization: Digest ,,,=\r\n\r\n",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcapng"
        with Recorder(path) as recorder:
            tcp = recorder.tcp(scenes.CPE, scenes.ACS)
            for from_client, piece in pieces:
                tcp.data(from_client, data.draw(st.sampled_from([*sound, piece])))
        explained(path.read_bytes())


@QUICK
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_parsed_by_every_parser(data: bytes) -> None:
    message = stun.parse(data)
    if message:
        stun.integrity(message, "key")
        assert message.mapped is None or 0 <= message.mapped[1] < 65536
    udp_request.signature(udp_request.parse(data), "key", "name")
    udp_request.looks_like(data)
    http.parameters(data.decode("latin-1"))
    with contextlib.suppress(cwmp.NotSoap):
        cwmp.parse(data)


@QUICK
@given(
    st.integers(0, 10**20 - 1),
    st.integers(0, 10**20 - 1),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=256),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=64),
    st.permutations(["ts", "id", "un", "cn", "sig"]),
)
def test_ucr_05_ucr_11_every_signed_request_is_right_in_any_order(
    ts: int, number: int, username: str, cn: str, order: list[str]
) -> None:
    fields = scenes.signed(ts, number, username, cn, "key")
    payload = scenes.datagram({name: fields[name] for name in order})
    parsed = udp_request.parse(payload)
    udp_request.signature(parsed, "key", username)
    assert parsed.well_formed
    other = udp_request.parse(payload)
    udp_request.signature(other, "Key", username)
    assert not other.well_formed
