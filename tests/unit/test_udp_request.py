"""UDP Connection Request: the scanner, the gate and the memory of what was accepted."""

from array import array

from support import vectors

from cwmp.core import connection_request as gate
from cwmp.core.connection_request import ConnectionRequestGate
from cwmp.core.freshness import Freshness
from cwmp.core.freshness_record import restore, snapshot
from cwmp.wire import udp_request as wire
from cwmp.wire.hmac_sha1 import HmacSha1

USER = "cpe-user"
PASSWORD = "cr-pass"


def hexlify(data):
    return "".join("{:02x}".format(byte) for byte in data)


def sign(ts, number, un, cn, password=PASSWORD):
    return hexlify(
        HmacSha1(password.encode()).digest("{}{}{}{}".format(ts, number, un, cn).encode())
    )


def request(ts=1700000000, number=1, un=USER, cn="9f86d081", sig=None, wire_un=None, **parts):
    """Build a datagram; each part of it can be replaced."""
    pairs = {
        "ts": str(ts),
        "id": str(number),
        "un": wire_un or un,
        "cn": cn,
        "sig": sig or sign(ts, number, un, cn),
    }
    order = parts.get("order", ("ts", "id", "un", "cn", "sig"))
    query = parts.get("query") or "&".join([name + "=" + pairs[name] for name in order])
    line = "{} {}{}{}?{} {}".format(
        parts.get("method", "GET"),
        parts.get("scheme", "http://"),
        parts.get("authority", "203.0.113.45:54321"),
        parts.get("path", ""),
        query,
        parts.get("version", "HTTP/1.1"),
    )
    return (line + parts.get("rest", "\r\nHost: 203.0.113.45\r\n\r\n")).encode()


def new_gate(lenient=True, username=USER, password=PASSWORD, ring=lambda now: True):
    made = ConnectionRequestGate(ring, lenient)
    made.set_credentials(username, password)
    return made


def judge(made, datagram, now=0):
    return made.handle(datagram, len(datagram), now)


def verdict(datagram, lenient=True):
    return gate.name(judge(new_gate(lenient), datagram))


def accepted(datagram, lenient=True):
    return verdict(datagram, lenient) == "accepted"


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def test_vectors_of_single_datagrams():
    for vector in vectors("udp_connection_request")["vectors"]:
        if vector["accept"] is None:
            continue
        who = vector.get("credentials") or {"username": USER, "password": PASSWORD}
        for lenient in (True, False):
            want = vector["accept"] and (lenient or vector.get("strict_accept") is not False)
            made = new_gate(lenient, who["username"], who["password"])
            got = judge(made, unhex(vector["datagram_hex"])) == gate.ACCEPTED
            assert got == want, (vector["name"], lenient, gate.name(got))


def test_vectors_of_sequences():
    for sequence in vectors("udp_connection_request")["sequences"]:
        who = sequence["credentials"]
        made = new_gate(True, who["username"], who["password"])
        for step in sequence["steps"]:
            if step.get("reboot"):
                continue
            got = judge(made, step["datagram"].encode()) == gate.ACCEPTED
            assert got == step["accept"], (sequence["name"], step["why"])


def test_vec_01_printed_example_parses_and_is_not_claimed_to_verify():
    for vector in vectors("udp_connection_request")["vectors"]:
        if vector["name"] == "tr111_printed_example":
            data = unhex(vector["datagram_hex"])
            offsets = array("H", bytearray(2 * wire.OFFSETS))
            offsets[wire.LONGEST], offsets[wire.USERNAME] = 1472, len("CPE57689")
            parts = offsets, b"CPE57689", bytearray(wire.TEXT_SIZE), bytes(1)
            assert wire.read(data, len(data), parts) == 38
            return
    raise AssertionError("the vector is gone")


