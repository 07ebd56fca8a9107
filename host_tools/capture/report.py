"""Print the story of a capture: timeline, summary, Wireshark filters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from host_tools.capture.story import Step, Story, shown
from host_tools.errors import UserError

_STYLES = {
    "ok": "green",
    "lenient": "yellow",
    "note": "cyan",
    "unchecked": "yellow",
    "wrong": "bold red",
}
_SIGNS = {"ok": "+", "lenient": "~", "note": ".", "unchecked": "?", "wrong": "!"}
_VERDICTS = ("accepted", "unverified", "duplicate", "stale", "forged", "malformed", "lost")
_NARROWEST = 100


def printable(text: str) -> str:
    """Text from a stranger's packet without what could steer a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def print_story(story: Story, console: Console) -> None:
    """The whole report on one console."""
    if not console.is_terminal:
        console.width = max(console.width, 1000)  # never wrap what goes to a file or a pipe
    _head(story, console)
    for step, times in _folded(story.steps):
        _step(story, step, times, console)
    if not story.steps:
        _line(console, "nothing about STUN, Connection Requests or CWMP in this file")
    _summary(story, console)
    _filters(story, console)


def write_json(story: Story, path: Path) -> None:
    """The story as JSON. UserError: the file cannot be written."""
    try:
        path.write_text(json.dumps(story.as_dict(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style), soft_wrap=True)


def _head(story: Story, console: Console) -> None:
    seconds = (story.last_ns - story.first_ns) / 1e9
    start = _date(story.first_ns)
    where = f", interfaces {', '.join(story.interfaces)}" if story.interfaces else ""
    _line(console, f"{story.path}: {story.frames} packets, {seconds:.3f} s{where}", "bold")
    if story.first_ns:
        _line(console, f"times in seconds after {start}")
    for note in story.notes:
        _line(console, f"note: {note}", "cyan")
    _line(console, "")


def _date(time_ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ns / 1e9:.6f} s (no usable clock)"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % 10**9 // 1000:06d} UTC"


def _folded(steps: list[Step]) -> Iterator[tuple[Step, list[int]]]:
    """Steps with the times of those folded into them: equal keepalives in a row."""
    group: list[Step] = []
    for step in steps:
        if group and (step.fold is None or step.fold != group[0].fold):
            yield group[0], [entry.time_ns for entry in group]
            group = []
        group.append(step)
    if group:
        yield group[0], [entry.time_ns for entry in group]


def _step(story: Story, step: Step, times: list[int], console: Console) -> None:
    seconds = (step.time_ns - story.first_ns) / 1e9
    line = Text()
    line.append(f"{seconds:12.6f} ", "dim")
    line.append(f"{_SIGNS[step.mark]} ", _STYLES[step.mark])
    line.append(f"{step.area:8}", "bold")
    line.append(printable(step.text))
    if len(times) > 1:
        gap = (times[-1] - times[0]) / (len(times) - 1) / 1e9
        line.append(f" ... {len(times)} times, {gap:.1f} s apart on average", "dim")
    if step.frames:
        line.append(f"  [{_frames(step.frames)}]", "dim")
    console.print(line, soft_wrap=True)
    for check in step.checks:
        detail = Text(" " * 15)
        detail.append(f"{_SIGNS[check.mark]} {check.id} ", _STYLES[check.mark])
        detail.append(printable(check.text))
        console.print(detail, soft_wrap=True)


def _frames(frames: list[int]) -> str:
    shown_frames = ", ".join(str(number) for number in frames[:6])
    more = f", ... {len(frames)} in all" if len(frames) > 6 else ""
    return f"frame{'s' if len(frames) > 1 else ''} {shown_frames}{more}"


def _summary(story: Story, console: Console) -> None:
    table = Table(title="Summary", title_justify="left", show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, text: str) -> None:
        table.add_row(name, Text(printable(text)))

    for binding in story.bindings:
        nat = "behind a NAT" if binding.natted else "no NAT seen"
        row("binding", f"{binding.cpe}: {shown(binding.local)} is {shown(binding.mapped)}, {nat}")
    counts = story.verdicts()
    said = [f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if verdict in counts]
    row("UDP Connection Requests", ", ".join(said) or "none")
    if story.tcp_requests:
        good = sum(request.status in (200, 204) for request in story.tcp_requests)
        row("TCP Connection Requests", f"{len(story.tcp_requests)}, of them {good} accepted")
    for session in story.sessions:
        events = ", ".join(session.events) or "start not in the file"
        faults = f"; faults: {', '.join(session.faults)}" if session.faults else ""
        calls = f"; RPCs: {', '.join(session.rpcs)}" if session.rpcs else ""
        row("session", f"{session.device}: {events}; end: {session.end}{calls}{faults}")
    for wake in story.wakes:
        row("wake time", f"{wake.cpe} by {wake.way}: {wake.milliseconds:.1f} ms")
    console.print()
    console.print(table)


def _filters(story: Story, console: Console) -> None:
    """One filter per kind of step; folded steps show the first one's."""
    entries = [(step, step.filter) for step, _ in _folded(story.steps) if step.filter]
    if not entries:
        return
    console.print()
    _line(console, "Wireshark display filters (one per step, in the order above)", "bold")
    seen: set[str] = set()
    for step, text in entries:
        if text in seen:
            continue
        seen.add(text)
        seconds = (step.time_ns - story.first_ns) / 1e9
        _line(console, f"{seconds:12.6f} {step.area:8}{text}")
