"""The Device:2 tree as an ACS sees it."""

from device import INFO, MS, Board, Model
from support import raises

from cwmp.core.device2 import DEVICE2
from cwmp.core.fault import CwmpFault
from cwmp.core.fault_text import fault_text
from cwmp.core.model_record import keep
from cwmp.core.settings import load


def fault(code, function, *args):
    error = raises(CwmpFault, function, *args)
    assert error.code == code, (error.code, error.text)
    assert error.text
    return error


def codes(errors):
    return [(name[name.rfind(".") + 1 :], code) for name, code, _ in errors]


# The table of section 5: name: (type, writable, factory value with empty settings).
TABLE = {
    "Device.RootDataModelVersion": ("string", False, "2.15"),
    INFO + "Manufacturer": ("string", False, "esp-cwmp"),
    INFO + "ManufacturerOUI": ("string", False, "020000"),
    INFO + "ModelName": ("string", False, "esp-cwmp"),
    INFO + "Description": ("string", False, ""),
    INFO + "ProductClass": ("string", False, "esp-cwmp"),
    INFO + "SerialNumber": ("string", False, ""),
    INFO + "HardwareVersion": ("string", False, "1"),
    INFO + "SoftwareVersion": ("string", False, "1.0"),
    INFO + "ProvisioningCode": ("string", True, ""),
    INFO + "UpTime": ("unsignedInt", False, "5"),
    MS + "EnableCWMP": ("boolean", True, "1"),
    MS + "URL": ("string", True, ""),
    MS + "Username": ("string", True, ""),
    MS + "Password": ("string", True, ""),
    MS + "PeriodicInformEnable": ("boolean", True, "1"),
    MS + "PeriodicInformInterval": ("unsignedInt", True, "3600"),
    MS + "PeriodicInformTime": ("dateTime", True, "0001-01-01T00:00:00Z"),
    MS + "ParameterKey": ("string", False, ""),
    MS + "ConnectionRequestURL": ("string", False, "http://192.0.2.7:7547/"),
    MS + "ConnectionRequestUsername": ("string", True, ""),
    MS + "ConnectionRequestPassword": ("string", True, ""),
    MS + "UpgradesManaged": ("boolean", True, "1"),
    MS + "DefaultActiveNotificationThrottle": ("unsignedInt", True, "0"),
    MS + "CWMPRetryMinimumWaitInterval": ("unsignedInt", True, "5"),
    MS + "CWMPRetryIntervalMultiplier": ("unsignedInt", True, "2000"),
    MS + "UDPConnectionRequestAddress": ("string", False, ""),
    MS + "STUNEnable": ("boolean", True, "0"),
    MS + "STUNServerAddress": ("string", True, ""),
    MS + "STUNServerPort": ("unsignedInt", True, "3478"),
    MS + "HTTPConnectionRequestEnable": ("boolean", True, "1"),
    MS + "SupportedConnReqMethods": ("string", False, "HTTP,STUN"),
    MS + "STUNUsername": ("string", True, ""),
    MS + "STUNPassword": ("string", True, ""),
    MS + "STUNMaximumKeepAlivePeriod": ("int", True, "-1"),
    MS + "STUNMinimumKeepAlivePeriod": ("unsignedInt", True, "30"),
    MS + "NATDetected": ("boolean", False, "0"),
    MS + "AliasBasedAddressing": ("boolean", False, "0"),
    MS + "InformParameterNumberOfEntries": ("unsignedInt", False, "0"),
}


# The profile UDPConnReq:1: name, writable.
UDP_CONN_REQ = {
    "UDPConnectionRequestAddress": False,
    "STUNEnable": True,
    "STUNServerAddress": True,
    "STUNServerPort": True,
    "STUNUsername": True,
    "STUNPassword": True,
    "STUNMaximumKeepAlivePeriod": True,
    "STUNMinimumKeepAlivePeriod": True,
    "NATDetected": False,
}