def test_ucr_01_one_get_no_body():
    assert accepted(request(rest="\r\nContent-Length: 0\r\n\r\n"))
    for rest in (
        "\r\nContent-Length: 5\r\n\r\n",
        "\r\ncontent-length:  10\r\n\r\n",
        "\r\nContent-Length:\r\n\r\n",
        "\r\nContent-Length: -0\r\n\r\n",
        "\r\nContent-Length: 0 0\r\n\r\n",
        "\r\nContent-Length : 5\r\n\r\n",
        "\r\nHost: a\r\n\r\nbody",
        "\r\n\r\n\r\n",
    ):
        for lenient in (True, False):
            assert verdict(request(rest=rest), lenient) == "malformed", rest
    assert accepted(request(rest="\r\nX-Content-Length: 5\r\n\r\n"))


def test_ucr_02_request_line():
    assert accepted(request(scheme="HTTP://"))
    for parts in (
        {"method": "POST"},
        {"method": "get"},
        {"method": "GET "},
        {"scheme": "https://"},
        {"scheme": "Http://"},
        {"scheme": ""},
        {"path": "/x"},
        {"path": "//"},
        {"version": "HTTP/1.0"},
        {"version": "HTTP/1.10"},
        {"version": " HTTP/1.1"},
        {"version": ""},
    ):
        assert verdict(request(**parts)) == "malformed", parts


def test_ucr_02_authority():
    for good in (
        "a",
        "a:80",
        "a:",
        "cpe.example.net:54321",
        "[2001:db8::1]:7547",
        "[::1]",
        "a%20b",
        "user-1~x",
    ):
        assert accepted(request(authority=good)), good
    for bad in (
        "",
        ":80",
        "a:b",
        "a:80:81",
        "a:65536",
        "[::1",
        "::1]",
        "a[b]",
        "[::1]x",
        "a b",
        "a@b",
        "a\x7f",
        "<a>",
    ):
        assert verdict(request(authority=bad)) == "malformed", bad


def test_ucr_02_an_authority_has_whole_escapes_and_whole_literals():
    for bad in ("a%", "a%2", "a%zz", "%", "[]", "[zz]", "[::1%25eth0]", "[:/:]"):
        assert verdict(request(authority=bad)) == "malformed", bad
    for good in ("a%2f%2Fb", "[::ffff:192.0.2.1]:80", "[ABCDEF::09]", "!$&'()*+,;=~_-."):
        assert accepted(request(authority=good)), good


def test_ucr_02_no_control_character_stands_in_the_uri():
    good = request().decode()
    for extra in ("x\x7f=1&", "x=\x7f&", "x=a\tb&", "x\x01=&"):
        assert verdict(good.replace("?ts", "?" + extra + "ts").encode()) == "malformed", extra


def test_ucr_03_a_name_without_a_value_is_a_name():
    good = request().decode()
    for name in ("ts", "id", "un", "cn", "sig"):
        for extra in (name + "&", name + "=&"):
            bad = good.replace("?ts", "?" + extra + "ts").encode()
            assert verdict(bad) == "malformed", extra


def test_ucr_03_each_name_exactly_once():
    names = ("ts", "id", "un", "cn", "sig")
    for name in names:
        assert verdict(request(order=[n for n in names if n != name])) == "malformed", name
        assert verdict(request(order=names + (name,))) == "malformed", name


def test_ucr_04_host_may_be_absent():
    assert accepted(request(rest="\r\n\r\n"))


def test_ucr_07_strict_profile_wants_host():
    for rest, strict in (
        ("\r\nHost: a\r\n\r\n", True),
        ("\r\nX: 1\r\nhOST:\r\n\r\n", True),
        ("\r\n\r\n", False),
        ("\r\nHosts: a\r\n\r\n", False),
        ("\r\nX: Host:\r\n\r\n", False),
    ):
        assert accepted(request(rest=rest)), rest
        assert accepted(request(rest=rest), lenient=False) == strict, rest


def test_ucr_07_a_header_line_has_a_name_and_a_colon():
    # Not among what the lenient profile forgives.
    for line in ("X", "Host a", " Host: a", "Host : a", ": a", "Ho\x7fst: a", "Host: a\x01", "\t"):
        for rest in ("\r\n" + line + "\r\n\r\n", "\n" + line):
            assert verdict(request(rest=rest)) == "malformed", rest


