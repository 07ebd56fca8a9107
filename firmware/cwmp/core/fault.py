"""CWMP faults (A.5): what the data model and the RPCs raise, and what goes into `cwmp:Fault`."""

_TEXTS = """
9000 Method not supported
9001 Request denied
9002 Internal error
9003 Invalid arguments
9004 Resources exceeded
9005 Invalid parameter name
9006 Invalid parameter type
9007 Invalid parameter value
9008 Parameter is not writable
9009 Notification request rejected
9010 File transfer failed
9013 Unsupported transfer protocol
"""


def fault_text(code):
    """Return the standard words for a CPE fault code (4.7)."""
    at = _TEXTS.find(f"\n{code} ") + 6
    return _TEXTS[at : _TEXTS.find("\n", at)] if at > 5 else "Fault"


class CwmpFault(Exception):
    """A CPE fault: `code` (int), `text`, `details` = list of (parameter name, code, text)
    (CWMP-17).
    """

    def __init__(self, code, text=None, details=()):
        text = text or fault_text(code)
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.details = details
