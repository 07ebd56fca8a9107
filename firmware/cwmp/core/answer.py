"""What the CPE answers to a request of the ACS. Loaded when one was read."""

from . import rpc
from .session import SessionError


def answer(session, said):
    """-> the Message that answers the Envelope `said`."""
    method = said.method
    if method == "Fault" or method.endswith("Response"):
        raise SessionError("unexpected response")
    try:
        if said.must_understand_unknown is not None:
            from .rpc_fault import header_unknown  # noqa: PLC0415

            body = header_unknown(session, said.must_understand_unknown)
        else:
            body = rpc.call(session, method, said.arguments)
            session.log("I", "rpc", "done method=" + method)
            if session.unload:
                session.unload()  # what it wrote with
        # The answer speaks the version of CWMP that the request came in.
        return session.message(said.cwmp_uri, said.message_id, *body)
    except Exception as error:  # noqa: BLE001
        # One method that fails must not make every session fail.
        fault = error
    from .rpc_fault import fault_of  # noqa: PLC0415 - a slice for the rare case

    return session.message(said.cwmp_uri, said.message_id, *fault_of(session, method, fault))
