"""The `wake` command, against a real UDP socket on loopback."""

import re
import socket
import time
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from host_tools.errors import UserError
from host_tools.lab import udp_request
from host_tools.wake import split_address, wake, wake_command

app = typer.Typer()
app.command()(wake_command)


@pytest.fixture
def cpe() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()
    return f"{host}:{port}"


def test_ucr_22_three_identical_copies_arrive_and_are_genuine(cpe: socket.socket) -> None:
    sent = wake(address_of(cpe), "cpe-user", "cr-pass")
    copies = {cpe.recvfrom(2048) for _ in range(3)}
    assert copies == {(sent.request.datagram, ("127.0.0.1", sent.source[1]))}
    assert udp_request.verify(sent.request.datagram, "cpe-user", "cr-pass", strict=True)
    request = udp_request.parse(sent.request.datagram)
    assert request.authority.decode() == address_of(cpe)
    assert abs(int(request.ts) - time.time()) < 3600


def test_ucr_12_given_ts_id_cn_are_sent_as_they_stand(cpe: socket.socket) -> None:
    wake(address_of(cpe), "u", "p", ts="007", id="0004294967296", cn="zz", copies=1)
    request = udp_request.parse(cpe.recv(2048))
    assert (request.ts, request.id, request.cn) == (b"007", b"0004294967296", b"zz")


def test_x13_the_source_port_is_the_one_asked_for(cpe: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    wake(address_of(cpe), "u", "p", copies=1, source_host="127.0.0.1", source_port=free)
    assert cpe.recvfrom(2048)[1] == ("127.0.0.1", free)


@pytest.mark.parametrize("style", udp_request.STYLES)
def test_x1_every_style_can_be_sent(cpe: socket.socket, style: str) -> None:
    wake(address_of(cpe), "u", "p", copies=1, style=style)
    assert udp_request.verify(cpe.recv(2048), "u", "p")


def test_b13_the_output_shows_everything_but_the_password(cpe: socket.socket) -> None:
    arguments = [address_of(cpe), "-u", "cpe-user", "-p", "s3cr3t-pass", "--copies", "2"]
    result = CliRunner().invoke(app, [*arguments, "--ts", "1700000000", "--id", "1", "--cn", "c"])
    assert result.exit_code == 0, result.output
    datagram, (_, port) = cpe.recvfrom(2048)
    assert f"sent 2 copies of {len(datagram)} bytes to {address_of(cpe)}" in result.output
    assert f"from UDP port {port}" in result.output
    for line in datagram.decode().splitlines():
        assert line in result.output
    assert "17000000001cpe-userc" in result.output
    assert udp_request.parse(datagram).sig.decode() in result.output
    assert "s3cr3t" not in result.output


def test_the_password_can_come_from_the_environment(cpe: socket.socket) -> None:
    result = CliRunner().invoke(
        app, [address_of(cpe), "-u", "u"], env={"CWMP_PASSWORD": "from-env"}
    )
    assert result.exit_code == 0, result.output
    assert udp_request.verify(cpe.recv(2048), "u", "from-env")


def test_port_in_use_is_one_clear_line(cpe: socket.socket) -> None:
    port = cpe.getsockname()[1]
    with pytest.raises(UserError, match=rf"^source port {port} is in use here: .*--source-port"):
        wake("127.0.0.1:9", "u", "p", source_host="127.0.0.1", source_port=port)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"address": "no-such-host.invalid:1"}, "host 'no-such-host.invalid' cannot be resolved"),
        ({"address": "127.0.0.1:0"}, "'0' is not a port"),
        ({"address": "127.0.0.1:x"}, "'x' is not a port"),
        ({"address": ":7547"}, "names no host"),
        ({"address": "http://127.0.0.1:7547/"}, "write host:port, as the CPE reports it"),
        ({"address": "[::1]:7547"}, "only IPv4"),
        ({"ts": "17e8"}, "--ts '17e8': 1 to 20 decimal digits"),
        ({"ts": ""}, "--ts ''"),
        ({"id": "-1"}, "--id '-1'"),
        ({"id": "1" * 21}, "--id '1{21}'"),
        ({"username": ""}, "must not be empty"),
        ({"password": ""}, "must not be empty"),
        ({"style": "acme"}, "unknown style 'acme'; known: spec"),
        ({"username": "a b", "style": "genieacs"}, "un needs encoding"),
        ({"cn": "x" * 1500}, "would have 1[0-9]{3} bytes, a CPE reads at most 1472"),
        ({"source_host": "192.0.2.1"}, "cannot send from 192.0.2.1:0"),
    ],
)
def test_errors_are_one_clear_line(arguments: dict[str, str], words: str) -> None:
    call = {"address": "127.0.0.1:9", "username": "u", "password": "p"} | arguments
    with pytest.raises(UserError, match=words) as caught:
        wake(**call)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not re.search(r"Errno|Traceback", str(caught.value)) or "resolved" in words


def test_stun_61_an_address_without_a_port_means_80() -> None:
    assert split_address("cpe.example") == ("cpe.example", 80)
    assert split_address("203.0.113.9:40123") == ("203.0.113.9", 40123)
