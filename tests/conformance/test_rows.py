"""Rows that an ACS creates, on flash and in what the device does (CWMP-33, CWMP-55)."""

from host_tools.lab import rpc
from tests.conformance.rig import INFO, MS, RING, Rig

TABLE = MS + "InformParameter."
COUNT = MS + "InformParameterNumberOfEntries"
KEY = MS + "ParameterKey"
FREE = INFO + "MemoryStatus.Free"


async def test_cwmp_55_rows_are_used_survive_a_power_cut_and_keep_their_numbers(rig: Rig):
    added, again, values = await rig.call(
        rpc.add_object(TABLE, "one"), rpc.add_object(TABLE, "two"), rpc.get_values(COUNT, KEY)
    )
    assert added == (1, 0) and again == (2, 0) and values == {COUNT: "2", KEY: "two"}
    row = {TABLE + "2.Enable": True, TABLE + "2.ParameterName": FREE, TABLE + "2.EventList": RING}
    status, deleted = await rig.call(rpc.set_values(row), rpc.delete_object(TABLE + "1.", "del"))
    assert status == 0 and deleted == 0
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING] and int(rig.cpe.informs[-1].parameters[FREE]) > 0
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    boot = await rig.informed("1 BOOT", seen)
    assert FREE not in boot.parameters and boot.parameters[KEY] == "del"
    await rig.idle()
    names, new, gone = await rig.call(
        rpc.get_names(TABLE, True), rpc.add_object(TABLE), rpc.delete_object(TABLE + "1.")
    )
    assert FREE in rig.cpe.informs[-1].parameters  # after the boot, too
    assert names == {TABLE + "2.": True} and new == (3, 0) and gone.code == 9005


async def test_cwmp_55_attributes_of_a_row_go_with_it(rig: Rig):
    name = TABLE + "1.ParameterName"
    _, _, attributes, _, _, fault, _, fresh = await rig.call(
        rpc.add_object(TABLE),
        rpc.set_attributes({name: 2}),
        rpc.get_attributes(TABLE),
        rpc.delete_object(TABLE + "1."),
        rpc.get_values(MS),
        rpc.get_attributes(name),
        rpc.add_object(TABLE),
        rpc.get_attributes(TABLE + "2."),
    )
    assert attributes[name][0] == 2 and fault.code == 9005
    assert {level for level, _ in fresh.values()} == {0}


async def test_cwmp_51_52_a_row_with_a_bad_value_changes_nothing(rig: Rig):
    _, fault, values = await rig.call(
        rpc.add_object(TABLE, "good"),
        rpc.set_values({TABLE + "1.Enable": True, TABLE + "1.ParameterName": KEY}, "bad"),
        rpc.get_values(TABLE, KEY),
    )
    assert [(name, code) for name, code, _ in fault.parameters] == [
        (TABLE + "1.ParameterName", 9007)
    ]
    assert values[TABLE + "1.Enable"] == "0" and values[KEY] == "good"
