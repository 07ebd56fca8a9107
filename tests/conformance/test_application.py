"""Objects that an application adds (the example that a newcomer copies), over whole sessions."""

from pathlib import Path

import pytest

from host_tools.image import FIRMWARE
from host_tools.lab import rpc
from tests.conformance.rig import CHANGE, RING, MakeRig, Rig

EXAMPLE = "Device.X_020000_Example."
TEMPERATURE = EXAMPLE + "Temperature"
OUTPUT = EXAMPLE + "Output."


async def with_application(make_rig: MakeRig, folder: Path, **site: dict[str, object]) -> Rig:
    rig = await make_rig(site={"app": {"folder": str(folder)}, **site})
    if not rig.can("filesystem"):
        pytest.skip(f"the {rig.board.target.kind} target has no filesystem")
    return rig


@pytest.mark.parametrize("memory", ["keep", "save"])
async def test_dm_03_a_sensor_is_read_an_output_set_and_a_change_told(
    make_rig: MakeRig, memory: str
):
    rig = await with_application(
        make_rig, FIRMWARE / "example_app", limits={"memory": memory, "freshness_write_s": 0}
    )
    await rig.ready()
    (rig.board.flash / "temperature").write_text("215")
    names, status, values, done = await rig.call(
        rpc.get_names(EXAMPLE, False),
        rpc.set_values({OUTPUT + "2.On": True, EXAMPLE + "Interval": 1}, "app-1"),
        rpc.get_values(EXAMPLE),
        rpc.set_attributes({TEMPERATURE: 2}),
    )
    assert names[OUTPUT + "1.On"] and not names[OUTPUT + "1."] and not names[TEMPERATURE]
    assert status == 0 and done is None
    assert values[OUTPUT + "1.On"] == "0" and values[OUTPUT + "2.On"] == "1"
    assert values[OUTPUT + "2.Name"] == "Lamp" and values[EXAMPLE + "OutputNumberOfEntries"] == "2"
    assert values[EXAMPLE + "Interval"] == "1"
    await rig.idle()
    await rig.power_cut()  # the example measures at once, and what a setter got is set again
    inform = await rig.informed(CHANGE, len(rig.cpe.informs))
    assert inform.parameters[TEMPERATURE] == "215"
    await rig.idle()
    seen = len(rig.cpe.informs)
    (rig.board.flash / "temperature").write_text("-48")
    inform = await rig.informed(CHANGE, seen)
    assert inform.parameters[TEMPERATURE] == "-48" and RING not in inform.codes
    assert (await rig.ask(rpc.get_values(OUTPUT + "2.On"))) == {OUTPUT + "2.On": "1"}
