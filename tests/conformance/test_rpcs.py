"""What the ACS can ask, and what becomes of it over sessions, reboots and resets."""

from host_tools.lab import rpc, soap
from host_tools.lab.rpc import Typed
from host_tools.lab.soap import CwmpFaultError
from tests.conformance.rig import INFO, MS, RING, STUN_PASSWORD, Rig

BINDING = "Device.X_020000_Binding."
CODE = INFO + "ProvisioningCode"
KEY = MS + "ParameterKey"
BASELINE = {
    "GetRPCMethods",
    "SetParameterValues",
    "GetParameterValues",
    "GetParameterNames",
    "SetParameterAttributes",
    "GetParameterAttributes",
    "AddObject",
    "DeleteObject",
    "Reboot",
    "FactoryReset",
    "Download",
    "Upload",
    "ScheduleInform",
    "GetQueuedTransfers",
    "GetAllQueuedTransfers",
}


async def test_cwmp_50_methods_and_the_fault_for_an_unknown_one(rig: Rig):
    methods, fault, after = await rig.call(
        rpc.get_rpc_methods(), rpc.raw_method("Vouchers"), rpc.get_values(CODE)
    )
    assert BASELINE <= set(methods)
    assert fault.code == 9000 and after == {CODE: ""}


async def test_cwmp_17_51_all_or_nothing_and_a_fault_for_each_bad_parameter(rig: Rig):
    bad = {
        CODE: "never",
        MS + "NoSuch": "1",
        MS + "PeriodicInformInterval": Typed("0", "unsignedInt"),
        MS + "STUNEnable": Typed("1", "int"),
        MS + "UDPConnectionRequestAddress": "1.2.3.4:5",
        MS + "STUNServerPort": Typed("65536", "unsignedInt"),
    }
    fault, values = await rig.call(rpc.set_values(bad, "bad-key"), rpc.get_values(CODE, KEY))
    assert fault.code == 9003
    assert {name: code for name, code, _ in fault.parameters} == {
        MS + "NoSuch": 9005,
        MS + "PeriodicInformInterval": 9007,
        MS + "STUNEnable": 9006,
        MS + "UDPConnectionRequestAddress": 9008,
        MS + "STUNServerPort": 9007,
    }
    assert values == {CODE: "", KEY: ""}


async def test_cwmp_09_51_a_value_of_any_length_is_answered_by_a_fault_for_it(rig: Rig):
    long = "x" * 20_000
    fault, values, after = await rig.call(
        rpc.set_values({MS + "PeriodicInformInterval": 4000, INFO + "ProvisioningCode": long}),
        rpc.get_values(long),
        rpc.get_values(MS + "PeriodicInformInterval", INFO + "ProvisioningCode"),
    )
    assert fault.code == 9003
    assert [(name, code) for name, code, _ in fault.parameters] == [
        (INFO + "ProvisioningCode", 9007)
    ]
    assert values.code == 9005
    assert "4000" not in after.values() and rig.cpe.sessions[-1].ok


async def test_cwmp_51_a_name_listed_twice(rig: Rig):
    document = soap.Envelope(
        rpc.set_values({CODE: "a", MS + "Username": "x"}).body, "9"
    ).to_bytes()
    fault, values = await rig.call(
        rpc.raw(document.replace(b"ManagementServer.Username", b"DeviceInfo.ProvisioningCode")),
        rpc.get_values(CODE),
    )
    assert fault.code == 9003 and values == {CODE: ""}


async def test_cwmp_52_parameter_key_follows_the_last_success(rig: Rig):
    results = await rig.call(
        rpc.set_values({CODE: "one"}, "key-1"),
        rpc.get_values(KEY),
        rpc.set_values({MS + "NoSuch": "1"}, "key-2"),
        rpc.set_values({CODE: "two"}, "k" * 33),
        rpc.get_values(KEY, CODE),
        rpc.set_values({}, "key-3"),
    )
    assert results[0] == 0 and results[1] == {KEY: "key-1"}
    assert results[2].code == results[3].code == 9003
    assert results[4] == {KEY: "key-1", CODE: "one"} and results[5] == 0
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].parameters[KEY] == "key-3"
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    assert (await rig.informed("1 BOOT", seen)).parameters[KEY] == "key-3"
    await rig.idle()
    seen = len(rig.cpe.informs)
    done = rig.cpe.queue(rpc.factory_reset())
    await rig.wake()
    await done
    assert (await rig.informed("0 BOOTSTRAP", seen)).parameters[KEY] == ""


