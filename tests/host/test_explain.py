"""Whole stories: a good wake, forgeries, replays, 401, rebinding, TCP requests, sessions."""

import json

import pytest

from host_tools.capture import explain
from tests.host.capture_scenes import (
    ACS,
    BINDING,
    CHANGE,
    CPE,
    PASSWORD,
    PUBLIC,
    STUN,
    USERNAME,
    Scene,
    answer,
    attribute,
    datagram,
    envelope,
    good_wake,
    inform,
    post,
    signed,
    stun,
    vectors,
)


def test_a_good_wake_from_binding_to_the_end_of_the_session(tmp_path):
    path = tmp_path / "wake.pcapng"
    good_wake(path)
    told = explain.story(path, PASSWORD, username=USERNAME)
    assert told.verdicts() == {"accepted": 1, "duplicate": 2}
    first = told.requests[0]
    assert (first.source, first.target, first.inside_target) == (STUN, PUBLIC, CPE)
    (binding,) = told.bindings
    assert (binding.local, binding.mapped, binding.natted) == (CPE, PUBLIC, True)
    assert binding.announced_ns is not None
    (session,) = told.sessions
    assert session.device == "00D09E-agent-0001"
    assert session.events == ["6 CONNECTION REQUEST"]
    assert (session.retry_count, session.attempts) == (0, 2)
    assert (session.inform_accepted, session.end) == (True, "complete")
    assert session.rpcs == ["GetParameterValues"]
    (wake,) = told.wakes
    assert (wake.way, wake.milliseconds) == ("UDP", 16.0)
    assert not [step for step in told.steps if step.mark == "wrong"]


def test_stun_40_a_keepalive_that_is_sent_again_is_one_exchange(tmp_path):
    path = tmp_path / "again.pcapng"
    with Scene(path) as scene:
        request = stun(1, scene.identifier(), BINDING)
        for gap in (0, 100, 200, 400):
            scene.at += gap
            scene.recorder.udp(CPE, STUN, request)
        scene.at += 60_000
        scene.recorder.udp(CPE, STUN, b"later")
    (exchange,) = explain.story(path).stun
    assert (exchange.sends, exchange.outcome) == (4, "no answer")


def test_forged_replayed_and_stale_next_to_a_good_one(tmp_path):
    path = tmp_path / "attack.pcapng"
    good = datagram(signed(ts=1000, number=5))
    with Scene(path) as scene:
        scene.bind()
        scene.ring(datagram(signed(ts=4_000_000_000, password="guess")))
        scene.ring(good)
        scene.at += 10_000
        scene.ring(good)
        scene.ring(datagram(signed(ts=999, number=6)))
    told = explain.story(path, PASSWORD, username=USERNAME)
    verdicts = [request.verdict for request in told.requests]
    assert verdicts == ["forged", "accepted", "duplicate", "stale"]
    assert told.requests[2].copy == 2
    assert "older than 1000" in told.requests[3].reason


def test_stun_30_401_then_credentials(tmp_path):
    path = tmp_path / "401.pcapng"
    name = attribute(6, b"cpe-0001")
    mapped = attribute(1, b"\0\1\x9c\xbb\xcb\0\x71\x09")
    with Scene(path) as scene:
        for key in (None, "s3cret"):
            identifier = scene.identifier()
            scene.recorder.udp(CPE, STUN, stun(1, identifier, name + BINDING + CHANGE, key))
            scene.at += 10
            if key:
                reply = stun(0x0101, identifier, mapped, key)
            else:
                reply = stun(0x0111, identifier, attribute(9, b"\0\0\x04\x01Unauthorized"))
            scene.recorder.udp(STUN, CPE, reply)
    told = explain.story(path, stun_password="s3cret")
    first, second = told.stun
    assert (first.outcome, first.error, first.integrity) == ("error", 401, "absent")
    assert (second.outcome, second.integrity) == ("mapped", "padded")
    assert second.answer_integrity == "padded"
    assert [cpe.name for cpe in told.cpes] == ["cpe-0001"]
    assert told.bindings[0].mapped == PUBLIC
    wrong = explain.story(path, stun_password="other")
    assert wrong.stun[1].integrity == "wrong"
    assert wrong.bindings == []  # STUN-34: that answer does not count


