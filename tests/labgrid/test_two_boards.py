"""Wake both boards of the environment: run with `pytest --lg-env environment.yaml`.

Needs labgrid and this repository on PYTHONPATH. CPE_USERNAME and CPE_PASSWORD are what the boards'
site configuration has under [connection_request].
"""

import os
import re
import socket
import time

import pytest
from labgrid import Environment
from labgrid.protocol import ConsoleProtocol

from host_tools.lab import udp_request

TIMEOUT = 20  # s


class Board:
    """A board with this firmware, by its serial console alone."""

    def __init__(self, console: ConsoleProtocol) -> None:
        self.console = console

    def command(self, line: str) -> str:
        """Type a console command; return what it says before `ok`."""
        self.console.sendline(line)
        self.console.expect(re.escape(line))
        _, said, _, _ = self.console.expect(r"\r\nok\r\n", timeout=TIMEOUT)
        return said.decode()

    def status(self, pattern: str) -> str:
        """What `pattern` finds in the status, as soon as it does."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            said = self.command("status")
            if found := re.search(pattern, said):
                return found[1]
            assert time.monotonic() < deadline, said


@pytest.fixture
def boards(env: Environment) -> list[Board]:
    targets = [env.get_target(name) for name in ("first", "second")]
    return [Board(target.get_driver("ConsoleProtocol")) for target in targets]


def test_they_are_two(boards: list[Board]) -> None:
    assert len({board.status(r"(?m)^cpe +(\S+) version") for board in boards}) == 2


def test_each_is_woken_and_only_that_one(boards: list[Board]) -> None:
    user, password = os.environ["CPE_USERNAME"], os.environ["CPE_PASSWORD"]
    addresses = [board.status(r"ready: an ACS can ring at (\S+)") for board in boards]
    for board, other, address in zip(boards, boards[::-1], addresses, strict=True):
        sessions = other.status(r"session   idle; (\d+) done")
        host, _, port = address.partition(":")
        request = udp_request.build(user, password, host, int(port), *udp_request.fresh("spec"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as acs:
            acs.sendto(request, (host, int(port)))
        board.console.expect(r"cr: accepted effect=start", timeout=TIMEOUT)
        board.console.expect(r"session: done", timeout=TIMEOUT)
        assert other.status(r"session   idle; (\d+) done") == sessions
