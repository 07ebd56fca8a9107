"""Why XML or an envelope is refused, in words. Loaded when the first one is."""

# The numbers have names in xml.py and soap.py.
_XML = (
    "XML tag too long",  # 0
    "XML ends too early",  # 1
    "XML text outside the root element",  # 2
    "",  # 3 is free
    "XML has two root elements",  # 4
    "XML too deep",  # 5
    "XML tag malformed",  # 6
    "XML end tag does not match",  # 7
    "XML namespace malformed",  # 8
    "XML has too many namespaces",  # 9
    "XML attribute twice",  # 10
    "XML name malformed",  # 11
    "XML namespace prefix not declared",  # 12
    "XML attribute malformed",  # 13
    "XML has too many attributes",  # 14
    "XML name too long",  # 15
)
_SOAP = (
    "SOAP body is empty",  # 16
    "not a SOAP 1.1 envelope",  # 17
    "SOAP envelope malformed",  # 18
    "SOAP body has two elements",  # 19
    "SOAP body is not CWMP",  # 20
    "cwmp:ID too long",  # 21
)


class XmlError(ValueError):
    """Not well-formed, or beyond a bound."""


class SoapError(ValueError):
    """Well-formed XML, but no CWMP envelope."""


def error(why):
    """Return the error for one of those numbers."""
    if why < len(_XML):
        return XmlError(_XML[why])
    return SoapError(_SOAP[why - len(_XML)])
