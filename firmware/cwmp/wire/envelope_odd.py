"""What an ordinary envelope of an ACS does not have: a fault, a header that is not known, another
version of CWMP (CWMP-12, CWMP-13, CWMP-20). Loaded when it comes.
"""

from .envelope import SOAP_ENV
from .soap import CWMP

_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"


class AcsFault:
    """Collects `fault_code` and `fault_string` of an Envelope."""

    def __init__(self, said):
        self._said = said

    def leaf(self, parent, local, text, xsi_type):
        if local == "faultstring" or (parent == "Fault" and local == "FaultString"):
            self._said.fault_string = text
        elif parent == "Fault" and local == "FaultCode":
            self._said.fault_code = _integer(text)

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


def _integer(text):
    """Value of a text of up to ten digits, else None."""
    text = text.strip()
    return int(text) if text.isdigit() and len(text) <= 10 else None


def uri_of_version(version):
    """Namespace of a UseCWMPVersion value, "" when it is not one that we speak (CWMP-12)."""
    if version not in ("1.0", "1.1", "1.2", "1.3", "1.4"):
        return ""
    return CWMP + min(version[2], "2")
