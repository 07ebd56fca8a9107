"""Captures for tests: STUN, Connection Request and CWMP bytes built by hand, in made-up time."""

import hashlib
import hmac
import ipaddress
import json
import struct
from pathlib import Path

from host_tools.capture.packets import Address
from host_tools.capture.recorder import Recorder, TcpRecord

DATA = Path(__file__).resolve().parent.parent / "data"
START_NS = 1_700_000_000_000_000_000

CPE: Address = ("10.0.0.2", 7548)
PUBLIC: Address = ("203.0.113.9", 40123)
STUN: Address = ("198.51.100.1", 3478)
ACS: Address = ("198.51.100.2", 7547)
USERNAME, PASSWORD = "cpe-user", "cr-pass"
BINDING = b"\xc0\x01\x00\x14dslforum.org/TR-111 "
CHANGE = b"\xc0\x02\x00\x00"


def vectors(name: str) -> dict:
    """A file of tests/data."""
    return json.loads((DATA / f"{name}.json").read_text())


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address_value(address: Address) -> bytes:
    return struct.pack("!BBH", 0, 1, address[1]) + ipaddress.IPv4Address(address[0]).packed


def stun(kind: int, identifier: bytes, attributes: bytes = b"", key: str | None = None) -> bytes:
    """A STUN message; with a key it gets a padded MESSAGE-INTEGRITY (RFC 3489)."""
    size = len(attributes) + (24 if key else 0)
    text = struct.pack("!HH", kind, size) + identifier + attributes
    if key:
        padded = text + bytes(-len(text) % 64)
        text += attribute(8, hmac.new(key.encode(), padded, hashlib.sha1).digest())
    return text


def signed(
    ts: object = 1_700_000_100,
    number: object = 1,
    username: str = USERNAME,
    cn: str = "abcdef",
    password: str = PASSWORD,
) -> dict[str, str]:
    """The five fields, signed."""
    text = f"{ts}{number}{username}{cn}"
    sig = hmac.new(password.encode(), text.encode(), hashlib.sha1).hexdigest()
    return {"ts": str(ts), "id": str(number), "un": username, "cn": cn, "sig": sig}


def datagram(fields: dict[str, str], target: Address = PUBLIC) -> bytes:
    """A UDP Connection Request with a Host header."""
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    host = f"{target[0]}:{target[1]}"
    return f"GET http://{host}?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def envelope(method: str, content: str = "", identifier: str = "1") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:cwmp="urn:dslforum-org:cwmp-1-2">'
        f'<soap:Header><cwmp:ID soap:mustUnderstand="1">{identifier}</cwmp:ID></soap:Header>'
        f"<soap:Body><cwmp:{method}>{content}</cwmp:{method}></soap:Body></soap:Envelope>"
    ).encode()


def inform(*events: str, serial: str = "0001", retry: int = 0, address: str = "") -> bytes:
    listed = "".join(
        f"<EventStruct><EventCode>{code}</EventCode><CommandKey/></EventStruct>" for code in events
    )
    values = {
        "Device.ManagementServer.ConnectionRequestURL": "http://10.0.0.2:7547/8d1c",
        "Device.ManagementServer.UDPConnectionRequestAddress": address,
        "Device.DeviceInfo.SoftwareVersion": "1.0",
    }
    parameters = "".join(
        f"<ParameterValueStruct><Name>{name}</Name><Value>{value}</Value></ParameterValueStruct>"
        for name, value in values.items()
    )
    return envelope(
        "Inform",
        "<DeviceId><Manufacturer>esp-cwmp</Manufacturer><OUI>00D09E</OUI>"
        f"<ProductClass>agent</ProductClass><SerialNumber>{serial}</SerialNumber></DeviceId>"
        f"<Event>{listed}</Event><MaxEnvelopes>1</MaxEnvelopes>"
        f"<CurrentTime>2023-11-14T22:13:20Z</CurrentTime><RetryCount>{retry}</RetryCount>"
        f"<ParameterList>{parameters}</ParameterList>",
    )


