"""What the ACS says to a request of the CPE, and the next request. Loaded when that comes."""

from micropython import const

from ..wire.soap import EMPTY
from .session import SessionError

_RESENDS = const(3)  # of one request that is answered with fault 8005


def answered(session, said):
    """-> the next Message; `said`: the Envelope that answers what was sent, or None."""
    method = session.outstanding
    if said is None:
        raise SessionError("no answer to " + method)
    if said.method == "Fault" and said.fault_code == 8005 and session.resends < _RESENDS:
        session.resends += 1
        session.log("W", "session", "resend method=" + method)
        if method != "Inform":
            return _send(session)
        from .inform import again  # noqa: PLC0415

        return again(session)
    if said.method != "Fault" and said.method != method + "Response":
        raise SessionError("unexpected answer to " + method)
    if said.method == "Fault":
        if method == "Inform":
            raise SessionError(f"fault {said.fault_code} to Inform")
        session.log("W", "session", f"fault method={method} code={said.fault_code}")
    elif method == "Inform":
        _accepted(session, said)
    else:
        session.events().delivered(session.informed, method)
    if said.message_id is not None and said.message_id.strip() != str(session.message_id):
        session.log("W", "session", "id-differs method=" + method)
    if session.request:
        if session.request.answered:
            session.request.answered(session, said)
        session.request = None
    session.outstanding = None
    session.resends = 0
    return (not said.hold_requests and next_request(session)) or EMPTY


def _accepted(session, said):
    session.uri = said.use_cwmp_version
    if session.uri is None:
        session.uri = said.cwmp_uri
    elif not session.uri:
        raise SessionError("CWMP version not supported")
    session.inform_accepted = True
    events = session.events()
    events.delivered(session.informed)
    events.notification.delivered(session.names)
    session.log("I", "session", "accepted")
    if session.on_inform_accepted:
        session.on_inform_accepted()


def next_request(session):
    """-> the Message of the first request that waits, or None."""
    if not session.requests:
        return None
    session.request = session.requests.pop(0)
    session.outstanding = session.request.method
    session.message_id += 1
    return _send(session)


def _send(session):
    request = session.request
    number = str(session.message_id)
    return session.message(session.uri, number, request.body, *request.arguments)
