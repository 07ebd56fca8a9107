"""The watchdog: fed while every task is alive, and only then."""

import pytest

from tests.conformance.patched import boot_first
from tests.conformance.rig import Rig
from tests.cpe import Cpe

pytestmark = pytest.mark.capability("files", "watchdog")

QUICK = """
from cwmp.port import base
base.Port.watchdog_s = 3
"""
# The unix board, in its log and on its port; an ESP32.
BITES = r"^# watchdog, reset|^board: watchdog, reset|Task watchdog got triggered|^rst:0x8"


def test_a_loop_that_hangs_is_reset(cpe: Cpe) -> None:
    boot_first(
        cpe,
        QUICK
        + """
from cwmp.runtime import supervisor
fed = 0
def hang(self):
    global fed
    fed += 1
    while fed > 2: pass
    return 0
supervisor.Supervisor._silence = lambda self, now: hang(self)
""",
    )
    cpe.start()
    cpe.expect("net: listening")
    cpe.expect(BITES)
    cpe.expect("net: listening")


def test_a_reader_that_is_dead_is_named_and_the_board_reset(cpe: Cpe) -> None:
    boot_first(
        cpe,
        QUICK
        + """
from cwmp.runtime import agent
async def dead(self): pass
agent.Agent.read = dead
""",
    )
    cpe.start()
    cpe.expect(r"^E \d+ boot: hung task=reader; the watchdog is not fed")
    cpe.expect(BITES)
    cpe.expect("boot: start")


def test_a_reader_that_leaves_datagrams_unread_is_noticed(cpe: Cpe, site) -> None:
    boot_first(
        cpe,
        QUICK
        + """
import asyncio
from cwmp.runtime import udp
async def deaf(self):
    while True: await asyncio.sleep(1000)
udp.PrimaryPort.run = deaf
""",
    )
    cpe.start()
    cpe.expect("net: listening")
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"anybody there?", (cpe.target.address, site["connection_request"]["port"]))
    cpe.expect(r"hung task=reader")
    cpe.expect(BITES)


def test_ctrl_c_leaves_a_prompt_that_the_watchdog_lets_be(cpe: Cpe) -> None:
    boot_first(cpe, QUICK.replace("3", "1"))
    cpe.start()
    cpe.expect("net: listening")
    cpe.type(b"\x03")
    line = cpe.expect(r"boot: stopped; Ctrl-D starts again(.*)")
    assert line[1] in ("", "; the watchdog restarts the board in 3600 s")
    cpe.expect(r"^>>> ")
    # Three times the watchdog's time, on the board's own clock.
    cpe.type(b"import time; time.sleep(3); print(6 * 7)\r")
    cpe.expect(r"^42")
    assert "watchdog, reset" not in cpe.said()


async def test_an_idle_agent_feeds_it(rig: Rig) -> None:
    boot_first(rig.board, QUICK.replace("3", "1"))
    since = len(rig.cpe.informs)
    rig.board.reset()
    await rig.informed("1 BOOT", since)
    # Keepalives every 5 s: the time passes by events of the wire.
    asked = rig.stun.received
    await rig.until(lambda: rig.stun.received > asked + 1, "keepalives", 20)
    assert "watchdog, reset" not in rig.board.said() and "hung" not in rig.board.said()