def test_dm_01_declared_parameters_are_those_of_the_table():
    model = Board().model
    assert sorted(model.expand("")) == sorted(TABLE)
    for name, writable in model.children("", False):
        if name[-1] != ".":
            xsd_type, access, default = TABLE[name]
            assert model.get(name) == (default, xsd_type), name
            assert writable == access, name


def test_dm_02_udp_conn_req_profile_is_complete():
    access = dict(Board().model.children(MS, True))
    assert {name: access[MS + name] for name in UDP_CONN_REQ} == UDP_CONN_REQ


def test_dm_03_nothing_that_is_not_implemented():
    model = Board().model
    for name in (
        MS + "UDPConnectionRequestAddressNotificationLimit",
        MS + "InformParameter.1.",
        "Device.Time.",
        "InternetGatewayDevice.",
    ):
        fault(9005, model.expand, name)


def test_dm_01_site_settings_are_the_factory_defaults():
    board = Board(
        device={"oui": "00A0B1", "serial_number": "S1", "provisioning_code": "P"},
        acs={"url": "http://acs/", "username": "u", "password": "p"},
        connection_request={"username": "cu", "password": "cp"},
        stun={"enable": True, "server": "stun.lab", "port": 34780, "minimum_keepalive_s": 60},
        inform={"periodic_enable": False, "periodic_interval_s": 77},
    )
    model = board.model
    for name, value in (
        (INFO + "ManufacturerOUI", "00A0B1"),
        (INFO + "SerialNumber", "S1"),
        (INFO + "ProvisioningCode", "P"),
        (MS + "URL", "http://acs/"),
        (MS + "Username", "u"),
        (MS + "Password", "p"),
        (MS + "ConnectionRequestUsername", "cu"),
        (MS + "ConnectionRequestPassword", "cp"),
        (MS + "STUNEnable", True),
        (MS + "STUNServerAddress", "stun.lab"),
        (MS + "STUNServerPort", 34780),
        (MS + "STUNMinimumKeepAlivePeriod", 60),
        (MS + "PeriodicInformEnable", False),
        (MS + "PeriodicInformInterval", 77),
        (MS + "EnableCWMP", True),
    ):
        assert model.value(name) == value, name
        assert type(model.value(name)) is type(value), name


def test_dm_01_bad_default_or_missing_getter_is_found_at_boot():
    settings = load({})
    raises(ValueError, Model, DEVICE2, settings, {})
    raises(ValueError, Model, ("Device.\nX - u log.level\n",), settings, {})


def test_cwmp_31_forced_inform_list():
    assert list(Board().model.forced_inform()) == [
        "Device.RootDataModelVersion",
        INFO + "HardwareVersion",
        INFO + "SoftwareVersion",
        INFO + "ProvisioningCode",
        MS + "ParameterKey",
        MS + "ConnectionRequestURL",
        MS + "AliasBasedAddressing",
    ]


def test_cwmp_53_expand():
    model = Board().model
    assert list(model.expand(MS + "URL")) == [MS + "URL"]
    assert list(model.expand("")) == list(model.expand("Device."))
    below = list(model.expand(INFO))
    assert len(below) == 10 and below[0] == INFO + "Manufacturer"
    for path in (
        "Device",
        "Device.DeviceInfo",
        INFO + "Url",
        "device.",
        "Device..",
        ".",
        MS + "URL.",
        "x",
    ):
        fault(9005, model.expand, path)
        fault(9005, model.children, path, False)
        fault(9005, model.children, path, True)
    fault(9005, model.get, INFO)
    fault(9005, model.get, "")
    fault(9005, model.value, "URL")


