"""What the ACS can ask, over whole sessions and the real data model (CWMP-50 to 56, 60, 61)."""

from cwmp_device import (
    Device,
    between,
    bytes_of,
    envelope,
    faults_of,
    received,
    text_of,
    values_of,
)
from support import raises

from cwmp.core import rpc
from cwmp.core.fault import CwmpFault
from cwmp.core.notification import Notification
from cwmp.core.rpc_device import methods as all_methods
from cwmp.core.rpc_fields import Fields
from cwmp.core.rpc_parts import Names
from cwmp.core.rpc_values import ParameterValues

MS = "Device.ManagementServer."
PASSWORDS = ("Password", "ConnectionRequestPassword", "STUNPassword")


def element(tag, *content):
    return f"<{tag}>{''.join(content)}</{tag.split(' ')[0]}>"


def strings(tag, texts):
    return element(tag, *[element("string", text) for text in texts])


def get_values(*paths):
    return element("c:GetParameterValues", strings("ParameterNames", paths))


def get_attributes(*paths):
    return element("c:GetParameterAttributes", strings("ParameterNames", paths))


def get_names(path, next_level):
    return element(
        "c:GetParameterNames", element("ParameterPath", path), element("NextLevel", next_level)
    )


def set_values(items, key="k"):
    """items: (name, text, xsi type or None)"""
    structs = []
    for name, text, xsi_type in items:
        value = f"Value xsi:type='xsd:{xsi_type}'" if xsi_type else "Value"
        structs.append(
            element("ParameterValueStruct", element("Name", name), element(value, text))
        )
    return element(
        "c:SetParameterValues", element("ParameterList", *structs), element("ParameterKey", key)
    )


def set_attributes(*items):
    """items: (name, notification or None, access list or None)"""
    structs = [
        element(
            "SetParameterAttributesStruct",
            element("Name", name),
            element("NotificationChange", "0" if notification is None else "1"),
            element("Notification", str(notification or 0)),
            element("AccessListChange", "false" if access is None else "true"),
            strings("AccessList", access or ()),
        )
        for name, notification, access in items
    ]
    return element("c:SetParameterAttributes", element("ParameterList", *structs))


def object_call(method, name, key="k9"):
    return element("c:" + method, element("ObjectName", name), element("ParameterKey", key))


def names_of(text):
    """-> [(name, writable)]"""
    names = between(text, "<ParameterInfoStruct><Name>", "</Name>")
    return list(zip(names, between(text, "<Writable>", "</Writable>")))


def fault(body, device=None):
    return faults_of((device or Device()).ask(body))[0]


def key_of(device):
    return device.model.value(MS + "ParameterKey")


def test_cwmp_50_methods():
    text = Device().ask("<c:GetRPCMethods/>")
    methods = between(text, "<string>", "</string>")
    assert methods == all_methods()
    baseline = "GetRPCMethods SetParameterValues GetParameterValues GetParameterNames Reboot"
    baseline += (
        " SetParameterAttributes GetParameterAttributes AddObject DeleteObject FactoryReset"
    )
    for method in baseline.split():
        assert method in methods
    assert f'"xsd:string[{len(methods)}]"' in text


def test_cwmp_50_unknown_method_is_fault_9000():
    for method in ("GetOptions", "SetVouchers", "Inform", "getParameterValues", "X"):
        assert not rpc.serves(method)
        assert fault(f"<c:{method}><A>1</A><B><C/></B></c:{method}>") == 9000


def test_cwmp_50_a_module_can_add_a_method():
    def handler(session, arguments):
        return answer, arguments.text("Word", 8)

    def answer(word):
        yield b"<cwmp:EchoResponse>" + word.encode() + b"</cwmp:EchoResponse>"

    assert fault("<c:Echo><Word>hi</Word></c:Echo>") == 9000
    rpc.register("Echo", Fields, handler)
    try:
        assert "<cwmp:EchoResponse>hi<" in Device().ask("<c:Echo><Word>hi</Word></c:Echo>")
        assert "<string>Echo</string>" in Device().ask("<c:GetRPCMethods/>")
        assert fault("<c:Echo/>") == 9003
    finally:
        rpc.added.pop("Echo")