def test_stun_12_rebinding_and_whether_it_was_announced(tmp_path):
    moved = (PUBLIC[0], 40999)
    for announce in (True, False):
        path = tmp_path / f"rebind{announce}.pcapng"
        with Scene(path) as scene:
            scene.bind()
            scene.at += 30_000
            scene.bind(public=moved)
            scene.at += 100
            if announce:
                scene.bind(change=True, public=moved)
            scene.at += 30_000
            scene.ring(datagram(signed()), delivered=False)
        told = explain.story(path, PASSWORD)
        assert [binding.mapped for binding in told.bindings] == [PUBLIC, moved]
        assert told.bindings[1].previous == PUBLIC
        assert (told.bindings[1].announced_ns is not None) == announce
        wrong = [check.id for step in told.steps for check in step.checks if check.mark == "wrong"]
        assert ("STUN-12" in wrong) != announce
        # The request still went to the old mapping: seen outside, never inside.
        (request,) = told.requests
        assert request.verdict == "lost"
        assert any("but the binding is" in check.text for check in request.checks)
        assert len(told.cpes) == 1


def test_stun_12_rebinding_seen_from_outside_only(tmp_path):
    path = tmp_path / "outside.pcapng"
    moved = (PUBLIC[0], 40999)
    with Scene(path) as scene:
        scene.bind(sides=("outside",))
        scene.at += 30_000
        scene.bind(change=True, public=moved, sides=("outside",))
        scene.ring(datagram(signed()), public=moved, inside=False)
    told = explain.story(path, PASSWORD)
    assert [binding.mapped for binding in told.bindings] == [PUBLIC, moved]
    assert {binding.cpe for binding in told.bindings} == {told.cpes[0].name}
    assert [request.verdict for request in told.requests] == ["accepted"]


def test_ucr_20_freshness_follows_a_cpe_through_a_rebinding(tmp_path):
    path = tmp_path / "follow.pcapng"
    moved = (PUBLIC[0], 40999)
    old = datagram(signed(ts=1000))
    with Scene(path) as scene:
        scene.bind()
        scene.ring(old)
        scene.at += 30_000
        scene.bind(change=True, public=moved)
        scene.ring(old, public=moved)
    told = explain.story(path, PASSWORD)
    assert [request.verdict for request in told.requests] == ["accepted", "duplicate"]


def test_ucr_22_wake_counts_from_the_first_copy_even_if_the_nat_lost_it(tmp_path):
    path = tmp_path / "lost.pcapng"
    payload = datagram(signed())
    with Scene(path) as scene:
        scene.bind()
        scene.ring(payload, delivered=False)
        scene.at += 1500
        scene.ring(payload)
        scene.at += 10
        scene.session("6 CONNECTION REQUEST")
    told = explain.story(path, PASSWORD)
    assert [request.verdict for request in told.requests] == ["lost", "accepted"]
    assert [round(wake.milliseconds, 3) for wake in told.wakes] == [1517.0]


def test_tcr_20_a_late_session_is_said(tmp_path):
    path = tmp_path / "late.pcapng"
    with Scene(path) as scene:
        scene.bind()
        scene.ring(datagram(signed()))
        scene.at += 31_000
        scene.session("6 CONNECTION REQUEST")
    wrong = [step for step in explain.story(path, PASSWORD).steps if step.mark == "wrong"]
    assert [step.checks[0].id for step in wrong] == ["TCR-20"]


def test_ucr_34_two_requests_that_fold_into_one_session_are_one_wake(tmp_path):
    path = tmp_path / "fold.pcapng"
    with Scene(path) as scene:
        scene.bind()
        scene.ring(datagram(signed(number=1)))
        scene.ring(datagram(signed(number=2)))
        scene.session("6 CONNECTION REQUEST")
    told = explain.story(path, PASSWORD)
    assert told.verdicts() == {"accepted": 2}
    assert len(told.wakes) == 1


