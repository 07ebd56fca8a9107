"""Faults that the CPE answers with (CWMP-13, CWMP-17). Loaded with the first one."""

from .soap import escape, path

_FAULT = (
    "<soap-env:Fault><faultcode>%s</faultcode><faultstring>CWMP fault</faultstring>"
    "<detail><cwmp:Fault><FaultCode>%d</FaultCode><FaultString>"
)


def cwmp_fault(code, text, details):
    """Pieces of a soap:Fault; details: sequence of (parameter name, code, text) (CWMP-17)."""
    # The faults that blame the request itself; for the others the CPE is the one that cannot.
    who = "Client" if code in (9003, 9005, 9006, 9007, 9008) else "Server"
    yield (_FAULT % (who, code)).encode()
    yield escape(text)
    yield b"</FaultString>"
    for name, why, words in details:
        yield b"<SetParameterValuesFault><ParameterName>"
        yield path(name)
        yield f"</ParameterName><FaultCode>{why}</FaultCode><FaultString>".encode()
        yield escape(words)
        yield b"</FaultString></SetParameterValuesFault>"
    yield b"</cwmp:Fault></detail></soap-env:Fault>"


def must_understand_fault(header):
    """Pieces of the fault for a header that had to be understood (CWMP-13)."""
    yield b"<soap-env:Fault><faultcode>soap-env:MustUnderstand</faultcode><faultstring>header "
    yield escape(header)
    yield b" not understood</faultstring></soap-env:Fault>"
