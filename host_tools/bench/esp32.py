"""P5: RAM on an ESP32, in QEMU with the official image: `python -m host_tools memory`."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from host_tools import boards, image
from host_tools.bench.table import HEAD, Row
from host_tools.errors import Failed
from host_tools.lab import rpc
from host_tools.lab.acs import Acs
from host_tools.lab.certificates import Certificates
from host_tools.lab.ntp import NtpServer
from host_tools.lab.provision import Provision
from host_tools.lab.stun import StunServer
from host_tools.package import package
from host_tools.targets.qemu import QemuTarget

DEVICE = Path(__file__).resolve().parent / "device"
BOARD, WIFI_BOARD = "qemu_esp32", "qemu_esp32_wifi"
UDP_PORT = 7547
PATIENCE = 120.0  # s; QEMU's flash is slow, and the machine may be busy
KB = 1024

# In the order in which a device comes to need them, as they are linked (host_tools/package.py).
# The first list is there when it is idle.
IDLE = "cwmp.runtime.boot cwmp.runtime.agent cwmp.runtime.doorbell"
SESSION = """
cwmp.runtime.management cwmp.runtime.store cwmp.runtime.session_start
cwmp.core.events cwmp.core.inform cwmp.runtime.values cwmp.runtime.http_open
cwmp.runtime.http_send cwmp.runtime.http_receive cwmp.wire.envelope cwmp.core.answered
cwmp.core.answer cwmp.wire.http_auth cwmp.core.rpc_values cwmp.core.model_values
"""


Series = Sequence[Sequence[rpc.Rpc]]


@dataclass(frozen=True)
class Told:
    """One MEMORY line: bytes in use, of the heap, and of the IDF's largest free block."""

    what: str
    used: int
    heap: int
    block: int


def _target(
    state: Path, board: boards.Board, script: str, site: Mapping[str, object]
) -> QemuTarget:
    target = QemuTarget(state, board)
    files = dict(image.build(board, site).files)
    script = package(board, image.FIRMWARE).script((DEVICE / script).read_text())
    files["main.py"] = script.encode()
    target.install(files)
    return target


USUAL: Series = (
    (),
    (rpc.get_values("Device."),),
    (rpc.get_names("Device.", False), rpc.get_attributes("Device.")),
    (rpc.set_values({"Device.ManagementServer.PeriodicInformInterval": 7200}),),
    (),
)
SENSOR = "Device.X_020000_Sensor."  # of many_parameters.py
MANY: Series = (
    (rpc.get_names(SENSOR, False),),
    (rpc.get_values(SENSOR),),
    (rpc.set_values({f"{SENSOR}{number}.Limit": number for number in range(1, 201)}),),
)


async def agent_memory(
    state: Path, board: boards.Board, tls: bool = False, series: Series = USUAL
) -> list[Told]:
    """Run the agent against an ACS that provisions and then rings for each of `series`, with what
    it asks of the device; MANY is asked of an application.
    """
    seen_at = QemuTarget(state, board).host_address
    site: dict[str, dict[str, object]] = {
        "acs": {"username": "cpe", "password": "secret"},
        "connection_request": {"port": UDP_PORT, "limit_count": 1000},
        "network": image.example_network(board),
    }
    context = None
    if series is MANY:
        application = state.with_name("many")
        application.mkdir()
        shutil.copy(DEVICE / "many_parameters.py", application / "parameters.py")
        site["app"] = {"folder": str(application)}
    async with contextlib.AsyncExitStack() as lab:
        if tls:
            state.mkdir(parents=True, exist_ok=True)
            certificates = Certificates(state)
            context = certificates.server("acs", seen_at)
            site["acs"]["ca"] = str(state / "ca.pem")
            clock = await lab.enter_async_context(NtpServer())
            site["time"] = {"ntp_server": f"{seen_at}:{clock.address[1]}"}
        stun = await lab.enter_async_context(StunServer("127.0.0.1"))
        acs = await lab.enter_async_context(
            Acs("127.0.0.1", 0, "cpe", "secret", send_udp=stun.send, tls=context)
        )
        site["acs"]["url"] = acs.url.replace("127.0.0.1", seen_at)
        acs.set_provision(
            Provision(
                stun_host=seen_at,
                stun_port=stun.address[1],
                minimum_keepalive=30,
                maximum_keepalive=30,
            )
        )
        target = _target(state, board, "esp32_memory.py", site)
        try:
            target.start()
            cpe = await acs.wait_cpe(PATIENCE)
            since = 0
            for calls in series:
                await asyncio.to_thread(target.wait_line, r"^MEMORY I ", since, PATIENCE)
                answers = [cpe.queue(call) for call in calls]
                since = target.log_position()
                ring = await acs.ring(cpe)
                await ring.session(PATIENCE)
                await asyncio.gather(*answers)
            await asyncio.to_thread(target.wait_line, r"^MEMORY I ", since, PATIENCE)
            said = target.said()
        finally:
            target.stop()
    lines = [line.split() for line in said.splitlines() if line.startswith("MEMORY ")]
    return [Told(words[1], *map(int, words[2:5])) for words in lines]


