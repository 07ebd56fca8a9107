"""The pump of a board in QEMU: UART0 is the serial port, the network a `qemu_line`.

Beside what every pump has the state folder holds `flash.bin`, the flash chip, and `qemu.err`, what
QEMU itself has to say. UARTs are PTYs: of a socket that is not read at once QEMU's UART
loses bytes. Power off is the end of QEMU; a restart of the chip itself happens within QEMU.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from functools import partial
from typing import Any

from host_tools.lab import socket_nat, tun
from host_tools.lab.namespace import Unavailable
from host_tools.lab.socket_nat import BOARD, LOOPBACK_ALIAS, SocketNat
from host_tools.targets import pump
from host_tools.targets.pump import Pump, Wait
from host_tools.targets.qemu_line import LINES, Uart

FLASH = "flash.bin"
FIRST_WORD = 20.0  # seconds the chip's ROM may take to say something; the host may be busy
# Pins at power-up that start the ROM's serial download instead of the program.
DOWNLOAD = "driver=esp32.gpio,property=strap_mode,value=0x0f"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Run in the child: no QEMU outlives its pump, however that ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class QemuPump(Pump):
    """A board whose chip is QEMU's."""

    kind = "qemu"

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.qemu: subprocess.Popen[bytes] | None = None
        self.end = -1
        self.console = Uart()
        self.download = False
        if options.netns:
            furnished = partial(tun.instead_of, options.netns, LOOPBACK_ALIAS)
        else:
            furnished = partial(tun.everything, LOOPBACK_ALIAS, BOARD)
        try:
            self.room = tun.Room(furnished)
        except Unavailable as error:
            raise OSError(str(error)) from None
        dns = None if options.netns else name_server()
        self.line = LINES[options.network](LOOPBACK_ALIAS, self.room.address, dns)
        self.nat = None if options.netns else SocketNat(self.room, self.line.send)

    # --- power

    @property
    def running(self) -> bool:
        return self.qemu is not None

    def power_up(self) -> None:
        self.console.clear()
        self.line.begin()
        with (self.state / "qemu.err").open("wb") as errors:
            self.qemu = subprocess.Popen(
                self.argv(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                preexec_fn=die_with_parent,
                pass_fds=self.line.inherited,
            )
        self.end = os.pidfd_open(self.qemu.pid)
        if not select.select([self.console.fd, self.end], [], [], FIRST_WORD)[0]:
            self.power_down()
            raise OSError(f"the chip in QEMU says nothing for {FIRST_WORD:g} s")
        if select.select([self.end], [], [], 0)[0]:
            self.power_down()
            raise OSError(f"QEMU does not run: {self.complaint()}")

    def argv(self) -> list[str]:
        options = self.options
        command = [options.qemu, "-M", options.machine, "-nodefaults", "-display", "none"]
        command += ["-monitor", "none"]
        command += ["-drive", f"file={self.state / FLASH},if=mtd,format=raw"]
        command += ["-chardev", f"serial,id=uart0,path={self.console.path}"]
        command += ["-serial", "chardev:uart0", "-serial", "null", *self.line.words]
        command += ["-global", DOWNLOAD] if self.download else []
        return [*command, *options.option]

    def complaint(self) -> str:
        said = (self.state / "qemu.err").read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it says nothing"

    def power_down(self) -> None:
        assert self.qemu is not None
        self.qemu.kill()
        self.bury()

    def bury(self) -> int:
        assert self.qemu is not None
        status = self.qemu.wait()
        self.from_console()
        self.qemu = None
        os.close(self.end)
        if self.nat is not None:
            self.nat.close()
        return status

    def obey(self, word: str) -> dict[str, Any]:
        if word == "power-on-download":
            self.cut("power off")
            self.download = True
            try:
                self.boot()
            finally:
                self.download = False
            return {}
        if word in ("link-down", "link-up"):
            self.line.connect(word == "link-up", time.monotonic())
            return {}
        return super().obey(word)

    def close(self) -> None:
        super().close()
        self.room.close()

    # --- bytes

    def from_console(self) -> None:
        data = self.console.read()
        if data:
            self.log.write(data)
            self.user.say(data)

    def from_board(self) -> None:
        for packet in self.line.receive(time.monotonic()):
            if self.nat is not None:
                self.nat.packet(packet)
            else:
                with contextlib.suppress(OSError):  # not a packet that the kernel takes: lost
                    os.write(self.room.tun, packet)

    def from_room(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(32):
                self.line.send(os.read(self.room.tun, 65536))

    # --- the loop

    def watch(self, wait: Wait) -> None:
        wait.readable += (self.console.fd, self.line.fd, self.end)
        if self.to_board:
            wait.writable.append(self.console.fd)
        if self.line.full:
            wait.writable.append(self.line.fd)
        if self.line.deadline is not None:
            wait.times.append(self.line.deadline)
        if self.nat is not None:
            wait.readable += self.nat.readable()
            wait.writable += self.nat.writable()
        else:
            wait.readable.append(self.room.tun)

    def serve_board(self, readable: list[int], writable: list[int]) -> None:
        if self.console.fd in writable:
            with contextlib.suppress(BlockingIOError):
                del self.to_board[: os.write(self.console.fd, self.to_board[:1024])]
        if self.console.fd in readable:
            self.from_console()
        if self.line.fd in readable:
            self.from_board()
        if self.nat is not None:
            self.nat.serve(set(readable), set(writable))
        elif self.room.tun in readable:
            self.from_room()
        self.line.tick(time.monotonic())
        if self.end in readable:
            status = self.bury()
            self.crashed(f"QEMU ended with status {status}: {self.complaint()}")

    def details(self) -> dict[str, Any]:
        return {
            "qemu": self.options.qemu,
            "qemu_pid": self.qemu.pid if self.qemu else None,
            "machine": self.options.machine,
            "network": self.options.network,
            "line": self.line.state if self.qemu else None,
            "address": self.room.address,
        }


def name_server() -> str | None:
    """The host's, as the board may call it."""
    with contextlib.suppress(OSError), open("/etc/resolv.conf") as file:
        for line in file:
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1 and ":" not in words[1]:
                return socket_nat.alias(words[1])
    return None


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--qemu", required=True)
    parser.add_argument("--machine", default="esp32")
    parser.add_argument("--network", choices=LINES, default="ppp")
    parser.add_argument("--option", action="append", default=[], help="one more word for QEMU")


if __name__ == "__main__":
    sys.exit(pump.main("Keep one board running in QEMU.", QemuPump, options))
