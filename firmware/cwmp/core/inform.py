"""The Inform: written piece by piece, or prepared before the bell rings (CWMP-30 to 34)."""

from micropython import const

from ..wire.soap import CWMP_1_2, Message, array_head, envelope, escape, parameter_value
from .cwmp_types import unix_to_iso

CONNECTION_REQUEST = "6 CONNECTION REQUEST"

_LIMIT = const(4096)  # an Inform up to this many bytes has a Content-Length: some servers want one
_TIME = b"<CurrentTime>"
_DEVICE_ID = (
    ("Manufacturer", "Device.DeviceInfo.Manufacturer"),
    ("OUI", "Device.DeviceInfo.ManufacturerOUI"),
    ("ProductClass", "Device.DeviceInfo.ProductClass"),
    ("SerialNumber", "Device.DeviceInfo.SerialNumber"),
)


def inform_names(model, changed):
    """-> names of the ParameterList: the forced ones, then what is only in `changed` (CWMP-33)."""
    names = list(model.forced_inform())
    for name in changed:
        if name not in names:
            names.append(name)
    return names


def inform_message(model, message_id, events, names, unix, retry_count):
    """-> Message. events: [(code, key)]; names: of the ParameterList; unix: seconds or None."""
    return Message(
        _LIMIT, envelope, CWMP_1_2, message_id, _inform, model, events, names, unix, retry_count
    )


def _inform(model, events, names, unix, retry_count):
    yield b"<cwmp:Inform><DeviceId>"
    for tag, name in _DEVICE_ID:
        yield b"".join(((f"<{tag}>").encode(), escape(model.get(name)[0]), (f"</{tag}>").encode()))
    yield b"</DeviceId>"
    yield array_head("Event", "cwmp:EventStruct", len(events))
    for code, key in events:
        yield b"<EventStruct><EventCode>"
        yield escape(code)
        yield b"</EventCode><CommandKey>"
        yield escape(key)
        yield b"</CommandKey></EventStruct>"
    yield b"</Event><MaxEnvelopes>1</MaxEnvelopes>"
    yield _TIME
    yield unix_to_iso(unix).encode()
    yield f"</CurrentTime><RetryCount>{retry_count}</RetryCount>".encode()
    yield array_head("ParameterList", "cwmp:ParameterValueStruct", len(names))
    for name in names:
        text, xsd_type = model.get(name)
        yield parameter_value(name, text, xsd_type)
    yield b"</ParameterList></cwmp:Inform>"


class PreparedInform:
    """The Inform of the common wake, `6 CONNECTION REQUEST` alone, rendered while nobody waits.

    `refresh()` renders it when it is stale. The agent calls `invalidate()` whenever the model
    tells of a change (`on_change`) and after every session; between those calls the message stays
    true. Costs about 2 KB. The agent may put the same bytes, writable, into `message.buffer`:
    CurrentTime is set there.
    """

    def __init__(self, model, message_id=1):
        self.message_id = message_id
        self._model = model
        self._message = None
        self._at = 0

    @property
    def ready(self):
        return self._message is not None

    def invalidate(self):
        self._message = None

    def refresh(self):
        """Render it, if need be; True when it is ready: not when it is too long to be held."""
        if self._message is None:
            message = inform_message(
                self._model,
                str(self.message_id),
                ((CONNECTION_REQUEST, ""),),
                list(self._model.forced_inform()),
                None,
                0,
            )
            if message.length is not None:
                self._at = message.buffer.find(_TIME) + len(_TIME)
                self._message = message
        return self._message is not None

    def message(self, unix):
        """-> the Message, with CurrentTime set in place."""
        self._message.buffer[self._at : self._at + 20] = unix_to_iso(unix).encode()
        return self._message

    def fits(self, events, retry_count):
        """Whether it is ready and says what an Inform with these events has to say."""
        return (
            self._message is not None
            and retry_count == 0
            and len(events) == 1
            and events[0][0] == CONNECTION_REQUEST
        )
