"""The Inform, written on demand or prepared (CWMP-30 to 34, CWMP-40)."""

from cwmp_device import (
    ACS,
    FAULT_8005,
    NOON,
    Device,
    bytes_of,
    envelope,
    events_in,
    inform_response,
    known,
    names_in,
    received,
    text_of,
)

from cwmp.core.prepared_inform import PreparedInform

MS = "Device.ManagementServer."
FORCED = [
    "Device.RootDataModelVersion",
    "Device.DeviceInfo.HardwareVersion",
    "Device.DeviceInfo.SoftwareVersion",
    "Device.DeviceInfo.ProvisioningCode",
    MS + "ParameterKey",
    MS + "ConnectionRequestURL",
    MS + "AliasBasedAddressing",
]


def test_cwmp_30_children_in_order():
    device = Device()
    device.events.after_boot(ACS)
    device.events.add("M Reboot", "key 1")
    text = text_of(device.session().begin())
    order = [
        "<DeviceId><Manufacturer>",
        "<OUI>",
        "<ProductClass>",
        "<SerialNumber>",
        "<Event ",
        "<MaxEnvelopes>",
    ]
    order += ["<CurrentTime>", "<RetryCount>", "<ParameterList "]
    places = [text.find(tag) for tag in order]
    assert -1 not in places and places == sorted(places)
    assert events_in(text) == [("0 BOOTSTRAP", ""), ("1 BOOT", ""), ("M Reboot", "key 1")]
    assert 'soap-enc:arrayType="cwmp:EventStruct[3]"' in text
    assert "<OUI>020000</OUI>" in text and "<SerialNumber>0242AC110002</SerialNumber>" in text


def test_cwmp_31_forced_parameters_are_in_every_inform():
    device = known()
    for code in ("1 BOOT", "2 PERIODIC", "6 CONNECTION REQUEST"):
        device.events.add(code)
        assert names_in(text_of(device.session().begin())) == FORCED
    text = text_of(device.session().begin())
    assert 'soap-enc:arrayType="cwmp:ParameterValueStruct[7]"' in text


def test_cwmp_32_nothing_of_the_older_data_models():
    # Their forced lists hold DeviceSummary and SpecVersion; a Device:2 has neither.
    device = known()
    for name in names_in(text_of(device.session().begin())):
        assert name.startswith("Device.") and name in FORCED
        assert not name.endswith("DeviceSummary") and not name.endswith("SpecVersion")


def test_cwmp_33_changes_come_with_value_change():
    device = known()
    device.events.add("2 PERIODIC")
    assert "VALUE CHANGE" not in text_of(device.session().begin())
    device.model.set_attributes([(MS + "UDPConnectionRequestAddress", 2, None)])
    device.model.changed(MS + "UDPConnectionRequestAddress")
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "here")
    session = device.session()
    text = text_of(session.begin())
    assert events_in(text) == [("2 PERIODIC", ""), ("4 VALUE CHANGE", "")]
    assert names_in(text) == FORCED + [MS + "UDPConnectionRequestAddress"]
    assert 'soap-enc:arrayType="cwmp:ParameterValueStruct[8]"' in text
    received(session, inform_response())
    text = text_of(device.session().begin())
    assert "VALUE CHANGE" not in text and names_in(text) == FORCED


def test_cwmp_34_retry_count():
    for count in (0, 1, 12):
        text = text_of(known().session(retry_count=count).begin())
        assert f"<RetryCount>{count}</RetryCount>" in text


def test_cwmp_40_events_are_delivered_when_the_inform_response_comes():
    device = Device()
    device.events.after_boot(ACS)
    seen = []
    session = device.session(on_inform_accepted=lambda: seen.append(device.events.for_inform()))
    session.begin()
    assert seen == []
    received(session, inform_response())
    assert seen == [[]] and session.inform_accepted


# The prepared Inform


def prepared_device():
    device = known()
    prepared = PreparedInform(device.model)
    assert not prepared.ready and prepared.refresh() and prepared.ready
    device.events.add("6 CONNECTION REQUEST")
    return device, prepared


def test_cwmp_30_prepared_inform_is_the_same_as_one_written_on_demand():
    device, prepared = prepared_device()
    for unix in (None, NOON, 4102444800):
        session = device.session(unix, prepared=prepared)
        message = session.begin()
        assert session.is_prepared and message.length == len(bytes_of(message))
        device.events.failed()
        device.events.add("6 CONNECTION REQUEST")
        plain = device.session(unix)
        assert bytes_of(message) == bytes_of(plain.begin()) and not plain.is_prepared


def test_cwmp_30_prepared_inform_is_used_only_where_it_is_true():
    device, prepared = prepared_device()
    assert not begin(device, prepared, retry_count=1).is_prepared
    device.events.add("2 PERIODIC")
    assert not begin(device, prepared).is_prepared
    device, prepared = prepared_device()
    device.model.set_local("Device.DeviceInfo.ProvisioningCode", "x")
    assert not begin(device, prepared).is_prepared
    device, prepared = prepared_device()
    prepared.invalidate()
    assert not prepared.ready and not begin(device, prepared).is_prepared
    device, prepared = prepared_device()
    assert begin(device, prepared).is_prepared


def begin(device, prepared, **options):
    session = device.session(prepared=prepared, **options)
    session.begin()
    return session


def test_cwmp_30_prepared_inform_can_lie_in_the_buffer_of_the_request():
    device, prepared = prepared_device()
    message = prepared.message(None)
    wire = bytearray(b"POST / HTTP/1.1\r\n\r\n" + bytes_of(message))
    message.buffer = memoryview(wire)[len(wire) - message.length :]
    session = device.session(NOON, prepared=prepared)
    body = bytes_of(session.begin())
    assert bytes(wire).endswith(body) and b"<CurrentTime>2026-01-01T12:00:00Z<" in body


def test_cwmp_20_prepared_inform_is_resent_too():
    device, prepared = prepared_device()
    session = device.session(prepared=prepared)
    first = bytes_of(session.begin())
    assert bytes_of(received(session, envelope(FAULT_8005))) == first
    prepared.invalidate()  # a parameter changed on the device in between
    assert bytes_of(received(session, envelope(FAULT_8005))) == first
    received(session, inform_response())
    assert device.events.for_inform() == []
