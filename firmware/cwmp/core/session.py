"""One session with the ACS, without I/O: what to POST next, given what came back (4.3).

    message = session.begin()
    while message:
        status = post(message, session.sink)  # feeds the body of the response, if it has one
        message = session.received(status)

`SessionError`, or a ValueError of what `sink()` gives, means that the session failed: call
`failed()`. After a good end the flags say what is left to do. Only one session exists at a time
(CWMP-25): the agent sees to that.
"""

from micropython import const

from ..wire.soap import CWMP_1_2, EMPTY, Message, envelope
from . import rpc
from .fault import CwmpFault

_LIMIT = const(
    1536
)  # an answer up to this many bytes has a Content-Length, a longer one is streamed
_RESENDS = const(3)  # of one request that is answered with fault 8005


class SessionError(Exception):
    """The session failed; the text says why, for a log line."""


class Session:
    """`unix_time`: seconds, or None without a clock. `message_id`: int, cwmp:ID of the Inform.

    `prepared`: a PreparedInform, used when it fits. `requests`: list of `Request`, taken one at a
    time. `on_inform_accepted()` is called when the InformResponse came, after events and changes
    were marked delivered (CWMP-40). What has no underscore, `core.inform` uses.
    """

    def __init__(
        self,
        model,
        events,
        notification,
        unix_time,
        retry_count=0,
        message_id=1,
        prepared=None,
        requests=(),
        on_inform_accepted=None,
        log=None,
    ):
        self.model = model
        self.events = events
        self.notification = notification
        self.requests = list(requests)
        self.inform_accepted = False
        self.reboot = None  # CommandKey
        self.factory_reset = False
        self.jobs = None  # gives the queue of transfers
        self.unload = None  # called when neither what writes an Inform nor what reads is in use
        self.unix = unix_time
        self.retry_count = retry_count
        self.message_id = message_id
        self.prepared = prepared
        self.is_prepared = False  # after `begin`: the Inform is the one of `prepared`
        self._on_inform_accepted = on_inform_accepted
        self.log = log or _nothing
        self._uri = CWMP_1_2
        self.informed = ()  # events of our Inform
        self.names = ()  # changes that it tells
        self._request = None  # our request that waits for its response
        self._outstanding = None  # method of that request, "Inform" at first
        self._resends = 0
        self._reader = None  # of the response under way

    def begin(self):
        """-> the Inform."""
        from .inform import begin  # noqa: PLC0415 - a slice

        self._outstanding = "Inform"
        return begin(self)

    def sink(self):
        """-> what takes the bytes of a response's envelope; asked when the first one is there."""
        if self.unload and self._outstanding == "Inform":
            self.unload()
        from ..wire.envelope import EnvelopeReader  # noqa: PLC0415 - a slice

        self._reader = EnvelopeReader(rpc.collector)
        return self._reader.feed

    def received(self, status):
        """-> the next Message to POST, None when the session is complete. The body of the response
        went to what `sink` gave, if there was one.
        """
        reader = self._reader
        self._reader = said = None
        if status != 200 and status != 204:
            raise SessionError(f"HTTP status {status}")
        if reader is not None:
            try:
                said = reader.close()
            except ValueError as error:
                raise SessionError(str(error))
            reader = None
            if self.unload:
                self.unload()
            if self._outstanding and said.must_understand_unknown is not None:
                raise SessionError(f"header {said.must_understand_unknown} not understood")
        if self._outstanding:
            return self._answered(said)
        if said is None:
            # The ACS has nothing to ask. Without an envelope there is no HoldRequests either.
            return self._next_request()
        return self._answer(said)

    def failed(self):
        """Keep what was not delivered, drop what must not be retried."""
        self._reader = None
        self.events.failed()
        if not self.inform_accepted:
            self.notification.failed()

    def _answered(self, said):
        method = self._outstanding
        if said is None:
            raise SessionError("no answer to " + method)
        if said.method == "Fault" and said.fault_code == 8005 and self._resends < _RESENDS:
            self._resends += 1
            self.log("W", "session", "resend method=" + method)
            if method != "Inform":
                return self._send()
            from .inform import again  # noqa: PLC0415

            return again(self)
        if said.method != "Fault" and said.method != method + "Response":
            raise SessionError("unexpected answer to " + method)
        if said.method == "Fault":
            if method == "Inform":
                raise SessionError(f"fault {said.fault_code} to Inform")
            self.log("W", "session", f"fault method={method} code={said.fault_code}")
        elif method == "Inform":
            self._accepted(said)
        else:
            self.events.delivered(self.informed, method)
        if said.message_id is not None and said.message_id.strip() != str(self.message_id):
            self.log("W", "session", "id-differs method=" + method)
        if self._request:
            if self._request.answered:
                self._request.answered(self, said)
            self._request = None
        self._outstanding = None
        self._resends = 0
        return (not said.hold_requests and self._next_request()) or EMPTY

    def _accepted(self, said):
        self._uri = said.use_cwmp_version
        if self._uri is None:
            self._uri = said.cwmp_uri
        elif not self._uri:
            raise SessionError("CWMP version not supported")
        self.inform_accepted = True
        self.events.delivered(self.informed)
        self.notification.delivered(self.names)
        self.log("I", "session", "accepted")
        if self._on_inform_accepted:
            self._on_inform_accepted()

    def _next_request(self):
        if not self.requests:
            return None
        self._request = self.requests.pop(0)
        self._outstanding = self._request.method
        self.message_id += 1
        return self._send()

    def _send(self):
        request = self._request
        return Message(
            _LIMIT, envelope, self._uri, str(self.message_id), request.body, *request.arguments
        )

    def _answer(self, said):
        method = said.method
        if method == "Fault" or method.endswith("Response"):
            raise SessionError("unexpected response")
        try:
            if said.must_understand_unknown is not None:
                from ..wire.soap_fault import must_understand_fault  # noqa: PLC0415

                body = must_understand_fault, said.must_understand_unknown
                self.log("W", "rpc", "header-unknown")
            else:
                body = rpc.call(self, method, said.arguments)
                self.log("I", "rpc", "done method=" + method)
            # The answer speaks the version of CWMP that the request came in.
            return Message(_LIMIT, envelope, said.cwmp_uri, said.message_id, *body)
        except CwmpFault as error:
            fault = error
        except MemoryError:
            fault = CwmpFault(9004, "Out of memory")
        except Exception as error:  # noqa: BLE001
            # One method that fails must not make every session fail.
            fault = CwmpFault(9002)
            self.log("E", "rpc", f"broken method={method} error={type(error).__name__}")
        from ..wire.soap_fault import cwmp_fault  # noqa: PLC0415 - a slice for the rare case

        known = method if rpc.serves(method) or method in rpc.added else "unknown"
        self.log("W", "rpc", f"fault method={known} code={fault.code}")
        body = cwmp_fault, fault.code, fault.text, fault.details
        return Message(_LIMIT, envelope, said.cwmp_uri, said.message_id, *body)


def _nothing(level, area, text):
    pass