def test_a_session_without_the_event_is_no_wake(tmp_path):
    path = tmp_path / "periodic.pcapng"
    with Scene(path) as scene:
        scene.bind()
        scene.ring(datagram(signed()))
        scene.session("2 PERIODIC")
    assert explain.story(path, PASSWORD).wakes == []


def test_tcr_10_tcp_request_with_digest(tmp_path):
    vector = next(v for v in vectors("http_auth")["digest"] if v["name"] == "cr_get_qop_auth")
    get = f"GET {vector['uri']} HTTP/1.1\r\nHost: cpe\r\n"
    names = ("username", "realm", "nonce", "uri", "response", "cnonce")
    given = ", ".join(f'{name}="{vector[name]}"' for name in names)
    login = f"Authorization: Digest {given}, qop=auth, nc=00000001, algorithm=MD5\r\n"
    challenge = 'WWW-Authenticate: Digest realm="cpe", nonce="5f0c7a1be2d34c56", qop="auth"\r\n'
    path = tmp_path / "tcp.pcapng"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp(("198.51.100.2", 50000), ("10.0.0.2", 7547), "inside")
        tcp.data(True, f"{get}\r\n".encode())
        tcp.data(False, answer(status="401 Unauthorized", headers=challenge))
        tcp.data(True, f"{get}{login}\r\n".encode())
        tcp.data(False, answer())
        tcp.close()
        scene.at += 40
        scene.session("6 CONNECTION REQUEST", client=("10.0.0.2", 51000))
    told = explain.story(path, "cr-pass")
    assert [(r.status, r.digest) for r in told.tcp_requests] == [(401, "absent"), (200, "right")]
    assert [(wake.way, round(wake.milliseconds, 3)) for wake in told.wakes] == [("TCP", 45.0)]
    assert explain.story(path, "other").tcp_requests[1].digest == "wrong"
    assert explain.story(path).tcp_requests[1].digest == "unchecked"


def test_stun_61_an_address_that_is_not_the_binding_is_said(tmp_path):
    for address, expected in ((f"{PUBLIC[0]}:{PUBLIC[1]}", "ok"), ("10.0.0.2:7548", "wrong")):
        path = tmp_path / "reported.pcapng"
        with Scene(path) as scene:
            scene.bind()
            scene.at += 5000
            tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
            tcp.data(True, post(inform("4 VALUE CHANGE", address=address)))
        steps = explain.story(path).steps
        marks = [c.mark for step in steps for c in step.checks if c.id == "STUN-61"]
        assert marks[-1] == expected


@pytest.mark.parametrize(
    ("status", "end"),
    [("503 Service Unavailable", "refused with 503"), ("204 No Content", "complete")],
)
def test_cwmp_20_refused_and_empty_answers_to_the_inform(tmp_path, status, end):
    path = tmp_path / "refused.pcapng"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        tcp.data(False, answer(status=status))
        tcp.close()
        scene.at += 7000
        tcp = scene.recorder.tcp((PUBLIC[0], 51001), ACS)
        tcp.data(True, post(inform("1 BOOT", retry=1)))
    first, second = explain.story(path).sessions
    assert (first.end, first.inform_accepted) == (end, False)
    assert (second.retry_count, second.end) == (1, "not in the file")


def test_a_connection_that_breaks_in_the_session(tmp_path):
    path = tmp_path / "broken.pcapng"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        tcp.reset(from_client=False)
    told = explain.story(path)
    assert told.sessions[0].end == "connection broken"
    assert any(step.area == "tcp" and "RST" in step.text for step in told.steps)


