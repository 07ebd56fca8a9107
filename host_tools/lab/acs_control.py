"""Commands typed at a running lab ACS, for a person with a board on the bench."""

import asyncio
from collections.abc import Awaitable, Callable

from host_tools.errors import Failed, UserError
from host_tools.lab import rpc
from host_tools.lab.acs import Acs
from host_tools.lab.cpe import Cpe, Inform, Session, SessionLost
from host_tools.lab.ring import Rung
from host_tools.lab.rpc import Rpc, Typed
from host_tools.lab.soap import CwmpFaultError, Received
from host_tools.lab.xsd_types import TYPES

HELP = """\
cpes                 every CPE, its last events, and where it can be rung
use KEY              talk to that CPE; without it to the one that came last
get PATH...          values; a path ending in a dot takes all below
set NAME=VALUE...    values; types as the CPE has them
names PATH           names below, and which can be written
notify NAME=0|1|2    notification off, passive, active
attributes NAME...   notifications and access lists
methods              RPCs the CPE knows
ring [STYLE]         wake it by a UDP Connection Request, and wait for the session
ring tcp             the same by a TCP Connection Request; ring both: as GenieACS, at once
reboot | reset       Reboot, FactoryReset
download URL [site]  Download of firmware or application (of a site configuration), to its end
upload URL [site]    Upload of the log (of the site configuration), to its end
transfers            what is queued of them
inform SECONDS       ScheduleInform
sessions             the last sessions, message by message
violations           rules that CPEs have broken
help | quit
Requests ring the CPE when they can; else they wait for its next Inform."""


class Quit(Exception):
    """The person wants to leave."""


def describe(kind: str, cpe: Cpe | None, what: object) -> str:
    """Return one line for what the ACS reports to its listeners; '' for nothing worth a line."""
    name = cpe.key if cpe is not None else ""
    if isinstance(what, Inform) and cpe is not None:
        address = what.parameters.get(cpe.management("UDPConnectionRequestAddress"))
        line = f"inform {name} {', '.join(what.codes)} retry={what.retry_count}"
        return line + (f" address={address}" if address else "")
    if isinstance(what, Session):
        good = "ok" if what.ok else f"failed: {what.reason}"
        took = ((what.ended_ns or what.started_ns) - what.started_ns) // 1_000_000
        return f"session {name} #{what.number} {good} messages={what.messages} ms={took}"
    if isinstance(what, Received):
        return f"request {name} {what.method}"
    return f"{kind} {what}"