async def test_cwmp_53_paths(rig: Rig):
    whole, part, top, one, level, named, missing, odd = await rig.call(
        rpc.get_values(""),
        rpc.get_values(INFO),
        rpc.get_names("Device.", True),
        rpc.get_names(CODE, False),
        rpc.get_names(INFO, True),
        rpc.get_names(CODE, True),
        rpc.get_values(INFO + "NoSuch"),
        rpc.get_values("Device.DeviceInfo"),
    )
    assert set(part) < set(whole) and all(name.startswith(INFO) for name in part)
    assert top == {
        "Device.RootDataModelVersion": False,
        "Device.DeviceInfo.": False,
        "Device.ManagementServer.": False,
        "Device.IP.": False,
        BINDING: False,
    }
    assert one == {CODE: True}
    assert {name for name in level if name[-1] != "."} < set(part) and INFO not in level
    assert level[INFO + "MemoryStatus."] is False
    assert (named.code, missing.code, odd.code) == (9003, 9005, 9005)


async def test_cwmp_54_passwords_read_back_empty(rig: Rig):
    await rig.ask(rpc.set_values({MS + "STUNPassword": STUN_PASSWORD}))
    values = await rig.ask(rpc.get_values(MS))
    for name in ("Password", "ConnectionRequestPassword", "STUNPassword"):
        assert values[MS + name] == ""
        assert await rig.get(MS + name) == ""


async def test_cwmp_55_fixed_objects_can_be_neither_added_nor_deleted(rig: Rig):
    results = await rig.call(
        rpc.add_object("Device.Nothing."),
        rpc.add_object(INFO, "key"),
        rpc.delete_object(MS),
        rpc.delete_object("Device.Nothing.1."),
        rpc.get_values(KEY),
    )
    assert all(isinstance(fault, CwmpFaultError) for fault in results[:4])
    assert [fault.code for fault in results[:4]] == [9005, 9001, 9001, 9005]
    assert results[4] == {KEY: ""}


async def test_cwmp_56_reboot_comes_after_the_session_and_is_told_with_its_key(rig: Rig):
    seen = len(rig.cpe.informs)
    first = rig.cpe.queue(rpc.reboot("night-1"))
    second = rig.cpe.queue(rpc.get_values(CODE))
    session = await rig.wake()
    assert session.ok and await first is None and await second == {CODE: ""}
    await rig.board.seen("boot: reboot")
    await rig.board.seen("boot: start")
    inform = await rig.informed("1 BOOT", seen)
    assert [(event.code, event.command_key) for event in inform.events] == [
        ("1 BOOT", ""),
        ("M Reboot", "night-1"),
    ]
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING]


async def test_cwmp_40_b18_each_reboot_key_is_kept_until_it_was_told(rig: Rig):
    seen = len(rig.cpe.informs)
    rig.cpe.queue(rpc.reboot("first"))
    await rig.wake()
    await rig.acs.stop()
    await rig.board.seen(r"session: failed reason=\"connect refused\"")
    await rig.command("reboot")  # a boot without an ACS, and one more
    await rig.board.seen(r"boot: start")
    await rig.board.seen(r"session: failed reason=\"connect refused\"")
    await rig.power_cut()
    await rig.board.seen(r"session: failed reason=\"connect refused\" retry=1")
    await rig.acs.start()
    inform = await rig.informed("M Reboot", seen)
    assert "1 BOOT" in inform.codes
    assert [event.command_key for event in inform.events if event.command_key] == ["first"]


async def test_dm_04_everything_kept_over_a_reboot(rig: Rig):
    values = {
        CODE: "kept",
        MS + "PeriodicInformInterval": 777,
        MS + "PeriodicInformTime": Typed("2026-01-31T13:45:00.000Z", "dateTime"),
        MS + "STUNMaximumKeepAlivePeriod": Typed("60", "int"),
        MS + "UpgradesManaged": False,
    }
    await rig.call(
        rpc.set_values(values, "all"),
        rpc.set_attributes({CODE: 2, MS + "Username": 1}, ["Subscriber"]),
    )
    before = await rig.ask(rpc.get_values("Device."))
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    await rig.informed("1 BOOT", seen)
    await rig.ready()
    after, attributes = await rig.call(
        rpc.get_values("Device."), rpc.get_attributes(MS + "Username")
    )
    for name in ("UpTime", "MemoryStatus.Total", "MemoryStatus.Free"):
        before.pop(INFO + name), after.pop(INFO + name)
    for name in list(before):
        if name.startswith(BINDING):  # begins anew with the boot
            before.pop(name), after.pop(name)
    assert after == before
    assert attributes == {MS + "Username": (1, ["Subscriber"])}


