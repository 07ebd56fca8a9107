"""Wireshark display filters of the report: each one, run by tshark, selects what was meant."""

import shutil
import subprocess

import pytest

from host_tools.capture import explain
from host_tools.capture.recorder import Recorder
from tests.host.capture_scenes import (
    CPE,
    PASSWORD,
    PUBLIC,
    STUN,
    Scene,
    answer,
    datagram,
    inform,
    post,
    signed,
    vectors,
)
from tests.host.test_capture_files import STORY as PACKETS
from tests.host.test_capture_files import fragments, pcap, session_packets, whole

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]


def selected(path, text):
    """Frame numbers that tshark's display filter selects."""
    done = subprocess.run(
        ["tshark", "-r", str(path), "-Y", text, "-T", "fields", "-e", "frame.number"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def check_all(path, least):
    """Every filter of the story selects exactly its step's frames."""
    steps = [step for step in explain.story(path, PASSWORD).steps if step.filter]
    checked = {step.filter: step.frames for step in steps}
    assert len(checked) >= least
    for text, frames in checked.items():
        assert selected(path, text) == sorted(set(frames)), text


def test_filters_of_a_wake_through_a_nat(tmp_path):
    path = tmp_path / "wake.pcapng"
    with Scene(path) as scene:
        scene.bind()
        scene.bind(change=True, username="cpe-0001")
        scene.ring(datagram(signed()), copies=3)
        scene.ring(datagram(signed(password="forged")))
        scene.session("6 CONNECTION REQUEST", challenge=True)
        scene.bind(public=(PUBLIC[0], 40999))
        tcp = scene.recorder.tcp((PUBLIC[0], 51001), CPE)
        tcp.data(True, b"GET /x HTTP/1.1\r\nHost: cpe\r\n\r\n")
        tcp.data(False, answer(status="401 Unauthorized", headers="WWW-Authenticate: Digest\r\n"))
        tcp.reset()
    check_all(path, 14)


def test_filters_of_the_vectors_though_their_transaction_ids_are_equal(tmp_path):
    path = tmp_path / "vectors.pcapng"
    with Recorder(path) as recorder:
        for vector in vectors("stun_classic")["vectors"][::2]:
            payload = bytes.fromhex(vector["hex"])
            ends = (CPE, STUN) if payload[:2] == b"\0\1" else (STUN, CPE)
            recorder.udp(*ends, payload)
        for vector in vectors("udp_connection_request")["vectors"][::4]:
            recorder.udp(STUN, CPE, bytes.fromhex(vector["datagram_hex"]))
    check_all(path, 12)


def test_filters_of_odd_datagrams(tmp_path):
    path = tmp_path / "odd.pcapng"
    sig = signed()["sig"]
    with Scene(path) as scene:
        scene.bind()
        for payload in (
            b"",
            b"x",
            b'say "hi" \\ to sig="quoted"',
            b"\xff\xfe not text",
            b"GET http://x",
            f"GET http://x?sig={sig} HTTP/1.1".encode(),
            f"GET http://x?sig={sig}00 HTTP/1.1".encode(),
            f"GET http://x?sig={sig}&sig={sig} HTTP/1.1".encode(),
        ):
            scene.ring(payload)
    check_all(path, 9)


def test_filters_with_repeated_and_reordered_segments_and_a_reused_port(tmp_path):
    made = session_packets()
    made[2], made[3] = made[3], made[2]
    made.insert(6, made[4])
    path = tmp_path / "tcp.pcap"
    path.write_bytes(pcap(101, whole(made)))
    check_all(path, 4)
    again = tmp_path / "again.pcapng"
    with Scene(again) as scene:
        for _ in range(2):
            tcp = scene.recorder.tcp((PUBLIC[0], 51000), STUN)
            tcp.data(True, post(inform("1 BOOT")))
            tcp.reset()
            scene.at += 1000
    check_all(again, 4)


def test_filters_of_a_fragmented_request(tmp_path):
    path = tmp_path / "fragments.pcap"
    path.write_bytes(pcap(101, whole([*PACKETS[:2], *fragments(PACKETS[2], 48)])))
    check_all(path, 2)