def permutations(items):
    if len(items) < 2:
        return [items]
    return [
        items[i : i + 1] + p
        for i in range(len(items))
        for p in permutations(items[:i] + items[i + 1 :])
    ]


def test_ucr_05_b5_all_120_orders():
    orders = permutations(("ts", "id", "un", "cn", "sig"))
    assert len(orders) == 120
    for order in orders:
        assert accepted(request(order=order)), order


def test_ucr_05_unknown_names_are_ignored():
    good = request().decode()
    for extra in ("x=1&", "tss=1&", "sigs=&", "=&", "&", "t=1&s=2&", "TS=1&"):
        assert accepted(good.replace("?ts", "?" + extra + "ts").encode()), extra


def test_ucr_06_authority_is_not_compared():
    assert accepted(request(authority="192.0.2.1:9"))


def test_ucr_07_lenient_and_strict():
    for rest, path in (
        ("\r\n", ""),
        ("", ""),
        ("\n\n", ""),
        ("\nHost: a\n\n", ""),
        ("\r\n\r\n", "/"),
    ):
        datagram = request(rest=rest, path=path)
        assert accepted(datagram), (rest, path)
        assert verdict(datagram, lenient=False) == "malformed", (rest, path)


def test_ucr_08_bounds():
    name = "u" * 256
    made = new_gate(username=name)
    assert judge(made, request(un=name, cn="c" * 256)) == gate.ACCEPTED
    for parts in ({"un": "u" * 257}, {"cn": "c" * 257}, {"ts": "1" * 21}, {"number": "1" * 21}):
        assert verdict(request(**parts)) == "malformed", parts
    assert accepted(request(ts="9" * 20, number="8" * 20))
    padded = request(
        rest="\r\nX: " + "y" * (1472 - len(request(rest="\r\nX: \r\n\r\n"))) + "\r\n\r\n"
    )
    assert len(padded) == 1472 and accepted(padded)
    assert verdict(padded.replace(b"X: ", b"X: z")) == "malformed"


def test_ucr_08_a_long_text_is_judged_as_a_short_one():
    # Above TEXT_SIZE the text is hashed in pieces: the verdicts are the same on either side of it.
    assert wire.TEXT_SIZE >= wire.MAX_TEXT
    for un, cn in ((1, 244), (200, 45), (200, 46), (1, 245), (1, 246), (256, 1), (256, 256)):
        un, cn = "u" * un, "c" * cn
        for lenient in (True, False):
            made = new_gate(lenient, username=un)
            data = request(un=un, cn=cn)
            forged = request(un=un, cn=cn, sig=sign(1700000000, 1, un, cn[:-1] + "d"))
            other = request(un=un[:-1] + "v", cn=cn)
            assert judge(made, forged) == gate.BAD_SIGNATURE, (un, cn)
            assert judge(made, other) == gate.WRONG_USERNAME, (un, cn)
            assert judge(made, bytearray(data)) == gate.ACCEPTED, (un, cn)
            assert judge(made, data) == gate.DUPLICATE
            assert judge(made, request(number=2, un=un, cn=cn)) == gate.ACCEPTED
            assert judge(made, data) == gate.DUPLICATE
            assert judge(made, request(ts=1699999999, un=un, cn=cn)) == gate.STALE
            # A short one behind it finds nothing of it.
            assert judge(made, request(ts=1700000001, un=un, cn="c")) == gate.ACCEPTED
            made = new_gate(lenient, username=un, ring=lambda now: False)
            assert judge(made, data) == gate.LIMITED
            made.enable(False)
            assert judge(made, data) == gate.DISABLED