def test_cwmp_50_a_method_that_breaks_answers_9002_and_the_session_goes_on():
    device = Device()

    def broken(path):
        raise RuntimeError("a defect")

    session = device.accepted()
    device.model.expand = broken
    assert (
        faults_of(text_of(received(session, envelope(get_values("Device.DeviceInfo.UpTime")))))[0]
        == 9002
    )
    assert "E rpc: broken method=GetParameterValues error=RuntimeError" in device.log
    assert "GetRPCMethodsResponse" in text_of(received(session, envelope("<c:GetRPCMethods/>")))


def test_cwmp_51_all_or_nothing():
    device = Device()
    items = [
        ("Device.DeviceInfo.ProvisioningCode", "new", "string"),
        ("Device.DeviceInfo.SerialNumber", "1", "string"),
        (MS + "PeriodicInformInterval", "0", "unsignedInt"),
        (MS + "STUNEnable", "1", "string"),
        ("Device.Nothing", "1", "string"),
        ("Device.DeviceInfo.", "1", "string"),
    ]
    code, details = faults_of(device.ask(set_values(items)))
    assert code == 9003
    assert details == [
        ("Device.DeviceInfo.SerialNumber", 9008),
        (MS + "PeriodicInformInterval", 9007),
        (MS + "STUNEnable", 9006),
        ("Device.Nothing", 9005),
        ("Device.DeviceInfo.", 9005),
    ]
    assert device.model.value("Device.DeviceInfo.ProvisioningCode") == ""
    assert faults_of(device.ask(set_values([items[0], items[0]])))[0] == 9003
    text = device.ask(set_values([items[0], (MS + "PeriodicInformInterval", "60", None)]))
    assert "<cwmp:SetParameterValuesResponse><Status>0</Status>" in text
    assert device.model.value("Device.DeviceInfo.ProvisioningCode") == "new"
    assert device.model.value(MS + "PeriodicInformInterval") == 60


def test_cwmp_09_51_a_text_of_any_length_is_answered_by_a_fault_for_it():
    device = Device()
    long = "x" * 20000
    items = [
        ("Device.DeviceInfo.ProvisioningCode", long, "string"),
        (MS + "PeriodicInformInterval", "9" * 5000, "unsignedInt"),
        (MS + "PeriodicInformEnable", long, "boolean"),
        (MS + "PeriodicInformTime", long, "dateTime"),
        (MS + "STUNServerPort", "1", "unsignedInt"),
    ]
    code, details = faults_of(device.ask(set_values(items)))
    assert code == 9003 and details == [(name, 9007) for name, _, _ in items[:4]]
    assert device.model.value(MS + "STUNServerPort") == 3478
    assert fault(set_values(items[4:], long), device) == 9003
    assert fault(set_values([(long, "1", None)]), device) == 9003
    assert fault(get_values(long), device) == 9005
    assert fault(get_names(long, "0"), device) == 9003
    assert fault(element("c:Reboot", element("CommandKey", long)), device) == 9003
    assert fault(set_attributes((MS + "URL", 1, [long])), device) in (9003, 9007)


def test_cwmp_51_malformed_arguments_are_fault_9003():
    name = "Device.DeviceInfo.ProvisioningCode"
    struct = f"<ParameterValueStruct><Name>{name}</Name></ParameterValueStruct>"
    text = "<c:SetParameterValues><ParameterList>%s</ParameterList>%s</c:SetParameterValues>"
    device = Device()
    assert fault(text % (struct, "<ParameterKey>k</ParameterKey>"), device) == 9003
    assert (
        fault(text % (struct.replace("Name>", "Value>"), "<ParameterKey>k</ParameterKey>"), device)
        == 9003
    )
    whole = struct.replace("</Parameter", "<Value>x</Value></Parameter")
    assert fault(text % (whole, ""), device) == 9003
    assert fault(text % (whole, "<ParameterKey>" + "k" * 33 + "</ParameterKey>"), device) == 9003
    assert device.model.value("Device.DeviceInfo.ProvisioningCode") == ""
    assert key_of(device) == ""