def rows(told: Sequence[Told]) -> list[Row]:
    """Return the rows of P5."""
    bare = told[0].used
    idle = [one.used for one in told if one.what == "I"]
    sessions = [one.used for one in told if one.what == "S"]
    if not idle or not sessions:
        raise Failed("the board said nothing of idle and session: see its log")
    return [
        Row(
            "P5",
            "idle agent with its code",
            (max(idle) - bare) / KB,
            "KB",
            "over the bare prompt; all of it, the wake path alone should take 40",
            64,
        ),
        Row(
            "P5",
            "peak in a session",
            (max(sessions) - max(idle)) / KB,
            "KB",
            "over the idle agent",
            24,
        ),
        Row(
            "P5",
            "largest block left to the IDF",
            min(one.block for one in told) / KB,
            "KB",
            f"{told[0].block / KB:.0f} KB at the bare prompt",
            45,
            at_least=True,
        ),
        Row(
            "P5",
            "bare prompt",
            bare / KB,
            "KB",
            "in use, most of it by what reads QEMU's slow flash",
        ),
    ]


def other_rows(told: Sequence[Told], where: str) -> list[Row]:
    """Return the figures of an agent that has more beside it, for which there is no target."""
    idle = [one for one in told if one.what == "I"]
    sessions = [one for one in told if one.what == "S"]
    if not idle or not sessions:
        raise Failed("the board said nothing of idle and session: see its log")
    used = max(one.used for one in idle)
    figures = (
        (f"idle, {where}", used - told[0].used, "over the bare prompt"),
        (f"peak in a session, {where}", max(one.used for one in sessions) - used, "over idle"),
        (f"largest block left, idle, {where}", min(one.block for one in idle), ""),
        (f"largest block left, in a session {where}", min(one.block for one in sessions), ""),
    )
    return [Row("P5", name, figure / KB, "KB", against) for name, figure, against in figures]


def modules(state: Path, board: boards.Board) -> list[tuple[str, int, int]]:
    """Return (module, bytes of its .mpy, bytes it adds to the heap)."""
    names = (IDLE + SESSION).split()
    made = package(board, image.FIRMWARE)
    there = {made.module(name.removeprefix("cwmp.")): name for name in names}
    target = QemuTarget(state, board)
    files = dict(image.build(board, {}).files)
    files["main.py"] = (
        (DEVICE / "esp32_modules.py").read_text().replace("MODULES:", f"{[*there]!r}:").encode()
    )
    target.install(files)
    try:
        target.start()
        target.wait_line(r"^MODULES done", 0, PATIENCE)
        said = target.said()
    finally:
        target.stop()
    sizes = {path: len(code) for path, code in image.modules(board).items()}
    found = []
    for line in said.splitlines():
        words = line.split()
        if words[:1] == ["MODULE"]:
            path = f"lib/{words[1].replace('.', '/')}"
            name = there[words[1]].removeprefix("cwmp.")
            found.append((name, sizes[f"{path}.mpy"], int(words[2])))
    return found


