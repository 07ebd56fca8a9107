"""The remote machine of the example: two boards, their serial ports shared by RFC 2217, an ACS.

    python tests/labgrid/boards.py COMMAND ...

runs COMMAND while they are there, and ends with its status. The boards are of the unix target;
with real ones ser2net alone is what that machine needs.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from host_tools import boards, image  # noqa: E402
from host_tools.errors import UserError  # noqa: E402
from host_tools.flashing import flash  # noqa: E402
from host_tools.lab.acs import Acs  # noqa: E402
from host_tools.targets.unix import UnixTarget  # noqa: E402

PORTS = (42171, 42172)  # as in environment.yaml
UDP_PORT = 42181  # of the first board; the next one has the next
USERNAME, PASSWORD = "example-cpe", "example-password"
SHARED = """\
connection: &board{number}
  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}
  connector: serialdev,{device},115200n81,local
  options:
    kickolduser: true
"""


def start_board(folder: Path, number: int, acs_url: str, content: image.Image) -> UnixTarget:
    site = {
        "acs": {"url": acs_url},
        "connection_request": {
            "username": USERNAME,
            "password": PASSWORD,
            "port": UDP_PORT + number,
        },
    }
    board = UnixTarget(folder / f"board{number}")
    flash(board, image.with_site(content, site))
    return board


def share(folder: Path, devices: list[str]) -> subprocess.Popen[bytes]:
    """Start ser2net; it is ready when its ports take connections."""
    program = shutil.which("ser2net", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise UserError("no ser2net (Debian: apt install ser2net)")
    settings = folder / "ser2net.yaml"
    settings.write_text(
        "".join(
            SHARED.format(number=number, port=port, device=device)
            for number, (port, device) in enumerate(zip(PORTS, devices, strict=True))
        )
    )
    # -n: in the foreground; -u: no UUCP locks
    return subprocess.Popen([program, "-n", "-u", "-c", str(settings)])


async def main(command: list[str]) -> int:
    acs = Acs()
    await acs.start()
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="esp-cwmp-")))
            content = image.build(boards.load("unix"), None)
            devices = []
            for number in range(len(PORTS)):
                board = await asyncio.to_thread(start_board, folder, number, acs.url, content)
                stack.callback(board.stop)
                devices.append(board.port)
            shared = share(folder, devices)
            stack.callback(shared.wait)
            stack.callback(shared.terminate)
            known = {"CPE_USERNAME": USERNAME, "CPE_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
            environment = {**os.environ, **known}
            process = await asyncio.create_subprocess_exec(*command, env=environment)
            return await process.wait()
    finally:
        await acs.stop()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except UserError as error:
        sys.exit(f"error: {error}")
