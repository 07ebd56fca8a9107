"""Where the boards under test come from: one bench for each kind of target.

`--target unix` (the default) makes as many boards as a test asks for. `qemu` and `serial` lend
the same one to test after test: its flash is written anew, the firmware only where it changed.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from host_tools import boards, image, micropython_image
from host_tools.errors import UserError
from host_tools.lab.namespace import Namespace, Unavailable
from host_tools.targets.base import Target
from host_tools.targets.qemu import QemuTarget, qemu_for
from host_tools.targets.serial import BAUD, SerialTarget
from host_tools.targets.unix import UnixTarget

DEFAULT_TARGET = "unix"


class Bench:
    """One kind of target. `pace`: see `Target`; `capabilities`: what its boards can do here."""

    board = "unix"
    target: type[Target] = UnixTarget

    def __init__(self, config: pytest.Config, state: Path) -> None:
        self.config = config
        self.state = state

    @classmethod
    def require(cls, config: pytest.Config) -> None:
        """Raises `UserError` when such a board cannot be had on this machine at all."""

    @property
    def kind(self) -> str:
        return self.target.kind

    @property
    def pace(self) -> float:
        return self.target.pace

    @cached_property
    def capabilities(self) -> frozenset[str]:
        return self.target.capabilities

    @property
    def host_address(self) -> str:
        """Where boards find the lab."""
        return self.target.host_address

    def lab(self) -> AbstractContextManager[None]:
        """Sockets that are made within this block are in the network of the boards."""
        return nullcontext()

    @cached_property
    def image(self) -> image.Image:
        """The firmware of this tree, compiled once; without a site configuration."""
        name = self.config.getoption("board") or self.board
        return image.build(boards.load(name), None)

    @cached_property
    def site(self) -> dict[str, Any]:
        """What --site adds to the configuration of every test: the Wi-Fi to join, for one."""
        path = self.config.getoption("site")
        if not path:
            return {}
        return image.read_site(Path(path), network=boards.load(self.image.board).network.driver)

    def with_site(self, site: Mapping[str, Any]) -> dict[str, Any]:
        """A test's configuration with that of this bench below it."""
        return {
            section: {**self.site.get(section, {}), **site.get(section, {})}
            for section in {**self.site, **site}
        }

    def lend(self, folder: Path, options: Mapping[str, Any]) -> Target:
        """A board for one test, powered down; `folder` is the test's own."""
        return UnixTarget(folder, **options)

    def give_back(self, target: Target) -> None:
        target.stop()

    def close(self) -> None:
        """The session is over."""


class OneBoard(Bench):
    """A bench that has one board."""

    def __init__(self, config: pytest.Config, state: Path) -> None:
        super().__init__(config, state)
        self._lent = False

    @cached_property
    def only(self) -> Target:
        raise NotImplementedError

    @property
    def host_address(self) -> str:
        return self.only.host_address

    def lend(self, folder: Path, options: Mapping[str, Any]) -> Target:
        if options:
            pytest.skip(f"the {self.kind} target takes no {', '.join(sorted(options))}")
        if self._lent:
            pytest.skip(f"the {self.kind} target is one board, and this test needs more")
        self._lent = True
        return self.only

    def give_back(self, target: Target) -> None:
        self._lent = False
        target.stop()


class SerialBench(OneBoard):
    target = SerialTarget

    @cached_property
    def only(self) -> SerialTarget:
        url = self.config.getoption("port")
        if not url:
            raise UserError("--target serial needs --port, a device or a pyserial URL")
        made = SerialTarget(
            self.state, url, baud=int(self.config.getoption("baud") or BAUD), host_address=""
        )
        self.on_this_machine = made.platform == "linux"  # the unix port, behind a serial line
        usual = "127.0.0.1" if self.on_this_machine else ""
        made.host_address = self.config.getoption("host_address") or usual
        return made

    @cached_property
    def capabilities(self) -> frozenset[str]:
        lacking = set() if self.only.host_address else {"network"}
        found = self.only.capabilities - lacking
        return (
            found
            | {"watchdog"}
            | ({"loopback"} if self.on_this_machine else {"wifi", "wifi_password"})
        )

    @cached_property
    def image(self) -> image.Image:
        usual = "unix" if self.only and self.on_this_machine else "esp32_generic"
        return image.build(boards.load(self.config.getoption("board") or usual), None)


class QemuBench(OneBoard):
    """The board's namespace and the lab's with a cable between them: no NAT in the way."""

    board = "qemu_esp32"
    host_address = "10.77.0.1"
    board_address = "10.77.0.2"

    target = QemuTarget

    def __init__(self, config: pytest.Config, state: Path) -> None:
        super().__init__(config, state)
        self._namespaces: list[Namespace] = []

    @classmethod
    def require(cls, config: pytest.Config) -> None:
        board = boards.load(config.getoption("board") or cls.board)
        qemu_for(board)
        micropython_image.find(board)

    @cached_property
    def only(self) -> Target:
        self.require(self.config)
        board = boards.load(self.config.getoption("board") or self.board)
        try:
            self._namespaces = [Namespace("lab"), Namespace("board")]
            lab, inside = self._namespaces
            lab.run(["ip", *f"link add eth0 type veth peer name eth0 netns {inside.path}".split()])
            for end, address in ((lab, self.host_address), (inside, self.board_address)):
                for line in (
                    "link set lo up",
                    f"addr add {address}/24 dev eth0",
                    "link set eth0 up",
                ):
                    end.run(["ip", *line.split()])
            # The board takes the address over, and with it goes the way to the neighbours.
            inside.run(["ip", *f"route add default via {self.host_address}".split()])
        except Unavailable as error:
            raise UserError(str(error)) from None
        return QemuTarget(self.state, board, netns=inside.path)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        return self.only.capabilities | {"unset_clock"}

    def lab(self) -> AbstractContextManager[None]:
        assert self.only
        return self._namespaces[0].entered()

    def close(self) -> None:
        for namespace in self._namespaces:
            namespace.close()


BENCHES: dict[str, type[Bench]] = {"unix": Bench, "serial": SerialBench, "qemu": QemuBench}


def lacking(bench: Bench, wanted: set[str]) -> str:
    """Why a test that wants these capabilities cannot run here, "" when it can."""
    absent = wanted - bench.capabilities
    if not absent:
        return ""
    if "network" in absent and bench.kind == "serial":
        return "where does the board find this machine? --host-address ADDRESS"
    return f"the {bench.kind} target has no {', '.join(sorted(absent))}"


def pace_of(config: pytest.Config) -> float:
    """See `Target.pace`; known before there is a bench."""
    kind = config.getoption("target") or DEFAULT_TARGET
    return BENCHES[kind].target.pace if kind in BENCHES else 1.0
