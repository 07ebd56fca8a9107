from support import DigestClient, raises, vectors

from cwmp.wire.http_auth import digest_response, digest_secret
from cwmp.wire.http_challenge import (
    basic,
    is_stale,
    offers_basic,
    parse_credentials,
    usable_digest,
)
from cwmp.wire.http_error import HttpError


def params_of(text):
    ((scheme, params),) = parse_credentials(text)
    assert scheme == "digest"
    return params


def test_tcr_11_digest_vectors():
    cases = vectors("http_auth")["digest"]
    assert len(cases) >= 6
    for case in cases:
        session = case["algorithm"] == "MD5-sess"
        secret = digest_secret(
            case["username"],
            case["realm"],
            case["password"],
            case["nonce"] if session else None,
            case["cnonce"],
        )
        answer = digest_response(
            secret,
            case["method"],
            case["uri"],
            case["nonce"],
            case["nc"],
            case["cnonce"],
            case["qop"],
        )
        assert answer == case["response"], case["name"]


def test_cwmp_04_client_gives_the_responses_of_the_vectors():
    for case in vectors("http_auth")["digest"]:
        challenge = case.get("challenge")
        if challenge is None:
            challenge = 'Digest realm="{}", nonce="{}", algorithm={}'.format(
                case["realm"], case["nonce"], case["algorithm"]
            )
            if case["qop"]:
                challenge += ', qop="auth"'
        auth = DigestClient(case["username"], case["password"])
        auth.challenge(usable_digest(parse_credentials(challenge)))
        sent = params_of(auth.authorization(case["method"], case["uri"], case["cnonce"]))
        assert sent["response"] == case["response"], case["name"]
        assert sent["username"] == case["username"] and sent["uri"] == case["uri"]
        assert sent.get("nc") == case["nc"] and sent.get("qop") == case["qop"]
        if case["qop"]:
            assert sent["cnonce"] == case["cnonce"]
        else:
            assert "cnonce" not in sent


def test_cwmp_04_basic_vectors():
    for case in vectors("http_auth")["basic"]:
        username, password = case["userpass"].split(":", 1)
        assert basic(username, password) == case["header"]


def test_cwmp_04_basic_with_long_credentials_is_one_line():
    value = basic("u" * 256, "p" * 256)
    assert len(value) == 6 + 684 and "\n" not in value


def test_cwmp_04_quoted_qop_list():
    text = 'Digest realm="GenieACS",qop="auth,auth-int",nonce="00112233"'
    params = usable_digest(parse_credentials(text))
    assert params["qop"] == "auth,auth-int"
    auth = DigestClient("cpe", "secret")
    auth.challenge(params)
    value = auth.authorization("POST", "/", "c0ffee")
    assert ", qop=auth, nc=00000001" in value and "algorithm" not in value


def test_cwmp_04_only_auth_int_is_not_usable():
    assert usable_digest(parse_credentials('Digest realm="r", nonce="n", qop="auth-int"')) is None


def test_cwmp_04_several_challenges_in_one_header():
    text = (
        'Basic realm="a, Digest b=c", Digest realm="x", nonce="1", algorithm=SHA-256, qop="auth"'
    )
    text += ', Digest realm="x", nonce="2", algorithm=MD5, qop="auth", Negotiate YII=='
    found = parse_credentials(text)
    assert [scheme for scheme, _ in found] == ["basic", "digest", "digest", "negotiate"]
    assert found[0][1] == {"realm": "a, Digest b=c"}
    assert usable_digest(found)["nonce"] == "2"
    assert offers_basic(found) and not offers_basic(found[1:])


def test_cwmp_04_scheme_without_parameters_and_odd_spaces():
    found = parse_credentials(' , NTLM , DIGEST  Realm = x ,nonce=\t"n" ,, STALE=TRUE')
    assert [scheme for scheme, _ in found] == ["ntlm", "digest"]
    assert found[1][1] == {"realm": "x", "nonce": "n", "stale": "TRUE"}
    assert is_stale(found[1][1]) and not is_stale({"stale": "false"}) and not is_stale({})


def test_cwmp_04_challenges_that_lack_something():
    for text in ('Digest realm="r"', 'Digest nonce="n"', 'Digest realm="r", nonce=""', "Basic"):
        assert usable_digest(parse_credentials(text)) is None
    assert usable_digest(parse_credentials('Digest realm="", nonce="n"')) is not None


