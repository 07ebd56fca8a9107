"""Which serial port: the one that is named, or the one that has a board of this kind behind it."""

from collections.abc import Callable, Iterable
from typing import Protocol

from serial.tools import list_ports

from host_tools.boards import Board
from host_tools.console import open_port
from host_tools.errors import UserError


class PortInfo(Protocol):
    """What pyserial tells of a port."""

    device: str
    description: str
    vid: int | None
    pid: int | None


def choose(
    board: Board,
    wanted: str | None,
    listed: Callable[[], Iterable[PortInfo]] = list_ports.comports,
) -> str:
    """Return `wanted` (a device or any URL of pyserial), else the only port with a USB id of the
    board; raises `UserError` that lists what there is.
    """
    if wanted:
        return wanted
    known = sorted(listed(), key=lambda port: port.device)
    fitting = [port for port in known if usb_id(port) in board.serial.usb]
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        raise UserError(f"several boards are there, choose one with --port: {_lines(fitting)}")
    others = f"; other ports: {_lines(known)}" if known else ""
    raise UserError(
        f"no port of a {board.name} found (USB {', '.join(board.serial.usb) or 'ids unknown'}):"
        f" plug it in, or name its port with --port{others}"
    )


def usb_id(port: PortInfo) -> str:
    """Return vendor:product as board.toml has it, "" for a port that is not on USB."""
    return "" if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}"


def check(url: str) -> None:
    """Open the port and close it again; raises `UserError` that says why it cannot be used."""
    open_port(url).close()


def _lines(ports: Iterable[PortInfo]) -> str:
    return ", ".join(
        f"{port.device} ({port.description}{' ' + usb_id(port) if usb_id(port) else ''})"
        for port in ports
    )
