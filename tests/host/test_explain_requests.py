"""UDP Connection Requests judged field by field: UCR-01 ... UCR-15, UCR-20 and the X1 variants."""

import hashlib
import hmac

import pytest

from host_tools.capture import explain, udp_request
from host_tools.capture.recorder import Recorder
from tests.host.capture_scenes import (
    CPE,
    PASSWORD,
    PUBLIC,
    STUN,
    USERNAME,
    Scene,
    datagram,
    signed,
    stun,
    vectors,
)

VECTORS = vectors("udp_connection_request")
GOOD = datagram(signed())
FIELDS = ("ts", "id", "un", "cn", "sig")


def marks(payload, requirement, password=PASSWORD, username=USERNAME):
    """The marks that a datagram gets under one requirement id."""
    parsed = udp_request.parse(payload)
    udp_request.signature(parsed, password, username)
    return {check.mark for check in parsed.checks if check.id == requirement}


def verdicts(tmp_path, payloads, password=PASSWORD, username=USERNAME):
    path = tmp_path / "requests.pcapng"
    with Recorder(path) as recorder:
        for payload in payloads:
            recorder.udp(STUN, CPE, payload)
    told = explain.story(path, password, username=username)
    assert len(told.requests) == len([p for p in payloads if udp_request.looks_like(p)])
    return [request.verdict for request in told.requests]


def resigned(fields, password=PASSWORD):
    text = "".join(fields[name] for name in ("ts", "id", "un", "cn"))
    return {**fields, "sig": hmac.new(password.encode(), text.encode(), hashlib.sha1).hexdigest()}


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_every_vector_gets_its_verdict(tmp_path, vector):
    payload = bytes.fromhex(vector["datagram_hex"])
    if not udp_request.looks_like(payload):
        assert vector["name"] in ("not_http_text", "empty")  # found by their target, below
        return
    who = vector["credentials"]
    (verdict,) = verdicts(tmp_path, [payload], who["password"], who["username"])
    expected = {True: {"accepted"}, False: {"forged", "malformed"}, None: {"unverified"}}
    assert verdict in expected[vector["accept"]]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_ucr_07_strict_profile_refuses_what_only_the_lenient_one_takes(vector):
    if vector["accept"] is None:
        pytest.skip("its password is not known")
    parsed = udp_request.parse(bytes.fromhex(vector["datagram_hex"]))
    who = vector["credentials"]
    udp_request.signature(parsed, who["password"], who["username"])
    assert parsed.strict == (vector["accept"] and vector.get("strict_accept", True))


@pytest.mark.parametrize("sequence", VECTORS["sequences"], ids=lambda entry: entry["name"])
def test_ucr_20_every_sequence(tmp_path, sequence):
    payloads = [step["datagram"].encode() for step in sequence["steps"]]
    accepted = [verdict == "accepted" for verdict in verdicts(tmp_path, payloads)]
    assert accepted == [step["accept"] for step in sequence["steps"]]


def test_ucr_01_one_request_without_a_body():
    assert marks(GOOD, "UCR-01") == {"ok"}
    assert marks(GOOD + b"x", "UCR-01") == {"wrong"}
    for length, expected in (("0", "ok"), ("5", "wrong"), ("00", "ok"), ("-1", "wrong")):
        payload = GOOD[:-2] + f"Content-Length: {length}\r\n\r\n".encode()
        assert marks(payload, "UCR-01") == {expected}, length
    assert marks(GOOD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", "UCR-01") == {"wrong"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET ", b"POST "),
        (b"GET ", b"get "),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b" HTTP/1.1", b""),
        (b"http://", b""),
        (b"http://", b"https://"),
        (b"?ts", b"/cr?ts"),
        (b"?ts", b":x?ts"),
        (b":40123?", b":70000?"),
        (b"203.0.113.9:40123?", b"?"),
        (b"?ts", b"ts"),
        (b"&cn", b"& cn"),
        (b"&cn", b"\t&cn"),
    ],
)
def test_ucr_02_request_line(old, new):
    assert marks(GOOD, "UCR-02") == {"ok"}
    assert "wrong" in marks(GOOD.replace(old, new, 1), "UCR-02")


