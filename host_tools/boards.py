"""The boards this project knows: one folder each under `boards/`, described by its board.toml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.errors import UserError
from host_tools.tomlfile import line_of, read_toml

BOARDS = Path(__file__).resolve().parent.parent / "boards"
TARGETS = ("unix",)
NATIVE = ("", "x64", "x86", "armv7m", "armv7em", "xtensa", "xtensawin", "rv32imc")

# section -> key -> (type, needed); "" is the top of the file
_KEYS: dict[str, dict[str, tuple[type, bool]]] = {
    "": {"description": (str, True), "target": (str, True), "native": (str, True)},
    "unix": {"heap": (str, False)},
}


@dataclass(frozen=True)
class Board:
    """`native`: mpy-cross architecture, "" for bytecode only; `options`: the section named like
    the target.
    """

    name: str
    description: str
    target: str
    native: str
    options: dict[str, Any]


def names(folder: Path = BOARDS) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/board.toml"))


def load(name: str, folder: Path = BOARDS) -> Board:
    """Read `boards/<name>/board.toml`; raises `UserError` that names the file, the line and the
    key.
    """
    if name not in names(folder):
        raise UserError(
            f"unknown board {name!r}, known are: {', '.join(names(folder)) or '(none)'}"
        )
    path = folder / name / "board.toml"
    data = read_toml(path)
    for section, value in data.items():
        if isinstance(value, dict):
            if section not in _KEYS:
                known = ", ".join(f"[{name}]" for name in _KEYS if name)
                raise UserError(
                    f"{path}:{line_of(path, section)}: "
                    f"unknown section [{section}], known are {known}"
                )
            for key, inner in value.items():
                _check(path, section, key, inner)
        else:
            _check(path, "", section, value)
    for key, (_, needed) in _KEYS[""].items():
        if needed and key not in data:
            raise UserError(f"{path}:1: the key {key!r} is missing")
    _one_of(path, "target", data["target"], TARGETS)
    _one_of(path, "native", data["native"], NATIVE)
    return Board(
        name, data["description"], data["target"], data["native"], data.get(data["target"], {})
    )


def _check(path: Path, section: str, key: str, value: object) -> None:
    keys = _KEYS[section]
    place = f"{path}:{line_of(path, section, key)}"
    full = f"{section}.{key}" if section else key
    if key not in keys:
        raise UserError(f"{place}: unknown key {full!r}, known are {', '.join(keys)}")
    kind = keys[key][0]
    if not isinstance(value, kind):
        raise UserError(f"{place}: {full} must be a {kind.__name__}, got {value!r}")


def _one_of(path: Path, key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = ", ".join(repr(one) for one in allowed)
        raise UserError(
            f"{path}:{line_of(path, '', key)}: {key} must be one of {listed}, got {value!r}"
        )