def test_cwmp_02_a_session_goes_on_over_a_second_connection(tmp_path):
    path = tmp_path / "second.pcapng"
    cookie = "Set-Cookie: session=9\r\n"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        tcp.data(False, answer(envelope("InformResponse"), headers=cookie))
        tcp.close()
        scene.at += 100
        tcp = scene.recorder.tcp((PUBLIC[0], 51001), ACS)
        tcp.data(True, post(b"", "Cookie: session=9\r\n"))
        tcp.data(False, answer(status="204 No Content"))
        tcp.close()
    (session,) = explain.story(path).sessions
    assert (session.end, session.problems) == ("complete", [])


def test_cwmp_06_a_lost_cookie_is_said(tmp_path):
    path = tmp_path / "cookie.pcapng"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        cookie = "Set-Cookie: session=9; Path=/\r\n"
        tcp.data(False, answer(envelope("InformResponse"), headers=cookie))
        tcp.data(True, post(b""))
    (session,) = explain.story(path).sessions
    assert session.problems == ["the session cookie was not sent back"]


def test_cwmp_51_faults_are_told_with_their_parameters(tmp_path):
    path = tmp_path / "fault.pcapng"
    fault = (
        "<faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail>"
        "<cwmp:Fault><FaultCode>9003</FaultCode><FaultString>Invalid arguments</FaultString>"
        "<SetParameterValuesFault><ParameterName>Device.X</ParameterName>"
        "<FaultCode>9005</FaultCode><FaultString>unknown</FaultString>"
        "</SetParameterValuesFault></cwmp:Fault></detail>"
    )
    secret = (
        "<ParameterList><ParameterValueStruct><Name>Device.ManagementServer.STUNPassword</Name>"
        "<Value>hush-hush</Value></ParameterValueStruct></ParameterList>"
    )
    body = envelope("Fault", fault).replace(b"cwmp:Fault>", b"soap:Fault>", 1)
    body = body.replace(b"</cwmp:Fault></soap:Body>", b"</soap:Fault></soap:Body>")
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        tcp.data(False, answer(envelope("InformResponse")))
        tcp.data(True, post(b""))
        tcp.data(False, answer(envelope("SetParameterValues", secret)))
        tcp.data(True, post(body))
        tcp.data(False, answer(status="204 No Content"))
    told = explain.story(path)
    (session,) = told.sessions
    assert session.rpcs == ["SetParameterValues"]
    assert session.faults == ["9003 Invalid arguments", "9005 Device.X: unknown"]
    assert "hush-hush" not in json.dumps(told.as_dict())


def test_one_connection_on_both_sides_of_a_nat_is_told_once(tmp_path):
    path = tmp_path / "views.pcapng"
    with Scene(path) as scene:
        start = scene.at
        scene.session("1 BOOT", client=("10.0.0.2", 51000))
        scene.at = start + 1
        scene.session("1 BOOT", client=(PUBLIC[0], 40200))
    told = explain.story(path)
    assert len(told.sessions) == 1
    assert any("other side of a NAT" in note for note in told.notes)


def test_the_two_sides_of_a_nat_may_be_captured_in_the_wrong_order(tmp_path):
    path = tmp_path / "skew.pcapng"
    with Scene(path) as scene:
        scene.bind()
        for dst, side in ((CPE, "inside"), (PUBLIC, "outside")):
            scene.recorder.udp(STUN, dst, datagram(signed()), side)
            scene.at += 1
    (request,) = explain.story(path, PASSWORD).requests
    assert (request.verdict, request.target, request.inside_target) == ("accepted", PUBLIC, CPE)


def test_a_flood_of_copies_is_paired_in_reasonable_work(tmp_path):
    path = tmp_path / "flood.pcapng"
    payload = datagram(signed())
    with Scene(path) as scene:
        scene.bind()
        scene.ring(payload, copies=1500)
        scene.ring(payload, copies=1500, delivered=False)
    told = explain.story(path, PASSWORD)
    assert told.verdicts() == {"accepted": 1, "duplicate": 1499, "lost": 1500}
    assert sum(len(step.frames) for step in told.steps) < 3 * told.frames