def test_ucr_02_scheme_in_capitals_and_a_missing_port():
    assert marks(GOOD.replace(b"http:", b"HTTP:"), "UCR-02") == {"ok"}
    without_port = GOOD.replace(b":40123?", b"?")
    assert marks(without_port, "UCR-02") == {"ok", "note"}


@pytest.mark.parametrize("name", FIELDS)
def test_ucr_03_each_name_is_needed(tmp_path, name):
    fields = {key: value for key, value in signed().items() if key != name}
    assert marks(datagram(fields), "UCR-03") == {"wrong"}
    assert verdicts(tmp_path, [datagram(fields)]) == ["malformed"]


@pytest.mark.parametrize("name", FIELDS)
def test_b5_no_name_may_be_empty(tmp_path, name):
    fields = {**signed(), name: ""}
    if name != "sig":
        fields = resigned(fields)
    assert verdicts(tmp_path, [datagram(fields)]) in (["malformed"], ["forged"])


@pytest.mark.parametrize("value", ["-1", "+1", "1e3", "0x10", " 1", "1_0", "%31"])
def test_ucr_03_ts_and_id_are_decimal(value):
    for name in ("ts", "id"):
        fields = resigned({**signed(), name: value})
        assert "wrong" in {check.mark for check in udp_request.parse(datagram(fields)).checks}


def test_ucr_04_host_header_is_expected_and_may_lack():
    assert marks(GOOD, "UCR-04") == {"ok"}
    without = GOOD.partition(b"\r\n")[0] + b"\r\n\r\n"
    assert marks(without, "UCR-04") == {"lenient"}
    assert udp_request.parse(without).well_formed


@pytest.mark.parametrize("name", FIELDS)
def test_ucr_05_a_repeated_name_is_wrong(tmp_path, name):
    payload = GOOD.replace(b" HTTP/", f"&{name}={signed()[name]} HTTP/".encode())
    assert "wrong" in marks(payload, "UCR-05")
    assert verdicts(tmp_path, [payload]) == ["malformed"]


def test_ucr_05_any_order_and_unknown_names(tmp_path):
    fields = signed()
    backwards = datagram(dict(reversed(fields.items())))
    assert marks(backwards, "UCR-05") == {"ok"}
    extra = datagram({**fields, "zz": "1"})
    assert marks(extra, "UCR-05") == {"note"}
    assert verdicts(tmp_path, [extra]) == ["accepted"]


def test_ucr_06_authority_is_not_compared(tmp_path):
    elsewhere = datagram(signed(), ("192.0.2.77", 9))
    assert marks(elsewhere, "UCR-06") == {"ok"}
    assert verdicts(tmp_path, [elsewhere]) == ["accepted"]


def test_ucr_08_bounds():
    assert marks(datagram(signed(cn="c" * 256)), "UCR-08") == set()
    assert marks(datagram(signed(cn="c" * 257)), "UCR-08") == {"wrong"}
    assert marks(datagram(signed(username="u" * 257)), "UCR-08") == {"wrong"}
    assert marks(datagram(signed(username="%41" * 256)), "UCR-08") == set()
    assert marks(datagram(signed(ts="1" * 20)), "UCR-08") == set()
    assert marks(datagram(signed(ts="1" * 21)), "UCR-08") == {"wrong"}
    assert marks(GOOD + b"x" * (1473 - len(GOOD)), "UCR-08") == {"wrong"}
    for sig in ("a" * 39, "a" * 41, "g" * 40):
        assert marks(datagram({**signed(), "sig": sig}), "UCR-08") == {"wrong"}


def test_ucr_09_milliseconds_and_large_ids(tmp_path):
    payload = datagram(signed(1_700_000_000_123, 4294967295))
    assert marks(payload, "UCR-09") == {"ok"}
    assert verdicts(tmp_path, [payload]) == ["accepted"]


def test_ucr_10_an_answer_to_a_request_is_wrong(tmp_path):
    def told(*replies):
        path = tmp_path / "reply.pcapng"
        with Scene(path) as scene:
            scene.recorder.udp(STUN, CPE, GOOD)
            scene.at += 5
            for reply in replies:
                scene.recorder.udp(CPE, STUN, reply)
        (request,) = explain.story(path, PASSWORD).requests
        return {check.mark for check in request.checks if check.id == "UCR-10"}

    assert told() == set()
    assert told(stun(1, bytes(16))) == set()  # a keepalive is no answer
    assert told(b"HTTP/1.1 200 OK\r\n\r\n") == {"wrong"}