def test_cwmp_51_texts_arrive_as_they_were_sent():
    device = Device()
    device.ask(
        set_values(
            [
                (
                    "Device.DeviceInfo.ProvisioningCode",
                    " a&lt;b &amp;amp;<![CDATA[ <c>]]>é",
                    "string",
                )
            ]
        )
    )
    assert device.model.value("Device.DeviceInfo.ProvisioningCode") == " a<b &amp; <c>é"
    text = device.ask(get_values("Device.DeviceInfo.ProvisioningCode"))
    assert values_of(text)[0][2] == " a&lt;b &amp;amp; &lt;c&gt;é"


def test_cwmp_51_too_many_arguments_are_fault_9004():
    # Names of one table take what differs, others all their letters: 16 KB of it.
    names = ["Device.DeviceInfo.UpTime"] * 300
    assert len(values_of(Device().ask(get_values(*names)))) == 300
    assert fault(get_values(*names * 3)) == 9004
    assert fault(get_values(*["Device." + "x" * 1000] * 17)) == 9004
    assert fault(set_values([(f"Device.X{i}", "y" * 1000, None) for i in range(17)])) == 9004
    assert fault(set_attributes(*[("Device.", 1, None)] * 129)) == 9004
    assert fault(set_attributes(("Device.", 1, ["x"] * 17))) == 9004


def test_cwmp_52_parameter_key_is_that_of_the_last_success():
    device = Device()
    item = ("Device.DeviceInfo.ProvisioningCode", "x", "string")
    device.ask(set_values([item], "first"))
    assert key_of(device) == "first"
    device.ask(set_values([("Device.Nothing", "x", "string")], "second"))
    device.ask(object_call("AddObject", "Device.DeviceInfo.", "third"))
    device.ask(object_call("DeleteObject", "Device.DeviceInfo.", "fourth"))
    assert key_of(device) == "first"
    text = device.ask(set_values([item], "fifth"))
    assert "<Status>0</Status>" in text and key_of(device) == "fifth"
    assert values_of(device.ask(get_values(MS + "ParameterKey"))) == [
        (MS + "ParameterKey", "string", "fifth")
    ]


def test_cwmp_53_get_parameter_values_of_partial_paths():
    device = Device()
    whole = values_of(device.ask(get_values("")))
    assert [name for name, _, _ in whole] == list(device.model.expand(""))
    assert values_of(device.ask(get_values("Device."))) == whole
    info = values_of(device.ask(get_values("Device.DeviceInfo.", MS + "URL")))
    assert info == [
        value
        for value in whole
        if value[0].startswith("Device.DeviceInfo.") or value[0] == MS + "URL"
    ]
    for name in (
        "Device.Nothing",
        "Device.DeviceInfo",
        "Device.Nothing.",
        "device.",
        "Device",
        ".",
    ):
        assert fault(get_values(name)) == 9005, name
        assert fault(get_values("Device.DeviceInfo.UpTime", name)) == 9005, name
    assert values_of(device.ask(get_values())) == []


def test_cwmp_53_the_count_of_an_array_is_right():
    for paths in ((), ("",), ("Device.DeviceInfo.", "Device.DeviceInfo.")):
        text = Device().ask(get_values(*paths))
        assert f'"cwmp:ParameterValueStruct[{len(values_of(text))}]"' in text
    for level in "01":
        text = Device().ask(get_names("Device.", level))
        assert f'"cwmp:ParameterInfoStruct[{len(names_of(text))}]"' in text


