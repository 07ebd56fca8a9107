"""The standard words of the CPE's fault codes (4.7). Loaded with the first fault that is told."""

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
    """Return the words for a code."""
    at = _TEXTS.find(f"\n{code} ") + 6
    return _TEXTS[at : _TEXTS.find("\n", at)] if at > 5 else "Fault"
