"""The option negotiation of PPP (RFC 1661, section 4) for a peer that waits to be called.

No I/O: packets and times go in, packets come out through `send`. LCP and IPCP say which options
they like. One simplification: after a Terminate-Request there is no pause before the next
Configure-Request is heard, because a board that was reset calls again at once.
"""

import enum
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

RESTART = 3.0  # seconds until a request is sent again
MAX_CONFIGURE = 10
MAX_TERMINATE = 2
MAX_FAILURE = 5  # Naks before options are rejected instead: negotiations end


class Code(enum.IntEnum):
    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5
    TERMINATE_ACK = 6
    CODE_REJECT = 7
    PROTOCOL_REJECT = 8
    ECHO_REQUEST = 9
    ECHO_REPLY = 10
    DISCARD_REQUEST = 11


class State(enum.Enum):
    DOWN = "down"  # the layer below is not there
    STOPPED = "stopped"  # waits for the other side to begin
    REQUEST_SENT = "request-sent"
    ACK_RECEIVED = "ack-received"
    ACK_SENT = "ack-sent"
    OPENED = "opened"
    CLOSING = "closing"  # has asked the other side to end


Option = tuple[int, bytes]
_NEGOTIATING = (State.REQUEST_SENT, State.ACK_RECEIVED, State.ACK_SENT)


def pack(code: int, identifier: int, data: bytes = b"") -> bytes:
    return struct.pack("!BBH", code, identifier, 4 + len(data)) + data


def unpack(packet: bytes) -> tuple[int, int, bytes]:
    """Return code, identifier, data without padding; ValueError when it is no such packet."""
    if len(packet) < 4:
        raise ValueError("short packet")
    code, identifier, length = struct.unpack_from("!BBH", packet)
    if not 4 <= length <= len(packet):
        raise ValueError("bad length")
    return code, identifier, packet[4:length]


def pack_options(options: list[Option]) -> bytes:
    return b"".join(bytes((kind, 2 + len(value))) + value for kind, value in options)


def unpack_options(data: bytes) -> list[Option]:
    """ValueError when the list does not add up."""
    options = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or not 2 <= data[at + 1] <= len(data) - at:
            raise ValueError("bad option")
        options.append((data[at], data[at + 2 : at + data[at + 1]]))
        at += data[at + 1]
    return options


