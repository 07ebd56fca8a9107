"""pytest-embedded's device under test, for a board with this firmware on its serial port."""

import re
from typing import Any

from pytest_embedded_serial.dut import SerialDut

BANNER = rb"I \d+ boot: start (version=\S+ board=\S+ micropython=\S+ id=\S+)\r\n"


class CpeDut(SerialDut):
    """`expect` waits as long as the kind of target needs; see `Target.pace`."""

    pace = 1.0

    def expect(self, pattern: Any, timeout: float = 20.0, **options: Any) -> Any:
        return super().expect(pattern, timeout=timeout * self.pace, **options)

    def expect_exact(self, pattern: Any, timeout: float = 20.0, **options: Any) -> Any:
        return super().expect_exact(pattern, timeout=timeout * self.pace, **options)

    def banner(self) -> str:
        """Wait for the firmware's first line and return what it says of itself."""
        return str(self.expect(BANNER)[1].decode())

    def command(self, line: str) -> str:
        """Type a console command; return what it says before `ok`."""
        self.write(line.encode() + b"\r")
        self.expect_exact(line.encode() + b"\r\n")
        found = self.expect(rb"(?s)(.*?)(?:^|\r\n)(ok|error: [^\r]*)\r\n")
        assert found[2] == b"ok", f"{line!r}: {found[2].decode()}"
        return str(found[1].decode("ascii", "replace"))

    def prompt(self) -> None:
        """Interrupt the program; the MicroPython prompt is there afterwards."""
        self.write(b"\x03")
        self.expect_exact(b">>> ")

    def evaluate(self, expression: str) -> str:
        """What the prompt answers."""
        self.write(expression.encode() + b"\r")
        found = self.expect(re.escape(expression).encode() + rb"\r\n([^\r]*)\r\n>>> ")
        return str(found[1].decode())
