"""What the lab ACS knows about one CPE: Informs, sessions, parameters, and requests waiting."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from host_tools.lab import rpc, soap
from host_tools.lab.rpc import Rpc
from host_tools.lab.soap import Node
from host_tools.lab.watch import Watch

_ROW = re.compile(r"\.InformParameter\.\d+\.ParameterName$")


class SessionLost(Exception):
    """The session ended before the CPE answered this request."""


@dataclass(frozen=True)
class DeviceId:
    """Who a CPE says it is."""

    manufacturer: str
    oui: str
    product_class: str
    serial_number: str

    @property
    def key(self) -> str:
        """OUI-ProductClass-SerialNumber, or OUI-SerialNumber when there is no class."""
        parts = (self.oui, self.product_class, self.serial_number)
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Event:
    """One event of an Inform."""

    code: str
    command_key: str = ""


@dataclass(frozen=True)
class Inform:
    """One Inform as it came. Times are `time.monotonic_ns`.

    `first_byte_ns`: when its first byte arrived; `first_try_ns`: the same of the first attempt,
    which a 401 may have turned away before; `session`: number of its session, from 1; `cwmp`: its
    namespace.
    """

    device: DeviceId
    events: tuple[Event, ...]
    max_envelopes: str
    current_time: str
    retry_count: int
    parameters: rpc.ParameterValues
    headers: dict[str, str]
    cwmp: str
    session: int
    first_byte_ns: int
    first_try_ns: int

    @property
    def codes(self) -> list[str]:
        """The event codes, in the order sent."""
        return [event.code for event in self.events]


@dataclass
class Session:
    """One session. `ok` is None while it runs; `log` has every message: '> Inform', '< 204'."""

    number: int
    started_ns: int
    ended_ns: int | None = None
    ok: bool | None = None
    reason: str = ""
    log: list[str] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    holding: bool = False  # HoldRequests was set in the last message to the CPE
    inform_again: bool = False  # an Inform may come again without opening a new session
    messages: int = 0
    answering: int = 0  # messages that wait for their answer: never more than one (CWMP-03)
    request: "Request | None" = None  # sent to the CPE, not answered yet


@dataclass(eq=False)
class Request:
    """An RPC on its way to a CPE; the future resolves to what the RPC reads from the answer."""

    call: Rpc
    future: "asyncio.Future[Any]"
    id: str | None = None


@dataclass(frozen=True)
class Credentials:
    """A username and a password; printing it shows no password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class TransferComplete:
    """What a CPE says of a transfer; `session` is the number of the session it said so in."""

    key: str
    code: int
    text: str
    start: str
    complete: str
    session: int