def test_ucr_13_a_long_text_with_escapes():
    un = "u" * 255 + "/"
    cn = "c" * 255 + "/"
    escaped = cn[:-1] + "%2F"
    for lenient in (True, False):
        made = new_gate(lenient, username=un)
        wire_un = un[:-1] + "%2f"
        sig = sign(1, 1, un, cn)
        data = request(ts=1, un=un, wire_un=wire_un, cn=escaped, sig=sig)
        assert judge(made, data) == gate.ACCEPTED
        # Signed as it stands on the wire: 1 + 1 + 258 + 258 bytes.
        sig = sign(2, 2, wire_un, escaped)
        data = request(ts=2, number=2, un=un, wire_un=wire_un, cn=escaped, sig=sig)
        assert judge(made, data) == (gate.ACCEPTED if lenient else gate.BAD_SIGNATURE)
        data = request(ts=3, number=3, un=un, wire_un=wire_un, cn=escaped, sig=sign(3, 4, un, cn))
        assert judge(made, data) == gate.BAD_SIGNATURE


def test_ucr_08_decoded_length_counts():
    made = new_gate(username="-" * 256)
    assert judge(made, request(un="-" * 256, wire_un="%2D" * 256)) == gate.ACCEPTED


def test_ucr_09_x2_milliseconds_and_large_ids():
    made = new_gate()
    assert judge(made, request(ts=1700000000123, number=4294967295)) == gate.ACCEPTED
    assert judge(made, request(ts=1700000000122, number=1)) == gate.STALE
    assert judge(made, request(ts=1700000000124, number=2)) == gate.ACCEPTED


def test_ucr_10_every_failure_is_only_counted():
    made = new_gate()
    assert judge(made, request(un="other")) == gate.WRONG_USERNAME
    assert judge(made, b"hello") == gate.MALFORMED
    assert made.counts[gate.WRONG_USERNAME] == 1 and made.counts[gate.MALFORMED] == 1
    assert sum(made.counts) == 2


def test_ucr_11_b1_every_digit_of_the_signature_counts():
    good = sign(1, 1, USER, "a")
    assert accepted(request(ts=1, cn="a", sig=good)) and accepted(
        request(ts=1, cn="a", sig=good.upper())
    )
    for i in range(40):
        for bit in (1, 2, 4, 8):
            digit = "{:x}".format(int(good[i], 16) ^ bit)
            bad = good[:i] + digit + good[i + 1 :]
            assert verdict(request(ts=1, cn="a", sig=bad)) == "bad-signature", (i, bit)


def test_ucr_11_sig_form():
    for sig in ("a" * 39, "a" * 41, "g" * 40, "a" * 39 + "%", " " * 40):
        assert verdict(request(sig=sig)) == "malformed", sig


def test_ucr_12_b8_digits_are_not_printed_again():
    assert accepted(request(ts="0001700000000", number="007"))
    assert (
        verdict(request(ts="01", number=1, sig=sign("1", 1, USER, "9f86d081"))) == "bad-signature"
    )


def test_b8_signature_bytes_over_0x80_and_leading_zeros():
    high = zero = 0
    for number in range(64):
        sig = sign(1, number, USER, "9f86d081")
        assert accepted(request(ts=1, number=number))
        zero += sig[0] == "0"
        high += int(sig[:2], 16) >= 0x80
    assert high and zero  # both kinds were among them


def test_ucr_13_x4_readings_of_un():
    raw = "00259E-BCM%2DRouter-1"
    made = new_gate(username=raw)
    assert judge(made, request(un=raw)) == gate.ACCEPTED  # GenieACS: never encoded
    assert judge(new_gate(lenient=False, username=raw), request(un=raw)) == gate.WRONG_USERNAME
    name = "cpe 1+a/b"
    sent = "cpe+1%2Ba%2fb"
    for lenient in (True, False):
        made = new_gate(lenient, username=name)
        assert judge(made, request(un=name, wire_un=sent)) == gate.ACCEPTED, lenient
        made = new_gate(lenient, username=name)
        over_wire = request(wire_un=sent, sig=sign(1700000000, 1, sent, "9f86d081"))
        assert (judge(made, over_wire) == gate.ACCEPTED) == lenient


def test_ucr_13_percent_that_is_no_escape():
    made = new_gate(username="50%zz")
    assert judge(made, request(un="50%zz")) == gate.ACCEPTED
    assert verdict(request(un="50%zz"), lenient=False) == "malformed"
    made = new_gate(username="a%4")
    assert judge(made, request(un="a%4")) == gate.ACCEPTED