def test_cwmp_53_get_parameter_names():
    device = Device()
    top = [
        ("Device.RootDataModelVersion", "0"),
        ("Device.DeviceInfo.", "0"),
        ("Device.ManagementServer.", "0"),
    ]
    assert names_of(device.ask(get_names("Device.", "1"))) == top
    assert names_of(device.ask(get_names("Device.", "true"))) == top
    assert names_of(device.ask(get_names("", "1"))) == [("Device.", "0")]
    whole = names_of(device.ask(get_names("", "0")))
    assert [name for name, _ in whole if name[-1] != "."] == list(device.model.expand(""))
    assert names_of(device.ask(get_names("Device.", "false"))) == whole
    assert whole[0] == ("Device.", "0")
    assert (MS + "URL", "1") in whole and (MS + "ParameterKey", "0") in whole
    assert names_of(device.ask(get_names(MS + "URL", "0"))) == [(MS + "URL", "1")]
    assert fault(get_names(MS + "URL", "1")) == 9003
    assert fault(get_names("Device.Nothing.", "1")) == 9005
    assert fault(get_names("Device.", "maybe")) == 9003
    assert fault("<c:GetParameterNames><NextLevel>1</NextLevel></c:GetParameterNames>") == 9003
    assert fault(get_names("Device." + "x" * 250, "0")) == 9003


def test_cwmp_54_passwords_read_back_empty():
    device = Device()
    device.ask(set_values([(MS + name, "secret-" + name, "string") for name in PASSWORDS]))
    for name in PASSWORDS:
        assert device.model.value(MS + name) == "secret-" + name
    for text in (
        device.ask(get_values("")),
        device.ask(get_values(*[MS + name for name in PASSWORDS])),
    ):
        assert "secret" not in text
        hidden = [value for value in values_of(text) if value[0].endswith("Password")]
        assert hidden == [
            (MS + name, "string", "")
            for name in ("Password", "ConnectionRequestPassword", "STUNPassword")
        ]
    assert not [line for line in device.log if "secret" in line]


def test_cwmp_55_fixed_objects_can_be_neither_added_nor_deleted():
    for method in ("AddObject", "DeleteObject"):
        assert fault(object_call(method, "Device.DeviceInfo.")) == 9001
        assert fault(object_call(method, "Device.Hosts.Host.")) == 9005
        assert fault(object_call(method, "Device.DeviceInfo")) == 9005
        assert fault(object_call(method, "Device.DeviceInfo.UpTime")) == 9005
        assert fault(object_call(method, "")) == 9005
        assert fault(f"<c:{method}/>") == 9003


def test_cwmp_56_reboot_is_answered_and_kept_for_after_the_session():
    session = Device().accepted()
    text = text_of(
        received(session, envelope("<c:Reboot><CommandKey>a &amp; b</CommandKey></c:Reboot>"))
    )
    assert "<cwmp:RebootResponse></cwmp:RebootResponse>" in text
    assert received(session, None, 204) is None
    assert session.reboot == "a & b"
    device = Device()
    session = device.accepted()
    for body in ("<c:Reboot/>", "<c:Reboot><CommandKey>" + "x" * 33 + "</CommandKey></c:Reboot>"):
        assert faults_of(text_of(received(session, envelope(body))))[0] == 9003
    assert session.reboot is None


def test_cwmp_56_factory_reset():
    session = Device().accepted()
    text = text_of(received(session, envelope("<c:FactoryReset/>")))
    assert "<cwmp:FactoryResetResponse></cwmp:FactoryResetResponse>" in text
    assert session.factory_reset and session.reboot is None