class Control:
    """Carries out typed commands; `wait` is how long an answer may take, in seconds."""

    def __init__(self, acs: Acs, echo: Callable[[str], None], wait: float = 60.0) -> None:
        self._acs = acs
        self._echo = echo
        self._wait = wait
        self._chosen = ""
        self._commands: dict[str, Callable[[list[str]], Awaitable[str]]] = {
            "cpes": self._cpes,
            "use": self._use,
            "get": self._get,
            "set": self._set,
            "names": self._names,
            "notify": self._notify,
            "attributes": self._attributes,
            "methods": self._methods,
            "ring": self._ring,
            "reboot": lambda words: self._done(rpc.reboot()),
            "reset": lambda words: self._done(rpc.factory_reset()),
            "download": lambda words: self._transfer(words, True),
            "upload": lambda words: self._transfer(words, False),
            "transfers": self._transfers,
            "inform": self._inform,
            "sessions": self._sessions,
            "violations": self._violations,
            "help": self._help,
        }

    async def obey(self, line: str) -> str:
        """Carry out one line, return what to print; UserError or Failed say why not."""
        words = line.split()
        if not words:
            return ""
        if words[0] in ("quit", "exit"):
            raise Quit
        command = self._commands.get(words[0])
        if command is None:
            raise UserError(f"no command '{words[0]}': type help")
        try:
            return await command(words[1:])
        except (CwmpFaultError, SessionLost) as error:
            parts = error.parameters if isinstance(error, CwmpFaultError) else []
            details = "".join(f"; {name}: {code} {text}" for name, code, text in parts)
            raise Failed(f"{words[0]}: {error}{details}") from error
        except TimeoutError as error:
            raise Failed(f"{words[0]}: {error or f'no answer in {self._wait:g} s'}") from error

    @property
    def _cpe(self) -> Cpe:
        cpes = list(self._acs.cpes.values())
        if not cpes:
            raise UserError(f"no CPE has come yet: its ACS URL must be {self._acs.url}")
        if self._chosen:
            return self._acs.cpes[self._chosen]
        return max(cpes, key=lambda cpe: cpe.informs[-1].first_byte_ns)

    async def _ask(self, call: Rpc) -> object:
        cpe = self._cpe
        answer = cpe.queue(call)
        if cpe.session is None:
            try:
                await self._acs.ring(cpe)
            except (UserError, OSError) as error:
                self._echo(f"waits for the next Inform of {cpe.key}: {error}")
        return await asyncio.wait_for(answer, self._wait)

    async def _done(self, call: Rpc) -> str:
        await self._ask(call)
        return f"{call.method} accepted"

    async def _transfer(self, words: list[str], download: bool) -> str:
        if not words or words[1:] not in ([], ["site"]):
            raise UserError("want: a URL, and perhaps the word site")
        url, site = words[0], len(words) > 1
        if download:
            call = rpc.download(url, rpc.CONFIGURATION if site else rpc.FIRMWARE)
        else:
            call = rpc.upload(url, rpc.UPLOAD_CONFIGURATION if site else rpc.UPLOAD_LOG)
        cpe = self._cpe
        seen = len(cpe.transfers)
        await self._ask(call)
        self._echo(f"{call.method} accepted")
        complete = await cpe.wait_transfer(seen, self._wait)
        if complete.code:
            raise Failed(f"{call.method}: {complete.code} {complete.text}")
        return f"{call.method} complete, from {complete.start} to {complete.complete}"

    async def _transfers(self, words: list[str]) -> str:
        queued = await self._ask(rpc.get_all_queued_transfers())
        assert isinstance(queued, list)
        states = {"1": "waits", "2": "runs", "3": "is done"}
        lines = [f"{one['FileType']} {states.get(one['State'], '?')}" for one in queued]
        return "\n".join(lines) or "none"

    async def _inform(self, words: list[str]) -> str:
        if len(words) != 1 or not words[0].isdecimal():
            raise UserError("want: inform SECONDS")
        return await self._done(rpc.schedule_inform(int(words[0])))

    async def _cpes(self, words: list[str]) -> str:
        lines = []
        for cpe in self._acs.cpes.values():
            address = cpe.parameters.get(cpe.management("UDPConnectionRequestAddress"))
            key = "yes" if cpe.connection_request else "no"
            where = address or "unknown"
            events = ", ".join(cpe.informs[-1].codes)
            lines.append(f"{cpe.key} informs={len(cpe.informs)} last={events} address={where}")
            lines[-1] += f" credentials={key} queued={len(cpe.queued)}"
        return "\n".join(lines) or "no CPE yet"

    async def _use(self, words: list[str]) -> str:
        found = [key for key in self._acs.cpes if words and words[0] in key]
        if len(found) != 1:
            known = ", ".join(found or self._acs.cpes) or "none yet"
            raise UserError(f"use: one CPE is wanted, by its key or a part of it: {known}")
        self._chosen = found[0]
        return f"using {found[0]}"

    async def _get(self, words: list[str]) -> str:
        values = await self._ask(rpc.get_values(*(words or [self._cpe.root])))
        assert isinstance(values, rpc.ParameterValues)
        return "\n".join(f"{name} = {value}" for name, value in values.items())

    async def _set(self, words: list[str]) -> str:
        pairs = _pairs("set", words)
        types = self._cpe.types
        unknown = [name for name, _ in pairs if types.get(name) not in TYPES]
        if unknown:
            await self._ask(rpc.get_values(*unknown))
        typed = {name: Typed(value, types.get(name, "string")) for name, value in pairs}
        status = await self._ask(rpc.set_values(typed))
        return "set" if status == 0 else "set; it takes effect after the session"

    async def _names(self, words: list[str]) -> str:
        names = await self._ask(rpc.get_names(words[0] if words else ""))
        assert isinstance(names, dict)
        return "\n".join(f"{'rw' if can else 'r-'} {name}" for name, can in names.items())

    async def _notify(self, words: list[str]) -> str:
        pairs = _pairs("notify", words)
        if any(level not in ("0", "1", "2") for _, level in pairs):
            raise UserError("notify: 0 is off, 1 passive, 2 active")
        return await self._done(rpc.set_attributes({name: int(level) for name, level in pairs}))

    async def _attributes(self, words: list[str]) -> str:
        found = await self._ask(rpc.get_attributes(*(words or [self._cpe.root])))
        assert isinstance(found, dict)
        return "\n".join(
            f"{name} notification={level} access={','.join(access)}"
            for name, (level, access) in found.items()
        )

    async def _methods(self, words: list[str]) -> str:
        methods = await self._ask(rpc.get_rpc_methods())
        assert isinstance(methods, list)
        return " ".join(methods)

    async def _ring(self, words: list[str]) -> str:
        cpe = self._cpe
        if words == ["tcp"]:
            return await self._ring_tcp(cpe)
        both = words == ["both"]
        name = cpe.management("UDPConnectionRequestAddress")
        if not cpe.parameters.get(name):
            self._echo(f"waits until {cpe.key} tells its {name}")
            await cpe.wait_parameter(name, timeout=self._wait)
        beside = asyncio.create_task(self._acs.ring_tcp(cpe)) if both else None
        try:
            ring = await self._acs.ring(cpe, style=words[0] if words and not both else "spec")
        except (ValueError, OSError) as error:
            raise UserError(f"ring: {error}") from error
        if beside is not None:
            self._echo(f"ring answered {(await beside).status} by TCP")
        self._echo(f"ring {ring.copies} copies to {ring.to[0]}:{ring.to[1]} ts={ring.ts}")
        return await self._woken(ring)

    async def _ring_tcp(self, cpe: Cpe) -> str:
        ring = await self._acs.ring_tcp(cpe)
        self._echo(f"ring {ring.url} answered {ring.status}")
        if ring.status not in (200, 204):
            raise Failed(f"ring: the CPE answered {ring.status}")
        return await self._woken(ring)

    async def _woken(self, ring: Rung) -> str:
        inform = await ring.woken(self._wait)
        # A ring right behind it would be folded into this session (UCR-34), and wait in vain.
        await ring.session(self._wait)
        return f"woken after {(inform.first_try_ns - ring.sent_at) / 1e6:.1f} ms"

    async def _sessions(self, words: list[str]) -> str:
        return "\n".join(
            f"#{session.number} {'; '.join(session.log)}" for session in self._cpe.sessions[-5:]
        )

    async def _violations(self, words: list[str]) -> str:
        return "\n".join(str(found) for found in self._acs.violations) or "none"

    async def _help(self, words: list[str]) -> str:
        return HELP


def _pairs(command: str, words: list[str]) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in words]
    if not pairs or any(not name or not equals for name, equals, _ in pairs):
        raise UserError(f"{command}: NAME=VALUE is wanted")
    return [(name, value) for name, _, value in pairs]