def test_cwmp_53_children():
    model = Board().model
    assert list(model.children("", True)) == [("Device.", False)]
    assert sorted(model.children("Device.", True)) == [
        (INFO, False),
        (MS, False),
        ("Device.RootDataModelVersion", False),
    ]
    direct = list(model.children(INFO, True))
    assert len(direct) == 10 and (INFO + "ProvisioningCode", True) in direct
    assert (INFO, False) not in direct
    whole = list(model.children(INFO, False))
    assert whole[0] == (INFO, False) and whole[1:] == direct
    tree = list(model.children("", False))
    assert tree[0] == ("Device.", False) and len(tree) == len(TABLE) + 4
    assert tree == list(model.children("Device.", False))
    assert list(model.children(MS + "URL", False)) == [(MS + "URL", True)]
    assert list(model.children(MS + "ParameterKey", False)) == [(MS + "ParameterKey", False)]
    fault(9003, model.children, MS + "URL", True)


def test_cwmp_54_hidden_values_read_back_empty():
    board = Board()
    model = board.model
    for name in ("Password", "ConnectionRequestPassword", "STUNPassword"):
        model.set([(MS + name, "s3cret", "xsd:string")], "")
        assert model.get(MS + name) == ("", "string")
        assert model.value(MS + name) == "s3cret"
    assert "s3cret" not in str(board.lines)


def test_cwmp_51_one_bad_parameter_and_nothing_is_set():
    board = Board()
    model = board.model
    items = [
        (MS + "URL", "http://acs.example/", "xsd:string"),
        (MS + "NoSuch", "1", "xsd:string"),
        (MS + "PeriodicInformInterval", "5", "xsd:string"),
        (MS + "STUNServerPort", "65536", "xsd:unsignedInt"),
        (MS + "NATDetected", "1", "xsd:boolean"),
        (MS + "STUNEnable", "yes", "xsd:boolean"),
        (INFO, "1", None),
    ]
    error = fault(9003, model.set, items, "key")
    assert codes(error.details) == [
        ("NoSuch", 9005),
        ("PeriodicInformInterval", 9006),
        ("STUNServerPort", 9007),
        ("NATDetected", 9008),
        ("STUNEnable", 9007),
        ("", 9005),
    ]
    assert error.details == model.set_errors(items)
    assert model.get(MS + "URL")[0] == "" and model.get(MS + "ParameterKey")[0] == ""
    assert board.steps == []
    assert model.set(items[:1], "key") == 1


def test_cwmp_51_name_listed_twice():
    board = Board()
    items = [
        (MS + "STUNEnable", "1", None),
        (MS + "Bad", "", None),
        (MS + "STUNEnable", "1", None),
    ]
    assert codes(board.model.set_errors(items)) == [("Bad", 9005), ("STUNEnable", 9003)]
    error = fault(9003, board.model.set, items, "")
    assert codes(error.details) == [("Bad", 9005)] and "twice" in error.text
    assert board.steps == []


def test_cwmp_51_applied_in_order_and_stored_before_it_returns():
    board = Board()
    model = board.model
    items = [(MS + "STUNEnable", "true", "xsd:boolean"), (INFO + "ProvisioningCode", "x", None)]
    assert model.set(items, "key-1") == 0
    assert board.steps == [
        ("persist", ""),  # the record was written while the model still had the old values
        (MS + "STUNEnable", True),
        (INFO + "ProvisioningCode", True),
        (MS + "ParameterKey", True),
    ]
    assert board.flash["values"] == {
        MS + "STUNEnable": "1",
        INFO + "ProvisioningCode": "x",
        MS + "ParameterKey": "key-1",
    }
    assert model.get(MS + "STUNEnable") == ("1", "boolean")
    del board.steps[:]
    assert model.set(items, "key-1") == 0
    assert board.steps == [], "nothing is new: no wear, no notification"


def test_cwmp_51_flash_that_fails_changes_nothing():
    board = Board()
    board.flash_error = OSError(28)
    fault(9002, board.model.set, [(MS + "STUNEnable", "1", None)], "key")
    assert board.model.get(MS + "STUNEnable")[0] == "0"
    assert board.model.get(MS + "ParameterKey")[0] == ""
    fault(9002, board.model.set_attributes, [(MS, 1, None)])
    assert board.model.attributes(MS + "URL")[0] == 0
    fault(9002, board.model.set_local, MS + "STUNEnable", "1")
    fault(9002, keep, board.model, {}, {}, {})
    assert board.steps == []


