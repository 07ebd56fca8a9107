"""A serial port of this machine as others get to see it: raw TCP, and RFC 2217."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host_tools.free_port import free_port


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        pytest.skip(f"no {name} (Debian: apt install {name})")
    return found


@contextmanager
def shared(device: str, scheme: str, folder: Path) -> Iterator[str]:
    """The URL of `device` behind socat ("socket") or ser2net ("rfc2217"); "" leaves it as it
    is.
    """
    if not scheme:
        yield device
        return
    port = free_port()
    if scheme == "socket":
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"
        command = [_program("socat"), listen, f"FILE:{device},raw,echo=0"]
        url = f"socket://127.0.0.1:{port}"
    else:
        settings = folder / "ser2net.yaml"
        settings.write_text(
            f"connection: &board\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
            f"  connector: serialdev,{device},115200n81,local\n  options:\n    kickolduser: true\n"
        )
        command = [_program("ser2net"), "-n", "-u", "-c", str(settings)]
        # A PTY has no modem lines: ser2net does not answer what cannot be set there.
        url = f"rfc2217://127.0.0.1:{port}?ign_set_control"
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 10
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, command
            time.sleep(0.02)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # at once; socat has a child for each connection
        process.wait(10)


def _listens(port: int) -> bool:
    """By the kernel's table: connecting would open the board's port."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()
