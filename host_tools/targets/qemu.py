"""The QEMU target: an ESP32 with the official MicroPython image in QEMU, its flash a file.

Its network is PPP over UART2 or Wi-Fi, as board.toml says (`qemu_line`). By itself it finds this
machine's loopback at `host_address`, and this machine finds the board's UDP ports at `address`; in
a namespace (`netns`) it takes over the address that is there, for a NAT in between.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from host_tools import cache, esp_image, littlefs_image, micropython_image
from host_tools.boards import Board, Qemu
from host_tools.chip_flash import merged
from host_tools.errors import Failed, UserError
from host_tools.lab.socket_nat import LOOPBACK_ALIAS
from host_tools.targets.pumped import PumpedTarget
from host_tools.targets.qemu_line import WIFI
from host_tools.targets.qemu_pump import FLASH

PROGRAM = "qemu-system-xtensa"
VARIABLE = "ESP_CWMP_QEMU"
WATCHDOG = "driver=timer.esp32.timg,property=wdt_disable,value=false"


def find_qemu(given: str | None = None) -> str:
    """Return the path of QEMU: `given`, else $ESP_CWMP_QEMU, else PATH, else the cache folder."""
    named = given or os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if not found:
            raise UserError(f"no QEMU at {named}" + ("" if given else f" (from ${VARIABLE})"))
        return os.path.abspath(found)
    found = shutil.which(PROGRAM) or shutil.which(cache.folder() / "qemu" / "bin" / PROGRAM)
    if not found:
        raise UserError(
            f"no {PROGRAM}: python -m host_tools fetch qemu gets one, or set {VARIABLE} to yours"
        )
    return os.path.abspath(found)


def qemu_for(board: Board, given: str | None = None) -> str:
    """Return the path of a QEMU that has what the board takes; raises `UserError`."""
    qemu = find_qemu(given)
    if board.network.driver == "wlan":
        command = [qemu, "-M", "none", "-device", f"{WIFI},help"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if f"{WIFI} options" not in done.stdout:
            raise UserError(f"{qemu} has no Wi-Fi (the device {WIFI}): take board qemu_esp32")
    return qemu


class QemuTarget(PumpedTarget):
    """See `Target`. `board`: one whose target is qemu; `micropython`: its image, found like
    everywhere when it is not named. `watchdog`: the chip's watchdogs work, `machine.WDT` too; on
    a busy host they bite without a reason.
    """

    kind = "qemu"
    pump = "host_tools.targets.qemu_pump"
    capabilities = frozenset(
        {"reset", "power_cut", "network", "netns", "files", "detached", "esptool"}
    )
    pace = 6.0
    patience = 30.0  # s; the ROM's first word is waited for

    def __init__(
        self,
        state: Path,
        board: Board,
        *,
        qemu: str | None = None,
        micropython: Path | None = None,
        netns: str = "",
        watchdog: bool = False,
        detached: bool = False,
    ) -> None:
        super().__init__(state, netns=netns, detached=detached)
        if board.qemu is None:
            raise UserError(f"board {board.name} has no section [qemu]")
        self.usual_board = board.name
        self._board = board
        self._options: Qemu = board.qemu
        # A modem can hang up; nothing can be done to the emulator's access point.
        self.capabilities |= {"wifi"} if board.network.driver == "wlan" else {"link"}
        self._qemu = qemu
        self._micropython = micropython
        self._watchdog = watchdog

    @property
    def flash(self) -> Path:
        """The flash chip: a file, to be read and written while the power is off."""
        return self.state / FLASH

    @property
    def host_address(self) -> str:  # type: ignore[override]
        """Where the board finds 127.0.0.1 of this machine; other addresses are as they are."""
        if self._netns:
            raise UserError("in a namespace the board finds what its routes lead to")
        return LOOPBACK_ALIAS

    @property
    def address(self) -> str:
        """Where this machine finds the board's UDP ports, once they have sent something."""
        return str(self.status()["address"]) if self._netns else "127.0.0.1"

    def pump_options(self) -> dict[str, str]:
        return {
            "qemu": qemu_for(self._board, self._qemu),
            "machine": self._options.machine,
            "network": self._board.network.driver,
        }

    def pump_arguments(self) -> list[str]:
        words = [*self._options.options, *(("-global", WATCHDOG) if self._watchdog else ())]
        return [f"--option={word}" for word in words]

    def start(self) -> str:
        if not self.flash.exists():
            find_qemu(self._qemu)
            self.state.mkdir(parents=True, exist_ok=True)
            esp_image.save(self._image({}).whole, self.flash)
        return super().start()

    def download(self) -> str:
        """Restart into the ROM's serial download, for esptool; return the serial URL. A flash
        file that is not there is a blank chip. `reset` boots from the flash again.
        """
        if not self.flash.exists():
            self.state.mkdir(parents=True, exist_ok=True)
            esp_image.save(esp_image.ERASED * self._size, self.flash)
        if not self.running:
            super().start()
        return str(self.control("power-on-download")["port"])

    def link(self, up: bool) -> None:
        self.control("link-up" if up else "link-down")

    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """See `Target.install`: MicroPython and a file system that also has what the device and
        its owner keep there. A flash whose file system is damaged is not touched unless `erase`.
        """
        qemu_for(self._board, self._qemu)  # what nobody can run is not installed
        self._image({})
        if self.running:
            self.control("power-off")
        before = {} if erase or not self.flash.exists() else self._files()
        content, _, removed = merged(files, before)
        image = self._image(content)
        self.state.mkdir(parents=True, exist_ok=True)
        esp_image.save(image.whole, self.flash)
        return removed

    def has(self, path: str) -> bool:
        return self.flash.exists() and path in self._content()

    def read_file(self, path: str) -> bytes:
        files = self._files()
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    def write_file(self, path: str, content: bytes | None) -> None:
        files = self._files()
        files.pop(path, None)
        if content is not None:
            files[path] = content
        self._rewrite(files)

    def list_files(self, folder: str) -> list[str]:
        inside = folder.strip("/") + "/"
        names = (name.removeprefix(inside) for name in self._files() if name.startswith(inside))
        return sorted(name for name in names if "/" not in name)

    @property
    def _size(self) -> int:
        _, flash = esp_image.sections_of(self._board)
        return flash.bytes

    def _image(self, files: Mapping[str, bytes]) -> esp_image.FlashImage:
        path = micropython_image.find(self._board, self._micropython)
        content = micropython_image.read(self._board, path)
        return esp_image.make(self._board, content, str(path), files)

    def _present(self) -> esp_image.FlashImage:
        try:
            whole = self.flash.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {self.flash}: {error.strerror}") from None
        return esp_image.read(self._board, whole, str(self.flash))

    def _files(self) -> dict[str, bytes]:
        if self.running and self.status()["qemu_pid"]:
            raise UserError(f"{self.flash}: the files of a board that is on cannot be reached")
        return self._content()

    def _content(self) -> dict[str, bytes]:
        try:
            return self._present().files
        except ValueError as error:
            raise Failed(f"{self.flash}: {error} (--erase makes a new device of it)") from None

    def _rewrite(self, files: Mapping[str, bytes]) -> None:
        vfs = self._present().vfs
        filesystem = littlefs_image.make(files, vfs.size)
        with self.flash.open("r+b") as file:
            file.seek(vfs.offset)
            file.write(filesystem)
