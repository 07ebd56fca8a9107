"""Faults: those that the CPE answers with, and those of the ACS (CWMP-13, CWMP-17). Loaded with
the first one.
"""

from .soap import SOAP_ENV, escape, integer, path

_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
_FAULT = (
    "<soap-env:Fault><faultcode>%s</faultcode><faultstring>CWMP fault</faultstring>"
    "<detail><cwmp:Fault><FaultCode>%d</FaultCode><FaultString>"
)


class AcsFault:
    """Collects the `fault_code` and `fault_string` of `reader`, an EnvelopeReader."""

    def __init__(self, reader):
        self._reader = reader

    def leaf(self, parent, local, text, xsi_type):
        if local == "faultstring" or (parent == "Fault" and local == "FaultString"):
            self._reader.fault_string = text
        elif parent == "Fault" and local == "FaultCode":
            self._reader.fault_code = integer(text)

    def end(self, local):
        pass


def must_understand(attributes):
    """Whether a header element with these attributes has to be understood by us."""
    must = False
    for uri, local, value in attributes:
        if uri == SOAP_ENV:
            if local == "mustUnderstand":
                must = value.strip() in ("1", "true")
            elif local == "actor" and value not in ("", _NEXT):
                return False
    return must


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