def test_ucr_14_username_is_case_sensitive():
    assert verdict(request(un="CPE-USER")) == "wrong-username"
    assert verdict(request(un="cpe-use")) == "wrong-username"
    assert verdict(request(un="cpe-users")) == "wrong-username"


def test_ucr_15_b4_empty_credentials_authenticate_nothing():
    for username, password in (("", ""), (USER, ""), ("", PASSWORD)):
        made = new_gate(username=username, password=password)
        assert not made.has_credentials
        assert judge(
            made,
            request(un=username or USER, sig=sign(1700000000, 1, username, "9f86d081", password)),
        )
        assert made.counts[gate.ACCEPTED] == 0


def test_ucr_20_equal_ts_new_id():
    made = new_gate()
    steps = (
        (100, 1, gate.ACCEPTED),
        (100, 1, gate.DUPLICATE),
        (100, 2, gate.ACCEPTED),
        (100, 1, gate.DUPLICATE),
        (99, 3, gate.STALE),
        (101, 2, gate.DUPLICATE),  # the last id with a newer ts
        (101, 1, gate.ACCEPTED),
        (100, 9, gate.STALE),
    )
    for ts, number, want in steps:
        assert judge(made, request(ts=ts, number=number)) == want, (ts, number)


def test_ucr_20_ids_at_one_ts_are_bounded_and_never_replayable():
    made = new_gate()
    for number in range(20):
        judge(made, request(ts=5, number=number))
    for number in range(20):
        assert judge(made, request(ts=5, number=number)) == gate.DUPLICATE
    assert judge(made, request(ts=6, number=1)) == gate.ACCEPTED


def test_ucr_20_b2_numbers():
    made = new_gate()
    assert judge(made, request(ts="0", number="0")) == gate.ACCEPTED
    assert judge(made, request(ts="00", number="00")) == gate.DUPLICATE
    for ts in ("-1", "", "1a", "+1", "0x1", "1.5", "9" * 30, "%31"):
        assert judge(made, request(ts=ts, number=2)) == gate.MALFORMED, ts
    assert judge(made, request(ts="1" + "0" * 19, number="3")) == gate.ACCEPTED
    assert judge(made, request(ts="9" * 19, number="4")) == gate.STALE


def test_ucr_21_b3_forged_request_is_not_remembered():
    made = new_gate()
    forged = request(ts="9" * 20, number=7, sig="0" * 40)
    assert judge(made, forged) == gate.BAD_SIGNATURE
    assert judge(made, request(ts=100, number=7)) == gate.ACCEPTED


def test_ucr_22_x3_three_copies_and_a_second_credential_with_the_same_ts():
    made = new_gate()
    got = [judge(made, request(ts=100, number=1, cn="aa")) for _ in range(3)]
    assert got == [gate.ACCEPTED, gate.DUPLICATE, gate.DUPLICATE]
    other = request(ts=100, number=2, cn="bb", sig=sign(100, 2, USER, "bb", "another"))
    assert [judge(made, other) for _ in range(3)] == [gate.BAD_SIGNATURE] * 3
    made = new_gate()
    assert [judge(made, other) for _ in range(3)] == [gate.BAD_SIGNATURE] * 3
    assert judge(made, request(ts=100, number=3, cn="cc")) == gate.ACCEPTED


def test_ucr_23_b19_no_clock_is_asked():
    made = new_gate()
    for now in (0, 10**15):
        assert judge(made, request(ts=1 if not now else 2, number=now + 1), now) == gate.ACCEPTED


def test_ucr_24_memory_survives_and_is_forgotten_on_demand():
    made = new_gate()
    assert judge(made, request(ts=1700000000123, number="007")) == gate.ACCEPTED
    assert made.freshness.dirty
    after = new_gate()
    restore(after.freshness, snapshot(made.freshness))
    assert judge(after, request(ts=1700000000123, number="007")) == gate.DUPLICATE
    assert judge(after, request(ts=1700000000122, number="8")) == gate.STALE
    assert judge(after, request(ts=1700000000124, number="7")) == gate.DUPLICATE
    after.forget()
    assert judge(after, request(ts=1, number="7")) == gate.ACCEPTED


