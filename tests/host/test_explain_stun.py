"""STUN messages: parsing by the vectors, integrity rules, and what is said about bad requests."""

import pytest

from host_tools.capture import explain, stun
from host_tools.capture.recorder import Recorder
from tests.host import capture_scenes as scenes
from tests.host.capture_scenes import BINDING, CHANGE, CPE, PUBLIC, STUN, Scene, attribute

VECTORS = {vector["name"]: vector for vector in scenes.vectors("stun_classic")["vectors"]}
RFC5769 = scenes.vectors("stun_rfc5769")
MESSAGES = [vector for vector in VECTORS.values() if vector["length"] >= 20]


def shown(address):
    return f"{address[0]}:{address[1]}" if address else None


def exchange(path, request, *answers, password=None, source=CPE):
    """The one STUN exchange of a capture with this request and these answers."""
    with Recorder(path) as recorder:
        recorder.udp(source, STUN, request)
        for reply in answers:
            recorder.udp(STUN, source, reply)
    told = explain.story(path, stun_password=password)
    (step,) = [step for step in told.steps if step.area == "stun"]
    return told, told.stun[0], {(check.id, check.mark) for check in step.checks}


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_stun_05_every_vector_is_read(vector):
    message = stun.parse(bytes.fromhex(vector["hex"]))
    expect = vector["expect"]
    assert message is not None
    if expect.get("reject") and "integrity" not in vector["name"]:
        assert message.problems
        return
    assert message.problems == []
    if expect.get("mapped"):
        assert shown(message.mapped) == expect["mapped"]
    if "xor_mapped_0x0020" in expect:
        assert shown(message.mapped) == expect["xor_mapped_0x0020"]
    if "xor_mapped_0x8020" in expect:
        draft = message.first(stun.XOR_MAPPED_DRAFT)
        assert shown(stun.address(draft.value, message.transaction[:4])) == expect["mapped"]
    if "username" in expect:
        assert message.username == expect["username"]
    if "code" in expect:
        assert (message.error[0] if message.error else None) == expect["code"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("binding_request_integrity_pad64", "padded"),
        ("binding_request_integrity_nopad", "unpadded"),
        ("binding_request_integrity_nopad_len0", "unpadded, length 0"),
        ("binding_response_integrity_pad64", "padded"),
        ("binding_response_integrity_nopad", "unpadded"),
        ("binding_response_integrity_bad", "wrong"),
        ("binding_request_bare", "absent"),
    ],
)
def test_stun_33_integrity_variants(name, rule):
    message = stun.parse(bytes.fromhex(VECTORS[name]["hex"]))
    assert stun.integrity(message, "s3cret") == rule
    if rule != "absent":
        assert stun.integrity(message, "S3cret") == "wrong"


@pytest.mark.parametrize("section", ["2.1", "2.2", "2.3"])
def test_stun_33_rfc_5769_messages_verify_unpadded(section):
    vector = next(entry for entry in RFC5769["vectors"] if entry["section"] == section)
    message = stun.parse(bytes.fromhex(vector["hex"]))
    assert stun.integrity(message, RFC5769["password_ascii"]) == "unpadded"
    if "xor_mapped" in vector:
        expected = vector["xor_mapped"] if section == "2.2" else None  # 2.3 is IPv6
        assert shown(message.mapped) == expected


def test_stun_33_a_text_of_64_bytes_proves_neither_rule():
    text = scenes.stun(1, bytes(16), attribute(6, b"u" * 16) + BINDING, "key")
    assert text.index(b"\0\x08\0\x14") == 64
    assert stun.integrity(stun.parse(text), "key") == "either"


def test_x7_a_server_that_does_not_compute_integrity(tmp_path):
    request = scenes.stun(1, bytes(16), attribute(6, b"user") + BINDING, "key")
    mapped = attribute(1, scenes.address_value(PUBLIC))
    reply = scenes.stun(0x0101, bytes(16), mapped + attribute(8, b"hmac-not-implemented"))
    told, found, checks = exchange(tmp_path / "x7.pcapng", request, reply, password="key")
    assert found.answer_integrity == "not computed by the server"
    assert ("STUN-34", "wrong") in checks
    assert (found.outcome, told.bindings) == ("unusable answer", [])


def test_stun_34_an_answer_without_integrity_does_not_count(tmp_path):
    request = scenes.stun(1, bytes(16), attribute(6, b"user") + BINDING, "key")
    reply = scenes.stun(0x0101, bytes(16), attribute(1, scenes.address_value(PUBLIC)))
    told, _, checks = exchange(tmp_path / "s34.pcapng", request, reply)
    assert ("STUN-34", "wrong") in checks
    assert told.bindings == []


NAME = attribute(6, b"user")