def test_cwmp_04_broken_challenges_are_refused():
    for text in (
        'Digest realm="x',
        'Digest realm="x\\"',
        'Digest realm="x\\',
        "=",
        '"x"',
        "Digest " + ",".join([f"p{i}=1" for i in range(17)]),
        ",".join(["a"] * 9),
    ):
        error = raises(HttpError, parse_credentials, text)
        assert str(error) == "bad challenge"


def test_cwmp_04_first_of_a_repeated_parameter_counts():
    assert params_of('Digest nonce="1", nonce="2"')["nonce"] == "1"


def test_cwmp_04_quotes_and_backslashes_survive():
    auth = DigestClient('a"b\\c', "p")
    auth.challenge(params_of('Digest realm="r\\"s", nonce="n\\\\1", opaque="o\\"p", qop=auth'))
    sent = params_of(auth.authorization("POST", '/x?"y"', "c"))
    assert sent["username"] == 'a"b\\c' and sent["realm"] == 'r"s' and sent["nonce"] == "n\\1"
    assert sent["opaque"] == 'o"p' and sent["uri"] == '/x?"y"'
    secret = digest_secret('a"b\\c', 'r"s', "p")
    expected = digest_response(secret, "POST", '/x?"y"', "n\\1", "00000001", "c", "auth")
    assert sent["response"] == expected


def test_cwmp_04_nc_counts_per_nonce():
    auth = DigestClient("u", "p")
    challenge = 'Digest realm="r", nonce="{}", qop="auth"'
    auth.challenge(params_of(challenge.format("one")))
    counts = [params_of(auth.authorization("POST", "/", "c"))["nc"] for _ in range(17)]
    assert counts[0] == "00000001" and counts[16] == "00000011"
    auth.challenge(params_of(challenge.format("one")))  # the same nonce again: it goes on
    assert params_of(auth.authorization("POST", "/", "c"))["nc"] == "00000012"
    auth.challenge(params_of(challenge.format("two")))
    assert params_of(auth.authorization("POST", "/", "c"))["nc"] == "00000001"


def test_cwmp_04_opaque_is_returned_only_if_given():
    auth = DigestClient("u", "p")
    auth.challenge(params_of('Digest realm="r", nonce="n", opaque=""'))
    assert params_of(auth.authorization("POST", "/", "c"))["opaque"] == ""
    auth.challenge(params_of('Digest realm="r", nonce="n"'))
    assert "opaque" not in params_of(auth.authorization("POST", "/", "c"))


def test_cwmp_05_md5_sess_depends_on_the_cnonce():
    auth = DigestClient("u", "p")
    auth.challenge(params_of('Digest realm="r", nonce="n", qop="auth", algorithm=md5-SESS'))
    for cnonce in ("c1", "c2"):
        sent = params_of(auth.authorization("POST", "/", cnonce))
        assert sent["algorithm"] == "MD5-sess" and sent["cnonce"] == cnonce
        secret = digest_secret("u", "r", "p", "n", cnonce)
        expected = digest_response(secret, "POST", "/", "n", sent["nc"], cnonce, "auth")
        assert sent["response"] == expected


def test_tcr_11_a_server_recomputes_what_a_client_sent():
    auth = DigestClient("cpe", "secret")
    auth.challenge(params_of('Digest realm="cpe", nonce="n1", qop="auth", algorithm=MD5'))
    sent = params_of(auth.authorization("GET", "/8d1c", "c"))

    def expected(password, uri):
        secret = digest_secret(sent["username"], sent["realm"], password)
        qop = sent.get("qop")
        return digest_response(secret, "GET", uri, "n1", sent["nc"], sent["cnonce"], qop)

    assert expected("secret", "/8d1c") == sent["response"]
    assert expected("Secret", "/8d1c") != sent["response"]
    assert expected("secret", "/8d1d") != sent["response"]


def test_b13_the_password_never_stands_in_the_header():
    auth = DigestClient("cpe", "hunter2-hunter2")
    auth.challenge(params_of('Digest realm="r", nonce="n", qop="auth"'))
    assert "hunter2" not in auth.authorization("POST", "/", "c")
