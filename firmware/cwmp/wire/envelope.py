"""Reads SOAP 1.1 envelopes of CWMP while they come (CWMP-10..14). Loaded with the first byte of
one; where memory is scarce dropped behind its last one.
"""

from micropython import const

from .soap import CWMP, Envelope
from .xml import XmlReader, refused

SOAP_ENV = "http://schemas.xmlsoap.org/soap/envelope/"

_MAX_ID = const(256)

# Why an envelope is refused; the words stand in xml_error.py.
_NO_BODY = const(16)
_NO_ENVELOPE = const(17)
_BAD_ENVELOPE = const(18)
_TWO_BODIES = const(19)
_NO_CWMP = const(20)
_ID_TOO_LONG = const(21)

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NOTHING = ("NoMoreRequests", "SessionTimeout", "SupportedCWMPVersions")  # known, not obeyed


class EnvelopeReader:
    """One envelope: `feed` bytes, then `close`.

    The arguments of a method go to what `collector(method)` returns (None: dropped):
    `leaf(parent, local, text, xsi_type)` for each element without children, `end(local)` for the
    others. xsi_type: "int" for "xsd:int", or "".
    """

    def __init__(self, collector, max_text=4096):
        self._said = Envelope()
        self._takes = None  # collector of what the Body holds
        self._collector = collector
        self._xml = XmlReader(self, max_text)
        self._path = []
        self._attributes = ()  # of the header element, or of the last one in the Body

    def feed(self, data):
        self._xml.feed(data)

    def close(self):
        """-> the Envelope: nothing of this module. `XmlError` or `SoapError` unless one whole
        envelope was fed.
        """
        self._xml.close()
        if not self._said.method:
            raise refused(_NO_BODY)
        return self._said

    def start(self, uri, local, attributes):
        path = self._path
        depth = len(path)
        if depth == 0:
            if local != "Envelope" or uri != SOAP_ENV:
                raise refused(_NO_ENVELOPE)
        elif depth == 1:
            if uri != SOAP_ENV or local != "Body" and (local != "Header" or self._said.method):
                raise refused(_BAD_ENVELOPE)
        elif depth == 2 and path[1] == "Body":
            said = self._said
            if said.method:
                raise refused(_TWO_BODIES)
            said.method = local
            if uri.startswith(CWMP):
                said.cwmp_uri = uri
                self._takes = said.arguments = self._collector(local)
            elif local == "Fault" and uri == SOAP_ENV:
                from .envelope_odd import AcsFault  # noqa: PLC0415

                self._takes = AcsFault(said)
            else:
                raise refused(_NO_CWMP)
        elif depth == 2 or path[1] == "Body":
            self._attributes = attributes
        path.append(local)

    def end(self, uri, local, text):
        path = self._path
        path.pop()
        depth = len(path)
        if depth < 2:
            return
        if path[1] == "Body":
            if depth == 2 or self._takes is None:
                return
            if text is None:
                self._takes.end(local)
                return
            kind = ""
            for name_uri, name, value in self._attributes:
                if name == "type" and name_uri == _XSI:
                    kind = value[value.find(":") + 1 :].strip()
            self._takes.leaf(path[-1], local, text, kind)
        elif depth == 2:
            said = self._said
            text = text or ""
            name = local if uri.startswith(CWMP) else ""
            if name == "ID":
                if len(text) > _MAX_ID:
                    raise refused(_ID_TOO_LONG)
                said.message_id = text  # as it stands: the answer repeats it
            elif name == "HoldRequests":
                said.hold_requests = text.strip() in ("1", "true")
            elif name == "UseCWMPVersion":
                from .envelope_odd import uri_of_version  # noqa: PLC0415

                said.use_cwmp_version = uri_of_version(text.strip())
            # SessionTimeout is a wish in a CPE's Inform: from an ACS it means nothing (CWMP-12).
            elif self._attributes and name not in _NOTHING:
                from .envelope_odd import must_understand  # noqa: PLC0415

                if must_understand(self._attributes):
                    said.must_understand_unknown = local
