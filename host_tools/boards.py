"""The boards this project knows: one folder each under `boards/`, described by its board.toml.

The classes below are the schema: a section of the file is a class, a key is a field, a key without
a default has to be there. A new board is a new folder; only a new kind of thing is code.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from host_tools.errors import UserError
from host_tools.tomlfile import line_of, read_toml

BOARDS = Path(__file__).resolve().parent.parent / "boards"
UNPINNED = "yours"  # in place of a sha256: nobody vouches for the file but you
_SIZES = {"k": 1024, "m": 1024 * 1024}


def _one_of(*allowed: object) -> dict[str, object]:
    return {"one_of": allowed}


def _like(pattern: str, words: str) -> dict[str, object]:
    return {"like": (pattern, words)}


@dataclass(frozen=True)
class MicroPython:
    """The MicroPython image of a chip. `offset`: where on the flash it begins, in bytes."""

    file: str = field(metadata=_like(r"[^/\\]+\.bin", "a file name that ends with .bin"))
    version: str = field(metadata=_like(r"\d+\.\d+(\.\d+)?", "a version as 1.23.0"))
    sha256: str = field(
        metadata=_like(rf"[0-9a-f]{{64}}|{UNPINNED}", f'64 lower-case hex digits or "{UNPINNED}"')
    )
    source: str
    offset: int = field(metadata=_one_of(0x0, 0x1000))


@dataclass(frozen=True)
class Flash:
    """`size`: of the whole flash, as "4MB"; `filesystem`: label of the partition; `baud`: bits
    per second while writing.
    """

    size: str = field(metadata=_one_of("2MB", "4MB", "8MB", "16MB", "32MB"))
    filesystem: str = "vfs"
    baud: int = 460800

    @property
    def bytes(self) -> int:
        return bytes_of(self.size.removesuffix("B"))


@dataclass(frozen=True)
class Host:
    """The network of the machine that runs the board."""

    driver: str = "host"


@dataclass(frozen=True)
class Wlan:
    """Wi-Fi as a station; its name and password are the site's."""

    driver: str = "wlan"


@dataclass(frozen=True)
class Lan:
    """Ethernet: names and numbers as `network.LAN` takes them."""

    driver: str = "lan"
    phy_type: str = "PHY_LAN8720"
    phy_addr: int = 0
    mdc: int | None = None
    mdio: int | None = None
    power: int | None = None
    ref_clk: int | None = None
    ref_clk_mode: str | None = None


@dataclass(frozen=True)
class Ppp:
    """A serial line to a modem or a peer. `rxbuf`: bytes; without `tx` and `rx` the UART's own."""

    driver: str = "ppp"
    uart: int = 2
    baud: int = 115200
    rxbuf: int = 4096
    tx: int | None = None
    rx: int | None = None


NETWORKS: dict[str, type] = {"host": Host, "wlan": Wlan, "lan": Lan, "ppp": Ppp}


@dataclass(frozen=True)
class Serial:
    """The console. `usb`: what the board's USB interface may say it is, as vendor:product."""

    baud: int = 115200
    usb: tuple[str, ...] = field(
        default=(), metadata=_like(r"[0-9a-f]{4}:[0-9a-f]{4}", "lower-case ids as 10c4:ea60")
    )


@dataclass(frozen=True)
class Pins:
    """GPIO numbers. `led_active`: the level that lights it; `button`: pressed is low."""

    led: int | None = None
    led_active: int | None = field(default=None, metadata=_one_of(0, 1))
    button: int | None = None


@dataclass(frozen=True)
class Heap:
    """`size` limits the heap of a unix board, as 256k; `notes` are for people."""

    notes: str = ""
    size: str = field(default="320k", metadata=_like(r"[1-9]\d*[kKmM]?", "a size as 256k"))


@dataclass(frozen=True)
class Qemu:
    """How the emulator runs it. `readsize`: bytes that littlefs reads at once, 0 for its own."""

    machine: str
    options: tuple[str, ...] = ()
    memory: str | None = None
    readsize: int = 0


@dataclass(frozen=True)
class Board:
    """One board. `native`: mpy-cross architecture, "" for bytecode only; sections that the file
    does not have are None, or all defaults.
    """

    name: str
    description: str
    chip: str = field(metadata=_one_of("esp32", "esp32s3", "esp32c3", "esp32c6", "host"))
    target: str = field(metadata=_one_of("serial", "qemu", "unix"))
    native: str = field(
        default="",
        metadata=_one_of("", "x64", "x86", "armv7m", "armv7em", "xtensawin", "rv32imc"),
    )
    micropython: MicroPython | None = None
    flash: Flash | None = None
    network: Host | Wlan | Lan | Ppp = field(default_factory=Host)
    serial: Serial = field(default_factory=Serial)
    pins: Pins = field(default_factory=Pins)
    heap: Heap = field(default_factory=Heap)
    qemu: Qemu | None = None

    def for_firmware(self) -> dict[str, Any]:
        """Return what board.json tells the firmware: name, network, pins, readsize where > 0."""
        told: dict[str, Any] = {"name": self.name}
        told |= {"network": _given(self.network), "pins": _given(self.pins)}
        if self.qemu is not None and self.qemu.readsize:
            told["readsize"] = self.qemu.readsize
        return told


