"""Which target runs a board: `target` in its board.toml names one of KINDS."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host_tools.boards import Board
from host_tools.errors import UserError
from host_tools.targets.pumped import PumpedTarget
from host_tools.targets.unix import UnixTarget


@dataclass(frozen=True)
class Wishes:
    """What somebody may ask for beside what board.toml says. `interpreter`: of the unix port;
    `micropython`: image for a chip; `netns`: a namespace to live in; `detached`: without us.
    """

    interpreter: str | None = None
    micropython: Path | None = None
    netns: str = ""
    detached: bool = True


def _unix(board: Board, state: Path, wishes: Wishes) -> PumpedTarget:
    return UnixTarget(
        state,
        interpreter=wishes.interpreter,
        heap=board.heap.size,
        netns=wishes.netns,
        detached=wishes.detached,
    )


def _qemu(board: Board, state: Path, wishes: Wishes) -> PumpedTarget:
    from host_tools.targets.qemu import QemuTarget

    return QemuTarget(
        state,
        board,
        micropython=wishes.micropython,
        netns=wishes.netns,
        detached=wishes.detached,
    )


KINDS: dict[str, Callable[[Board, Path, Wishes], PumpedTarget]] = {"unix": _unix, "qemu": _qemu}


def target_for(board: Board, state: Path, wishes: Wishes = Wishes()) -> PumpedTarget:
    """Make the target of a board that this machine runs; raises `UserError` for another."""
    if board.target not in KINDS:
        raise UserError(f"board {board.name} is not one that this machine runs")
    return KINDS[board.target](board, state, wishes)