class Cpe:
    """One CPE, known since its first Inform."""

    def __init__(self, device: DeviceId, watch: Watch) -> None:
        self.device = device
        self.key = device.key
        self.parameters: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.informs: list[Inform] = []
        self.sessions: list[Session] = []
        self.transfers: list[TransferComplete] = []
        self.connection_request: Credentials | None = None
        # What rows of InformParameter add to Informs: no changes (CWMP-33).
        self.asked_in_informs: set[str] = set()
        self._queue: deque[Request] = deque()
        self._watch = watch

    def __repr__(self) -> str:
        return f"<Cpe {self.key}>"

    @property
    def root(self) -> str:
        """The root object of its data model: 'Device.' or 'InternetGatewayDevice.'."""
        names = self.informs[-1].parameters if self.informs else self.parameters
        return next((name.partition(".")[0] + "." for name in names), "Device.")

    def management(self, name: str) -> str:
        """Return the full name of a ManagementServer parameter."""
        return f"{self.root}ManagementServer.{name}"

    @property
    def session(self) -> Session | None:
        """The session that is running, if any."""
        last = self.sessions[-1] if self.sessions else None
        return last if last is not None and last.ok is None else None

    def queue(self, call: Rpc) -> "asyncio.Future[Any]":
        """Send this RPC in the running session or the next; the future is its response.

        The future raises `CwmpFaultError` for a fault, `SessionLost` when the session broke
        meanwhile.
        """
        request = Request(call, asyncio.get_running_loop().create_future())
        # A test may well queue a Reboot and never look at its answer.
        request.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._queue.append(request)
        if call.method == "SetParameterValues" and call.body:
            self.asked_in_informs.update(_asked_in_informs(call.body))
        return request.future

    @property
    def queued(self) -> list[str]:
        """Names of the RPCs that wait to be sent."""
        return [request.call.method for request in self._queue if not request.future.cancelled()]

    def next_request(self) -> Request | None:
        """Take the next RPC that nobody has cancelled."""
        while self._queue:
            request = self._queue.popleft()
            if not request.future.done():
                return request
        return None

    def learn(self, values: rpc.ParameterValues) -> None:
        """Remember the last known values."""
        self.parameters.update(values)
        self.types.update(values.types)

    def open_session(self) -> Session:
        """Start the next session; one still open has failed."""
        if self.session is not None:
            self.end_session(self.session, False, "a new Inform came before the end")
        session = Session(len(self.sessions) + 1, time.monotonic_ns())
        self.sessions.append(session)
        return session

    def end_session(self, session: Session, ok: bool, reason: str) -> None:
        """Close a session once; a request without an answer raises `SessionLost`."""
        if session.ok is not None:
            return
        session.ok, session.reason, session.ended_ns = ok, reason, time.monotonic_ns()
        if session.request is not None and not session.request.future.done():
            session.request.future.set_exception(SessionLost(reason))
        session.request = None
        self._watch.notify()

    async def wait_inform(
        self,
        event: str | None = None,
        since: int = 0,
        timeout: float = 10.0,
        after_ns: int = 0,
    ) -> Inform:
        """Return the first Inform with the event, from index `since` of `cpe.informs` on.

        `since` is `len(cpe.informs)` before the cause. `after_ns`: only one whose first byte came
        after that time. TimeoutError after `timeout` s.
        """

        def look() -> Inform | None:
            for inform in self.informs[since:]:
                if inform.first_byte_ns > after_ns and (event is None or event in inform.codes):
                    return inform
            return None

        try:
            return await self._watch.until(
                look, timeout, f"{self.key} Inform with {event or 'any'}"
            )
        except TimeoutError as error:
            seen = [inform.codes for inform in self.informs[since:]]
            raise TimeoutError(f"{error}; came meanwhile: {seen}") from None

    async def wait_session_end(self, number: int | None = None, timeout: float = 10.0) -> Session:
        """Wait for the end of session `number` (from 1); by default of the last one begun."""
        wanted = number or max(1, len(self.sessions))

        def look() -> Session | None:
            if len(self.sessions) < wanted or self.sessions[wanted - 1].ok is None:
                return None
            return self.sessions[wanted - 1]

        try:
            return await self._watch.until(look, timeout, f"{self.key} end of session {wanted}")
        except TimeoutError as error:
            log = self.sessions[wanted - 1].log if len(self.sessions) >= wanted else "not begun"
            raise TimeoutError(f"{error}; {log}") from None

    async def wait_transfer(self, since: int = 0, timeout: float = 10.0) -> TransferComplete:
        """Return the first TransferComplete from index `since` of `cpe.transfers` on."""

        def look() -> TransferComplete | None:
            return next(iter(self.transfers[since:]), None)

        return await self._watch.until(look, timeout, f"{self.key} TransferComplete")

    async def wait_parameter(self, name: str, not_value: str = "", timeout: float = 10.0) -> str:
        """Wait until a value other than `not_value` is known for a parameter, return it."""

        def look() -> str | None:
            value = self.parameters.get(name)
            return None if value in (None, not_value) else value

        return await self._watch.until(look, timeout, f"{self.key} value of {name}")


def read_device(inform: etree._Element) -> DeviceId:
    """Read the DeviceId of an Inform; EnvelopeError when there is nothing to know it by."""
    found = soap.child(inform, "DeviceId")
    device = DeviceId(
        soap.text(found, "Manufacturer"),
        soap.text(found, "OUI"),
        soap.text(found, "ProductClass"),
        soap.text(found, "SerialNumber"),
    )
    if not device.oui or not device.serial_number:
        raise soap.EnvelopeError("Inform without OUI or SerialNumber")
    return device


def read_transfer(message: soap.Received, session: int) -> TransferComplete:
    """Read a TransferComplete; what its shape should be is for `cwmp_check`."""
    element = message.element
    fault = soap.child(element, "FaultStruct")
    code = soap.text(fault, "FaultCode")
    return TransferComplete(
        soap.text(element, "CommandKey"),
        int(code) if code.isdecimal() else -1,
        soap.text(fault, "FaultString"),
        soap.text(element, "StartTime"),
        soap.text(element, "CompleteTime"),
        session,
    )


def read_inform(
    message: soap.Received, session: int, first_byte_ns: int, first_try_ns: int
) -> Inform:
    """Read an Inform; what its shape should be is for `cwmp_check`."""
    events = tuple(
        Event(soap.text(item, "EventCode"), soap.text(item, "CommandKey"))
        for item in soap.children(soap.child(message.element, "Event"))
    )
    retry = soap.text(message.element, "RetryCount")
    return Inform(
        read_device(message.element),
        events,
        soap.text(message.element, "MaxEnvelopes"),
        soap.text(message.element, "CurrentTime"),
        int(retry) if retry.isdecimal() else -1,
        rpc.read_values(message.element),
        message.headers,
        message.cwmp,
        session,
        first_byte_ns,
        first_try_ns,
    )


def _asked_in_informs(part: Node) -> Iterator[str]:
    """What the rows of InformParameter that a SetParameterValues writes ask for."""
    if part.name == "ParameterValueStruct":
        name, value = (
            str(child.children[0]) for child in part.children if isinstance(child, Node)
        )
        if _ROW.search(name):
            yield value
    for child in part.children:
        if isinstance(child, Node):
            yield from _asked_in_informs(child)
