"""The sessions of the golden transcripts: what the ACS is set up to do, and what happens to the
CPE.

One scene for both roles: `Scene.arrange` is for the lab ACS, `again` for the firmware.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from host_tools.lab import acs_faults, rpc
from host_tools.lab.acs import Acs
from host_tools.lab.acs_faults import Incoming, Misbehaviour, Normal
from host_tools.lab.acs_http import Reply
from host_tools.lab.cpe import Cpe, Credentials, Inform
from host_tools.lab.provision import Provision
from host_tools.lab.rpc import Rpc, Typed
from tests.conformance.rig import INFO, MS

USERNAME, PASSWORD = "cpe-17", "acs-Secret-4711"
RINGER = Credentials("ringer", "ring-Secret-1")
CODE = INFO + "ProvisioningCode"
TABLE = MS + "InformParameter."


@dataclass(frozen=True)
class Known(Provision):
    """A provision that gives every CPE the same credentials."""

    def credentials(self) -> Credentials:
        return RINGER


@dataclass(frozen=True)
class Scene:
    """`calls`: what the ACS asks, by the number of the session, given host:port of
    the file server. `acs`, `script`: options and behaviour of the lab ACS. `again`: what makes the
    CPE open its next session, unless it does so by itself; `sessions`: how many there are.
    `puts`: the files that it uploads. `tls`: whether the ACS has https.
    """

    calls: Callable[[str], Mapping[int, list[Rpc]]] = lambda files: {}
    acs: Mapping[str, Any] = field(default_factory=dict)
    script: Callable[[Acs], object] = lambda acs: None
    again: Callable[[Any], Awaitable[None]] | None = None
    sessions: int = 1
    puts: tuple[str, ...] = ()
    tls: bool = False

    def arrange(self, acs: Acs, files: str) -> None:
        """Have the ACS do its part; `files`: host:port of the file server."""
        calls = dict(self.calls(files))

        def hear(kind: str, cpe: Cpe | None, what: object) -> None:
            if cpe is not None and isinstance(what, Inform):
                for call in calls.pop(what.session, ()):
                    cpe.queue(call)

        acs.listeners.append(hear)
        self.script(acs)


def let_go() -> Misbehaviour:
    """204 after HoldRequests: it is the CPE's turn (CWMP-13, CWMP-21)."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        reply = await normal()
        incoming.record.holding = False
        return replace(reply, ends_session=False)

    return Misbehaviour("let_go", answer)


def _held(acs: Acs) -> None:
    acs.script.on(acs_faults.hold_requests(), session=2, method="Inform")
    acs.script.on(acs_faults.hold_requests(), session=2, method="")
    acs.script.on(let_go(), session=2, method="GetRPCMethodsResponse")


async def _rung(stage: Any) -> None:
    await stage.ring(RINGER)


_SITE = "3 Vendor Configuration File"

SCENES = {
    # A 401 first, then all that is usually set up; a cookie besides.
    "bootstrap": Scene(
        acs={
            "username": USERNAME,
            "password": PASSWORD,
            "cookies": {"lb": "node-3"},
            "provision": Known(stun_enable=False, more={"PeriodicInformInterval": 86400}),
        }
    ),
    "wake": Scene(
        lambda files: {
            2: [
                rpc.get_names("Device.", True),
                rpc.get_names("", False),
                rpc.get_values("Device."),
                rpc.get_attributes(INFO),
            ]
        },
        again=_rung,
        sessions=2,
    ),
    "set-values": Scene(
        lambda files: {
            1: [
                rpc.set_values({CODE: "a <b> & 'c' \"d\" é"}, "good"),
                rpc.set_values(
                    {
                        CODE: "not stored",
                        INFO + "Nothing": "x",
                        INFO + "SerialNumber": "x",
                        MS + "PeriodicInformInterval": Typed("often", "unsignedInt"),
                        MS + "PeriodicInformEnable": Typed("1", "string"),
                        MS + "CWMPRetryMinimumWaitInterval": 0,
                    },
                    "bad",
                ),
                rpc.get_values(INFO + "Nothing"),
                rpc.get_names(INFO + "SerialNumber", True),
                rpc.set_attributes({INFO + "SoftwareVersion": 0}),
                rpc.raw_method("Nonsense"),
                rpc.get_values(CODE, MS + "ParameterKey"),
            ]
        }
    ),
    "objects": Scene(
        lambda files: {
            1: [
                rpc.add_object(TABLE, "one"),
                rpc.add_object(TABLE, "two"),
                rpc.set_values({TABLE + "2.Enable": True, TABLE + "2.ParameterName": CODE}),
                rpc.delete_object(TABLE + "1.", "gone"),
                rpc.delete_object(TABLE + "1.", "again"),
                rpc.add_object(INFO, "no table"),
                rpc.get_values(TABLE, MS + "ParameterKey"),
            ]
        }
    ),
    # A configuration that is taken: the device restarts with it and reports then.
    "download": Scene(
        lambda files: {
            1: [rpc.download(f"http://{files}/site.json", _SITE, "new site")],
            2: [rpc.get_values(INFO + "Description")],
        },
        sessions=2,
    ),
    # The configuration, then the log; each is reported in a session of its own.
    "upload": Scene(
        lambda files: {
            1: [rpc.upload(f"http://{files}/site.json", rpc.UPLOAD_CONFIGURATION, "the site")],
            2: [rpc.upload(f"http://{files}/log.txt", rpc.UPLOAD_LOG, "the log")],
        },
        sessions=3,
        puts=("site.json", "log.txt"),
    ),
    # What was set before it is there after it.
    "reboot": Scene(
        lambda files: {
            1: [rpc.set_values({CODE: "kept"}, "before"), rpc.reboot("again & <again>")],
            2: [rpc.get_values(CODE, MS + "ParameterKey")],
        },
        sessions=2,
    ),
    # With all of a bootstrap; then rung, on a connection of its own.
    "tls": Scene(
        lambda files: {2: [rpc.get_values(CODE), rpc.set_values({CODE: "over tls"}, "tls")]},
        acs={
            "username": USERNAME,
            "password": PASSWORD,
            "provision": Known(stun_enable=False, more={"PeriodicInformInterval": 86400}),
        },
        again=_rung,
        sessions=2,
        tls=True,
    ),
    # One that is not there; the report has to wait until the ACS lets go.
    "hold-requests": Scene(
        lambda files: {
            1: [rpc.download(f"http://{files}/none", _SITE, "no file")],
            2: [rpc.get_rpc_methods()],
        },
        script=_held,
        sessions=2,
    ),
    # Nonces that are used up, and a connection for each message.
    "digest": Scene(
        lambda files: {1: [rpc.get_values(CODE), rpc.get_values(MS + "ParameterKey")]},
        acs={
            "username": USERNAME,
            "password": PASSWORD,
            "auth": {"algorithm": "MD5-sess", "nonce_uses": 2},
        },
        script=lambda acs: acs.script.on(acs_faults.connection_close(), message=3),
    ),
    "redirect": Scene(
        lambda files: {1: [rpc.get_values(CODE)]},
        script=lambda acs: acs.script.on(
            acs_faults.redirect("/acs/first", 302), method="Inform"
        ).on(acs_faults.redirect("/acs/second", 307), method="Inform"),
    ),
}
