"""What the lab ACS says: the proper answer to each message, and the next request to the CPE."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from host_tools.lab import rpc, soap
from host_tools.lab.acs_faults import Incoming
from host_tools.lab.acs_http import Reply
from host_tools.lab.cpe import Cpe, Session, SessionLost
from host_tools.lab.cwmp_check import Violation
from host_tools.lab.cwmp_check_inform import TRANSFERS
from host_tools.lab.provision import Provision
from host_tools.lab.soap import CwmpFaultError, Dialect, Envelope, Received, node
from host_tools.lab.watch import Watch

# What a CPE may ask of an ACS besides Inform, and the answer.
SERVED = {
    "TransferComplete": node("cwmp:TransferCompleteResponse"),
    "AutonomousTransferComplete": node("cwmp:AutonomousTransferCompleteResponse"),
    "RequestDownload": node("cwmp:RequestDownloadResponse"),
    "GetRPCMethods": node(
        "cwmp:GetRPCMethodsResponse",
        soap.strings("MethodList", ["Inform", "TransferComplete", "GetRPCMethods"]),
    ),
}


class Dialogue:
    """Answers by the book. `violated(found, cpe)` takes what only a whole session can show."""

    def __init__(
        self,
        watch: Watch,
        violated: Callable[[Violation, Cpe], None],
    ) -> None:
        self.provision: Provision | None = None
        self._watch = watch
        self._violated = violated
        self._unprovisioned: set[str] = set()
        self._ids = itertools.count(1)

    async def answer(self, incoming: Incoming) -> Reply:
        """Return the proper answer to one message, and move the session on."""
        cpe, session, message = incoming.cpe, incoming.record, incoming.message
        if message is None:
            if session.request is not None:
                self._drop_request(cpe, session, "an empty POST")
            return self._next(cpe, session)
        if message.is_response:
            await self._response(cpe, session, message)
            return self._next(cpe, session)
        if session.request is not None:
            self._drop_request(cpe, session, message.method)
        if message.method == "Inform":
            return self._inform(cpe, message)
        if session.holding:
            text = f"{message.method} while HoldRequests is true"
            self._violated(Violation("CWMP-13", text), cpe)
        if message.method == "TransferComplete":
            self._transfer_complete(cpe, message)
        body = SERVED.get(message.method) or soap.fault(8000, "Method not supported")
        return Reply(envelope=_envelope(cpe, body, message.id))

    def _transfer_complete(self, cpe: Cpe, message: Received) -> None:
        """The Inform of the session has to announce it, with its key (CWMP-64)."""
        key = soap.text(message.element, "CommandKey")
        events = cpe.informs[-1].events if cpe.informs else ()
        keys = [event.command_key for event in events if event.code in TRANSFERS]
        if key not in keys:
            text = f"TransferComplete for {key!r} in a session that announced {keys}"
            self._violated(Violation("CWMP-64", text), cpe)

    def _inform(self, cpe: Cpe, message: Received) -> Reply:
        inform = cpe.informs[-1]
        cpe.learn(inform.parameters)
        provision = self.provision
        unknown = provision is not None and provision.unknown and cpe.connection_request is None
        if "0 BOOTSTRAP" in inform.codes or unknown:
            self._unprovisioned.add(cpe.key)
        if provision is not None and cpe.key in self._unprovisioned:
            self._provision(cpe, provision)
        self._watch.notify()
        body = node("cwmp:InformResponse", node("MaxEnvelopes", "1"))
        return Reply(envelope=_envelope(cpe, body, message.id))

    def _provision(self, cpe: Cpe, provision: Provision) -> None:
        """Queue the set-up; it is done again at the next Inform until all of it has worked."""
        credentials = provision.credentials()
        calls = provision.calls(cpe, credentials)
        futures = [cpe.queue(call) for call in calls]

        def learnt(done: "asyncio.Future[Any]") -> None:
            if _worked(done):
                cpe.connection_request = credentials
                self._watch.notify()

        def step(done: "asyncio.Future[Any]") -> None:
            if all(future.done() and _worked(future) for future in futures):
                self._unprovisioned.discard(cpe.key)
            elif not _worked(done):
                for future in futures:
                    future.cancel()

        for call, future in zip(calls, futures, strict=True):
            if call.method == "SetParameterValues":
                future.add_done_callback(learnt)
            future.add_done_callback(step)

    def _drop_request(self, cpe: Cpe, session: Session, what: str) -> None:
        request, session.request = session.request, None
        if request is not None:
            why = f"{what} while {request.call.method} waits for its answer"
            self._violated(Violation("CWMP-21", why), cpe)
            if not request.future.done():
                request.future.set_exception(SessionLost(why))

    async def _response(self, cpe: Cpe, session: Session, message: Received) -> None:
        request, session.request = session.request, None
        if request is None:
            self._violated(Violation("CWMP-21", f"{message.method} to no request"), cpe)
            return
        if message.id != request.id:
            text = f"ID {message.id!r} in the answer to {request.id!r}"
            self._violated(Violation("CWMP-13", text), cpe)
        outcome: Any
        if message.method == "Fault":
            outcome = soap.read_fault(message.element)
        elif message.method != request.call.method + "Response":
            outcome = SessionLost(f"{message.method} in answer to {request.call.method}")
            self._violated(Violation("CWMP-21", str(outcome)), cpe)
        else:
            try:
                outcome = request.call.read(message.element)
            except ValueError as error:
                outcome = SessionLost(f"unreadable {message.method}: {error}")
        if isinstance(outcome, rpc.ParameterValues):
            cpe.learn(outcome)
        if not request.future.done():
            if isinstance(outcome, (CwmpFaultError, SessionLost)):
                request.future.set_exception(outcome)
            else:
                request.future.set_result(outcome)
        self._watch.notify()
        # Whoever awaits the answer may queue the next request, and it goes into this session.
        for _ in range(5):
            await asyncio.sleep(0)

    def _next(self, cpe: Cpe, session: Session) -> Reply:
        request = cpe.next_request()
        if request is None:
            return Reply(204, ends_session=True)
        session.request = request
        if request.call.verbatim is not None:
            request.id = soap.parse(request.call.verbatim).id
            return Reply(content=request.call.verbatim)
        request.id = f"lab-{next(self._ids)}"
        body = request.call.body or node(f"cwmp:{request.call.method}")
        return Reply(envelope=_envelope(cpe, body, request.id))


def _worked(done: "asyncio.Future[Any]") -> bool:
    return not done.cancelled() and done.exception() is None


def _envelope(cpe: Cpe, body: soap.Node, number: str | None) -> Envelope:
    """Answer in the CPE's own CWMP namespace when it is one that exists (CWMP-11)."""
    space = cpe.informs[-1].cwmp if cpe.informs else soap.CWMP_1_2
    known = space in soap.CWMP_NAMESPACES
    return Envelope(body, number, dialect=Dialect(cwmp=space) if known else Dialect())