def test_cwmp_60_attributes_are_set_and_read():
    device = Device()
    address = MS + "UDPConnectionRequestAddress"
    text = device.ask(
        set_attributes((address, 1, ["Subscriber"]), ("Device.DeviceInfo.", None, []))
    )
    assert "<cwmp:SetParameterAttributesResponse></cwmp:SetParameterAttributesResponse>" in text
    assert device.model.attributes(address) == (1, ("Subscriber",))
    assert device.model.attributes("Device.DeviceInfo.UpTime") == (0, ())
    assert (
        '<ParameterList soap-enc:arrayType="cwmp:ParameterAttributeStruct[1]">'
        f"<ParameterAttributeStruct><Name>{address}</Name><Notification>1</Notification>"
        '<AccessList soap-enc:arrayType="xsd:string[1]"><string>Subscriber</string></AccessList>'
        "</ParameterAttributeStruct></ParameterList>"
    ) in device.ask(get_attributes(address))
    text = device.ask(get_attributes("Device.DeviceInfo."))
    assert text.count('<AccessList soap-enc:arrayType="xsd:string[0]"></AccessList>') == 10
    assert fault(get_attributes("Device.Nothing")) == 9005
    for notification in (3, 6):
        assert fault(set_attributes((address, notification, None)), device) in (9007, 9009)
    assert fault(set_attributes((address, 7, None)), device) == 9003
    assert fault(set_attributes((address, "two", None)), device) == 9003
    assert fault(set_attributes((address, 2, None), ("Device.Nothing", 1, None)), device) == 9005
    assert device.model.attributes(address)[0] == 1
    no_name = set_attributes(("", 1, None)).replace("<Name></Name>", "")
    assert fault(no_name, device) == 9003


def test_cwmp_60_what_the_acs_wrote_is_not_told_back_to_it():
    device = Device()
    assert isinstance(device.notification, Notification)
    device.ask(set_values([("Device.DeviceInfo.ProvisioningCode", "by the ACS", "string")]))
    assert not device.notification.pending()
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "by hand")
    assert device.notification.pending()


def test_cwmp_61_notification_that_may_be_refused():
    assert fault(set_attributes(("Device.DeviceInfo.UpTime", 2, None))) == 9009
    device = Device()
    device.ask(
        set_attributes(
            ("Device.DeviceInfo.UpTime", 1, None), ("Device.DeviceInfo.SoftwareVersion", 0, None)
        )
    )
    assert device.model.attributes("Device.DeviceInfo.UpTime")[0] == 1
    assert device.model.attributes("Device.DeviceInfo.SoftwareVersion")[0] == 2


def test_cwmp_09_a_long_answer_is_streamed():
    session = Device().accepted()
    message = received(session, envelope(get_values("")))
    assert message.length is None
    pieces = [len(piece) for piece in message.chunks()]
    assert max(pieces) < 600 and sum(pieces) == len(bytes_of(message)) > 5000


def test_cwmp_09_fields_that_nobody_asked_for_are_bounded():
    fields = Fields()
    for number in range(1000):
        fields.leaf("X", f"Field{number}", "text", "")
    assert len(fields._fields) == 16
    assert raises(CwmpFault, fields.text, "Field999", 8).code == 9003


def test_cwmp_50_what_served_goes_before_the_next_request_is_read():
    session = Device().accepted()
    asked = []
    session.unload = lambda served=False: asked.append(served)
    for body in (
        get_values(MS),
        set_values([(MS + "STUNEnable", "1", None)]),
        get_names("", "1"),
        "<c:GetRPCMethods/>",
        "<c:Vouchers/>",
        get_values(MS),
    ):
        del asked[:]
        assert faults_of(text_of(received(session, envelope(body)))) in (None, (9000, []))
        assert asked[0] is True and True not in asked[1:], "the module of this method is in use"


def test_cwmp_09_arguments_are_packed_and_come_out_as_they_were():
    table = MS + "InformParameter."
    names = [table + f"{n}.Enable" for n in range(1, 60)] + ["", ".", "Device.", "x", table, MS]
    packed = Names()
    for name in names:
        packed.leaf("ParameterNames", "string", name, "")
    for _ in range(2):
        assert [name for (name,) in packed.checked()] == names
    values = ParameterValues()
    items = [(name, str(at) * (at % 40), "int" if at % 3 else "") for at, name in enumerate(names)]
    for name, text, kind in items:
        values.leaf("ParameterValueStruct", "Name", name, "")
        values.leaf("ParameterValueStruct", "Value", text, kind)
        values.end("ParameterValueStruct")
    assert list(values.checked()) == items
