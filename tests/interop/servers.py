"""Debian's STUN servers on loopback, for whoever wants the real thing to talk to.

`with stund() as server:` and `with coturn() as server:` wait until the server answers, and skip
the test with one clear reason when the program is not installed.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_tools.free_port import free_port
from host_tools.lab import stun_codec as codec
from host_tools.lab.namespace import Namespace
from host_tools.lab.stun_codec import Address

HOST, ALTERNATE_HOST = "127.0.0.1", "127.0.0.2"
START_SECONDS = 10.0


@dataclass(frozen=True)
class RunningServer:
    """A STUN server that answers; `alternate` is its other host and port."""

    name: str
    address: Address
    alternate: Address


def require(program: str, package: str) -> str:
    """Path of the program, looked for in the system folders too; skips when it is missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian package {package})")
    return found


@contextmanager
def stund(
    hosts: tuple[str, str] = (HOST, ALTERNATE_HOST), namespace: Namespace | None = None
) -> Iterator[RunningServer]:
    """Vovida's stund (two addresses, two ports); in a `namespace` that has the `hosts`."""
    program = require("stund", "stun-server")
    host, alternate = hosts
    port, other = (free_port(), free_port()) if namespace is None else (3478, 3479)
    arguments = ["-h", host, "-a", alternate, "-p", str(port), "-o", str(other)]
    server = RunningServer("stund", (host, port), (alternate, other))
    with _running([program, *arguments], server, namespace):
        yield server


@contextmanager
def coturn(*options: str) -> Iterator[RunningServer]:
    """coturn's turnserver with classic STUN on; more options may switch it off again."""
    program = require("turnserver", "coturn")
    port, other = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="coturn-") as folder:
        arguments = [
            "-n",
            f"--listening-ip={HOST}",
            f"--listening-ip={ALTERNATE_HOST}",
            f"--listening-port={port}",
            f"--alt-listening-port={other}",
            "--stun-only",
            "--no-tls",
            "--no-dtls",
            "--no-cli",
            f"--pidfile={folder}/turnserver.pid",
            f"--userdb={folder}/userdb",
            "--log-file=stdout",
            "--relay-threads=1",
            *options,
        ]
        server = RunningServer("coturn", (HOST, port), (ALTERNATE_HOST, other))
        with _running([program, *arguments], server):
            yield server


@contextmanager
def _running(
    argv: list[str], server: RunningServer, namespace: Namespace | None = None
) -> Iterator[None]:
    popen: Callable[..., subprocess.Popen[bytes]] = (
        subprocess.Popen if namespace is None else namespace.popen
    )
    with tempfile.TemporaryFile() as output:
        process = popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=Path("/")
        )
        try:
            with nullcontext() if namespace is None else namespace.entered():
                answers = _answers(server.address, process)
            if not answers:
                output.seek(0)
                tail = output.read()[-2000:].decode(errors="replace")
                raise RuntimeError(f"{server.name} does not answer on {server.address}:\n{tail}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(address: Address, process: subprocess.Popen[bytes]) -> bool:
    """Ask until there is an answer; False when the server ended or stays silent."""
    request = codec.build(codec.MessageType.BINDING_REQUEST, codec.COOKIE + os.urandom(12))
    deadline = time.monotonic() + START_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < deadline and process.poll() is None:
            sock.sendto(request, address)
            try:
                answer, _ = sock.recvfrom(2048)
            except OSError:
                continue
            return answer[4:20] == request[4:20]
    return False