@pytest.mark.parametrize(
    ("requirement", "request_bytes"),
    [
        ("STUN-01", scenes.stun(1, bytes(16), BINDING) + b"more"),
        ("STUN-10", scenes.stun(1, bytes(16), attribute(0xC001, b"dslforum.org/TR-111"))),
        ("STUN-11", scenes.stun(1, bytes(16), BINDING + attribute(0xC002, b"1234"))),
        ("STUN-11", scenes.stun(1, bytes(16), CHANGE)),
        ("STUN-14", scenes.stun(1, bytes(16), attribute(6, b"users") + BINDING)),
        ("STUN-16", scenes.stun(1, bytes(16), attribute(3, b"\0\0\0\4") + BINDING)),
        (
            "STUN-16",
            scenes.stun(1, bytes(16), attribute(2, scenes.address_value(PUBLIC)) + BINDING),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_request_is_named_with_its_requirement(tmp_path, requirement, request_bytes):
    # Port and content are what makes it STUN: the size of one of these does not fit.
    _, _, checks = exchange(tmp_path / "bad.pcapng", request_bytes)
    assert (requirement, "wrong") in checks


def test_a_right_request_has_nothing_wrong(tmp_path):
    request = scenes.stun(1, bytes(16), NAME + attribute(3, bytes(4)) + BINDING + CHANGE)
    _, found, checks = exchange(tmp_path / "good.pcapng", request)
    assert checks == {("STUN-40", "note")}
    assert (found.primary, found.binding_change, found.username) == (True, True, "user")


def test_stun_03_a_transaction_id_used_for_another_request(tmp_path):
    path = tmp_path / "reuse.pcapng"
    with Scene(path) as scene:
        for attributes in (BINDING, BINDING + CHANGE):
            scene.recorder.udp(CPE, STUN, scenes.stun(1, bytes(16), attributes))
            scene.at += 1000
    checks = [check for step in explain.story(path).steps for check in step.checks]
    assert "STUN-03" in [check.id for check in checks if check.mark == "wrong"]


def test_stun_14_padding_is_not_part_of_the_name():
    for padded in (b"cpe-01  ", b"cpe-01\0\0"):
        message = stun.parse(scenes.stun(1, bytes(16), attribute(6, padded)))
        assert message.username == "cpe-01"


def test_stun_15_a_request_above_200_bytes_is_noted(tmp_path):
    request = scenes.stun(1, bytes(16), attribute(6, b"u" * 200) + BINDING)
    assert ("STUN-15", "note") in exchange(tmp_path / "long.pcapng", request)[2]


def test_stun_21_an_answer_with_xor_mapped_address_only(tmp_path):
    identifier = stun.COOKIE + bytes(12)
    value = bytearray(scenes.address_value(PUBLIC))
    for index, mask in enumerate(stun.COOKIE[:2] + stun.COOKIE):
        value[2 + index] ^= mask
    reply = scenes.stun(0x0101, identifier, attribute(0x20, bytes(value)))
    request = scenes.stun(1, identifier, BINDING)
    told, found, checks = exchange(tmp_path / "xor.pcapng", request, reply)
    assert found.mapped == PUBLIC
    assert ("STUN-21", "note") in checks
    assert told.bindings[0].mapped == PUBLIC


def test_x11_unknown_and_reordered_attributes_are_skipped(tmp_path):
    attributes = attribute(0x8022, b"server 1") + attribute(5, scenes.address_value(STUN))
    attributes += attribute(1, scenes.address_value(PUBLIC))
    request = scenes.stun(1, bytes(16), BINDING)
    _, found, _ = exchange(
        tmp_path / "x11.pcapng", request, scenes.stun(0x0101, bytes(16), attributes)
    )
    assert found.mapped == PUBLIC


def test_b10_an_error_or_a_malformed_answer_is_no_binding(tmp_path):
    request = scenes.stun(1, bytes(16), BINDING)
    mapped = attribute(1, scenes.address_value(PUBLIC))
    for reply in (
        scenes.stun(0x0111, bytes(16), attribute(9, b"\0\0\4\1") + mapped),
        scenes.stun(0x0101, bytes(16), mapped)[:-2],
        scenes.stun(0x0101, bytes(16), attribute(1, b"\0\2\x12\x34" + bytes(16))),
    ):
        told, found, _ = exchange(tmp_path / "none.pcapng", request, reply)
        assert (found.mapped, told.bindings) == (None, [])


def test_x9_a_lifetime_probe_is_not_taken_for_the_primary_port(tmp_path):
    attributes = attribute(2, scenes.address_value(PUBLIC)) + attribute(3, bytes(4))
    request = scenes.stun(1, bytes(16), attributes)
    told, found, _ = exchange(tmp_path / "probe.pcapng", request, source=("10.0.0.2", 50001))
    assert (found.primary, found.cpe, told.cpes) == (False, None, [])


def test_a_delayed_second_answer_and_a_forged_first_one(tmp_path):
    request = scenes.stun(1, bytes(16), NAME + BINDING, "key")
    other = attribute(1, scenes.address_value(("192.0.2.66", 6)))
    right = attribute(1, scenes.address_value(PUBLIC))
    answers = scenes.stun(0x0101, bytes(16), other), scenes.stun(0x0101, bytes(16), right, "key")
    _, found, _ = exchange(tmp_path / "two.pcapng", request, *answers, password="key")
    assert found.mapped == PUBLIC


def test_stun_is_found_on_any_port(tmp_path):
    path = tmp_path / "port.pcapng"
    with Recorder(path) as recorder:
        recorder.udp(("10.0.0.2", 9), ("192.0.2.1", 53), scenes.stun(1, b"q" * 16, BINDING))
    (found,) = explain.story(path).stun
    assert found.server == ("192.0.2.1", 53)


def test_several_cpes_behind_one_address_are_kept_apart(tmp_path):
    path = tmp_path / "fleet.pcapng"
    with Scene(path) as scene:
        for number in range(3):
            local, public = ("10.0.0.2", 7000 + number), (PUBLIC[0], 40000 + number)
            scene.bind(username=f"cpe{number}", public=public, local=local)
        scene.ring(scenes.datagram(scenes.signed()), public=(PUBLIC[0], 40001), delivered=False)
    told = explain.story(path)
    assert [cpe.name for cpe in told.cpes] == ["cpe0", "cpe1", "cpe2"]
    assert [request.cpe for request in told.requests] == ["cpe1"]
