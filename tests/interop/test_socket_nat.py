"""A board's way to this machine's network, with the kernel of a namespace in the board's place."""

import errno
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from host_tools.free_port import free_port
from host_tools.lab import tun
from host_tools.lab.namespace import Namespace
from host_tools.lab.socket_nat import BOARD, LOOPBACK_ALIAS, SocketNat, alias, real

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("kernel_nat_allowed")]


class Board:
    """The namespace that a board would be, joined to a `SocketNat` by a thread."""

    def __init__(self) -> None:
        self.room = tun.Room(lambda: tun.everything(LOOPBACK_ALIAS, BOARD))
        self.space = Namespace("board")
        with self.space.entered():
            self.device = tun.open_tun()
        os.set_blocking(self.device, False)
        for line in (
            f"addr add {BOARD}/32 dev {tun.DEVICE}",
            f"link set {tun.DEVICE} up",
            f"route add default dev {tun.DEVICE}",
        ):
            self.space.run(["ip", *line.split()])
        self.nat = SocketNat(self.room, lambda packet: os.write(self.device, packet))
        self._wake, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            wanted = [self._stop.fileno(), self.device, *self.nat.readable()]
            readable, writable, _ = select.select(wanted, self.nat.writable(), [])
            if self._stop.fileno() in readable:
                return
            if self.device in readable:
                self.nat.packet(os.read(self.device, 65536))
            self.nat.serve(set(readable), set(writable))

    def socket(self, kind: socket.SocketKind, port: int = 0) -> socket.socket:
        with self.space.entered():
            made = socket.socket(socket.AF_INET, kind)
        made.settimeout(5)
        made.bind((BOARD, port))
        return made

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        self.nat.close()
        os.close(self.device)
        os.close(self.room.tun)
        self.room.close()
        self.space.close()


@pytest.fixture
def board() -> Iterator[Board]:
    with closing(Board()) as made:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(5)
        yield made


def udp(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((host, 0))
    return made


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def call(board: Board, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection that the board makes."""
    inside = board.socket(socket.SOCK_STREAM)
    inside.connect((LOOPBACK_ALIAS, port_of(listener)))
    outside, _ = listener.accept()
    outside.settimeout(5)
    return inside, outside


def test_loopback_addresses_have_names_that_a_board_can_use() -> None:
    assert alias("127.0.0.1") == LOOPBACK_ALIAS and real(LOOPBACK_ALIAS) == "127.0.0.1"
    assert real(alias("127.0.10.3")) == "127.0.10.3"
    assert alias("192.0.2.1") == real("192.0.2.1") == "192.0.2.1"


def test_a_datagram_comes_from_the_boards_port_and_the_answer_goes_there(board: Board) -> None:
    port = free_port()
    with board.socket(socket.SOCK_DGRAM, port) as inside, udp() as outside:
        for data in (b"", b"x", b"y" * 1472, b"z" * 9000):
            inside.sendto(data, (LOOPBACK_ALIAS, port_of(outside)))
            assert outside.recvfrom(65536) == (data, ("127.0.0.1", port))
            outside.sendto(data, ("127.0.0.1", port))
            assert inside.recvfrom(65536)[0] == data


def test_strangers_reach_the_port_that_the_board_has_used(board: Board) -> None:
    port = free_port()
    with (
        board.socket(socket.SOCK_DGRAM, port) as inside,
        udp() as known,
        udp("127.0.0.77") as other,
    ):
        inside.sendto(b"open", (LOOPBACK_ALIAS, port_of(known)))
        known.recvfrom(100)
        other.sendto(b"ring", ("127.0.0.1", port))
        data, source = inside.recvfrom(100)
        assert data == b"ring" and source == ("198.18.0.77", port_of(other))
        inside.sendto(b"who?", source)
        assert other.recvfrom(100) == (b"who?", ("127.0.0.1", port))


def test_a_port_that_the_host_has_itself_is_replaced(board: Board) -> None:
    with (
        udp() as taken,
        udp() as outside,
        board.socket(socket.SOCK_DGRAM, port_of(taken)) as inside,
    ):
        inside.sendto(b"hello", (LOOPBACK_ALIAS, port_of(outside)))
        data, source = outside.recvfrom(100)
        assert data == b"hello" and source[1] != port_of(taken)
        outside.sendto(b"back", source)
        assert inside.recvfrom(100)[0] == b"back"


def test_a_megabyte_goes_through_tcp_both_ways(board: Board, listener: socket.socket) -> None:
    inside, outside = call(board, listener)
    data = os.urandom(1024 * 1024)

    def echo() -> None:
        while got := outside.recv(65536):
            outside.sendall(got)
        outside.close()

    threading.Thread(target=echo).start()
    sender = threading.Thread(target=lambda: (inside.sendall(data), inside.shutdown(1)))
    sender.start()
    received = bytearray()
    while got := inside.recv(65536):
        received += got
    sender.join()
    inside.close()
    assert received == data


def test_a_half_closed_connection_still_answers(board: Board, listener: socket.socket) -> None:
    inside, outside = call(board, listener)
    with inside, outside:
        inside.sendall(b"the whole request")
        inside.shutdown(socket.SHUT_WR)
        assert outside.recv(100) == b"the whole request" and outside.recv(100) == b""
        outside.sendall(b"the answer")
        outside.close()
        assert inside.recv(100) == b"the answer" and inside.recv(100) == b""


def test_a_reset_is_passed_on(board: Board, listener: socket.socket) -> None:
    inside, outside = call(board, listener)
    with inside:
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        outside.close()
        with pytest.raises(ConnectionResetError):
            inside.recv(100)


def test_what_the_host_refuses_is_refused(board: Board) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    with board.socket(socket.SOCK_STREAM) as inside:
        assert inside.connect_ex((LOOPBACK_ALIAS, port)) == errno.ECONNREFUSED


def test_connections_to_one_port_at_a_time_are_told_apart(
    board: Board, listener: socket.socket
) -> None:
    pairs = [call(board, listener) for _ in range(5)]
    for number, (inside, _) in enumerate(pairs):
        inside.sendall(b"%d" % number)
    assert [outside.recv(9) for _, outside in pairs] == [b"%d" % number for number in range(5)]
    for pair in pairs:
        for one in pair:
            one.close()


def test_a_power_cut_ends_every_connection(board: Board, listener: socket.socket) -> None:
    inside, outside = call(board, listener)
    inside.sendall(b"here")
    assert outside.recv(9) == b"here"
    board._wake.send(b"x")
    board._thread.join()
    board.nat.close()
    with outside, pytest.raises(ConnectionResetError):
        outside.recv(100)


@pytest.mark.parametrize(
    "packet", (b"", b"\x45", b"\x45" + bytes(19), b"\x4f" + bytes(40), b"\x60" + bytes(60))
)
def test_what_is_no_packet_is_no_harm(board: Board, packet: bytes) -> None:
    board.nat.packet(packet)
    test_a_datagram_comes_from_the_boards_port_and_the_answer_goes_there(board)
