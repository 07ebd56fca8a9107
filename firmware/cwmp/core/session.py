"""One session with the ACS, without I/O: what to POST next, given what came back (4.3).

    message = session.begin()
    while message:
        status = post(message, session.sink)  # feeds the body of the response, if it has one
        message = session.received(status)

`SessionError`, or a ValueError of what `sink()` gives, means that the session failed: tell the
EventQueue. After a good end the flags say what is left to do. Only one session exists at a time
(CWMP-25): the agent sees to that.
"""

from micropython import const

from ..wire.soap import CWMP_1_2, Message, envelope
from . import rpc

# An answer up to this many bytes has a Content-Length, a longer one is streamed.
_LIMIT = const(1536)


class SessionError(Exception):
    """The session failed; the text says why, for a log line."""


class Session:
    """`events()` gives the EventQueue, for one use. `unix_time`: seconds, or None without a clock.
    `message_id`: int, cwmp:ID of the Inform.

    `prepared`: a PreparedInform, used when it fits. `requests`: list of `Request`, taken one at a
    time. `on_inform_accepted()` is called when the InformResponse came, after events and changes
    were marked delivered (CWMP-40). `core.inform` and `core.answered` use its fields.
    """

    def __init__(
        self,
        model,
        events,
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
        self.requests = list(requests)
        self.inform_accepted = False
        self.reboot = None  # CommandKey
        self.factory_reset = False
        self.jobs = None  # gives the queue of transfers
        # Called when no slice of what comes before an answer is in use; with True when nothing
        # of the method that was served is, either.
        self.unload = None
        self.unix = unix_time
        self.retry_count = retry_count
        self.message_id = message_id
        self.prepared = prepared
        self.is_prepared = False  # after `begin`: the Inform is the one of `prepared`
        self.on_inform_accepted = on_inform_accepted
        self.log = log or _nothing
        self.uri = CWMP_1_2
        self.informed = ()  # events of our Inform
        self.names = ()  # changes that it tells
        self.request = None  # our request that waits for its response
        self.outstanding = None  # method of that request, "Inform" at first
        self.resends = 0
        self.reader = None  # of the response under way

    def begin(self):
        """-> the Inform."""
        from .inform import begin  # noqa: PLC0415 - a slice

        self.outstanding = "Inform"
        return begin(self)

    def sink(self):
        """-> what takes the bytes of a response's envelope; asked when the first one is there."""
        if self.unload:
            self.unload(True)
        from ..wire.envelope import EnvelopeReader  # noqa: PLC0415 - a slice

        self.reader = EnvelopeReader(rpc.collector)
        return self.reader.feed

    def received(self, status):
        """-> the next Message to POST, None when the session is complete. The body of the response
        went to what `sink` gave, if there was one.
        """
        reader = self.reader
        self.reader = said = None
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
            if self.outstanding and said.must_understand_unknown is not None:
                raise SessionError(f"header {said.must_understand_unknown} not understood")
        if said is not None and not self.outstanding:
            from .answer import answer  # noqa: PLC0415 - a slice

            return answer(self, said)
        if not self.outstanding and not self.requests:
            return None  # the ACS has nothing to ask
        from .answered import answered, next_request  # noqa: PLC0415 - a slice

        # Without an envelope there is no HoldRequests either.
        return answered(self, said) if self.outstanding else next_request(self)

    def message(self, uri, message_id, *body):
        """-> a Message; `body`: a generator function of pieces, and its arguments."""
        return Message(_LIMIT, envelope, uri, message_id, *body)


def _nothing(level, area, text):
    pass
