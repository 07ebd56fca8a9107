"""The serial target against the unix board's port: itself, as raw TCP, by RFC 2217."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from host_tools import boards, image, serial_tcp
from host_tools.errors import UserError
from host_tools.targets.serial import SerialTarget
from host_tools.targets.unix import UnixTarget
from tests.serial_lines import shared

SITE = {"connection_request": {"port": 0}, "acs": {"password": "a-password-of-mine"}}


@pytest.fixture(scope="module")
def content() -> image.Image:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    site = {**SITE, "connection_request": {"port": port}}
    return image.build(boards.load("unix"), site)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[UnixTarget]:
    """A board that somebody else looks after."""
    board = UnixTarget(tmp_path / "device")
    board.start()
    yield board
    board.stop()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheme", ["", "socket", "rfc2217"])
def test_install_boot_files_reset_and_stop(tmp_path, device: UnixTarget, content, scheme):
    with shared(device.port, scheme, tmp_path) as url:
        target = SerialTarget(tmp_path / "host", url)
        assert target.install(content.files) == []
        for name, data in content.files.items():
            assert (device.flash / name).read_bytes() == data, name
        since = target.log_position()
        target.start()
        target.wait_line("net: listening", since)
        since = target.log_position()
        target.reset()
        target.wait_line("net: listening", since)
        assert {"device.json", "unique_id"} <= set(target.list_files("state"))
        target.write_file("notes/one.txt", b"\x00\xffnote\n")
        assert (device.flash / "notes" / "one.txt").read_bytes() == b"\x00\xffnote\n"
        assert target.read_file("notes/one.txt") == b"\x00\xffnote\n"
        target.write_file("notes/one.txt", None)
        assert target.list_files("notes") == [] == target.list_files("nowhere")
        target.read_file("site.json")
        target.stop()
        assert device.running and not target.running
        # What went through the raw REPL is in nobody's log.
        assert "a-password-of-mine" not in target.log_path.read_text()


def test_an_installation_sends_what_changed_and_removes_what_is_stale(
    tmp_path, device: UnixTarget, content
):
    target = SerialTarget(tmp_path / "host", device.port)
    target.install(content.files)
    kept = device.flash / "lib" / "cwmp" / "__init__.mpy"
    before = kept.stat().st_mtime_ns
    (device.flash / "lib" / "cwmp" / "old.mpy").write_bytes(b"stale")
    (device.flash / "mine.txt").write_bytes(b"the owner's")
    (device.flash / "state").mkdir(exist_ok=True)
    (device.flash / "state" / "device.json").write_bytes(b"remembered")
    changed = image.with_site(content, {**SITE, "log": {"level": "D"}})
    assert target.install(changed.files) == ["lib/cwmp/old.mpy"]
    assert kept.stat().st_mtime_ns == before
    assert json.loads((device.flash / "site.json").read_bytes())["log"] == {"level": "D"}
    assert (device.flash / "mine.txt").exists() and (
        device.flash / "state" / "device.json"
    ).exists()
    target.install(changed.files, erase=True)
    assert not (device.flash / "mine.txt").exists()
    assert target.list_files("state") == []
    target.stop()


def test_a_board_that_does_not_answer_is_one_line(tmp_path):
    silent, end = os.openpty()
    target = SerialTarget(tmp_path / "host", os.ttyname(end), answer_s=1)
    try:
        with pytest.raises(UserError) as refusal:
            target.read_file("site.json")
        assert "no MicroPython prompt after Ctrl-C" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    finally:
        target._tap.close()
        os.close(silent)
        os.close(end)


def test_a_port_that_is_not_there_is_one_line(tmp_path):
    for url, words in (
        ("/dev/nothing-here", "no such port"),
        ("socket://127.0.0.1:1", "nobody listens"),
        ("nonsense://x", "not a serial port"),
    ):
        with pytest.raises(UserError) as refusal:
            SerialTarget(tmp_path / "host", url).start()
        assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_port_that_goes_away_is_said(tmp_path, device: UnixTarget):
    with shared(device.port, "socket", tmp_path) as url:
        target = SerialTarget(tmp_path / "host", url)
        target.start()
    target.wait_line("the port went away", 0)
    with pytest.raises(UserError, match="the port went away"):
        assert target.port
    target.stop()


def test_socket_urls_know_how_many_bytes_wait():
    serial_tcp.register()
    serial_tcp.register()
    assert serial.protocol_handler_packages.count("host_tools.serial_tcp") == 1
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = serial.serial_for_url(f"socket://127.0.0.1:{server.getsockname()[1]}", timeout=5)
        peer, _ = server.accept()
        assert port.in_waiting == 0
        sent = os.urandom(5000)
        threading.Thread(target=peer.sendall, args=(sent,)).start()
        assert port.read(1) == sent[:1]
        while port.in_waiting < len(sent) - 1:
            time.sleep(0.001)
        assert port.read_all() == sent[1:]
        peer.close()
        while not port.in_waiting:
            time.sleep(0.001)
        with pytest.raises(serial.SerialException, match="disconnected"):
            port.read(1)
        port.close()
