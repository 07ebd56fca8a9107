"""The digest of TCP Connection Requests: who is let in, once, and for how long."""

from support import DigestClient, raises

from cwmp.core.tcp_request import STALE, challenge, check, new_state, parameters
from cwmp.wire.http_challenge import parse_credentials, usable_digest

TARGET = "/0123456789abcdef"
MINUTE = 60000


class Bell:
    """A state with credentials, and the client that answers its challenges."""

    def __init__(self, username="cpe", password="Secret-1"):
        self.state = new_state(b"k" * 16)
        self.username = username
        self.password = password
        self.number = 0

    def challenge(self, now, stale=False):
        self.number += 1
        random = self.number.to_bytes(8, "big")
        return challenge(self.state, now, random, stale).decode()

    def client(self, now, username=None, password=None):
        auth = DigestClient(username or self.username, password or self.password)
        auth.challenge(usable_digest(parse_credentials(self.challenge(now))))
        return auth

    def check(self, now, header, target=TARGET):
        if not isinstance(header, bytes):
            header = header.encode()
        return check(self.state, now, self.username, self.password, target.encode(), header)


def answer(auth, target=TARGET, method="GET"):
    return auth.authorization(method, target, "0a4f113b")


def test_tcr_11_the_challenge():
    text = Bell().challenge(1000)
    ((scheme, params),) = parse_credentials(text)
    assert scheme == "digest" and params["qop"] == "auth" and params["algorithm"] == "MD5"
    assert len(params["nonce"]) == 48 and params["opaque"] and "stale" not in params
    assert text.count("Digest") == 1 and "Basic" not in text
    other = Bell().challenge(1000, True)
    assert other.endswith(", stale=true")


def test_tcr_11_the_right_answer_is_taken_and_counted():
    bell = Bell()
    auth = bell.client(1000)
    first, second = answer(auth), answer(auth)
    assert bell.check(1001, second) == ""  # nc=2 without nc=1: a lost request
    assert bell.check(1002, second) == STALE
    assert bell.check(1002, first) == STALE
    assert bell.check(1003, answer(auth)) == ""


def test_tcr_10_11_wrong_in_any_part():
    bell = Bell()
    auth = bell.client(0)
    good = answer(auth)
    assert bell.check(1, good, TARGET + "?x") == "wrong-uri"
    assert bell.check(1, answer(bell.client(0, username="cpe2"))) == "wrong-username"
    assert bell.check(1, answer(bell.client(0, password="secret-1"))) == "wrong-digest"
    assert bell.check(1, answer(auth, method="POST")) == "wrong-digest"
    at = good.find('response="') + 10
    for i in range(32):  # each digit counts
        digit = "1" if good[at + i] == "0" else "0"
        assert bell.check(1, good[: at + i] + digit + good[at + i + 1 :]) == "wrong-digest"
    for old, new in (
        ("qop=auth", "qop=auth-int"),
        ("algorithm=MD5", "algorithm=MD5-sess"),
        ("algorithm=MD5", "algorithm=SHA-256"),
        ('realm="esp-cwmp"', 'realm="other"'),
        ("nc=00000001", "nc=0000000001"),
        ('response="', 'response="0'),
        ("nc=00000001", "nc=00000002"),
        ('cnonce="0a', 'cnonce="0b'),
    ):
        assert old in good
        assert bell.check(1, good.replace(old, new)) == "wrong-digest", new
    for name in ("username", "realm", "nonce", "uri", "response", "nc", "cnonce", "qop"):
        assert bell.check(1, good.replace(" " + name + "=", " x=")) == "unreadable", name
    for nc in ("zzzzzzzz", "", "1", "-0000001", "0x000001"):
        wrong = bell.check(1, good.replace("nc=00000001", "nc=" + nc))
        assert wrong in ("unreadable", "wrong-digest"), nc
    assert bell.check(1, good) == ""  # none of all that counted


def test_tcr_12_basic_is_no_way_in():
    assert Bell().check(0, "Basic Y3BlOlNlY3JldC0x") == "unreadable"
    assert Bell().check(0, "") == "unreadable"


def test_tcr_15_b15_without_credentials_nobody_gets_in():
    for username, password in (("", ""), ("cpe", ""), ("", "x")):
        bell = Bell(username, password)
        header = answer(bell.client(0, username or "a", password or "b"))
        assert bell.check(0, header) == "no-credentials"


def test_tcr_11_b14_a_nonce_expires():
    bell = Bell()
    auth = bell.client(1000)
    assert bell.check(1000 + 5 * MINUTE, answer(auth)) == ""
    assert bell.check(1001 + 5 * MINUTE, answer(auth)) == STALE


def test_tcr_11_b14_a_nonce_that_was_never_issued():
    bell = Bell()
    other = Bell()
    other.state = new_state(b"another boot key")
    assert bell.check(0, answer(other.client(0))) == STALE
    auth = bell.client(0)
    for nonce in ("", "00", "zz" * 24, auth.nonce[:-2], auth.nonce + "00", "0" * 48):
        forged = DigestClient("cpe", "Secret-1")
        forged.challenge({"nonce": nonce, "realm": "esp-cwmp", "qop": "auth"})
        assert bell.check(0, answer(forged)) == STALE
    # One whose time was put off.
    later = DigestClient("cpe", "Secret-1")
    nonce = auth.nonce[:27] + ("1" if auth.nonce[27] == "0" else "0") + auth.nonce[28:]
    later.challenge({"nonce": nonce, "realm": "esp-cwmp", "qop": "auth"})
    assert bell.check(0, answer(later)) == STALE


def test_tcr_11_b14_nonces_of_strangers_take_no_room():
    bell = Bell()
    auth = bell.client(1000)
    for _ in range(100):
        bell.challenge(1000)
        bell.check(1000, answer(bell.client(1000, password="wrong")))
    assert bell.state[2] == [] and bell.check(1001, answer(auth)) == ""


def test_tcr_11_b14_a_small_table_and_no_replay_when_it_is_full():
    bell = Bell()
    sent = []
    for number in range(20):
        header = answer(bell.client(1000 + number))
        assert bell.check(1000 + number, header) == ""
        sent.append(header)
        assert len(bell.state[2]) <= 4
    for header in sent:
        assert bell.check(1100, header) == STALE
    # What was issued before is void, what comes now is good.
    assert bell.check(1100, answer(bell.client(1100))) == ""


def test_tcr_11_nonces_of_one_millisecond():
    bell = Bell()
    headers = [answer(bell.client(1000)) for _ in range(8)]
    assert [bell.check(1000, header) for header in headers[:4]] == [""] * 4
    assert bell.check(1000, headers[4]) == STALE  # they go together
    for header in headers:
        assert bell.check(1000, header) == STALE


def test_tcr_11_usernames_and_passwords_of_any_kind():
    for name in ('a"b\\c', "Zo\u00eb", "x" * 256, "a=b, c"):
        bell = Bell(name, 'p\u00e4ss \\word"')
        assert bell.check(0, answer(bell.client(0))) == "", name


def test_tcr_11_parameters_as_clients_write_them():
    found = parameters(b'digest  A="x\\"y" ,b = c,,d="",\te=f')
    assert found == {b"a": b'x"y', b"b": b"c", b"d": b"", b"e": b"f"}
    for bad in (
        b"Digest",
        b"Digesta=b",
        b"Digest a",
        b"Digest =b",
        b'Digest a="b',
        b'Digest a="b\\',
        b"Digest a=1, a=2",
        b"Digest a b=c",
        b'Digest "a"=c',
    ):
        raises(ValueError, parameters, bad)