@pytest.mark.parametrize("place", range(40))
def test_b1_ucr_11_every_digit_of_the_signature_counts(place):
    fields = signed()
    digit = format(int(fields["sig"][place], 16) ^ 1, "x")
    fields["sig"] = fields["sig"][:place] + digit + fields["sig"][place + 1 :]
    assert marks(datagram(fields), "UCR-11") == {"wrong"}


def test_ucr_11_case_of_the_signature_does_not_count():
    fields = signed()
    assert marks(datagram({**fields, "sig": fields["sig"].upper()}), "UCR-11") == {"ok"}


def test_ucr_11_without_a_password_nothing_is_claimed(tmp_path):
    path = tmp_path / "x.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(STUN, CPE, GOOD)
    (request,) = explain.story(path).requests
    assert request.verdict == "unverified"
    assert "UCR-11" in [check.id for check in request.checks if check.mark == "unchecked"]


def test_ucr_12_digits_count_as_received():
    assert marks(datagram(signed(ts="001700000100")), "UCR-11") == {"ok"}
    assert marks(datagram(signed(ts="001700000100")), "UCR-12") == {"note"}
    fields = {**signed(ts="1700000100"), "ts": "01700000100"}
    assert marks(datagram(fields), "UCR-11") == {"wrong"}


def test_ucr_13_candidates():
    name, wire = "cpe user+1@home", "cpe+user%2B1%40home"
    over_decoded = datagram({**signed(username=name), "un": wire})
    over_raw = datagram(signed(username=wire))
    assert marks(over_decoded, "UCR-13", username=name) == {"ok"}
    assert marks(over_raw, "UCR-13", username=name) == {"lenient"}  # decoded un, raw text
    assert marks(over_raw, "UCR-14", username=name) == {"ok"}
    assert marks(over_raw, "UCR-14", username=wire) == {"ok"}  # GenieACS: never encoded
    assert marks(over_decoded, "UCR-14", username=wire) == {"wrong"}


def test_x4_a_username_with_a_literal_escape(tmp_path):
    name = "202BC1-BM632w%2Dx-000001"
    assert verdicts(tmp_path, [datagram(signed(username=name))], username=name) == ["accepted"]


def test_ucr_14_username_is_compared_with_its_case(tmp_path):
    payload = datagram(signed(username="CPE-user"))
    assert marks(payload, "UCR-14") == {"wrong"}
    assert marks(payload, "UCR-14", username=None) == {"unchecked"}
    assert verdicts(tmp_path, [payload]) == ["forged"]


def test_ucr_15_empty_credentials_authenticate_nothing(tmp_path):
    empty = datagram(signed(username="", password=""))
    assert "wrong" in marks(empty, "UCR-15", password="", username="")
    assert verdicts(tmp_path, [empty], password="", username="") == ["forged"]
    nameless = datagram(signed(password=""))
    assert verdicts(tmp_path, [nameless], password="") == ["forged"]


def test_x14_hmac_sha256_is_named():
    fields = {**signed(), "sig": "ab" * 32}
    texts = [check.text for check in udp_request.parse(datagram(fields)).checks]
    assert any("HMAC-SHA256" in text for text in texts)


X1 = {
    "GenieACS: no slash": GOOD,
    "FreeACS: slash": GOOD.replace(b"?", b"/?", 1),
    "no Host": GOOD.partition(b"\r\n")[0] + b"\r\n\r\n",
    "no blank line": GOOD[:-2],
    "request line only": GOOD.partition(b"\r\n")[0],
    "LF only": GOOD.replace(b"\r\n", b"\n"),
    "sig in capitals": datagram({**signed(), "sig": signed()["sig"].upper()}),
    "other order": datagram({name: signed()[name] for name in ("sig", "un", "ts", "cn", "id")}),
    "unknown name first": datagram({"v": "2", **signed()}),
    "milliseconds": datagram(signed(1_700_000_100_123)),
}


