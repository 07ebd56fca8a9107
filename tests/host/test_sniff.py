"""Capturing a real interface: loopback of a namespace of our own, and what may go wrong."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from host_tools.capture import explain, sniff
from host_tools.errors import UserError
from tests.host.capture_scenes import PASSWORD, datagram, signed

ROOT = Path(__file__).resolve().parents[2]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="capturing needs root")
needs_dumpcap = pytest.mark.skipif(not shutil.which("dumpcap"), reason="dumpcap is not installed")


def send(payload: bytes, count: int = 1) -> tuple[int, int]:
    """Send datagrams over loopback and wait for each; returns the two ports."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sender.bind(("127.0.0.1", 0))
        for _ in range(count):
            sender.sendto(payload, receiver.getsockname())
            assert receiver.recv(4096) == payload
        return sender.getsockname()[1], receiver.getsockname()[1]


def captured(path: Path, ports: tuple[int, int]) -> list[str]:
    requests = explain.story(path, PASSWORD).requests
    return [r.verdict for r in requests if (r.source[1], r.target[1]) == ports]


@root_only
@needs_dumpcap
def test_dumpcap_catches_all_between_start_and_stop(tmp_path):
    path = tmp_path / "lo.pcapng"
    with sniff.Sniffer("lo", path, "udp"):
        ports = send(datagram(signed()), 3)
    assert captured(path, ports) == ["accepted", "duplicate", "duplicate"]


@root_only
def test_raw_socket_catches_each_packet_of_loopback_once(tmp_path):
    path = tmp_path / "raw.pcapng"
    sniffer = sniff.Sniffer("lo", path)
    sniffer.program = None  # as on a machine without dumpcap and tshark
    with sniffer:
        ports = send(datagram(signed()), 3)
    assert captured(path, ports) == ["accepted", "duplicate", "duplicate"]


@root_only
@needs_dumpcap
@pytest.mark.netns
def test_a_namespace_is_captured_from_outside(tmp_path):
    name = f"capture-{uuid.uuid4().hex[:8]}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no namespaces here: {made.stderr.strip()}")
    try:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        path = tmp_path / "ns.pcapng"
        program = (
            "from tests.host import test_sniff, capture_scenes as s\n"
            "print(*test_sniff.send(s.datagram(s.signed())))"
        )
        with sniff.Sniffer("lo", path, namespace=name):
            done = subprocess.run(
                [*inside, sys.executable, "-c", program],
                cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
        first, second = map(int, done.stdout.split())
        assert captured(path, (first, second)) == ["accepted"]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@root_only
@needs_dumpcap
@pytest.mark.parametrize(
    ("interface", "capture_filter", "namespace", "says"),
    [
        ("nosuch0", "", None, "no interface nosuch0: see ip link"),
        ("lo", "udp porrt 1", None, "capture filter 'udp porrt 1' is not valid"),
        ("lo", "", "no-such-namespace", "no network namespace no-such-namespace"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path, interface, capture_filter, namespace, says):
    sniffer = sniff.Sniffer(interface, tmp_path / "x.pcapng", capture_filter, namespace)
    with pytest.raises(UserError, match=says) as caught:
        sniffer.start()
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path):
    sniffer = sniff.Sniffer("lo", tmp_path / "missing" / "x.pcapng", program="/bin/true")
    with pytest.raises(UserError, match="cannot write"):
        sniffer.start()


def test_filter_without_dumpcap_says_what_to_install(tmp_path):
    sniffer = sniff.Sniffer("lo", tmp_path / "x.pcapng", "udp")
    sniffer.program = None
    with pytest.raises(UserError, match="install the package wireshark-common"):
        sniffer.start()


@root_only
@pytest.mark.parametrize("program", [None, "dumpcap"])
def test_without_permission_the_line_says_what_to_do(program):
    if program and not shutil.which(program):
        pytest.skip("dumpcap is not installed")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # pytest's own folders are closed to others
        code = (
            "import os, pathlib\n"
            "from host_tools.capture import sniff\n"
            "from host_tools.errors import UserError\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"sniffer = sniff.Sniffer('lo', pathlib.Path({folder + '/x.pcapng'!r}))\n"
            f"sniffer.program = {shutil.which(program) if program else None!r}\n"
            "try:\n    sniffer.start()\n"
            "except UserError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert "capturing on lo is not permitted: run it as root, or allow dumpcap" in done.stdout