def page(figures: Sequence[Row], table: Sequence[tuple[str, int, int]], package: int) -> str:
    """Return docs/memory.md."""
    idle = {name.removeprefix("cwmp.") for name in IDLE.split()}
    lines = [
        "# Memory on an ESP32",
        "",
        "Made by `python -m host_tools memory --tls --wifi --many --write docs/memory.md`, in",
        "QEMU with the official ESP32_GENERIC v1.23.0 image (165 KB of heap in all): the agent as",
        "it is, against a lab ACS that provisions it, rings, reads the whole tree, names and",
        "attributes, and writes. After each answer, before anything that was loaded is dropped,",
        "and whenever it is idle, everything is collected and counted. What to do about it:",
        "`docs/architecture.md`, Memory.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
        *("| " + " | ".join(row.cells()) + " |" for row in figures),
        "",
        "## Per module",
        "",
        "What a module adds to the heap when it comes after those above it. One line may bear the",
        "growth of a table that all share (names, modules): the sums count. Of what a session",
        "loads, `management` stays until it ends, the others come and go.",
        "",
        "| module | .mpy | RAM | |",
        "|---|---|---|---|",
    ]
    for name, size, ram in table:
        lines.append(f"| `{name}` | {size:,} | {ram:,} | {'idle' if name in idle else ''} |")
    for label, chosen in (
        ("idle", [one for one in table if one[0] in idle]),
        ("in a session besides", [one for one in table if one[0] not in idle]),
    ):
        size, ram = sum(one[1] for one in chosen), sum(one[2] for one in chosen)
        lines.append(f"| **{label}** | **{size:,}** | **{ram:,}** | |")
    lines += ["", f"The whole package, every optional part included: {package:,} bytes of .mpy."]
    return "\n".join(lines) + "\n"


def command(
    write: Annotated[Path | None, typer.Option(help="write the page to this file")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="measure sessions over TLS, too")] = False,
    wifi: Annotated[bool, typer.Option("--wifi", help="measure sessions on Wi-Fi, too")] = False,
    many: Annotated[
        bool, typer.Option("--many", help="measure requests about 1,000 parameters, too")
    ] = False,
) -> None:
    """Measure what the firmware takes on an ESP32 (QEMU and the official image are needed).

    Example: python -m host_tools memory --write docs/memory.md
    """
    board = boards.load(BOARD)
    with tempfile.TemporaryDirectory(prefix="esp-cwmp-memory-") as folder:
        figures = rows(asyncio.run(agent_memory(Path(folder, "agent"), board)))
        if many:
            asked = asyncio.run(agent_memory(Path(folder, "thousand"), board, series=MANY))
            figures += other_rows(asked, "1,000 read or 200 set, with their application")
        if tls:
            over = asyncio.run(agent_memory(Path(folder, "tls"), board, tls=True))
            figures += other_rows(over, "with TLS")
        if wifi:
            on_air = asyncio.run(agent_memory(Path(folder, "wifi"), boards.load(WIFI_BOARD)))
            figures += other_rows(on_air, "on Wi-Fi")
        if tls and wifi:
            both = agent_memory(Path(folder, "both"), boards.load(WIFI_BOARD), tls=True)
            figures += other_rows(asyncio.run(both), "with TLS on Wi-Fi")
        table = modules(Path(folder, "modules"), board)
        idle = sum(size for name, size, _ in table if f"cwmp.{name}" in IDLE.split())
        figures.append(Row("P5", "code of the idle agent", idle / KB, "KB", "of .mpy", 48))
    whole = sum(map(len, image.modules(board).values()))
    text = page(figures, table, whole)
    if write is None:
        typer.echo(text)
    else:
        write.write_text(text)
        typer.echo(f"wrote {write}")
    missed = [row.figure for row in figures if row.met is False]
    if missed:
        raise Failed("target missed: " + "; ".join(missed))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("memory")(command)