def post(body: bytes, headers: str = "") -> bytes:
    kind = "Content-Type: text/xml\r\nSOAPAction:\r\n" if body else ""
    head = f"POST / HTTP/1.1\r\nHost: acs\r\n{kind}{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(body: bytes = b"", status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Scene:
    """A capture in the making; `at` is the time of the next packet in milliseconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 0.0
        self.recorder = Recorder(path, clock=lambda: START_NS + round(self.at * 1e6))
        self.transactions = 0

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.close()

    def identifier(self) -> bytes:
        self.transactions += 1
        return b"\x21\x12\xa4\x42" + self.transactions.to_bytes(12, "big")

    def bind(
        self,
        change: bool = False,
        public: Address = PUBLIC,
        username: str = "",
        sides: tuple[str, ...] = ("inside", "outside"),
        local: Address = CPE,
    ) -> bytes:
        """One keepalive and its answer, through a NAT seen from the given sides."""
        identifier = self.identifier()
        attributes = attribute(6, username.encode()) if username else b""
        attributes += BINDING + (CHANGE if change else b"")
        request = stun(1, identifier, attributes)
        response = stun(0x0101, identifier, attribute(1, address_value(public)))
        source = {"inside": local, "outside": public}
        for side in sides:
            self.recorder.udp(source[side], STUN, request, side)
        self.at += 20
        for side in reversed(sides):
            self.recorder.udp(STUN, source[side], response, side)
        return identifier

    def ring(
        self,
        payload: bytes,
        copies: int = 1,
        public: Address = PUBLIC,
        source: Address = STUN,
        delivered: bool = True,
        inside: bool = True,
    ) -> None:
        """A Connection Request sent to the public address, seen on both sides."""
        for _ in range(copies):
            self.recorder.udp(source, public, payload, "outside")
        self.at += 1
        if delivered and inside:
            for _ in range(copies):
                self.recorder.udp(source, CPE, payload, "inside")

    def session(
        self, *events: str, client: Address = ("203.0.113.9", 51000), challenge: bool = False
    ) -> TcpRecord:
        """A whole CWMP session with one GetParameterValues, recorded at the ACS."""
        body = inform(*events, address=f"{PUBLIC[0]}:{PUBLIC[1]}")
        tcp = self.recorder.tcp(client, ACS, "acs")
        self.at += 5
        cookie = ""
        if challenge:
            tcp.data(True, post(body))
            wanted = 'WWW-Authenticate: Digest realm="acs",qop="auth,auth-int",nonce="abc"\r\n'
            tcp.data(False, answer(status="401 Unauthorized", headers=wanted))
            self.at += 5
            cookie = 'Authorization: Digest username="u", response="0"\r\n'
        tcp.data(True, post(body, cookie))
        self.at += 5
        session = "Set-Cookie: session=1\r\n"
        tcp.data(False, answer(envelope("InformResponse"), headers=session))
        cookie += "Cookie: session=1\r\n"
        tcp.data(True, post(b"", cookie))
        names = "<ParameterNames><string>Device.DeviceInfo.</string></ParameterNames>"
        tcp.data(False, answer(envelope("GetParameterValues", names, "7")))
        self.at += 5
        tcp.data(True, post(envelope("GetParameterValuesResponse", "", "7"), cookie))
        tcp.data(False, answer(status="204 No Content"))
        tcp.close()
        return tcp


def good_wake(path: Path) -> None:
    """Keepalives through a NAT, three copies of one request, a session with a challenge."""
    with Scene(path) as scene:
        scene.bind()
        scene.bind(change=True)
        scene.at += 30_000
        scene.bind()
        scene.at += 1000
        scene.ring(datagram(signed()), copies=3)
        scene.at += 10
        scene.session("6 CONNECTION REQUEST", challenge=True)
