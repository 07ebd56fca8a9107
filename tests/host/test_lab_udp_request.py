"""UDP Connection Request datagrams of the lab: known answers, every style, every refusal."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from host_tools.lab import udp_request as ucr

DATA = json.loads(
    (Path(__file__).parent.parent / "data/udp_connection_request.json").read_text("utf-8")
)
VECTORS: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in DATA["vectors"]}
WHO = ("cpe-user", "cr-pass", "203.0.113.45", 54321)


def datagram(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["datagram_hex"])


@pytest.mark.parametrize("name", VECTORS)
def test_ucr_10_known_answers_accept_and_drop(name: str) -> None:
    entry = VECTORS[name]
    who = entry["credentials"]
    if entry["accept"] is None:  # the printed example, whose password nobody knows: it parses
        assert ucr.parse(datagram(name)).cn == b"XTGRWIPC6D3IPXS3"
        return
    assert ucr.verify(datagram(name), who["username"], who["password"]) is entry["accept"]
    strict = entry.get("strict_accept", entry["accept"])
    assert ucr.verify(datagram(name), who["username"], who["password"], strict=True) is strict


@pytest.mark.parametrize("name", [name for name in VECTORS if VECTORS[name]["accept"]])
def test_ucr_11_signature_of_every_accepted_vector_reproduces(name: str) -> None:
    entry = VECTORS[name]
    sig = ucr.signature(entry["credentials"]["password"], entry["hmac_text"].encode())
    assert sig == entry["sig"].lower()


@pytest.mark.parametrize(
    ("name", "style", "values"),
    [
        ("spec_shape", "spec", (1700000000, 1234, "9f86d081884c7d65")),
        ("genieacs_style", "genieacs", (1700000001, 4294967295, "b1946ac92492d234")),
        ("freeacs_style", "freeacs", (1700000000123, 99999, "-4962768465676381896")),
        ("no_blank_line", "bare", (1700000002, 4321, "QWERTYUIOP123456")),
        ("content_length_zero", "content-length", (1700000003, 7, "abc")),
        ("query_order_reversed", "reversed", (1700000004, 8, "abc")),
        ("scheme_upper", "upper-scheme", (1700000005, 9, "abc")),
        ("ts_leading_zero", "spec", ("01700000006", 10, "abc")),
    ],
)
def test_x1_styles_reproduce_the_known_datagrams(
    name: str, style: str, values: tuple[int, int, str]
) -> None:
    assert ucr.build(*WHO, *values, style=style) == datagram(name)


def test_x4_encoding_of_un_by_each_sender() -> None:
    odd = "202BC1-BM632w%2Dx-000001"
    raw = ucr.build(odd, *WHO[1:], 1700000007, 11, "abc", style="genieacs")
    assert raw == datagram("genieacs_raw_percent_username")
    user = "cpe user+1@home"
    signed = ucr.compose(user, *WHO[1:], 1700000008, 12, "abc")
    assert signed.datagram == datagram("form_urlencoded_username")
    assert signed.text == b"170000000812cpe user+1@homeabc"
    wire = ucr.compose(user, *WHO[1:], 1700000008, 12, "abc", style="wire-signed")
    assert wire.datagram == datagram("form_urlencoded_username_hmac_over_wire")
    assert wire.text == b"170000000812cpe+user%2B1%40homeabc"


def test_x4_a_sender_without_encoding_cannot_carry_a_space() -> None:
    with pytest.raises(ValueError, match="un needs encoding, which a genieacs sender"):
        ucr.build("a b", *WHO[1:], 1, 2, "c", style="genieacs")


@pytest.mark.parametrize("style", ucr.STYLES)
def test_x1_every_style_is_genuine_and_no_other_password_is(style: str) -> None:
    made = ucr.build(*WHO, *ucr.fresh(style), style=style)
    assert ucr.verify(made, "cpe-user", "cr-pass")
    assert not ucr.verify(made, "cpe-user", "cr-pasS")
    assert not ucr.verify(made, "cpe-use", "cr-pass")


def test_x2_millisecond_senders_write_13_digits() -> None:
    for style, digits in (("spec", 10), ("genieacs", 10), ("freeacs", 13)):
        ts, number, cn = ucr.fresh(style)
        assert len(str(ts)) == digits and 0 <= number < 2**32
        assert cn.startswith("-") is (style == "freeacs")


def test_b5_all_120_orders_of_the_keys() -> None:
    for order in itertools.permutations(ucr.KEYS):
        made = ucr.build(*WHO, 1700000000, 1234, "abc", style=ucr.in_order(order))
        assert ucr.verify(made, "cpe-user", "cr-pass", strict=True)


@pytest.mark.parametrize("key", ucr.KEYS)
def test_b5_each_key_missing_empty_or_twice(key: str) -> None:
    good = ucr.build(*WHO, 1700000000, 1234, "abc")
    pair = next(
        p for p in good.split(b" ")[1].split(b"?")[1].split(b"&") if p.startswith(key.encode())
    )
    gone = good.replace(pair, b"x=1")
    with pytest.raises(ValueError, match=f"{key} missing"):
        ucr.parse(gone)
    with pytest.raises(ValueError, match=f"{key} given twice"):
        ucr.parse(good.replace(pair, pair + b"&" + pair))
    assert not ucr.verify(good.replace(pair, key.encode() + b"="), "cpe-user", "cr-pass")


def test_b1_every_flipped_digit_of_sig_is_refused() -> None:
    made = ucr.compose(*WHO, 1700000000, 1234, "abc")
    for place in range(40):
        digit = "0" if made.sig[place] != "0" else "1"
        forged = made.sig[:place] + digit + made.sig[place + 1 :]
        assert not ucr.verify(
            made.datagram.replace(made.sig.encode(), forged.encode()), "cpe-user", "cr-pass"
        )


def test_b4_empty_credentials_never_authenticate() -> None:
    made = ucr.build("", "", *WHO[2:], 1700000000, 1, "abc")
    assert not ucr.verify(made, "", "")


def test_b7_other_methods_versions_paths_and_bodies() -> None:
    good = ucr.build(*WHO, 1700000000, 1234, "abc")
    for bad in (
        good.replace(b"GET", b"POST"),
        good.replace(b"HTTP/1.1", b"HTTP/1.0"),
        good.replace(b"http://203.0.113.45:54321?", b"/?"),
        good.replace(b"54321?", b"54321/wake?"),
        good + b"x",
        good.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
        good.replace(b"54321?", b"65536?"),
        good.replace(b" HTTP", b"  HTTP"),
        good + b" " * ucr.MAX_DATAGRAM,
    ):
        assert not ucr.verify(bad, "cpe-user", "cr-pass")


def test_unknown_style_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown style 'tr-x'; known: spec, genieacs"):
        ucr.build(*WHO, 1, 2, "c", style="tr-x")
