"""The package `cwmp` as it goes onto a board: linked into few modules, with short names, which
these have themselves, too.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from host_tools.boards import Board
from host_tools.flat import Flat
from host_tools.link import Group, Linked
from host_tools.link_names import PACKAGE
from host_tools.names import for_board, rom_names, short_names

# What is loaded together. The head is what others import; a member that is missing is left out, so
# that a board's own drivers can be named for all.
BOOT = """
runtime.poll runtime.log runtime.slices runtime.console port.base port.link runtime.boot boot
"""
AGENT = """
wire.emitter wire.hmac_sha1 wire.udp_request wire.stun core.freshness core.retry core.schedule
core.connection_request core.stun_transaction core.nat_binding core.periodic
runtime.resolver runtime.udp runtime.discovery
wire.http_error wire.soap core.fault core.rpc core.rpc_parts core.session
runtime.stream runtime.http_client runtime.session_runner runtime.agent runtime.supervisor
"""
MANAGEMENT = """
core.cwmp_types core.device2 core.data_model runtime.management
"""
READING = "wire.xml wire.envelope"  # an envelope of the ACS
OWED = "core.model_recall core.notification core.events"  # what the ACS is to be told
FAULT = "wire.soap_fault core.rpc_fault"
SENDING = "wire.request_head runtime.http_send"
RECEIVING = "wire.http runtime.http_receive"
PREPARED = "core.prepared_inform runtime.prepared"  # where there is memory for it
WRITING = "core.model_record core.model_values"
VISIT = "wire.http_request core.tcp_request runtime.tcp_visit"  # somebody at the doorbell
# What stays, or for a whole session; all else comes and goes within one, or sees to one thing.
STAYING = """
boot runtime.agent runtime.doorbell runtime.management runtime.prepared
runtime.clock runtime.led runtime.application
"""


@dataclass(frozen=True)
class Package:
    """`sources`: path below the firmware -> text, linked. `names`: own name -> the board's;
    `modules`: `room.name` -> the board's.
    """

    sources: Mapping[str, str]
    names: Mapping[str, str]
    modules: Mapping[str, str]
    _linked: Linked
    _flat: Flat

    def script(self, text: str) -> str:
        """Return a script that uses the names of the sources as it has to be for the board."""
        return for_board(self._flat.script(self._linked.script(text)), self.names)

    @cached_property
    def staying(self) -> set[str]:
        """Paths of `sources`: those of the modules that are not dropped within a session."""
        names = ["__init__", *STAYING.split()]
        return {f"{PACKAGE}/{self.modules.get(name, name)}.py" for name in names}

    @cached_property
    def interned(self) -> set[str]:
        """Texts in compiled code that have to be names, and those that are in the ROM."""
        found = set(rom_names())
        for text in self.sources.values():
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.keyword) and node.arg:
                    found |= {node.arg, self.names.get(node.arg, node.arg)}
                elif isinstance(node, ast.ClassDef):
                    found |= {node.name, self.names.get(node.name, node.name)}
        return found

    def module(self, name: str) -> str:
        """Return the full name, on the board, of what the module `room.name` is part of."""
        head = self._linked.head_of(name)
        return f"{PACKAGE}.{self.modules.get(head, head)}"

    def source_of(self, path: str) -> str:
        """Return where a module of `sources` comes from."""
        short = {f"{PACKAGE}/{there}.py": name for name, there in self.modules.items()}
        return f"{PACKAGE}/{short[path].replace('.', '/')}.py" if path in short else path


def _groups(port: str, driver: str, known: set[str]) -> list[Group]:
    heads = {
        "boot": f"{BOOT} port.{port} port.{driver}",
        "runtime.agent": AGENT,
        "runtime.management": MANAGEMENT,
        "wire.envelope": READING,
        "runtime.http_send": SENDING,
        "runtime.http_receive": RECEIVING,
        "core.events": OWED,
        "core.rpc_fault": FAULT,
        "runtime.prepared": PREPARED,
        "core.model_values": WRITING,
        "runtime.tcp_visit": VISIT,
    }
    return [
        Group(head, tuple(name for name in members.split() if name in known))
        for head, members in heads.items()
        if head in known
    ]


def package(board: Board, firmware: Path) -> Package:
    """Return the package for a board, from the sources below `firmware`."""
    paths = sorted((firmware / PACKAGE).rglob("*.py"))
    sources = tuple((path.relative_to(firmware).as_posix(), path.read_text()) for path in paths)
    port = "unix" if board.target == "unix" else "esp32"
    return _package(port, board.network.driver, sources)


@lru_cache(8)
def _package(port: str, driver: str, sources: tuple[tuple[str, str], ...]) -> Package:
    known = {
        path.removeprefix(f"{PACKAGE}/").removesuffix(".py").replace("/", ".")
        for path, _ in sources
    }
    linked = Linked(dict(sources), _groups(port, driver, known))
    flat = Flat(linked)
    return Package(flat.sources, short_names(flat.sources), flat.modules, linked, flat)
