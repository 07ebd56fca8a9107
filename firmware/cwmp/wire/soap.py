"""SOAP 1.1 envelopes of CWMP: a streaming reader, and writers that never hold a long one whole.

CWMP-10..14 namespaces, header elements, arrays; CWMP-16 escaping; CWMP-17 faults.
"""

from micropython import const

from .xml import XmlReader

SOAP_ENV = "http://schemas.xmlsoap.org/soap/envelope/"
CWMP = "urn:dslforum-org:cwmp-1-"
CWMP_1_2 = "urn:dslforum-org:cwmp-1-2"  # 1.3 and 1.4 have no namespace of their own

_GROWTH = const(768)
_MAX_ID = const(256)

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
_ESCAPES = (
    (b"&", b"&amp;"),
    (b"<", b"&lt;"),
    (b">", b"&gt;"),
    (b'"', b"&quot;"),
    (b"'", b"&apos;"),
    (b"\r", b"&#13;"),
)
_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="'
)
_FAULT = (
    "<soap-env:Fault><faultcode>%s</faultcode><faultstring>CWMP fault</faultstring>"
    "<detail><cwmp:Fault><FaultCode>%d</FaultCode><FaultString>"
)
_URI_OF_VERSION = {"1.0": "0", "1.1": "1", "1.2": "2", "1.3": "2", "1.4": "2"}


class SoapError(ValueError):
    """Well-formed XML, but no CWMP envelope."""


class EnvelopeReader:
    """One envelope: `feed` bytes, `close`, then read the attributes.

    `method` is the local name of the Body's child. The arguments of a method go to what
    `collector(method)` returns (None: dropped): `leaf(parent, local, text, xsi_type)` for each
    element without children, `end(local)` for the others. xsi_type: "int" for "xsd:int", or "".
    """

    def __init__(self, collector, max_text=4096):
        self.message_id = None
        self.hold_requests = False
        self.session_timeout = None
        self.use_cwmp_version = None
        self.must_understand_unknown = None  # a header that we had to know and do not
        self.cwmp_uri = None
        self.method = None
        self.fault_code = None
        self.fault_string = ""
        self.arguments = None  # the collector
        self.empty = True  # no byte came
        self._collector = collector
        self._xml = XmlReader(self, max_text)
        self._path = []
        self._must = False
        self._type = ""

    def feed(self, data):
        if len(data):
            self.empty = False
            self._xml.feed(data)

    def close(self):
        """Raise `XmlError` or `SoapError` unless one whole envelope was fed."""
        self._xml.close()
        if not self.method:
            raise SoapError("SOAP body is empty")

    def start(self, uri, local, attributes):
        path = self._path
        depth = len(path)
        self._type = ""
        if depth == 0:
            if local != "Envelope" or uri != SOAP_ENV:
                raise SoapError("not a SOAP 1.1 envelope")
        elif depth == 1:
            if (
                uri != SOAP_ENV
                or local not in ("Header", "Body")
                or (local == "Header" and self.method)
            ):
                raise SoapError("SOAP envelope malformed")
        elif depth == 2:
            if path[1] == "Header":
                self._must = _must_understand(attributes)
            else:
                self._begin(uri, local)
        elif attributes:
            for name_uri, name, value in attributes:
                if name == "type" and name_uri == _XSI:
                    self._type = value[value.find(":") + 1 :].strip()
        path.append(local)

    def end(self, uri, local, text):
        path = self._path
        path.pop()
        depth = len(path)
        if depth == 2 and path[1] == "Header":
            self._header(uri, local, text or "")
        elif depth > 2 and path[1] == "Body":
            if self.method == "Fault":
                if local == "faultstring":
                    self.fault_string = text or ""
                elif path[-1] == "Fault" and local == "FaultCode":
                    self.fault_code = _integer(text)
                elif path[-1] == "Fault" and local == "FaultString":
                    self.fault_string = text or ""
            elif self.arguments is None:
                pass
            elif text is None:
                self.arguments.end(local)
            else:
                self.arguments.leaf(path[-1], local, text, self._type)

    def _begin(self, uri, local):
        if self.method:
            raise SoapError("SOAP body has two elements")
        self.method = local
        if uri.startswith(CWMP):
            self.cwmp_uri = uri
            self.arguments = self._collector(local)
        elif local == "Fault" and uri == SOAP_ENV:
            return
        else:
            raise SoapError("SOAP body is not CWMP")

    def _header(self, uri, local, text):
        name = local if uri.startswith(CWMP) else ""
        if name == "ID":
            if len(text) > _MAX_ID:
                raise SoapError("cwmp:ID too long")
            self.message_id = text  # as it stands: the answer repeats it
        elif name == "HoldRequests":
            self.hold_requests = text.strip() in ("1", "true")
        elif name == "SessionTimeout":
            self.session_timeout = _integer(text)
        elif name == "UseCWMPVersion":
            self.use_cwmp_version = text.strip()
        elif self._must and name not in ("NoMoreRequests", "SupportedCWMPVersions"):
            self.must_understand_unknown = local