def test_cwmp_23_status_1_for_an_acs_url_that_the_next_session_uses():
    model = Board(acs={"url": "http://a/"}).model
    assert model.set([(MS + "URL", "http://b/", None)], "") == 1
    assert model.set([(MS + "URL", "http://b/", None)], "") == 0
    assert model.set([(MS + "Username", "u", None)], "") == 0


def test_cwmp_52_parameter_key():
    model = Board().model
    key = MS + "ParameterKey"
    model.set([(MS + "STUNEnable", "1", None)], "first")
    assert model.get(key)[0] == "first"
    fault(9003, model.set, [(MS + "STUNEnable", "?", None)], "second")
    assert model.get(key)[0] == "first"
    fault(9003, model.set, [], "k" * 33)
    assert model.set([], "k" * 32) == 0
    assert model.get(key)[0] == "k" * 32
    model.set_local(MS + "STUNEnable", "0")
    assert model.get(key)[0] == "k" * 32
    assert codes(model.set_errors([(key, "x", None)])) == [("ParameterKey", 9008)]
    keep(model, {}, {}, {})
    assert model.get(key)[0] == ""


def test_dm_05_ranges():
    model = Board().model
    for name, good, bad in (
        ("STUNServerPort", ("0", "65535"), ("-1", "65536", "")),
        ("PeriodicInformInterval", ("1", "4294967295"), ("0", "4294967296")),
        ("CWMPRetryMinimumWaitInterval", ("1", "65535"), ("0", "65536")),
        ("CWMPRetryIntervalMultiplier", ("1000", "65535"), ("999", "65536")),
        ("DefaultActiveNotificationThrottle", ("0", "4294967295"), ("-1",)),
        ("Username", ("", "x" * 256), ("x" * 257,)),
        (
            "URL",
            ("http://a", "https://a:7547/x?y=z"),
            ("", "ftp://a/", "http://", "http:///x", "a", "http://a b"),
        ),
        ("PeriodicInformTime", ("2026-11-22T13:45:10.000Z", "0001-01-01T00:00:00Z"), ("", "now")),
        ("STUNEnable", ("0", "1", "true", "false"), ("2", "")),
    ):
        for text in good:
            assert model.set_errors([(MS + name, text, None)]) == [], (name, text)
        for text in bad:
            assert codes(model.set_errors([(MS + name, text, None)])) == [(name, 9007)], (
                name,
                text,
            )
    too_long = [(INFO + "ProvisioningCode", "x" * 65, None)]
    assert codes(model.set_errors(too_long)) == [("ProvisioningCode", 9007)]


def test_stun_52_keepalive_ranges():
    model = Board().model
    for name, text, code in (
        ("STUNMaximumKeepAlivePeriod", "-1", None),
        ("STUNMaximumKeepAlivePeriod", "0", None),
        ("STUNMaximumKeepAlivePeriod", "2147483647", None),
        ("STUNMaximumKeepAlivePeriod", "-2", 9007),
        ("STUNMaximumKeepAlivePeriod", "2147483648", 9007),
        ("STUNMinimumKeepAlivePeriod", "0", None),
        ("STUNMinimumKeepAlivePeriod", "4294967295", None),
        ("STUNMinimumKeepAlivePeriod", "-1", 9007),
    ):
        errors = codes(model.set_errors([(MS + name, text, None)]))
        assert errors == ([(name, code)] if code else []), (name, text)


