"""How the STUN servers met in practice answer, as data (spec 1.8, pitfalls X6..X11).

`stund` and the two `coturn` entries were set down from what Debian's servers send, and the interop
tests hold them against the real programs; the others follow the published sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Address, AttributeType, Integrity
from host_tools.lab.stun_exchange import Answer, Endpoints, Request

_A = AttributeType
HMAC_NOT_IMPLEMENTED = b"hmac-not-implemented"


class Unknown(Enum):
    """What a server does with a mandatory attribute that it does not know."""

    ERROR_420 = "420"
    LIST_ONLY = "0x0111 with UNKNOWN-ATTRIBUTES and no ERROR-CODE"
    DROP = "drop"
    IGNORE = "ignore"


class Verify(Enum):
    """What a server makes of MESSAGE-INTEGRITY in a request."""

    CHECK = "check"  # against `credentials`, once there are any
    IGNORE = "ignore"
    LITERAL = "literal"  # answers with the ASCII text hmac-not-implemented (X7)


@dataclass(frozen=True)
class Personality:
    """One kind of server. Layouts are the attributes of a success response, in order.

    REFLECTED-FROM in a layout is sent when the request carried RESPONSE-ADDRESS, USERNAME when the
    request had one, the alternate address when the server has one.
    """

    name: str
    about: str
    classic_layout: tuple[int, ...] = (_A.MAPPED_ADDRESS, _A.SOURCE_ADDRESS, _A.CHANGED_ADDRESS)
    cookie_layout: tuple[int, ...] | None = None  # None: as the classic one
    needs_cookie: bool = False
    xor_with_id: bool = False  # 0x0020 in the draft's form: XOR with the id, cookie or not
    honours_response_address: bool = True
    needs_annex_g: bool = False  # answers only with 0xC001 or CHANGE-REQUEST in the request
    counted_padding: bool = False  # X6: drops an attribute whose length is no multiple of 4
    receive_limit: int | None = None  # bytes; a longer request is not understood
    unknown: Unknown = Unknown.ERROR_420
    verify: Verify = Verify.CHECK
    accepted: tuple[Integrity, ...] = (Integrity.PADDED, Integrity.UNPADDED)
    bad_integrity_code: int = 431
    challenges_change: bool = False  # 401 to BINDING-CHANGE with USERNAME, without integrity
    software: bytes = b""
    software_in_errors: bool = False


_STUND_LAYOUT = (
    _A.MAPPED_ADDRESS,
    _A.SOURCE_ADDRESS,
    _A.CHANGED_ADDRESS,
    _A.USERNAME,
    _A.XOR_MAPPED_ADDRESS,
    _A.SOFTWARE,
)
_COTURN_LAYOUT = (_A.XOR_MAPPED_ADDRESS, _A.RESPONSE_ORIGIN, _A.OTHER_ADDRESS, _A.SOFTWARE)

PERSONALITIES: dict[str, Personality] = {
    personality.name: personality
    for personality in (
        Personality(
            "classic",
            "what RFC 3489 and Annex G ask for; verifies both integrity variants",
            classic_layout=(
                _A.MAPPED_ADDRESS,
                _A.SOURCE_ADDRESS,
                _A.CHANGED_ADDRESS,
                _A.REFLECTED_FROM,
            ),
        ),
        Personality(
            "stund",
            "Vovida stund 0.97, Debian's stun-server",
            classic_layout=_STUND_LAYOUT,
            xor_with_id=True,
            counted_padding=True,
            unknown=Unknown.DROP,
            verify=Verify.LITERAL,
            software=b"Vovida.org 0.97\0",
        ),
        Personality(
            "coturn",
            "coturn without backward compatibility: cookie needed, XOR-MAPPED-ADDRESS only",
            cookie_layout=_COTURN_LAYOUT,
            needs_cookie=True,
            honours_response_address=False,
            verify=Verify.IGNORE,
            software=b"Coturn-lab",
            software_in_errors=True,
        ),
        Personality(
            "coturn-compatible",
            "coturn with classic STUN on; answers a RESPONSE-ADDRESS probe to its sender",
            classic_layout=(
                _A.MAPPED_ADDRESS,
                _A.REFLECTED_FROM,
                _A.SOURCE_ADDRESS,
                _A.CHANGED_ADDRESS,
                _A.SOFTWARE,
            ),
            cookie_layout=(_A.XOR_MAPPED_ADDRESS, _A.MAPPED_ADDRESS, *_COTURN_LAYOUT[1:]),
            honours_response_address=False,
            verify=Verify.IGNORE,
            software=b"Coturn-lab",
            software_in_errors=True,
        ),
        Personality(
            "stuntman",
            "stuntman: 0x8020 in legacy mode, no RESPONSE-ADDRESS, unpadded integrity",
            classic_layout=(
                _A.MAPPED_ADDRESS,
                _A.SOURCE_ADDRESS,
                _A.CHANGED_ADDRESS,
                _A.XOR_MAPPED_ADDRESS_DRAFT,
            ),
            cookie_layout=(
                _A.MAPPED_ADDRESS,
                _A.RESPONSE_ORIGIN,
                _A.OTHER_ADDRESS,
                _A.XOR_MAPPED_ADDRESS,
            ),
            honours_response_address=False,
            unknown=Unknown.IGNORE,
            accepted=(Integrity.UNPADDED,),
            bad_integrity_code=401,
        ),
        Personality(
            "freeacs",
            "FreeACS: 200-byte buffer, errors without ERROR-CODE, integrity not looked at",
            classic_layout=(_A.MAPPED_ADDRESS, _A.CHANGED_ADDRESS, _A.SOURCE_ADDRESS),
            needs_annex_g=True,
            receive_limit=200,
            unknown=Unknown.LIST_ONLY,
            verify=Verify.IGNORE,
        ),
        Personality(
            "annex-g-demo",
            "an ACS demo derived from stund: 401 to every unsigned BINDING-CHANGE with USERNAME",
            classic_layout=_STUND_LAYOUT,
            xor_with_id=True,
            counted_padding=True,
            unknown=Unknown.DROP,
            verify=Verify.LITERAL,
            challenges_change=True,
            software=b"Vovida.org 0.97\0",
        ),
    )
}

_KNOWN_MANDATORY = frozenset(number for number in AttributeType if number <= 0x7FFF)


def respond(
    personality: Personality, request: Request, endpoints: Endpoints, secrets: Mapping[str, str]
) -> Answer | None:
    """What this kind of server answers to a well-formed Binding Request; None: nothing."""
    message = request.message
    if message is None or not _listens(personality, request):
        return None
    answer = Answer(message.transaction_id, request.source, request.local)
    unknown = [n for n in message.numbers if n <= 0x7FFF and n not in _KNOWN_MANDATORY]
    if unknown and personality.unknown is not Unknown.IGNORE:
        if personality.unknown is Unknown.DROP:
            return None
        code = 420 if personality.unknown is Unknown.ERROR_420 else None
        return _failed(personality, answer, code, tuple(unknown))
    code = _authenticate(personality, request, secrets)
    if code is not None:
        return _failed(personality, answer, code)
    # FreeACS looks at CHANGE-REQUEST only where there is no 0xC001.
    annex_g = personality.needs_annex_g and message.has(_A.CONNECTION_REQUEST_BINDING)
    change_ip, change_port = (False, False) if annex_g else message.change_request
    local = endpoints.changed(request.local, change_ip, change_port)
    if local is None:
        return _failed(personality, answer, 400)
    answer.local = local
    probe = message.address(_A.RESPONSE_ADDRESS)
    if probe is not None and personality.honours_response_address:
        answer.destination = probe
    _fill(personality, request, endpoints, answer)
    return answer


def _failed(
    personality: Personality, answer: Answer, code: int | None, unknown: tuple[int, ...] = ()
) -> Answer:
    answer.fail(code, unknown=unknown)
    if personality.software_in_errors:
        answer.add(_A.SOFTWARE, personality.software)
    return answer


def _listens(personality: Personality, request: Request) -> bool:
    message = request.message
    assert message is not None
    if personality.needs_cookie and not message.has_cookie:
        return False
    if personality.receive_limit is not None and len(request.data) > personality.receive_limit:
        return False
    if personality.counted_padding and any(len(a.value) % 4 for a in message.attributes):
        return False
    served = (_A.CONNECTION_REQUEST_BINDING, _A.CHANGE_REQUEST)
    return not personality.needs_annex_g or any(message.has(number) for number in served)


def _authenticate(
    personality: Personality, request: Request, secrets: Mapping[str, str]
) -> int | None:
    """The error code that the request's credentials earn (RFC 3489 section 8.1), or None."""
    message = request.message
    assert message is not None
    if not message.has_integrity:
        challenged = message.has_binding_change and message.has(_A.USERNAME)
        return 401 if personality.challenges_change and challenged else None
    if personality.verify is not Verify.CHECK or not secrets:
        return None
    if message.username is None:
        return 432
    if request.key is None:
        return 430
    return (
        None
        if request.verified.intersection(personality.accepted)
        else (personality.bad_integrity_code)
    )


