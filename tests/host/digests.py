"""What every parser makes of seeded damage: `digests.py FIRMWARE SEED COUNT [PARSER FIRST LAST]`.

Prints one line for each chunk of cases, `<parser> <first case> <sha1 of the outcomes>`; with a
parser and a range of cases the outcomes themselves. Runs under CPython and under MicroPython: the
lines have to be the same.
"""

import sys

sys.path.insert(0, sys.argv[1])
HERE = __file__[: __file__.rfind("/")] if "/" in __file__ else "."
sys.path.insert(0, HERE)
if sys.implementation.name != "micropython":
    sys.path.insert(0, HERE + "/../shims")

import hashlib  # noqa: E402
import json  # noqa: E402
from array import array  # noqa: E402
from binascii import hexlify, unhexlify  # noqa: E402

from mutations import Xorshift, mutate  # noqa: E402

from cwmp.core import connection_request as gate  # noqa: E402
from cwmp.core import rpc  # noqa: E402
from cwmp.core.fault import CwmpFault  # noqa: E402
from cwmp.core.freshness_record import snapshot  # noqa: E402
from cwmp.wire import http_auth, http_challenge, stun  # noqa: E402
from cwmp.wire import udp_request as wire  # noqa: E402
from cwmp.wire.cookies import parse_cookie  # noqa: E402
from cwmp.wire.envelope import EnvelopeReader  # noqa: E402
from cwmp.wire.hmac_sha1 import HmacSha1  # noqa: E402
from cwmp.wire.http import ResponseReader  # noqa: E402
from cwmp.wire.http_error import HttpError  # noqa: E402
from cwmp.wire.stun_verify import verify  # noqa: E402
from cwmp.wire.url import parse_url  # noqa: E402
from cwmp.wire.xml import XmlReader  # noqa: E402

CHUNK = 100
DATA = HERE + "/../data/"
USER, PASSWORD = "cpe-user", "cr-pass"


def vectors(name):
    with open(DATA + name + ".json") as file:
        return json.load(file)["vectors"]


def transcripts():
    found = []
    for name in ("bootstrap", "wake", "faults"):
        with open(DATA + "transcripts/" + name + ".txt") as file:
            for part in file.read().split("==="):
                at = part.find("<")
                if at >= 0:
                    found.append(part[at:].encode())
    return found


def wrong(error):
    # MicroPython decodes what CPython calls no UTF-8, surrogates for one: another refusal.
    text = str(error)
    return "XML text is not UTF-8" if text == "XML character not allowed" else text


# First two bytes of a sequence: what is too long for its code, a surrogate, or no Unicode.
OVERLONG_OR_BEYOND = ((0xE080, 0xE09F), (0xEDA0, 0xEDBF), (0xF080, 0xF08F), (0xF490, 0xF4BF))


def is_utf8(data):
    at = 0
    while at < len(data):
        first = data[at]
        more = 0 if first < 0x80 else 9
        for low, count in ((0xC2, 1), (0xE0, 2), (0xF0, 3), (0xF5, 9)):
            if first >= low:
                more = count
        rest = data[at + 1 : at + 1 + more]
        if more > 3 or len(rest) < more or (more and (min(rest) < 0x80 or max(rest) > 0xBF)):
            return False
        for low, high in OVERLONG_OR_BEYOND if more else ():
            if low <= (first << 8 | rest[0]) <= high:
                return False
        at += 1 + more
    return True


def pieces(rng, data, longest):
    at = 0
    while at < len(data):
        size = 1 + rng.below(longest)
        yield data[at : at + size]
        at += size


class Request:
    """The scanner by both profiles, and the gate with its memory."""

    separator = b"&"

    def __init__(self):
        self.corpus = [
            unhexlify(vector["datagram_hex"]) for vector in vectors("udp_connection_request")
        ]
        self.gate = gate.ConnectionRequestGate(lambda now: now % 7 != 3)
        self.gate.set_credentials(USER, PASSWORD)
        self.ts = 0

    def sign(self, rng):
        # A right one, so that the memory of the gate has something to do.
        self.ts += rng.below(3) - (rng.below(8) == 0)
        ts, number = str(self.ts), str(rng.below(4))
        sig = hexlify(
            HmacSha1(PASSWORD.encode()).digest((ts + number + USER + "a").encode())
        ).decode()
        query = "ts={}&id={}&un={}&cn=a&sig={}".format(
            "0" * rng.below(3) + ts if rng.below(3) == 0 else ts, number, USER, sig
        )
        return ("GET http://a:1?" + query + " HTTP/1.1\r\nHost: a\r\n\r\n").encode()

    def outcome(self, rng, data):
        if rng.below(3) == 0:
            data = self.sign(rng)
        said = []
        for lenient in (0, 1):
            offsets = array("H", bytearray(2 * wire.OFFSETS))
            offsets[wire.LONGEST], offsets[wire.LENIENT], offsets[wire.USERNAME] = (
                1472,
                lenient,
                len(USER),
            )
            text = bytearray(wire.TEXT_SIZE)
            length = wire.read(
                data, len(data), (offsets, USER.encode(), text, self.gate.freshness.state)
            )
            said.append((length, list(offsets), bytes(text[: max(length, 0)])))
        said.append(self.gate.handle(data, len(data), rng.below(100)))
        said.append(self.gate.detail)
        said.append(sorted(snapshot(self.gate.freshness).items()))
        return said