@pytest.mark.parametrize("name", X1)
def test_x1_variants_of_real_servers_are_accepted(tmp_path, name):
    assert verdicts(tmp_path, [X1[name]]) == ["accepted"]


def test_x3_three_copies_then_three_with_other_credentials(tmp_path):
    wrong = datagram(signed(number=1, password="old"))
    right = datagram(signed(number=2, cn="other"))
    expected = ["forged"] * 3 + ["accepted", "duplicate", "duplicate"]
    assert verdicts(tmp_path, [wrong] * 3 + [right] * 3) == expected


def test_b3_a_forged_ts_locks_nobody_out(tmp_path):
    forged = datagram(signed(ts=9_999_999_999, password="guess"))
    assert verdicts(tmp_path, [forged, GOOD]) == ["forged", "accepted"]


def test_ucr_20_stale_and_replayed(tmp_path):
    payloads = [datagram(signed(ts, number)) for ts, number in ((5, 1), (6, 2), (5, 1), (4, 3))]
    assert verdicts(tmp_path, payloads) == ["accepted", "accepted", "stale", "stale"]


def test_ucr_20_state_is_kept_per_cpe(tmp_path):
    path = tmp_path / "two.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(STUN, CPE, datagram(signed(ts=200)))
        recorder.udp(STUN, ("10.0.0.3", 7548), datagram(signed(ts=100)))
    requests = explain.story(path, PASSWORD, username=USERNAME).requests
    assert [request.verdict for request in requests] == ["accepted", "accepted"]


@pytest.mark.parametrize(
    "payload",
    [
        b"GET http://x HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST http://1.2.3.4?ts=1 HTTP/1.1\r\n\r\n",
        b"?ts=1&id=2&un=x&cn=y",
        b"HELLO ts=1 id=2 un=x",
        b"GET",
        b"\0\0GET http://x?ts=1&id=1&un=a&cn=b&sig=00 HTTP/1.1",
    ],
)
def test_malformed_requests_are_found_on_any_port(tmp_path, payload):
    path = tmp_path / "odd.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(("192.0.2.1", 4000), ("192.0.2.2", 5000), payload)
    found = explain.story(path, PASSWORD).requests
    if payload == b"GET":
        assert found == []  # nothing but a word to a port that nobody was seen to use
    else:
        assert [request.verdict for request in found] == ["malformed"]


def test_other_protocols_are_left_alone(tmp_path):
    path = tmp_path / "noise.pcapng"
    noise = [
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n",
        b"NOTIFY * HTTP/1.1\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03acs\x00\x00\x01\x00\x01",
        b"",
    ]
    with Recorder(path) as recorder:
        for payload in noise:
            recorder.udp(("192.0.2.1", 4000), ("192.0.2.2", 5000), payload)
    told = explain.story(path, PASSWORD)
    assert (told.requests, told.stun, told.steps) == ([], [], [])


@pytest.mark.parametrize("payload", [b"infromrequest", b"", b"GET"])
def test_anything_sent_to_the_primary_port_is_judged(tmp_path, payload):
    path = tmp_path / "text.pcapng"
    with Scene(path) as scene:
        scene.bind()
        scene.ring(payload)
    (request,) = explain.story(path, PASSWORD).requests
    assert request.verdict == "malformed"
    assert (request.target, request.inside_target) == (PUBLIC, CPE)


@pytest.mark.parametrize("line", [b"no header", b"Host : x", b"X-A: a\0b", b"X-A: a\rb", b": x"])
def test_ucr_01_headers_are_http(line):
    assert "wrong" in marks(GOOD[:-2] + line + b"\r\n\r\n", "UCR-01")
    assert marks(GOOD[:-2] + b"X-A: \xe9 b\t\r\n\r\n", "UCR-01") == {"ok"}


def test_x4_a_bare_hash_in_a_username_that_is_not_encoded(tmp_path):
    payload = datagram(signed(username="cpe#1"))
    assert marks(payload, "UCR-02", username="cpe#1") == {"lenient", "ok"}
    assert verdicts(tmp_path, [payload], username="cpe#1") == ["accepted"]
