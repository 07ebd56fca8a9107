"""P1: from the Connection Request to the first byte of the Inform, against the least that could be
done. By UDP from the first copy, by TCP from the connect, challenge and digest included.
"""

import hashlib
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator

from host_tools.bench.raw_acs import RawAcs
from host_tools.bench.rig import DEVICE, PASSWORD, USERNAME, Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port
from host_tools.lab import tcp_request, udp_request

PAUSE = 0.01  # s between two wakes: the agent gets ready for the next one
ROUNDS = 200


def measure(rig: Rig, rounds: int = ROUNDS) -> Iterator[Row]:
    """Wake the agent, by UDP and by TCP, and the floor in turns; all answer with a request of the
    same size.
    """
    acs, floor_acs = RawAcs(), RawAcs()
    port, floor_port = free_port(), free_port()
    rig.flash(site(acs.url, port))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    agent: list[int] = []
    tcp: list[int] = []
    floor: list[int] = []
    with sender, rig.running():
        place = _place(acs.next()[1])
        time.sleep(PAUSE * 20)
        size = 0
        for number in range(10):
            size = _ring(sender, acs, port, number)[1]
            time.sleep(PAUSE)
            _ring_tcp(acs, place)
            time.sleep(PAUSE)
        arguments = (
            str(DEVICE / "floor_wake.py"),
            str(floor_port),
            str(floor_acs.port),
            str(size),
        )
        with rig.running(*arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for number in range(10, 10 + rounds):
                agent.append(_ring(sender, acs, port, number)[0])
                time.sleep(PAUSE)
                tcp.append(_ring_tcp(acs, place))
                time.sleep(PAUSE)
                start = time.perf_counter_ns()
                sender.sendto(b"x" * 160, ("127.0.0.1", floor_port))
                floor.append(floor_acs.next()[0] - start)
                time.sleep(PAUSE)
    acs.close()
    floor_acs.close()
    against = "connect and POST a prepared request of that size on a datagram"
    yield Row(
        "P1",
        "wake by UDP, median",
        statistics.median(agent) / statistics.median(floor),
        "x floor",
        against,
        3,
    )
    yield Row("P1", "wake by UDP, 95th percentile", _p95(agent) / _p95(floor), "x floor", against)
    yield Row(
        "P1",
        "wake by TCP with digest, median",
        statistics.median(tcp) / statistics.median(floor),
        "x floor",
        "the same, from the connect",
        5,
    )
    yield Row("P1", "wake by TCP, 95th percentile", _p95(tcp) / _p95(floor), "x floor", "the same")
    yield Row("P1", "size of the woken request", size, "bytes", "head and Inform in one")


def _ring(sender: socket.socket, acs: RawAcs, port: int, number: int) -> tuple[int, int]:
    datagram = udp_request.build(
        USERNAME, PASSWORD, "127.0.0.1", port, 1700000000 + number, number, "9f86d081884c7d65"
    )
    start = time.perf_counter_ns()
    for _ in range(3):
        sender.sendto(datagram, ("127.0.0.1", port))
    first, request = acs.next()
    return first - start, len(request)


def _place(inform: bytes) -> tcp_request.Place:
    """Where the ConnectionRequestURL of an Inform leads."""
    found = re.search(rb">(http://[^<]+/[0-9a-f]{16})<", inform)
    assert found is not None
    return tcp_request.split_url(found[1].decode())


def _ring_tcp(acs: RawAcs, place: tcp_request.Place) -> int:
    """Ring as the leanest of clients: what it computes is the ACS's time, not the agent's."""
    head = f"GET {place.target} HTTP/1.1\r\nHost: {place.host}:{place.port}\r\n"
    first = f"{head}\r\n".encode()
    secret = _md5(f"{USERNAME}:esp-cwmp:{PASSWORD}")
    asked = _md5(f"GET:{place.target}")
    with socket.socket() as connection:
        start = time.perf_counter_ns()
        connection.connect((place.host, place.port))
        connection.sendall(first)
        challenge = connection.recv(4096)
        at = challenge.index(b'nonce="') + 7
        nonce = challenge[at : challenge.index(b'"', at)].decode()
        response = _md5(f"{secret}:{nonce}:00000001:0a4f113b:auth:{asked}")
        connection.sendall(
            f'{head}Authorization: Digest username="{USERNAME}", realm="esp-cwmp",'
            f' nonce="{nonce}", uri="{place.target}", qop=auth, nc=00000001, cnonce="0a4f113b",'
            f' response="{response}"\r\n\r\n'.encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        return acs.next()[0] - start


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _p95(values: list[int]) -> float:
    return statistics.quantiles(values, n=20)[-1]
