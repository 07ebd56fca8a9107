"""How the demo looks: a timeline while it runs, a verdict on each claim at the end."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from host_tools.capture.story import shown
from host_tools.demo.lab import Lab
from host_tools.demo.story import Claim, Line, Story

_NAMES = {
    "CPE": "bold green",
    "ACS": "bold blue",
    "STUN": "bold magenta",
    "NAT": "bold yellow",
    "forger": "bold red",
}
_TEXTS = {"message": "", "ring": "bold", "hostile": "red", "lost": "yellow", "quiet": "dim"}
_TIME, _ENDS = 11, 15  # columns of "  1234 ms  " and of "forger -> CPE  "
_WIDEST = 110


class Timeline:
    """A `Teller` that prints at once. `verbose` shows the serial console too."""

    def __init__(self, console: Console, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._chapters = 0
        self._plain = (console.encoding or "").lower().replace("-", "") != "utf8"

    @property
    def _width(self) -> int:
        return max(min(self._console.width, _WIDEST), 50)

    def opening(self, lab: Lab) -> None:
        """Who takes part, and where they are."""
        cpe = Text(f"  CPE {shown(lab.cpe_address)} ")
        nat = f" NAT {lab.nat.outside_host} "
        line, corner = ("-", "\\") if self._plain else ("─", "└")
        first = cpe + Text(f"{line}UDP{line * 2}{nat}{line * 4} STUN {shown(lab.stun.address)}")
        gap = len(nat) + 6
        second = Text(" " * (cpe.cell_len - 1) + f"{corner}{line}TCP{line * gap} ")
        second.append(f"ACS  {shown(lab.acs_address)}")
        self._console.print(Text("A device behind a NAT is woken by its ACS", "bold"))
        self._console.print()
        for row in first, second:
            for name, style in _NAMES.items():
                row.highlight_words([f" {name} "], style)
            self._console.print(row)
        self._console.print()
        self._paragraph(
            f"All of it on this machine. The CPE is {lab.place.cast}, in a flash that was empty a "
            f"moment ago. The NAT gives its UDP port another number outside, and lets in only "
            f"what comes from where it has sent to. {lab.place.times}",
            "dim",
        )

    def chapter(self, title: str, text: str) -> None:
        self._chapters += 1
        self._console.print()
        self._console.print(Text(f"{self._chapters}. {title}", "bold underline"))
        self._paragraph(text, "italic")
        self._console.print()

    def line(self, line: Line) -> None:
        head = Text(f"{line.ms:6.0f} ms  ", "cyan")
        head.append(line.who, _NAMES.get(line.who, "not cyan"))
        if line.whom:
            head.append(" -> " if self._plain else " → ", "dim not cyan")
            head.append(line.whom, _NAMES.get(line.whom, "not cyan"))
        indent = _TIME + _ENDS
        width = max(self._width - indent, 24)
        row = Text()
        row.append_text(head).append(" " * max(indent - head.cell_len, 1))
        for index, part in enumerate(textwrap.wrap(line.what, width)):
            row.append("\n" + " " * indent if index else "")
            row.append(part, _TEXTS[line.kind])
        for part in textwrap.wrap(line.why, width):
            row.append("\n" + " " * indent).append(part, "dim")
        self._console.print(row, soft_wrap=True)

    def serial(self, text: str) -> None:
        if self._verbose:
            mark = " " * _TIME + "| "
            lines = textwrap.wrap(text, self._width - len(mark), subsequent_indent="  ")
            for part in lines or [""]:
                self._console.print(Text(mark + part, "dim"), soft_wrap=True)

    def summary(self, story: Story) -> None:
        """Every claim with its verdict and what was measured."""
        self._console.print()
        self._console.print(Text("What was claimed, and what was measured", "bold underline"))
        self._console.print()
        for claim in story.claims.values():
            self._claim(claim)

    def _claim(self, claim: Claim) -> None:
        row = Text("PASS  ", "bold green") if claim.ok else Text("FAIL  ", "bold red")
        row.append(claim.text, "not bold default")
        found = claim.found or "not reached"
        if row.cell_len + 2 + len(found) <= self._width:
            row.append(f"  {found}", "dim not bold default")
        else:
            for part in textwrap.wrap(found, self._width - 6):
                row.append(f"\n      {part}", "dim not bold default")
        self._console.print(row, soft_wrap=True)

    def closing(
        self, story: Story, hints: Sequence[tuple[str, str]], said: Sequence[str] = ()
    ) -> None:
        """The figures, or what the device `said` last; then what to do next: (label, command)."""
        self._console.print()
        if story.failed:
            self._console.print(Text("The device said last", "bold underline"))
            for line in said:
                self._console.print(Text(f"  {line}", "dim"), soft_wrap=True)
        else:
            wake, again = story.facts["wake_ms"], story.facts["second_wake_ms"]
            text = f"All {len(story.claims)} claims hold: woken in {wake:.1f} ms, "
            text += f"and in {again:.1f} ms after the NAT had moved it."
            self._console.print(Text(text, "bold green"), soft_wrap=True)
        self._console.print()
        for label, command in hints:
            row = Text(f"{label:9}", "bold").append(command, "not bold")
            self._console.print(row, soft_wrap=True)

    def _paragraph(self, text: str, style: str) -> None:
        for part in textwrap.wrap(text, self._width - 2):
            self._console.print(Text(f"  {part}", style), soft_wrap=True)