class Negotiation(ABC):
    """One protocol's automaton. `send` takes its packets; `on_up`, `on_down` tell the layer above
    that it opened and that it is open no more.
    """

    codes = frozenset(range(1, 8))  # what is not among them gets a Code-Reject

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        self.on_up: Callable[[float], None] = lambda now: None
        self.on_down: Callable[[], None] = lambda: None
        self.state = State.DOWN
        self.deadline: float | None = None  # when `tick` wants to be called
        self._identifier = 0  # of the request under way
        self._tries = 0
        self._failures = 0
        self._wanted: list[Option] = []

    @abstractmethod
    def wanted(self) -> list[Option]:
        """The options to ask for at the start of a negotiation."""

    @abstractmethod
    def judge(self, option: Option) -> Option | None:
        """About an option the other side wants: itself is Ack, the same kind with another value
        is Nak, None is Reject.
        """

    def agreed(self, theirs: list[Option]) -> None:  # noqa: B027
        """Their options as acknowledged, each time that happens."""

    def corrected(self, hint: Option) -> Option | None:
        """What to ask for instead after a Nak with `hint`; None: ask no more."""
        return hint

    def other(self, code: int, identifier: int, data: bytes, now: float) -> None:  # noqa: B027
        """A packet with a code of this protocol alone."""

    # --- what happens

    def lower_up(self) -> None:
        self.state = State.STOPPED
        self.deadline = None

    def lower_down(self) -> None:
        self._leave(State.DOWN)

    def close(self, now: float) -> None:
        """Ask the other side to end; nothing happens when there is nothing to end."""
        if self.state in (*_NEGOTIATING, State.OPENED):
            self._leave(State.CLOSING)
            self._tries = MAX_TERMINATE
            self._terminate(now)

    def tick(self, now: float) -> None:
        """Send again what was not answered in time."""
        if self.deadline is None or now < self.deadline:
            return
        if self._tries <= 0:
            self._leave(State.STOPPED)
        elif self.state is State.CLOSING:
            self._terminate(now)
        else:
            if self.state is State.ACK_RECEIVED:
                self.state = State.REQUEST_SENT
            self._request(now)

    def receive(self, packet: bytes, now: float) -> None:
        """Take one packet in; malformed ones are dropped, as the RFC wants it."""
        if self.state is State.DOWN:
            return
        try:
            code, identifier, data = unpack(packet)
            self._receive(code, identifier, data, packet, now)
        except ValueError:
            pass

    def _receive(self, code: int, identifier: int, data: bytes, packet: bytes, now: float) -> None:
        if code == Code.CONFIGURE_REQUEST:
            self._configure_request(identifier, unpack_options(data), now)
        elif code == Code.CONFIGURE_ACK:
            if identifier == self._identifier and data == pack_options(self._wanted):
                self._acknowledged(now)
        elif code in (Code.CONFIGURE_NAK, Code.CONFIGURE_REJECT):
            if identifier == self._identifier:
                self._refused(code, unpack_options(data), now)
        elif code == Code.TERMINATE_REQUEST:
            self.send(pack(Code.TERMINATE_ACK, identifier))
            if self.state is not State.CLOSING:
                self._leave(State.STOPPED)
        elif code == Code.TERMINATE_ACK:
            self._terminated(now)
        elif code == Code.CODE_REJECT:
            pass  # only codes that every PPP has are ever sent
        elif code in self.codes:
            self.other(code, identifier, data, now)
        else:
            self.send(pack(Code.CODE_REJECT, self._next(), packet[:1400]))

    # --- their options

    def _configure_request(self, identifier: int, options: list[Option], now: float) -> None:
        if self.state is State.CLOSING:
            return
        if self.state is State.OPENED:
            self._leave(State.STOPPED)  # the board began anew
        if self.state is State.STOPPED:
            self._begin(now)
        liked = self._answer(identifier, options)
        if not liked:
            if self.state is State.ACK_SENT:
                self.state = State.REQUEST_SENT
        elif self.state is State.ACK_RECEIVED:
            self._open(now)
        else:
            self.state = State.ACK_SENT

    def _answer(self, identifier: int, options: list[Option]) -> bool:
        answers = [(option, self.judge(option)) for option in options]
        rejected = [option for option, answer in answers if answer is None]
        naked = [answer for option, answer in answers if answer is not None and answer != option]
        if naked and self._failures >= MAX_FAILURE:
            rejected += [option for option, answer in answers if answer and answer != option]
        if rejected:
            self.send(pack(Code.CONFIGURE_REJECT, identifier, pack_options(rejected)))
        elif naked:
            self._failures += 1
            self.send(pack(Code.CONFIGURE_NAK, identifier, pack_options(naked)))
        else:
            self.send(pack(Code.CONFIGURE_ACK, identifier, pack_options(options)))
            self.agreed(options)
        return not rejected and not naked

    # --- our options

    def _begin(self, now: float) -> None:
        self._tries = MAX_CONFIGURE
        self._failures = 0
        self._wanted = self.wanted()
        self.state = State.REQUEST_SENT
        self._request(now, new=True)

    def _request(self, now: float, new: bool = False) -> None:
        if new:
            self._next()
        self._tries -= 1
        self.deadline = now + RESTART
        self.send(pack(Code.CONFIGURE_REQUEST, self._identifier, pack_options(self._wanted)))

    def _terminate(self, now: float) -> None:
        self._tries -= 1
        self.deadline = now + RESTART
        self.send(pack(Code.TERMINATE_REQUEST, self._next()))

    def _acknowledged(self, now: float) -> None:
        if self.state is State.ACK_SENT:
            self._open(now)
        elif self.state is State.REQUEST_SENT:
            self.state = State.ACK_RECEIVED
            self._tries = MAX_CONFIGURE
        # Otherwise it is one too many, and tells nothing about the connection as it is.

    def _refused(self, code: int, options: list[Option], now: float) -> None:
        if self.state not in _NEGOTIATING:
            return
        hints = {kind: (kind, value) for kind, value in options}
        kept: list[Option] = []
        for option in self._wanted:
            hint = hints.get(option[0])
            if hint is None:
                kept.append(option)
            elif code == Code.CONFIGURE_NAK:
                instead = self.corrected(hint)
                kept += [instead] if instead is not None else []
        self._wanted = kept
        if self.state is State.ACK_RECEIVED:
            self.state = State.REQUEST_SENT
        if self._tries <= 0:
            self._leave(State.STOPPED)
        else:
            self._request(now, new=True)

    def _terminated(self, now: float) -> None:
        if self.state is State.CLOSING:
            self._leave(State.STOPPED)
        elif self.state is State.ACK_RECEIVED:
            self.state = State.REQUEST_SENT
        elif self.state is State.OPENED:
            self._leave(State.STOPPED)

    # --- transitions

    def _open(self, now: float) -> None:
        self.state = State.OPENED
        self.deadline = None
        self.on_up(now)

    def _leave(self, state: State) -> None:
        was_open = self.state is State.OPENED
        self.state = state
        self.deadline = None
        if was_open:
            self.on_down()

    def _next(self) -> int:
        self._identifier = (self._identifier + 1) & 0xFF
        return self._identifier