def test_dm_05_xsi_types():
    model = Board().model
    for name, text, xsi_type, code in (
        ("STUNServerPort", "1", "xsd:unsignedInt", None),
        ("STUNServerPort", "1", "xsd:int", None),
        ("STUNServerPort", "1", "unsignedInt", None),
        ("STUNServerPort", "1", "xs:int", None),
        ("STUNServerPort", "-1", "xsd:int", 9007),
        ("STUNServerPort", "1", "xsd:string", 9006),
        ("STUNServerPort", "1", "xsd:long", 9006),
        ("STUNMaximumKeepAlivePeriod", "5", "xsd:unsignedInt", None),
        ("STUNMaximumKeepAlivePeriod", "4294967295", "xsd:unsignedInt", 9007),
        ("STUNEnable", "1", "xsd:boolean", None),
        ("STUNEnable", "1", "xsd:int", 9006),
        ("Username", "1", "xsd:int", 9006),
        ("PeriodicInformTime", "2026-11-22T13:45:10Z", "xsd:string", 9006),
        ("PeriodicInformTime", "2026-11-22T13:45:10Z", "xsd:dateTime", None),
    ):
        errors = codes(model.set_errors([(MS + name, text, xsi_type)]))
        assert errors == ([(name, code)] if code else []), (name, text, xsi_type)


def test_cwmp_61_default_and_forced_notification():
    model = Board().model
    for name in model.expand(""):
        forced = name in (
            INFO + "SoftwareVersion",
            INFO + "ProvisioningCode",
            MS + "ConnectionRequestURL",
        )
        assert model.attributes(name) == (2 if forced else 0, ("Subscriber",)), name
    # Passive is never refused, and what is forced stays active whatever is asked.
    for notification in (0, 1):
        model.set_attributes([("", notification, None)])
        assert model.attributes(INFO + "SoftwareVersion")[0] == 2
        assert model.attributes(INFO + "ProvisioningCode")[0] == 2
        assert model.attributes(MS + "ConnectionRequestURL")[0] == notification
        assert model.attributes(INFO + "UpTime")[0] == notification
    for name in (MS + "UDPConnectionRequestAddress", MS + "NATDetected", MS + "ParameterKey"):
        model.set_attributes([(name, 2, None)])
        assert model.attributes(name)[0] == 2
    fault(9009, model.set_attributes, [(INFO + "UpTime", 2, None)])
    assert model.attributes(INFO + "UpTime")[0] == 1


def test_cwmp_60_attributes_all_or_nothing():
    board = Board()
    model = board.model
    good = (MS + "URL", 2, ())
    for bad, code in (
        ((MS + "NoSuch", 1, None), 9005),
        ((INFO + "UpTime", 2, None), 9009),
        ((INFO, 2, None), 9009),
        ((MS + "NATDetected", 7, None), 9003),
        ((MS + "NATDetected", -1, None), 9003),
        ((MS + "NATDetected", 3, None), 9009),
        ((MS + "NATDetected", 6, None), 9009),
        ((MS + "NATDetected", None, ["x"] * 9), 9004),
        ((MS + "NATDetected", None, ["x" * 65]), 9003),
    ):
        fault(code, model.set_attributes, [good, bad])
        assert model.attributes(MS + "URL") == (0, ("Subscriber",))
    assert board.steps == []
    fault(9005, model.attributes, MS)
    model.set_attributes(
        [(MS, 1, None), good, (MS + "NATDetected", None, ["Subscriber", "X_02_a"])]
    )
    assert model.attributes(MS + "URL") == (2, ())
    assert model.attributes(MS + "NATDetected") == (1, ("Subscriber", "X_02_a"))
    assert model.attributes(MS + "Username") == (1, ("Subscriber",))
    model.set_attributes([(MS, 0, ["Subscriber"]), (MS + "ConnectionRequestURL", 2, None)])
    assert board.flash["attributes"] == {}, "only what differs from the default is kept"