def _must_understand(attributes):
    must = False
    for uri, local, value in attributes:
        if uri == SOAP_ENV:
            if local == "mustUnderstand":
                must = value.strip() in ("1", "true")
            elif local == "actor" and value not in ("", _NEXT):
                return False
    return must


def _integer(text):
    text = (text or "").strip()
    if not text or len(text) > 10 or not text.isdigit():
        return None
    return int(text)


def uri_of_version(version):
    """Namespace of a UseCWMPVersion value, None when it is not one that we speak (CWMP-12)."""
    digit = _URI_OF_VERSION.get(version)
    return CWMP + digit if digit else None


def escape(text):
    """Text or attribute value as bytes; a character XML cannot carry becomes '?' (CWMP-16)."""
    data = text.encode()
    if not data:
        return data
    if min(data) < 0x20:
        data = bytes([c if c >= 0x20 or c in (9, 10, 13) else 0x3F for c in data])
    if max(data) >= 0xEF:
        data = data.replace(b"\xef\xbf\xbe", b"?").replace(b"\xef\xbf\xbf", b"?")
    for char, entity in _ESCAPES:
        if char in data:
            data = data.replace(char, entity)
    return data


def envelope(uri, message_id, body, *arguments):
    """Pieces of an envelope; `body(*arguments)` gives the Body's. No `message_id`, no Header."""
    yield _HEAD
    yield escape(uri)
    yield b'">'
    if message_id is not None:
        yield b'<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">'
        yield escape(message_id)
        yield b"</cwmp:ID></soap-env:Header>"
    yield b"<soap-env:Body>"
    yield from body(*arguments)
    yield b"</soap-env:Body></soap-env:Envelope>"


def array_head(name, item_type, count):
    """Start tag of an array, as one piece: `array_head("Event", "cwmp:EventStruct", 2)`."""
    return f'<{name} soap-enc:arrayType="{item_type}[{count}]">'.encode()


def parameter_value(name, text, xsd_type):
    """One ParameterValueStruct as one piece; xsd_type: "string", "boolean", ..."""
    return b"".join(
        (
            b"<ParameterValueStruct><Name>",
            escape(name),
            b'</Name><Value xsi:type="xsd:',
            xsd_type.encode(),
            b'">',
            escape(text),
            b"</Value></ParameterValueStruct>",
        )
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
        yield escape(name)
        yield f"</ParameterName><FaultCode>{why}</FaultCode><FaultString>".encode()
        yield escape(words)
        yield b"</FaultString></SetParameterValuesFault>"
    yield b"</cwmp:Fault></detail></soap-env:Fault>"


def must_understand_fault(header):
    """Pieces of the fault for a header that had to be understood (CWMP-13)."""
    yield b"<soap-env:Fault><faultcode>soap-env:MustUnderstand</faultcode><faultstring>header "
    yield escape(header)
    yield b" not understood</faultstring></soap-env:Fault>"


class Message:
    """Body of one HTTP request. `pieces(*arguments)` gives its bytes, and can do so again.

    `length` in bytes when that is at most `limit`: it is then rendered here, once, at the start of
    `buffer`. Else None: send it chunked. `chunks()` gives the bytes-like pieces, and gives them
    again for a 401 or a redirect.
    """

    def __init__(self, limit, pieces, *arguments):
        self._pieces = pieces
        self._arguments = arguments
        self.length = None
        self.buffer = bytearray(_GROWTH)
        size = 0
        for piece in pieces(*arguments):
            end = size + len(piece)
            if end > limit:
                self.buffer = None
                return
            while end > len(self.buffer):
                self.buffer.extend(bytes(_GROWTH))
            self.buffer[size:end] = piece
            size = end
        self.length = size

    def chunks(self):
        if self.length is None:
            return self._pieces(*self._arguments)
        return (memoryview(self.buffer)[: self.length],) if self.length else ()


EMPTY = Message(0, tuple)  # the POST without a body
