"""An ESP32 in QEMU with nothing but its ROM: what esptool sees of a new chip."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

BLANK = b"\xff"
DOWNLOAD_MODE = "driver=esp32.gpio,property=strap_mode,value=0x0f"  # BOOT held while it starts
# The chip's time is that of its instructions: on a busy machine its UART overruns otherwise.
NO_BYTE_IS_LOST = ("-icount", "shift=3,sleep=on")
EFUSES = 124  # bytes; all zero: nothing burnt


def emulator() -> str | None:
    """The path of an emulator that has the chip, None when there is none."""
    return shutil.which(os.environ.get("ESP_CWMP_QEMU") or "qemu-system-xtensa")


class BareChip:
    """`flash` is a file of the size of the chip's flash; the serial port stays the same."""

    def __init__(self, flash: Path) -> None:
        self.flash = flash
        self._efuses = flash.with_suffix(".efuse")
        self._efuses.write_bytes(bytes(EFUSES))
        self._log = flash.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = probe.getsockname()

    @property
    def url(self) -> str:
        return f"socket://{self._address[0]}:{self._address[1]}"

    def power_up(self, *, download: bool) -> None:
        """Start in the ROM's download mode, or as a board does; returns when the port is there."""
        qemu = emulator()
        assert qemu is not None
        command = [qemu, "-machine", "esp32", "-display", "none", "-monitor", "none"]
        command += ["-drive", f"file={self.flash},if=mtd,format=raw"]
        command += ["-drive", f"file={self._efuses},if=none,format=raw,id=efuse"]
        command += ["-global", "driver=nvram.esp32.efuse,property=drive,value=efuse"]
        command += ["-global", "driver=timer.esp32.timg,property=wdt_disable,value=true"]
        command += ["-global", DOWNLOAD_MODE, *NO_BYTE_IS_LOST] if download else []
        port = f"tcp:{self._address[0]}:{self._address[1]},server"
        command += ["-serial", port if download else port + ",nowait"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        with self._connected() as connection, connection.makefile("rb") as said:
            if download:  # the chip starts when its port is opened
                assert any(b"UART_BOOT" in line for line in said)

    def _connected(self) -> socket.socket:
        assert self._process is not None
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(self._address, 60)
            except OSError:
                gone = self._process.poll() is not None
                assert not gone and time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)

    def power_down(self) -> None:
        """Stop; what was written is in the file."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