def test_cwmp_60_who_made_a_change_is_told():
    board = Board()
    model = board.model
    model.set([(MS + "STUNEnable", "1", None)], "")
    model.set_local(INFO + "ProvisioningCode", "A")
    model.set_local(INFO + "ProvisioningCode", "A")
    board.address = "203.0.113.9:40123"
    for _ in range(2):
        model.changed(MS + "UDPConnectionRequestAddress")
        model.changed(MS + "NATDetected")
    changes = [step for step in board.steps if step[0] != "persist"]
    assert changes == [
        (MS + "STUNEnable", True),
        (INFO + "ProvisioningCode", False),
        (MS + "UDPConnectionRequestAddress", False),
    ]
    fault(9005, model.changed, MS + "NoSuch")
    fault(9005, model.set_local, MS + "NoSuch", "1")
    fault(9008, model.set_local, INFO + "SerialNumber", "1")
    fault(9007, model.set_local, MS + "STUNServerPort", "x")


def test_stun_60_nat_detected_follows_the_binding():
    board = Board()
    model = board.model
    assert model.get(MS + "NATDetected") == ("0", "boolean")
    board.nat = True
    assert model.get(MS + "NATDetected") == ("1", "boolean")
    assert model.value(MS + "NATDetected") is True
    assert codes(model.set_errors([(MS + "NATDetected", "0", None)])) == [("NATDetected", 9008)]


def test_stun_61_udp_connection_request_address_follows_the_binding():
    board = Board()
    model = board.model
    name = MS + "UDPConnectionRequestAddress"
    for board.address in ("192.0.2.7:7547", "203.0.113.9:40123"):
        assert model.get(name) == (board.address, "string")
    assert codes(model.set_errors([(name, "", None)])) == [("UDPConnectionRequestAddress", 9008)]


def test_dm_05_up_time_is_an_unsigned_int():
    board = Board()
    board.up_time = 4000000000
    assert board.model.get(INFO + "UpTime") == ("4000000000", "unsignedInt")


def test_ucr_35_connection_request_url_is_forced_and_not_empty():
    model = Board().model
    assert model.get(MS + "ConnectionRequestURL")[0] == "http://192.0.2.7:7547/"


def test_ucr_24_change_of_credentials_or_url_is_observed():
    # What clears the freshness memory: the observer hears of each of the three, and of nothing
    # when they stay.
    board = Board(acs={"url": "http://a/"})
    names = ("URL", "ConnectionRequestUsername", "ConnectionRequestPassword")
    for name in names:
        del board.steps[:]
        board.model.set([(MS + name, "http://new/", None)], "")
        assert board.steps == [("persist", ""), (MS + name, True)]
        board.model.set([(MS + name, "http://new/", None)], "")
        assert len(board.steps) == 2


def test_dm_04_values_and_attributes_survive_a_boot():
    board = Board(acs={"url": "http://factory/"})
    model = board.model
    model.set([(MS + "URL", "http://acs/", None), (MS + "Password", "p", None)], "k")
    model.set_attributes([(MS + "NATDetected", 2, None)])
    kept = board.flash
    model = board.boot()
    assert model.get(MS + "URL")[0] == "http://factory/"
    assert model.restore(kept) == ()
    assert model.get(MS + "URL")[0] == "http://acs/"
    assert model.value(MS + "Password") == "p"
    assert model.get(MS + "ParameterKey")[0] == "k"
    assert model.attributes(MS + "NATDetected")[0] == 2
    assert model.snapshot() == kept
    keep(model, {}, {}, {})
    assert model.get(MS + "URL")[0] == "http://factory/"
    assert model.value(MS + "Password") == ""
    assert model.attributes(MS + "NATDetected")[0] == 0
    assert board.flash["values"] == {} and board.flash["attributes"] == {}