def _fill(
    personality: Personality, request: Request, endpoints: Endpoints, answer: Answer
) -> None:
    """Write the success response that the layout describes, and say how it is signed."""
    message = request.message
    assert message is not None
    layout = personality.classic_layout
    if message.has_cookie and personality.cookie_layout is not None:
        layout = personality.cookie_layout
    cookie_mask = codec.COOKIE + message.transaction_id[4:]
    xor_mask = message.transaction_id if personality.xor_with_id else cookie_mask
    source = request.source
    # A socket bound to every address does not know which one it answers from.
    own = answer.local if answer.local[0] not in ("0.0.0.0", "::") else None
    other = endpoints.changed(request.local, True, True)
    addresses: dict[int, Address | None] = {
        _A.MAPPED_ADDRESS: source,
        _A.SOURCE_ADDRESS: own,
        _A.RESPONSE_ORIGIN: own,
        _A.CHANGED_ADDRESS: other,
        _A.OTHER_ADDRESS: other,
        _A.REFLECTED_FROM: source if message.has(_A.RESPONSE_ADDRESS) else None,
    }
    values: dict[int, bytes | None] = {
        number: None if address is None else codec.encode_address(address)
        for number, address in addresses.items()
    }
    values[_A.XOR_MAPPED_ADDRESS] = codec.encode_xor_address(source, xor_mask)
    values[_A.XOR_MAPPED_ADDRESS_DRAFT] = codec.encode_xor_address(source, message.transaction_id)
    values[_A.USERNAME] = message.get(_A.USERNAME)
    values[_A.SOFTWARE] = personality.software
    for number in layout:
        value = values[number]
        if value is not None:
            answer.add(number, value)
    if not message.has_integrity:
        return
    if personality.verify is Verify.LITERAL:
        answer.add(_A.MESSAGE_INTEGRITY, HMAC_NOT_IMPLEMENTED)
    elif personality.verify is Verify.CHECK and request.verified:
        answer.key = request.key
        used = [variant for variant in personality.accepted if variant in request.verified]
        answer.integrity = used[0]