class Stun:
    separator = b"\x00\x08"

    def __init__(self):
        self.corpus = [unhexlify(vector["hex"]) for vector in vectors("stun_classic")]
        self.hmac = HmacSha1(b"s3cret")

    def outcome(self, rng, data):
        if rng.below(2) and len(data) > 20:
            # Lengths that fit lead further in.
            data = (
                b"\x01"
                + rng.pick((b"\x01", b"\x11"))
                + bytes([len(data) - 20 >> 8 & 255, len(data) - 20 & 255])
                + data[4:]
            )
        tid = data[4:20] if len(data) >= 20 else bytes(16)
        if not stun.answers(data, len(data), tid):
            return "no answer"
        try:
            found = stun.parse(data, len(data))
        except stun.StunError as error:
            return str(error)
        verified = verify(data, found, self.hmac)
        said = [
            found.kind,
            found.mapped,
            found.xor_mapped,
            found.xor_mapped_draft,
            found.error,
        ]
        return said + [found.integrity, verified]


class Xml:
    separator = b">"

    def __init__(self):
        self.corpus = transcripts()

    def start(self, uri, local, attributes):
        self.said.append((uri, local, [list(item) for item in attributes]))

    def end(self, uri, local, text):
        self.said.append((local, text))

    def outcome(self, rng, data):
        self.said = []
        reader = XmlReader(self)
        try:
            for piece in pieces(rng, data, 700):
                reader.feed(piece)
            reader.close()
        except ValueError as error:
            self.said.append(wrong(error))
        return self.said


class Soap:
    separator = b">"

    def __init__(self):
        self.corpus = transcripts()

    def outcome(self, rng, data):
        reader = EnvelopeReader(rpc.collector)
        try:
            for piece in pieces(rng, data, 700):
                reader.feed(piece)
            envelope = reader.close()
        except ValueError as error:
            return wrong(error)
        said = [
            envelope.method,
            envelope.message_id,
            envelope.fault_code,
            envelope.fault_string,
            envelope.cwmp_uri,
        ]
        said += [
            envelope.hold_requests,
            envelope.use_cwmp_version,
            envelope.must_understand_unknown,
        ]
        if hasattr(envelope.arguments, "checked"):
            try:
                said.append(
                    [
                        list(item) if isinstance(item, tuple) else item
                        for item in envelope.arguments.checked()
                    ]
                )
            except CwmpFault as fault:
                said += [fault.code, fault.text]
        return said


class Http:
    separator = b"\r\n"

    def __init__(self):
        ok = "HTTP/1.1 200 OK\r\n"
        digest = 'Digest realm="a b", nonce="n\\"q", qop="auth,auth-int",\r\n algorithm=MD5'
        heads = (
            ok + "Set-Cookie: a=b; Path=/\r\nContent-Length: 11\r\n\r\nhello world",
            ok + "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
            "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: u\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nSet-Cookie: session=0; Max-Age=0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n"
            "Location: http://b.example:8080/x?y#z\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nConnection: close\r\n"
            "X: a\r\n\tfolded\r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 401 No\r\nWWW-Authenticate: " + digest + "\r\n"
            "WWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
        )
        self.corpus = [head.encode() for head in heads]

    def outcome(self, rng, data):
        body = []
        reader = ResponseReader(lambda view: body.append(bytes(view)), 2000)
        said = []
        left = 0
        try:
            for piece in pieces(rng, data, 300):
                if reader.complete:
                    left += len(piece)
                else:
                    left += len(piece) - reader.feed(bytearray(piece), 0, len(piece))
            reader.eof()
        except HttpError as error:
            said.append(str(error))
        headers = reader.headers
        said += [
            reader.status,
            sorted(headers.items()),
            b"".join(body),
            reader.complete,
            reader.keep_alive,
            left,
        ]
        for value in headers.get("www-authenticate", ()):
            try:
                challenges = http_challenge.parse_credentials(value)
                said.append(
                    [
                        (scheme, sorted(params.items()) if params else params)
                        for scheme, params in challenges
                    ]
                )
                params = http_challenge.usable_digest(challenges)
                if params:
                    params = http_challenge.taken(params, None)
                    said.append(
                        http_auth.authorization(params, "cpe", "secret", "POST", "/acs", "00")
                    )
            except HttpError as error:
                said.append(str(error))
        for read, values in (
            (parse_cookie, headers.get("set-cookie", ())),
            (parse_url, [headers.get("location", "")]),
        ):
            for value in values:
                try:
                    said.append(read(value))
                except HttpError as error:
                    said.append(str(error))
        # MicroPython decodes more than UTF-8: no harm in a header, but not the same.
        return said if is_utf8(data) else "not UTF-8"


PARSERS = (("request", Request), ("stun", Stun), ("xml", Xml), ("soap", Soap), ("http", Http))


def plain(value):
    """A text that both interpreters print alike."""
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([plain(item) for item in value]) + "]"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, (bytes, bytearray)):
        return hexlify(value).decode()
    return str(value)


def main(seed, count, only=None, first=0, last=0):
    for name, kind in PARSERS:
        if only and name != only:
            continue
        parser = kind()
        digest = hashlib.sha1()
        for case in range(count):
            rng = Xorshift(seed * 1000003 + case)
            data = mutate(rng, rng.pick(parser.corpus), parser.corpus, parser.separator)
            try:
                said = parser.outcome(rng, data)
            except Exception as error:
                print(
                    "UNEXPECTED",
                    name,
                    case,
                    type(error).__name__,
                    error,
                    hexlify(data[:200]).decode(),
                )
                said = "unexpected"
            if only and first <= case <= last:
                print(case, hexlify(data).decode(), plain(said))
            digest.update(plain(said).encode())
            if case % CHUNK == CHUNK - 1:
                print(name, case + 1 - CHUNK, hexlify(digest.digest()).decode())
                digest = hashlib.sha1()


if __name__ == "__main__":
    main(
        int(sys.argv[2]),
        int(sys.argv[3]),
        *[int(word) if word.isdigit() else word for word in sys.argv[4:]],
    )
