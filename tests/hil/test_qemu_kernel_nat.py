"""A board in QEMU behind the kernel NAT: it has the address of the inside."""

import socket
from pathlib import Path

import pytest

from host_tools import boards, micropython_image
from host_tools.errors import Failed, UserError
from host_tools.lab import netns
from host_tools.lab.namespace import Namespace
from host_tools.lab.netns import INSIDE, OUTSIDE, ROUTER_OUTSIDE, KernelNat
from host_tools.targets.qemu import QemuTarget, find_qemu

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
BOARD = boards.load("qemu_esp32")
PROGRAM = f"""\
import machine, network, socket, time
ppp = network.PPP(machine.UART(2, 921600, rxbuf=4096))
ppp.active(True)
ppp.connect()
while not ppp.isconnected():
    time.sleep_ms(10)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(socket.getaddrinfo("0.0.0.0", 7547)[0][-1])
s.settimeout(2)
server = socket.getaddrinfo("{OUTSIDE}", 3478)[0][-1]
while True:
    s.sendto(b"keepalive", server)
    try:
        print("got", s.recvfrom(100)[0])
    except OSError:
        continue
    c = socket.socket()
    c.connect(socket.getaddrinfo("{OUTSIDE}", 8080)[0][-1])
    print("read", c.recv(100))
    c.close()
"""


@pytest.fixture
def nat():
    for reason in (netns.unavailable(), missing()):
        if reason:
            pytest.skip(reason)
    with KernelNat() as made:
        yield made


def missing() -> str | None:
    try:
        find_qemu()
        micropython_image.find(BOARD)
    except UserError as reason:
        return str(reason)
    return None


def test_a_board_keeps_its_address_and_gets_a_new_port_when_the_nat_reboots(
    nat: KernelNat, tmp_path: Path
) -> None:
    with nat.outside.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener = socket.socket()
    server.bind((OUTSIDE, 3478))
    listener.bind((OUTSIDE, 8080))
    listener.listen()
    target = QemuTarget(tmp_path, BOARD, netns=nat.inside.path)
    target.install({"main.py": PROGRAM.encode()})
    with server, listener:
        for one in (server, listener):
            one.settimeout(120)
        try:
            target.start()
            _, first = server.recvfrom(100)
            assert first[0] == ROUTER_OUTSIDE and target.address == INSIDE
            (tracked,) = nat.tracked()
            assert (tracked.inside, tracked.outside) == ((INSIDE, 7547), first)
            server.sendto(b"ring", first)
            target.wait_line(r"^got b'ring'", 0, 60)
            connection, (host, _) = listener.accept()
            assert host == ROUTER_OUTSIDE
            connection.sendall(b"page")
            connection.close()
            target.wait_line(r"^read b'page'", 0, 60)
            nat.rebind()
            second = first
            while second == first:  # what was on its way
                _, second = server.recvfrom(100)
            server.sendto(b"again", second)
            target.wait_line(r"^got b'again'", 0, 60)
        finally:
            target.stop()
            print(target.said())
    shown = nat.inside.run(["ip", "-brief", "address", "show", "eth0"]).stdout
    assert f"{INSIDE}/24" in shown  # given back


def test_a_namespace_without_an_address_is_told_in_one_line(
    nat: KernelNat, tmp_path: Path
) -> None:
    empty = Namespace("empty")
    try:
        target = QemuTarget(tmp_path, BOARD, netns=empty.path)
        with pytest.raises(Failed, match="has no address for the board"):
            target.start()
        target = QemuTarget(tmp_path, BOARD, netns="no-such-namespace")
        with pytest.raises(Failed, match="cannot enter the network namespace no-such-namespace"):
            target.start()
    finally:
        empty.close()
