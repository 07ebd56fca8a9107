"""Safe mode: repeated failed boots lead to a console that says so, and out of it again."""

import pytest

from tests.conformance.patched import boot_as_usual, boot_first
from tests.conformance.rig import MakeRig, Rig
from tests.cpe import Cpe

pytestmark = pytest.mark.capability("files")

# The agent fails when all is open, as with a record that it cannot digest. `start` is a slice:
# on a board that saves memory another one of it waits its five seconds.
BROKEN = """
from cwmp.runtime import agent, start
def want(self, reason): raise RuntimeError("broken on purpose")
agent.Agent.want = want
start._RESTART_S = 0
"""
SAFE = r"^E \d+ boot: safe mode: 5 boots in a row failed, the agent is not started"


def in_safe_mode(cpe: Cpe) -> None:
    boot_first(cpe, BROKEN)
    cpe.start()
    for _ in range(5):
        cpe.expect(r"^E \d+ boot: crashed error=\"RuntimeError")
    cpe.expect(SAFE)


def test_five_failed_boots_lead_to_a_console_that_says_so(cpe: Cpe) -> None:
    in_safe_mode(cpe)
    assert cpe.said().count("boot: start") == 6
    said = "\n".join(cpe.command("status"))
    assert "5 boots in a row failed" in said and "type reboot" in said
    assert any("Ctrl-C" in line for line in cpe.command("help"))


@pytest.mark.capability("filesystem")
def test_a_crash_that_no_memory_is_left_to_tell_of_ends_in_a_boot_all_the_same(cpe: Cpe) -> None:
    boot_first(
        cpe,
        BROKEN
        + """
def ended(port, log, error): raise MemoryError()
start.ended = ended
""",
    )
    cpe.start()
    cpe.expect("RuntimeError: broken on purpose")
    cpe.expect(r"^I \d+ boot: start")


def test_reboot_leaves_safe_mode_and_counts_from_zero(cpe: Cpe) -> None:
    in_safe_mode(cpe)
    boot_as_usual(cpe)
    cpe.command("reboot")
    cpe.expect(r"net: listening")
    assert any(line.startswith("session ") for line in cpe.command("status"))
    assert not (cpe.target.state / "rtc").read_bytes().endswith(b"\x05")


@pytest.mark.capability("filesystem")
def test_factory_reset_in_safe_mode_forgets_the_records(cpe: Cpe) -> None:
    in_safe_mode(cpe)
    boot_as_usual(cpe)
    before = cpe.target.read_file("state/device.json")
    cpe.command("factory-reset")
    cpe.expect(r"net: listening")
    assert cpe.target.read_file("state/device.json") != before


@pytest.mark.capability("filesystem")
def test_safe_mode_gives_the_agent_another_try_and_comes_back(cpe: Cpe) -> None:
    boot_first(cpe, BROKEN + "from cwmp.runtime import safe_mode\nsafe_mode.RETRY_S = 1\n")
    cpe.start()
    for _ in range(2):
        cpe.expect(SAFE)
        cpe.expect("safe mode: another try")
        cpe.expect("crashed error=")  # one failure is enough now
    cpe.expect(SAFE)
    boot_as_usual(cpe)
    cpe.expect("safe mode: another try")
    cpe.expect("net: listening")


@pytest.mark.capability("power_cut")
def test_losing_power_is_no_failed_boot(cpe: Cpe) -> None:
    boot_first(cpe, BROKEN)
    cpe.start()
    for _ in range(4):
        cpe.expect("crashed error=")
    cpe.power_cut()
    for _ in range(4):
        cpe.expect("crashed error=")
    assert "safe mode" not in cpe.said()


def test_ctrl_c_is_no_failed_boot(cpe: Cpe) -> None:
    cpe.start()
    for _ in range(6):
        cpe.expect("net: listening")
        cpe.type(b"\x03")
        cpe.expect(r"^>>> ")
        cpe.type(b"\x04")
    cpe.expect("net: listening")
    assert "safe mode" not in cpe.said()


async def test_a_session_makes_a_boot_a_good_one(rig: Rig) -> None:
    for _ in range(6):
        since = len(rig.cpe.informs)
        rig.board.reset()
        await rig.informed("1 BOOT", since)
    assert "safe mode" not in rig.board.said()


async def test_resets_before_any_session_lead_to_safe_mode(make_rig: MakeRig) -> None:
    rig = await make_rig(site={"acs": {"url": ""}})
    await rig.start()
    for _ in range(5):
        await rig.board.seen("net: listening")
        rig.board.reset()
    await rig.board.seen(SAFE)


def test_a_micropython_that_is_too_old_is_refused(cpe: Cpe) -> None:
    boot_first(cpe, "from cwmp.runtime import start\nstart.OLDEST = (99, 1, 0)\n")
    cpe.start()
    cpe.expect(r"^E \d+ boot: MicroPython is too old: this firmware needs 99\.1\.0 or newer")
    cpe.expect(r"^>>> ")
    assert "listening" not in cpe.said()