def test_ucr_24_a_damaged_record_leaves_the_memory_empty():
    for record in (
        None,
        {},
        {"ts": 5, "ids": ["1"]},
        {"ts": "x", "ids": ["1"]},
        {"ts": "1", "ids": None},
        [],
        "ts",
    ):
        fresh = Freshness()
        restore(fresh, record)
        assert snapshot(fresh) == {"ts": "", "ids": []}, record


def test_ucr_25_ts_zero_is_not_special():
    made = new_gate()
    assert judge(made, request(ts=5, number=1)) == gate.ACCEPTED
    assert judge(made, request(ts=0, number=2)) == gate.STALE


def test_ucr_33_over_the_limit_nothing_is_remembered():
    allowed = [True]
    made = new_gate(ring=lambda now: allowed[0])
    allowed[0] = False
    assert judge(made, request(ts=9)) == gate.LIMITED
    allowed[0] = True
    assert judge(made, request(ts=9)) == gate.ACCEPTED


def test_b5_fields_elsewhere_do_not_count():
    whole = request().decode()
    for bad in (
        whole.replace("&un=", "&xn=").replace("\r\nHost", "\r\nun=" + USER + "\r\nHost"),
        whole.replace("?ts=1700000000&", "?").replace("203.0.113.45:54321", "ts=1700000000", 1),
        whole.replace("&sig=", "&cn2="),
        whole.split(" HTTP/1.1")[0],
    ):
        assert verdict(bad.encode()) == "malformed", bad
    inside = "x?ts=5&y"
    made = new_gate(username="x?ts=5")
    assert judge(made, request(un="x?ts=5")) == gate.ACCEPTED, inside


def test_b5_empty_values():
    for name in ("ts", "id", "un", "cn", "sig"):
        pairs = {"ts": "1", "id": "1", "un": USER, "cn": "c", "sig": sign(1, 1, USER, "c")}
        pairs[name] = ""
        query = "&".join([key + "=" + pairs[key] for key in ("ts", "id", "un", "cn", "sig")])
        assert verdict(request(query=query)) == "malformed", name


def test_b6_stale_bytes_of_a_longer_datagram_are_not_read():
    made = new_gate()
    buf = bytearray(1600)
    whole = request()
    buf[: len(whole)] = whole
    for size in range(len(whole)):
        if whole[size - 2 : size] not in (b"\r\n", b".1", b"45") and not whole[:size].endswith(
            b"\r"
        ):
            continue
        fresh = new_gate(lenient=False)
        assert fresh.handle(buf, size, 0) == gate.MALFORMED, size
    assert made.handle(buf, len(whole), 0) == gate.ACCEPTED


def test_b6_sizes():
    for size in (0, 1, 15, 16, 1472, 1473, 1600):
        for filler in (b"\x00", b"G", b"&", b"%", b"="):
            assert verdict((request()[:20] + filler * 1600)[:size]) == "malformed", size
    for length in (1, 64, 256):
        assert accepted(request(cn="c" * length))
    assert verdict(request(cn="c" * 1200)) == "malformed"


def test_b7_wrong_shapes():
    for parts in (
        {"method": "HEAD"},
        {"version": "HTTP/1.0"},
        {"path": "/cwmp"},
        {"authority": ""},
        {"scheme": "/"},
    ):
        assert verdict(request(**parts)) == "malformed", parts


def test_x1_every_known_sender():
    for parts in (
        {"path": ""},
        {"path": "/", "rest": "\r\n\r\n"},
        {"rest": ""},
        {"rest": "\r\n"},
        {"order": ("sig", "cn", "un", "id", "ts")},
    ):
        assert accepted(request(**parts)), parts


def test_x14_sha256_signature_is_told_apart():
    made = new_gate()
    assert judge(made, request(sig="ab" * 32)) == gate.MALFORMED
    assert made.detail == wire.SHA256_SIGNATURE
