"""The serial console as a person, a CI job and mpremote meet it."""

from tests.cpe import Cpe
from tests.dut import CpeDut


def test_boot_prints_banner_first(dut: CpeDut) -> None:
    dut.expect(rb"I \d+ boot: start version=\S+ board=\S+ micropython=\S+ id=\S+\r\n")


def test_b27_ctrl_c_gives_the_prompt_while_the_agent_runs(dut: CpeDut) -> None:
    dut.expect(rb"boot: start")
    dut.write(b"\x03")
    dut.expect_exact(b">>> ")
    dut.write(b"40 + 2\r")
    dut.expect_exact(b"\r\n42\r\n>>> ")


def test_console_command_ends_with_ok(cpe: Cpe) -> None:
    cpe.start()
    assert any(line.startswith("cpe ") for line in cpe.command("status"))


def test_wrong_site_configuration_is_named_and_gives_the_prompt(cpe: Cpe) -> None:
    cpe.configure({"stun": {"prot": 1}})
    cpe.start()
    assert "stun.prot" in cpe.expect(r"^E \d+ boot: config .*")[0]
    cpe.expect(r"^>>> ")
