"""The recorder's files, as tshark and our own reader see them."""

import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from host_tools.capture import read, streams
from host_tools.capture.recorder import Recorder
from host_tools.errors import UserError
from tests.host.capture_scenes import ACS, CPE, PUBLIC, STUN, vectors

CHECKSUMS = [
    option for layer in ("ip", "udp", "tcp") for option in ("-o", f"{layer}.check_checksum:TRUE")
]
missing = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


def needs_tshark(function):
    return pytest.mark.interop(missing(function))


def tshark(path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-r", str(path), *CHECKSUMS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def write_everything(path: Path) -> int:
    """All datagrams of the vectors and a TCP connection; returns the number of datagrams."""
    payloads = [bytes.fromhex(v["hex"]) for v in vectors("stun_classic")["vectors"]]
    payloads += [
        bytes.fromhex(v["datagram_hex"]) for v in vectors("udp_connection_request")["vectors"]
    ]
    with Recorder(path) as recorder:
        for index, payload in enumerate(payloads):
            recorder.udp(STUN, CPE, payload, "inside", comment=f"vector {index}")
        tcp = recorder.tcp(PUBLIC, ACS)
        tcp.data(True, b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        tcp.data(False, b"HTTP/1.1 204 No Content\r\n\r\n")
        tcp.close()
        recorder.tcp(("203.0.113.10", 40124), ACS).reset(comment="cut")
    return len(payloads)


@needs_tshark
def test_tshark_finds_no_wrong_checksum_and_no_broken_tcp(tmp_path):
    path = tmp_path / "all.pcapng"
    write_everything(path)
    bad = " || ".join(
        [
            "ip.checksum.status == Bad",
            "udp.checksum.status == Bad",
            "tcp.checksum.status == Bad",
            "_ws.malformed && !stun && !classicstun",  # some vectors are malformed STUN
            "tcp.analysis.flags",
        ]
    )
    assert tshark(path, "-Y", bad) == []
    good = (
        "ip.checksum.status == Good && "
        "(udp.checksum.status == Good || tcp.checksum.status == Good)"
    )
    assert len(tshark(path, "-Y", good)) == read.read(path).frames


@needs_tshark
def test_the_checksum_test_can_fail(tmp_path):
    path = tmp_path / "bad.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(STUN, CPE, b"payload")
    path.write_bytes(path.read_bytes().replace(b"payload", b"paylOad"))
    assert len(tshark(path, "-Y", "udp.checksum.status == Bad")) == 1


@needs_tshark
def test_interfaces_have_names_and_packets_have_comments(tmp_path):
    path = tmp_path / "names.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(CPE, STUN, b"a", "inside", comment="first of all")
        recorder.udp(PUBLIC, STUN, b"a", "outside")
        recorder.tcp(PUBLIC, ACS)
        recorder.udp(CPE, STUN, b"b", "lab0")
    fields = "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"
    lines = tshark(path, *fields)
    assert lines[0] == "inside\tfirst of all"
    assert [line.strip() for line in lines[1:]] == ["outside", "acs", "acs", "acs", "lab0"]


@needs_tshark
def test_tshark_decodes_stun_and_http(tmp_path):
    path = tmp_path / "decoded.pcapng"
    write_everything(path)
    assert tshark(path, "-Y", "classicstun.att.type == 0xc001")
    assert len(tshark(path, "-Y", "http.request.method == POST")) == 1
    assert len(tshark(path, "-Y", "http.response.code == 204")) == 1


def test_data_comes_back_byte_for_byte(tmp_path):
    path = tmp_path / "data.pcapng"
    upload, download = random.Random(1).randbytes(50_001), random.Random(2).randbytes(1460)
    with Recorder(path) as recorder:
        tcp = recorder.tcp(PUBLIC, ACS)
        tcp.data(True, upload)
        tcp.data(False, download)
        tcp.close(from_client=False)
    (connection,) = streams.connections(read.read(path).segments)
    assert (connection.client, connection.server) == (PUBLIC, ACS)
    assert bytes(connection.to_server.runs[0].data) == upload
    assert bytes(connection.to_client.runs[0].data) == download
    assert [side.missing for side in (connection.to_server, connection.to_client)] == [0, 0]
    assert max(len(segment.payload) for segment in connection.segments) == 1460
    assert [kind for kind, _, _ in connection.ends] == ["FIN", "FIN"]


def test_every_packet_is_on_file_when_the_call_returns(tmp_path):
    path = tmp_path / "live.pcapng"
    recorder = Recorder(path)
    for count in range(1, 4):
        recorder.udp(CPE, STUN, b"x" * count)
        assert read.read(path).frames == count  # nothing was closed or flushed
    recorder.close()
    recorder.udp(CPE, STUN, b"late")
    assert read.read(path).frames == 3


def test_a_crash_leaves_whole_packets(tmp_path):
    path = tmp_path / "crash.pcapng"
    program = (
        "import os, sys\n"
        "from host_tools.capture.recorder import Recorder\n"
        f"recorder = Recorder({str(path)!r})\n"
        "for n in range(50): recorder.udp(('10.0.0.2', 1), ('10.0.0.3', 2), b'x' * n)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    capture = read.read(path)
    assert capture.frames == 50
    assert capture.notes == []


def test_threads_do_not_mix_their_packets(tmp_path):
    path = tmp_path / "threads.pcapng"
    recorder = Recorder(path)

    def work(number: int) -> None:
        tcp = recorder.tcp(("10.0.0.2", 1000 + number), ACS)
        for count in range(40):
            recorder.udp(("10.0.0.2", 1000 + number), STUN, bytes([number]) * (count + 1))
            tcp.data(True, bytes([number]) * 3000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    capture = read.read(path)
    assert capture.notes == []
    assert len(capture.datagrams) == 8 * 40
    found = streams.connections(capture.segments)
    assert len(found) == 8
    for connection in found:
        number = connection.client[1] - 1000
        assert [bytes(run.data) for run in connection.to_server.runs] == [
            bytes([number]) * 120_000
        ]


def test_times_rise_even_if_the_clock_stands_still(tmp_path):
    path = tmp_path / "clock.pcapng"
    with Recorder(path, clock=lambda: 1_700_000_000_123_456_789) as recorder:
        for _ in range(3):
            recorder.udp(CPE, STUN, b"x")
    times = [datagram.time_ns for datagram in read.read(path).datagrams]
    assert times == [1_700_000_000_123_456_789 + n for n in range(3)]


def test_what_cannot_be_recorded_is_refused(tmp_path):
    with Recorder(tmp_path / "x.pcapng") as recorder:
        with pytest.raises(ValueError, match="not an IPv4 address"):
            recorder.udp(("::1", 1), STUN, b"x")
        with pytest.raises(ValueError, match="do not fit"):
            recorder.udp(CPE, STUN, bytes(65_508))
    with pytest.raises(UserError, match="cannot write the capture"):
        Recorder(tmp_path / "missing" / "x.pcapng")
