"""`demo`: the whole story on this machine, with a verdict on each of its claims."""

import asyncio
import json
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from host_tools.demo.lab import Lab
from host_tools.demo.loopback import loopback
from host_tools.demo.namespaces import BOARD, namespaces
from host_tools.demo.place import Place
from host_tools.demo.scenario import play
from host_tools.demo.story import Story
from host_tools.demo.timeline import Timeline
from host_tools.errors import Failed, UserError
from host_tools.targets.unix import DEFAULT_HEAP

PATIENCE = 10.0  # seconds that any single thing may take
TARGETS = {
    "unix": ("--heap", "--interpreter"),
    "qemu": ("--micropython", "--board"),
}  # and their options
LAST_WORDS = 15  # lines of the serial log that a failure shows


def run(
    state: Path,
    capture: Path,
    timeline: Timeline,
    *,
    where: AbstractContextManager[Place] | None = None,
    patience: float = PATIENCE,
    prepare: Callable[[Lab], None] | None = None,
) -> Story:
    """Play the scenario on a board that keeps its things in `state`, by default a unix board;
    nothing is left running, however it ends. `patience`: seconds x the target's pace.
    """

    def ready(stage: Lab) -> None:
        timeline.opening(stage)
        if prepare is not None:
            prepare(stage)

    async def main(place: Place) -> Story:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await play(place, capture, timeline, patience=patience, prepare=ready)

    with where or loopback(state) as place:
        if place.target.running:
            raise UserError(f"a board runs in {state}: take another folder, or stop it first")
        try:
            return asyncio.run(main(place))
        except asyncio.CancelledError:
            raise Failed("stopped") from None
        finally:
            place.target.stop()


def place_for(
    target: str,
    state: Path,
    heap: str | None = None,
    interpreter: str | None = None,
    micropython: Path | None = None,
    board: str | None = None,
) -> AbstractContextManager[Place]:
    """Where a demo on that kind of board takes place; `UserError` for an option that is another
    kind's.
    """
    options: dict[str, object] = {"--heap": heap, "--interpreter": interpreter}
    options |= {"--micropython": micropython, "--board": board}
    if target not in TARGETS:
        raise UserError(f"no target {target!r}, known are: {', '.join(TARGETS)}")
    for name, given in options.items():
        if given is not None and name not in TARGETS[target]:
            raise UserError(f"{name} is not for the target {target}")
    if target == "unix":
        return loopback(state, interpreter=interpreter, heap=heap)
    return namespaces(state, board=board or BOARD, micropython=micropython)


def as_dict(story: Story, capture: Path, explain: str) -> dict[str, Any]:
    """For JSON: the facts (null when not reached), every claim, every line of the timeline."""
    wanted = (
        "wake_ms",
        "nat_detected",
        "udp_connection_request_address",
        "inform_events",
        "copies_sent",
        "sessions_started",
        "rejected",
    )
    return {
        "passed": not story.failed,
        **dict.fromkeys(wanted),
        **story.facts,
        "capture": str(capture),
        "explain": explain,
        "claims": {
            name: {"ok": bool(claim.ok), "text": claim.text, "found": claim.found}
            for name, claim in story.claims.items()
        },
        "timeline": [vars(line) for line in story.lines],
    }


def explain_command(story: Story, capture: Path) -> str:
    """A command line that works as it stands, in the folder where the demo ran."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    words = [str(python), "-m", "host_tools", "capture", "explain", str(capture)]
    password = story.facts.get("connection_request_password")
    if password:  # one word with its option, because it may begin with a dash
        words += [f"--username={story.facts['connection_request_username']}"]
        words += [f"--password={password}"]
    return shlex.join(words)


def command(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write facts, claims and timeline to this JSON file."),
    ] = None,
    capture: Annotated[Path, typer.Option(help="Capture of every packet, for Wireshark.")] = Path(
        "demo.pcapng"
    ),
    target: Annotated[str, typer.Option(help=f"Board: {', '.join(TARGETS)}.")] = "unix",
    heap: Annotated[
        str | None,
        typer.Option(help=f"MicroPython heap of the unix board [{DEFAULT_HEAP}]."),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.")] = False,
    keep_state: Annotated[
        Path | None,
        typer.Option(
            help="Keep the board's flash and serial.log here; a flash that is there is wiped.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the serial console too.")
    ] = False,
    interpreter: Annotated[
        str | None,
        typer.Option(help="MicroPython of the unix board [$MICROPYTHON, else the installed one]."),
    ] = None,
    micropython: Annotated[
        Path | None,
        typer.Option(
            help="MicroPython image of the QEMU board [$ESP_CWMP_MICROPYTHON, else what"
            " `python -m host_tools fetch firmware` got].",
            show_default=False,
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(help=f"Board under boards/ that runs in QEMU [{BOARD}].", show_default=False),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds that any single step may take; ten times as many on QEMU."
        ),
    ] = PATIENCE,
) -> None:
    """Wake a device behind a NAT, from first contact to replayed requests, in some ten seconds.

    Needs no root and no network but loopback. With --target qemu the device is an ESP32 in QEMU
    behind a NAT of the kernel: that takes minutes, and root or namespaces of a user. Exit status
    0: every claim was measured to be true.

    \b
    Examples:
      python -m host_tools demo --json demo.json --verbose
      unshare --user --map-root-user --net python -m host_tools demo --target qemu
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise UserError(f"cannot write {json_file}: no such folder")
    colour: Literal["auto"] | None = None if no_color else "auto"
    console = Console(color_system=colour, highlight=False, emoji=False, markup=False)
    timeline = Timeline(console, verbose)
    with ExitStack() as stack:
        state = keep_state
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="esp-cwmp-")))
        where = place_for(target, state, heap, interpreter, micropython, board)
        story = run(state, capture, timeline, where=where, patience=patience)
        log = state / "serial.log"
        said = log.read_text().splitlines()[-LAST_WORDS:] if log.exists() else []
    conclude(story, timeline, capture, json_file, log if keep_state else None, said)


def conclude(
    story: Story,
    timeline: Timeline,
    capture: Path,
    json_file: Path | None = None,
    log: Path | None = None,
    said: Sequence[str] = (),
) -> None:
    """Print the verdicts and write the JSON; raises `Failed` that names the claims that fail."""
    explain = explain_command(story, capture)
    timeline.summary(story)
    hints = [("capture", str(capture)), ("explain", explain)]
    if shutil.which("wireshark"):
        hints.append(("look", shlex.join(["wireshark", str(capture)])))
    if log is not None:
        hints.append(("log", str(log)))
    timeline.closing(story, hints, said)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(as_dict(story, capture, explain), indent=1) + "\n")
        except OSError as error:
            raise UserError(f"cannot write {json_file}: {error.strerror}") from error
    if story.failed:
        count = f"{len(story.failed)} of {len(story.claims)} claims do not hold:"
        reached = ["" if claim.ok is False else " (not reached)" for claim in story.failed]
        texts = [claim.text + more for claim, more in zip(story.failed, reached, strict=True)]
        raise Failed("\n  ".join([count, *texts]))


def register(app: typer.Typer) -> None:
    app.command("demo")(command)