async def test_dm_04_factory_reset_forgets_all_but_identity(rig: Rig):
    old = rig.cpe.connection_request
    await rig.call(
        rpc.set_values({CODE: "gone", MS + "PeriodicInformInterval": 777}, "gone"),
        rpc.set_attributes({MS + "Username": 2}),
    )
    await rig.idle()
    seen = len(rig.cpe.informs)
    rig.acs.set_provision(rig.provision(unknown=True))
    done = rig.cpe.queue(rpc.factory_reset())
    await rig.wake()
    await done
    inform = await rig.informed("0 BOOTSTRAP", seen)
    assert inform.codes == ["0 BOOTSTRAP", "1 BOOT"]
    assert len(rig.acs.cpes) == 1  # the same device
    await rig.idle()
    assert rig.cpe.connection_request != old
    values, attributes = await rig.call(
        rpc.get_values(CODE, MS + "PeriodicInformInterval", MS + "URL"),
        rpc.get_attributes(MS + "Username"),
    )
    assert values == {CODE: "", MS + "PeriodicInformInterval": "3600", MS + "URL": rig.acs.url}
    assert attributes[MS + "Username"][0] == 0


RANGES = (
    ("PeriodicInformInterval", Typed("4294967295", "unsignedInt"), 0),
    ("PeriodicInformInterval", Typed("4294967296", "unsignedInt"), 9007),
    ("PeriodicInformInterval", Typed("0", "unsignedInt"), 9007),
    ("PeriodicInformInterval", Typed("10", "int"), 0),
    ("STUNMaximumKeepAlivePeriod", Typed("-1", "int"), 0),
    ("STUNMaximumKeepAlivePeriod", Typed("-2", "int"), 9007),
    ("CWMPRetryIntervalMultiplier", Typed("999", "unsignedInt"), 9007),
    ("STUNServerPort", Typed("65535", "unsignedInt"), 0),
    ("STUNEnable", Typed("yes", "boolean"), 9007),
    ("UpgradesManaged", Typed("false", "boolean"), 0),
    ("Username", Typed("u" * 257), 9007),
    ("Username", Typed("5", "unsignedInt"), 9006),
    ("URL", Typed("ftp://acs"), 9007),
    ("PeriodicInformTime", Typed("soon", "dateTime"), 9007),
)


async def test_dm_05_ranges_and_types(rig: Rig):
    calls = []
    for name, typed, _ in RANGES:
        calls += [rpc.set_values({MS + name: typed}), rpc.get_values(MS + name)]
    before = await rig.ask(rpc.get_values(MS))
    results = await rig.call(*calls)
    for (name, typed, code), result, after in zip(
        RANGES, results[::2], results[1::2], strict=True
    ):
        name = MS + name
        if code:
            assert [fault[:2] for fault in result.parameters] == [(name, code)]
            assert after[name] == before[name]
        else:
            assert result == 0 and after[name] in (typed.text, {"false": "0"}.get(typed.text))
            before[name] = after[name]


async def test_cwmp_41_periodic_informs(rig: Rig):
    seen = len(rig.cpe.informs)
    await rig.ask(rpc.set_values({MS + "PeriodicInformInterval": 1}))
    for _ in range(2):
        inform = await rig.informed("2 PERIODIC", seen)
        assert inform.codes == ["2 PERIODIC"]
        seen = rig.cpe.informs.index(inform) + 1
    await rig.set("PeriodicInformEnable", 0)
    await rig.idle()


async def test_cwmp_40_a_bootstrap_that_was_not_heard_comes_again(make_rig):
    rig = await make_rig()
    await rig.acs.stop()
    await rig.start()
    await rig.board.seen(r'session: failed reason="connect refused" retry=1')
    await rig.set("CWMPRetryMinimumWaitInterval", 1)
    await rig.power_cut()
    await rig.board.seen(r'session: failed reason="connect refused" retry=1')
    await rig.acs.start()
    cpe = await rig.acs.wait_cpe(15)
    assert cpe.informs[0].codes == ["0 BOOTSTRAP", "1 BOOT"] and cpe.informs[0].retry_count >= 1
    await rig.ready()
    assert (await rig.wake()).ok