def test_dm_04_restore_drops_what_does_not_fit():
    board = Board()
    record = {
        "values": {
            MS + "Gone": "1",
            MS + "STUNServerPort": "70000",
            MS + "NATDetected": "1",
            MS + "STUNUsername": None,
            MS + "STUNEnable": "1",
        },
        "attributes": {
            MS + "Gone": [1, []],
            MS + "URL": [1],
            INFO + "UpTime": [2, []],
            MS + "Username": [1, []],
        },
        "seen": {MS + "Gone": "1"},
    }
    assert board.model.restore(record) == ()
    assert board.model.snapshot()["values"] == {MS + "STUNEnable": "1"}
    assert board.model.snapshot()["attributes"] == {MS + "Username": (1, ())}
    assert len([line for line in board.lines if "dropped" in line[2]]) == 7
    assert board.model.restore(None) == () and board.model.restore({}) == ()
    assert board.model.get(MS + "STUNEnable")[0] == "0"


def test_cwmp_61_software_update_is_a_change_over_the_boot():
    board = Board()
    kept = board.model.snapshot()
    board.software_version = "1.1"
    model = board.boot()
    assert model.restore(kept) == (INFO + "SoftwareVersion",)
    assert model.restore(model.snapshot()) == ()


def test_cwmp_17_fault_texts():
    for code in (9000, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 9009):
        assert CwmpFault(code).text == fault_text(code) != "Fault"
    error = CwmpFault(9003, "why", [("a", 9005, "b")])
    assert (error.code, error.text, error.details) == (9003, "why", [("a", 9005, "b")])
    assert list(CwmpFault(9002).details) == []


def test_cwmp_53_lookup_of_a_tree_with_deep_objects():
    texts = (
        "Device.\nA - s =1\n",
        "Device.X.\n",
        "Device.X.1.\nB - s =2\nC - s =3 and = 3\n",
        "Device.X.10.\nB - s =4\n",
        "Device.Y.\nA - s =5\n",
        "Device.ManagementServer.\nParameterKey K s32 =\n",
    )
    model = Model(texts, {}, {})
    assert [name for name, _ in model.children("Device.X.", True)] == [
        "Device.X.1.",
        "Device.X.10.",
    ]
    assert [name for name, _ in model.children("Device.", True)] == [
        "Device.A",
        "Device.X.",
        "Device.Y.",
        "Device.ManagementServer.",
    ]
    assert [name for name, _ in model.children("Device.X.", False)] == [
        "Device.X.",
        "Device.X.1.",
        "Device.X.1.B",
        "Device.X.1.C",
        "Device.X.10.",
        "Device.X.10.B",
    ]
    for name, text in (
        ("Device.X.10.B", "4"),
        ("Device.A", "1"),
        ("Device.X.1.C", "3 and = 3"),
        ("Device.X.1.B", "2"),
        ("Device.Y.A", "5"),
        ("Device.X.1.C", "3 and = 3"),
    ):
        assert model.get(name)[0] == text
    assert [model.get(name)[0] for name in model.expand("Device.X.")] == ["2", "3 and = 3", "4"]
    for name in (
        "Device.X.",
        "Device.A ",
        "Device.X.1.B -",
        "Device.X.1.\nB",
        "Device.X.1.B -\nC",
    ):
        fault(9005, model.get, name)


def test_dm_04_a_record_checked_at_this_boot_is_taken_as_it_is():
    board = Board()
    record = {
        "values": {MS + "STUNServerPort": "70000", MS + "STUNEnable": "1"},
        "attributes": {INFO + "UpTime": [2, []], MS + "Username": [1, ["Subscriber"]]},
    }
    board.model.restore(record)
    kept = board.flash  # what was dropped is not on flash any more
    assert kept["values"] == {MS + "STUNEnable": "1"}
    again = Model(DEVICE2, board.settings, board.model.getters, board.log, None, True)
    del board.lines[:]
    again.recall({"attributes": {MS + "Username": [1, ["Subscriber"]]}})
    assert again.snapshot()["attributes"] == {MS + "Username": (1, ("Subscriber",))}
    again.recall(kept)
    assert again.snapshot() == kept and again.value(MS + "STUNEnable") is True
    for odd in (None, [], {}, {"values": 5}):
        again.recall(odd)
        assert again.values == {}
    assert board.lines == []
