"""A NAT inside which the STUN server has another address, as in the lab's user-space one."""

from pathlib import Path

from host_tools.capture import explain
from tests.host.capture_scenes import (
    ACS,
    BINDING,
    CPE,
    PASSWORD,
    PUBLIC,
    STUN,
    Scene,
    address_value,
    attribute,
    datagram,
    inform,
    post,
    signed,
    stun,
)

ALIAS = ("10.0.0.1", 40001)


def bind(scene: Scene) -> None:
    identifier = scene.identifier()
    request = stun(1, identifier, BINDING)
    response = stun(0x0101, identifier, attribute(1, address_value(PUBLIC)))
    scene.recorder.udp(CPE, ALIAS, request, "inside")
    scene.recorder.udp(PUBLIC, STUN, request, "outside")
    scene.at += 20
    scene.recorder.udp(STUN, PUBLIC, response, "outside")
    scene.recorder.udp(ALIAS, CPE, response, "inside")
    scene.at += 1000


def test_ucr_31_both_sides_of_a_request_are_one_arrival(tmp_path: Path) -> None:
    with Scene(tmp_path / "a.pcapng") as scene:
        bind(scene)
        payload = datagram(signed())
        for _ in range(3):
            scene.recorder.udp(STUN, PUBLIC, payload, "outside")
            scene.recorder.udp(ALIAS, CPE, payload, "inside")
        scene.at += 5
        stranger = datagram(signed(number=2))
        scene.recorder.udp(("198.51.100.7", 9), PUBLIC, stranger, "outside")
    story = explain.story(scene.path, PASSWORD)
    assert story.verdicts() == {"accepted": 1, "duplicate": 2, "lost": 1}
    accepted, *_, lost = story.requests
    assert (accepted.source, accepted.target, accepted.inside_target) == (STUN, PUBLIC, CPE)
    assert [check.id for check in accepted.checks if check.id == "UCR-31"] == []
    assert [check.id for check in lost.checks if check.id == "UCR-31"] == ["UCR-31"]


def test_stun_61_an_address_not_yet_learned_may_be_empty_in_an_inform(tmp_path: Path) -> None:
    def wrong(pause_ms: float) -> list[str]:
        with Scene(tmp_path / f"{pause_ms}.pcapng") as scene:
            scene.bind()
            scene.at += pause_ms
            tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
            tcp.data(True, post(inform("4 VALUE CHANGE", address="")))
        told = explain.story(scene.path)
        return [step.text for step in told.steps if step.mark == "wrong"]

    assert wrong(5) == []
    assert wrong(5000) != []
