"""The Inform, written piece by piece (CWMP-30 to 34); `prepared_inform` is made beforehand. Loaded
when a session begins, not needed any more once the ACS has answered.
"""

from micropython import const

from ..wire.soap import CWMP_1_2, array_head, envelope, escape, parameter_value
from .cwmp_types import unix_to_iso
from .device2 import INFORM_TABLE

_LIMIT = const(4096)  # an Inform up to this many bytes has a Content-Length: some servers want one
_DEVICE_ID = ("Manufacturer", "OUI", "ProductClass", "SerialNumber")
_OUI = "Device.DeviceInfo.ManufacturerOUI"


def begin(session):
    """-> the Inform of a new session. What it lists stays the same when the ACS wants it again."""
    owed = session.events()
    events = owed.for_inform()
    if not events:
        # The console asked, or a session broke off behind its Inform: one event has to be
        # listed (CWMP-30), and a vendor's own is the only one that claims nothing.
        events = [(f"X {session.model.value(_OUI)} SESSION", "")]
    session.informed = events
    session.names = owed.notification.for_inform()
    prepared = session.prepared
    if prepared and not session.names and prepared.fits(events, session.retry_count):
        session.message_id = prepared.message_id
        session.is_prepared = True
    codes = ",".join([code for code, _ in events])
    how = f"retry={session.retry_count} prepared={int(session.is_prepared)}"
    session.log("I", "session", f'inform events="{codes}" {how}')
    return again(session)


def again(session):
    """-> the same Inform."""
    if session.is_prepared and session.prepared.ready:  # it may have been invalidated since
        return session.prepared.message(session.unix)
    model = session.model
    events = session.informed
    names = inform_names(model, session.names, events)
    return InformMessage(
        model, str(session.message_id), events, names, session.unix, session.retry_count
    )


def forced(model):
    """-> list of the names that every Inform carries (CWMP-31)."""
    return [name for name, flags in model.below("") if "I" in flags]


def inform_names(model, changed, events=()):
    """-> names of the ParameterList: the forced ones, then what is only in `changed`, or wanted
    with one of the `events` (CWMP-33).
    """
    names = forced(model)
    if len(model.rows.get(INFORM_TABLE, ())) > 1:
        from .inform_parameters import wanted  # noqa: PLC0415

        changed = list(changed) + list(wanted(model, events))
    for name in changed:
        if name not in names:
            names.append(name)
    return names


class InformMessage:
    """A Message that is written twice, to be measured first: an ESP32 may not have 2 KB in one
    piece. What it says stays the same when it goes out again. `events`: [(code, key)], `names` of
    the ParameterList, `unix`: seconds or None.
    """

    def __init__(self, model, message_id, events, names, unix, retry_count):
        values = [(name,) + model.get(name) for name in names]
        self._arguments = (CWMP_1_2, message_id, _inform, model, events, values, unix, retry_count)
        length = sum([len(piece) for piece in self.chunks()])
        self.length = length if length <= _LIMIT else None

    def chunks(self):
        return envelope(*self._arguments)


def _inform(model, events, values, unix, retry_count):
    yield b"<cwmp:Inform><DeviceId>"
    for tag in _DEVICE_ID:
        name = "Device.DeviceInfo." + ("ManufacturerOUI" if tag == "OUI" else tag)
        yield b"".join(((f"<{tag}>").encode(), escape(model.get(name)[0]), (f"</{tag}>").encode()))
    yield b"</DeviceId>"
    yield array_head("Event", "cwmp:EventStruct", len(events))
    for code, key in events:
        yield b"<EventStruct><EventCode>"
        yield escape(code)
        yield b"</EventCode><CommandKey>"
        yield escape(key)
        yield b"</CommandKey></EventStruct>"
    yield b"</Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>"
    yield unix_to_iso(unix).encode()
    yield f"</CurrentTime><RetryCount>{retry_count}</RetryCount>".encode()
    yield array_head("ParameterList", "cwmp:ParameterValueStruct", len(values))
    for value in values:
        yield parameter_value(*value)
    yield b"</ParameterList></cwmp:Inform>"