def names(folder: Path = BOARDS) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/board.toml"))


def bytes_of(size: str) -> int:
    """Return the bytes that "256k" or "4M" stands for."""
    scale = _SIZES.get(size[-1:].lower(), 1)
    return int(size.rstrip("kKmM")) * scale


def load(name: str, folder: Path = BOARDS) -> Board:
    """Read `boards/<name>/board.toml`; raises `UserError` that names the file, the line and the
    key.
    """
    if name not in names(folder):
        raise UserError(
            f"unknown board {name!r}, known are: {', '.join(names(folder)) or '(none)'}"
        )
    path = folder / name / "board.toml"
    board: Board = _Reader(path).section(Board, "", read_toml(path), name=name)
    if board.chip != "host":
        for section in ("micropython", "flash"):
            if getattr(board, section) is None:
                raise UserError(f"{path}:1: the section [{section}] is missing")
    if board.target == "qemu" and board.qemu is None:
        raise UserError(f"{path}:1: the section [qemu] is missing")
    return board


class _Reader:
    """Makes the classes above of parsed TOML. Every error names the line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def section(self, kind: type, section: str, data: Mapping[str, Any], **made: str) -> Any:
        """Make a `kind` of the keys in `data`; what is `made` already is no key."""
        known = {one.name: one for one in fields(kind) if one.name not in made}
        hints = get_type_hints(kind)
        values = {}
        for key, value in data.items():
            if key not in known:
                self._unknown(section, key, value, known, hints)
            inner = _section_of(hints[key])
            if inner is not None:
                if not isinstance(value, dict):
                    self._fail(section, key, f"must be a section [{key}], got {value!r}")
                if key == "network":
                    inner = self._driver(key, value)
                values[key] = self.section(inner, key, value)
            else:
                values[key] = self._value(section, key, value, known[key], hints[key])
        for key, one in known.items():
            if key not in data and one.default is MISSING and one.default_factory is MISSING:
                full = f"{section}.{key}" if section else key
                line = line_of(self._path, section) if section else 1
                raise UserError(f"{self._path}:{line}: the key {full!r} is missing")
        return kind(**values, **made)

    def _driver(self, section: str, data: Mapping[str, Any]) -> type:
        driver = data.get("driver")
        if driver not in NETWORKS:
            self._fail(section, "driver", f"must be one of {_list(NETWORKS)}, got {driver!r}")
        return NETWORKS[str(driver)]

    def _value(self, section: str, key: str, value: Any, one: Field[Any], hint: Any) -> Any:
        listed = get_origin(hint) is tuple
        kind = str if listed else next(k for k in (*get_args(hint), hint) if k in (int, str))
        if listed:
            if not isinstance(value, list):
                self._fail(section, key, f"must be a list, got {value!r}")
            value = tuple(value)
        for item in value if listed else (value,):
            if not isinstance(item, kind) or isinstance(item, bool):
                self._fail(
                    section,
                    key,
                    f"must be {'an' if kind is int else 'a'} {kind.__name__}, got {item!r}",
                )
            allowed = one.metadata.get("one_of")
            if allowed is not None and item not in allowed:
                self._fail(section, key, f"must be one of {_list(allowed)}, got {item!r}")
            pattern, words = one.metadata.get("like", ("", ""))
            if pattern and not re.fullmatch(pattern, item):
                self._fail(section, key, f"must be {words}, got {item!r}")
        return value

    def _unknown(
        self,
        section: str,
        key: str,
        value: object,
        known: Mapping[str, Field[Any]],
        hints: Mapping[str, Any],
    ) -> None:
        full = f"{section}.{key}" if section else key
        if isinstance(value, dict):
            sections = ", ".join(f"[{name}]" for name in known if _section_of(hints[name]))
            raise UserError(
                f"{self._path}:{line_of(self._path, full)}: unknown section [{full}],"
                f" known are {sections or '(none)'}"
            )
        keys = ", ".join(name for name in known if not _section_of(hints[name]))
        raise UserError(
            f"{self._path}:{line_of(self._path, section, key)}: unknown key {full!r},"
            f" known are {keys}"
        )

    def _fail(self, section: str, key: str, words: str) -> None:
        full = f"{section}.{key}" if section else key
        raise UserError(f"{self._path}:{line_of(self._path, section, key)}: {full} {words}")


def _section_of(hint: Any) -> type | None:
    """Return the class of a section, None when the hint is that of a plain value."""
    kinds = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((kind for kind in kinds if hasattr(kind, "__dataclass_fields__")), None)


def _given(section: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(section).items() if value is not None}


def _list(allowed: Any) -> str:
    return ", ".join(repr(one) for one in allowed)
