"""The root InternetGatewayDevice, by configuration (CWMP-32)."""

from host_tools.lab import rpc
from tests.conformance.rig import RING, MakeRig

IGD = "InternetGatewayDevice."
WAN = IGD + "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress"
FORCED = {
    IGD + "DeviceSummary",
    IGD + "DeviceInfo.SpecVersion",
    IGD + "DeviceInfo.HardwareVersion",
    IGD + "DeviceInfo.SoftwareVersion",
    IGD + "DeviceInfo.ProvisioningCode",
    IGD + "ManagementServer.ParameterKey",
    IGD + "ManagementServer.ConnectionRequestURL",
    IGD + "ManagementServer.AliasBasedAddressing",
    WAN,
}


async def test_cwmp_32_the_whole_model_has_the_other_root(make_rig: MakeRig):
    rig = await make_rig(site={"device": {"root": "InternetGatewayDevice"}})
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await rig.until(lambda: cpe.connection_request, "credentials")
    await rig.idle()
    assert set(cpe.informs[0].parameters) == FORCED
    code, table = IGD + "DeviceInfo.ProvisioningCode", IGD + "ManagementServer.InformParameter."
    up_time = IGD + "DeviceInfo.UpTime"
    top, other, names, status, fault, added, wanted, attributes, values = await rig.call(
        rpc.get_names("", True),
        rpc.get_values("Device.DeviceInfo.UpTime"),
        rpc.get_names(IGD, False),
        rpc.set_values({code: "here"}, "igd"),
        rpc.set_values({code: "no", "Device.DeviceInfo.ProvisioningCode": "x"}),
        rpc.add_object(table),
        rpc.set_values({table + "1.ParameterName": up_time, table + "1.Enable": True}),
        rpc.set_attributes({code: 2}),
        rpc.get_attributes(code),
    )
    assert top == {IGD: False} and other.code == 9005
    assert all(name.startswith(IGD) for name in names) and names[code]
    assert status == 0 and added == (1, 0) and wanted == 0 and attributes is None
    assert [(name, why) for name, why, _ in fault.parameters] == [
        ("Device.DeviceInfo.ProvisioningCode", 9005)
    ]
    assert values == {code: (2, ["Subscriber"])}
    await rig.idle()
    await rig.wake()
    last = cpe.informs[-1]
    assert last.codes == [RING] and up_time in last.parameters
    assert last.parameters[code] == "here" and last.parameters[WAN] == rig.address
