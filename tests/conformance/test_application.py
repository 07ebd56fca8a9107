"""Objects that an application adds (the example that a newcomer copies), over whole sessions."""

import shutil
from pathlib import Path

import pytest

from host_tools import boards
from host_tools.bench.esp32 import DEVICE
from host_tools.image import FIRMWARE
from host_tools.lab import rpc
from host_tools.package import package
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


SENSOR = "Device.X_020000_Sensor."
MANY = DEVICE / "many_parameters.py"


async def test_cwmp_09_51_53_a_thousand_parameters_in_one_request(
    make_rig: MakeRig, tmp_path: Path
):
    (tmp_path / "many").mkdir()
    shutil.copy(MANY, tmp_path / "many" / "parameters.py")
    rig = await with_application(
        make_rig, tmp_path / "many", limits={"memory": "save", "freshness_write_s": 0}
    )
    await rig.ready()
    new = {f"{SENSOR}{number}.Limit": 3 * number for number in range(1, 201)}
    names, status, values, fault, after = await rig.call(
        rpc.get_names(SENSOR, False),
        rpc.set_values(new, "many"),
        rpc.get_values(SENSOR),
        rpc.set_values({**dict.fromkeys(new, 9), f"{SENSOR}200.Limit": 65536}),
        rpc.get_values(*list(new)),
    )
    assert len(names) == 2001 and names[SENSOR + "1000.Limit"] and not names[SENSOR]
    assert status == 0 and len(values) == 1000
    assert fault.parameters[0][:2] == (f"{SENSOR}200.Limit", 9007) and len(fault.parameters) == 1
    assert after == {name: str(value) for name, value in new.items()}
    assert values[SENSOR + "201.Limit"] == "0" and values[SENSOR + "200.Limit"] == "600"
    whole = await rig.ask(rpc.get_values(""))
    assert len(whole) > 1040


LOOK = "Device.X_020000_Look."
STEPS = (
    "core.inform core.events runtime.store runtime.http_send runtime.http_receive"
    " core.model_checks core.model_values wire.envelope"
)
LOOKING = '''"""What is loaded while the ACS sets a parameter, and while it reads one."""

import sys

seen = ["", ""]
STEPS = []


def loaded():
    return " ".join([name for name, full in STEPS if full in sys.modules])


def look(new):
    seen[:] = new, loaded()


OBJECTS = ("Device.X_020000_Look.\\nSet W s16 @set\\nThen - s @then\\nNow - s @now\\n",)
GET = {"set": lambda: seen[0], "then": lambda: seen[1], "now": loaded}
SET = {"set": look}
'''


@pytest.mark.parametrize("memory", ["keep", "save"])
async def test_cwmp_09_where_memory_is_scarce_a_request_is_handled_without_what_read_it(
    make_rig: MakeRig, tmp_path: Path, memory: str
):
    (tmp_path / "looking").mkdir()
    made = package(boards.load("unix"), FIRMWARE)
    steps = [(name, made.module(name)) for name in STEPS.split()]
    (tmp_path / "looking" / "parameters.py").write_text(LOOKING.replace("[]", repr(steps), 1))
    rig = await with_application(make_rig, tmp_path / "looking", limits={"memory": memory})
    await rig.ready()
    if memory == "keep":
        then = now = STEPS
    else:
        then, now = "core.model_values", ""
    for value in ("once", "again"):
        status, values = await rig.call(
            rpc.set_values({LOOK + "Set": value}),
            rpc.get_values(LOOK + "Set", LOOK + "Then", LOOK + "Now"),
        )
        expected = {LOOK + "Set": value, LOOK + "Then": then, LOOK + "Now": now}
        assert status == 0 and values == expected
        await rig.idle()


async def test_dm_03_an_application_that_cannot_work_is_left_out(
    make_rig: MakeRig, tmp_path: Path
):
    for number, text in enumerate(
        ("OBJECTS = ('Device.A.\\nB - b @gone\\n',)\nGET = {}\nSET = {}\n", "import gone\n")
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "parameters.py").write_text(text)
        rig = await with_application(make_rig, folder)
        await rig.ready()
        await rig.board.seen("E [0-9]+ app: left-out")
        assert "Device.A." not in await rig.ask(rpc.get_names("Device.", True))
        await rig.stop()
