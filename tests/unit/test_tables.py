"""Tables: rows that the ACS creates, rows that an application counts; setters; what is volatile
(CWMP-51 to 55, 63).
"""

from cwmp_device import ACS, Device, between, faults_of, text_of, values_of
from device import Model
from support import raises
from test_rpc import element, fault, get_names, get_values, set_attributes, set_values

from cwmp.core.device2 import DEVICE2
from cwmp.core.device2 import INFORM_TABLE as TABLE
from cwmp.core.fault import CwmpFault

MS = "Device.ManagementServer."
KEY = MS + "ParameterKey"
COUNT = MS + "InformParameterNumberOfEntries"
PIN = "Device.X_020000_Pin."
OBJECTS = (
    """Device.X_020000_Pin.{i}. @pins
Level WK b @level
Mode W sIn|Out =In
Note W s16 ~-
""",
    """Device.X_020000_Board.
Pins - u #Device.X_020000_Pin.
Temperature - i @temperature
""",
)


def add(path, key="k"):
    return element("c:AddObject", element("ObjectName", path), element("ParameterKey", key))


def delete(path, key="k"):
    return element("c:DeleteObject", element("ObjectName", path), element("ParameterKey", key))


def added(device, path=TABLE, key="k"):
    """-> the InstanceNumber of a new row."""
    text = device.ask(add(path, key))
    assert between(text, "<Status>", "<") == ["0"], text
    return int(between(text, "<InstanceNumber>", "<")[0])


def code(device, body):
    return (faults_of(device.ask(body)) or (0,))[0]


class Flash:
    """What a device persisted; `broken` makes it fail."""

    def __init__(self, device):
        self.record = None
        self.saves = 0
        self.broken = False
        device.model.persist = self.save

    def save(self, record):
        if self.broken:
            raise OSError(28)
        self.saves += 1
        # As it comes back from flash: nothing shared with the model.
        copy = {}
        for name in ("values", "attributes", "seen"):
            copy[name] = record[name].copy()
        copy["rows"] = {name: list(numbers) for name, numbers in record["rows"].items()}
        self.record = copy


class Pins:
    """An application with four pins."""

    def __init__(self, device, record=None):
        self.levels = [False] * 4
        self.handed = []
        self.broken = None
        device.model.setters["level"] = self.set
        device.model.getters.update(
            {"pins": lambda: 4, "level": self.get, "temperature": lambda: -7}
        )
        model = Model(
            DEVICE2 + OBJECTS, device.model.settings, device.model.getters, None, None, True
        )
        model.setters = device.model.setters
        model.on_change = device.notification.changed
        device.notification._model = device.model = model
        model._checked = False
        model.restore(record)

    def get(self, number):
        return self.levels[number - 1]

    def set(self, number, level):
        if self.broken and number == 4:
            raise self.broken
        self.handed.append((number, level))
        self.levels[number - 1] = level


def test_cwmp_55_a_row_is_added_written_and_deleted_and_its_number_never_comes_back():
    device = Device()
    flash = Flash(device)
    assert [added(device), added(device)] == [1, 2]
    assert device.model.get(COUNT)[0] == "2"
    name = TABLE + "2.ParameterName"
    assert code(device, set_values([(name, MS + "URL", None)])) == 0
    assert code(device, set_attributes((name, 1, None))) == 0
    assert code(device, delete(TABLE + "2.", "gone")) == 0
    assert name not in flash.record["values"] and name not in flash.record["attributes"]
    assert device.model.get(KEY)[0] == "gone"
    assert fault(get_values(TABLE + "2.")) == 9005
    assert code(device, delete(TABLE + "2.")) == 9005
    assert added(device) == 3
    assert device.model.get(TABLE + "3.ParameterName")[0] == ""
    fresh = Device()
    fresh.model.restore(flash.record)
    assert [name for name, _ in fresh.model.children(TABLE, True)] == [TABLE + "1.", TABLE + "3."]
    assert code(fresh, delete(TABLE + "3.")) == 0
    assert added(fresh) == 4


def test_cwmp_55_faults_change_nothing():
    device = Device()
    flash = Flash(device)
    added(device, key="first")
    saves = flash.saves
    for body, why in (
        (add(TABLE + "1."), 9001),
        (add(TABLE[:-1]), 9005),
        (add(MS + "NoSuch."), 9005),
        (add(TABLE, "x" * 33), 9003),
        (delete(TABLE), 9005),
        (delete(TABLE + "01."), 9005),
        (delete(TABLE + "7."), 9005),
        (delete(TABLE + "-1."), 9005),
        (delete(MS), 9001),
        (delete(TABLE + "1.", "x" * 33), 9003),
    ):
        assert code(device, body) == why, body
    assert flash.saves == saves and device.model.get(KEY)[0] == "first"
    flash.broken = True
    assert code(device, add(TABLE, "second")) == 9002
    assert code(device, delete(TABLE + "1.", "second")) == 9002
    assert device.model.get(KEY)[0] == "first" and device.model.get(COUNT)[0] == "1"
    flash.broken = False
    assert added(device) == 2  # the number of the failed one was given to nobody


def test_cwmp_55_a_full_table_is_9004():
    device = Device()
    for number in range(1, 9):
        assert added(device) == number
    assert code(device, add(TABLE)) == 9004
    assert code(device, delete(TABLE + "4.")) == 0
    assert added(device) == 9


def test_cwmp_53_rows_in_paths_and_writable_where_rows_can_be_made():
    device = Device()
    added(device)
    added(device)
    model = device.model
    assert (TABLE, True) in list(model.children(MS, True))
    assert list(model.children(TABLE, True)) == [(TABLE + "1.", True), (TABLE + "2.", True)]
    assert list(model.expand(TABLE + "2.")) == [
        TABLE + "2." + leaf for leaf in ("Enable", "ParameterName", "EventList")
    ]
    assert len(list(model.expand(TABLE))) == 6
    for name in (TABLE + "Enable", TABLE + "3.Enable", TABLE + "0.Enable", TABLE + "{i}.Enable"):
        assert raises(CwmpFault, model.find, name).code == 9005, name
    text = device.ask(get_names(TABLE + "1.", "1"))
    assert between(text, "<Name>", "<") == list(model.expand(TABLE + "1."))


def test_cwmp_55_a_damaged_record_of_rows_is_dropped():
    for rows in (
        {TABLE: [1, 2]},
        {TABLE: [2, 1, 1]},
        {TABLE: ["2", 1]},
        {TABLE: []},
        {TABLE: 5},
        {MS: [2, 1]},
        {"Device.Gone.": [2, 1]},
        [],
    ):
        device = Device()
        device.model.restore({"rows": rows, "values": {TABLE + "1.Enable": "1"}})
        assert device.model.rows == {} and device.model.values == {}, rows


def test_cwmp_33_rows_bring_parameters_into_the_inform():
    device = Device()
    device.events.restore({"acs": ACS})
    added(device)
    row = TABLE + "1."
    up_time = "Device.DeviceInfo.UpTime"
    values = [
        (row + "ParameterName", up_time, None),
        (row + "EventList", "6 CONNECTION REQUEST", None),
    ]
    assert code(device, set_values(values)) == 0

    def informed(event):
        device.events.add(event)
        names = [name for name, _, _ in values_of(text_of(device.session().begin()))]
        device.events.delivered([(event, "")])
        return names

    assert up_time not in informed("6 CONNECTION REQUEST")  # not enabled
    assert code(device, set_values([(row + "Enable", "1", None)])) == 0
    assert up_time in informed("6 CONNECTION REQUEST")
    assert up_time not in informed("2 PERIODIC")
    assert code(device, set_values([(row + "EventList", "", None)])) == 0
    assert up_time in informed("2 PERIODIC")
    assert code(device, set_values([(row + "ParameterName", TABLE + "*.Enable", None)])) == 0
    assert row + "Enable" in informed("2 PERIODIC")
    assert code(device, set_values([(row + "ParameterName", "Device.Gone.Name", None)])) == 0
    assert len(informed("2 PERIODIC")) == 7


def test_cwmp_33_what_no_row_may_have_is_9007():
    device = Device()
    added(device)
    for leaf, text in (
        ("ParameterName", KEY),  # in every Inform anyway
        ("ParameterName", MS),
        ("ParameterName", "*"),
        ("EventList", "4 VALUE CHANGE"),
        ("EventList", "6 CONNECTION REQUEST,99 NONE"),
    ):
        found = faults_of(device.ask(set_values([(TABLE + "1." + leaf, text, None)])))
        assert found == (9003, [(TABLE + "1." + leaf, 9007)]), text


def test_cwmp_51_setters_get_values_of_their_type_once_everything_is_valid():
    device = Device()
    pins = Pins(device)
    model = device.model
    items = [
        (PIN + "2.Level", "true", None),
        (PIN + "3.Level", "1", None),
        (PIN + "3.Mode", "Out", None),
    ]
    assert code(device, set_values(items + [(PIN + "5.Level", "1", None)])) == 9003
    assert code(device, set_values(items + [(PIN + "1.Mode", "Off", None)])) == 9003
    assert pins.handed == []
    assert code(device, set_values(items)) == 0
    assert pins.handed == [(2, True), (3, True)]
    assert [model.get(PIN + f"{n}.Level")[0] for n in range(1, 5)] == ["0", "1", "1", "0"]
    assert model.get(PIN + "3.Mode")[0] == "Out"
    assert model.get("Device.X_020000_Board.Pins")[0] == "4"


def test_cwmp_51_a_setter_that_refuses_takes_all_back():
    for error, why in ((ValueError("in use"), 9007), (OSError(5), 9002)):
        device = Device()
        pins = Pins(device)
        pins.broken = error
        items = [(PIN + f"{number}.Level", "1", None) for number in (1, 2, 4, 3)]
        items.insert(0, (PIN + "1.Mode", "Out", None))
        found = faults_of(device.ask(set_values(items, "no")))
        assert found == (9003, [(PIN + "4.Level", why)])
        assert pins.levels == [False] * 4
        assert device.model.get(PIN + "1.Mode")[0] == "In"
        assert device.model.get(KEY)[0] == ""


def test_cwmp_51_flash_that_fails_takes_all_back():
    device = Device()
    pins = Pins(device)
    Flash(device).broken = True
    assert code(device, set_values([(PIN + "1.Level", "1", None)])) == 9002
    assert pins.levels == [False] * 4


def test_dm_04_what_a_setter_got_is_set_again_at_a_boot_and_what_is_volatile_is_not():
    device = Device()
    Pins(device)
    flash = Flash(device)
    items = [(PIN + "2.Level", "1", None), (PIN + "1.Note", "hello", None)]
    assert code(device, set_values(items)) == 0
    assert device.model.get(PIN + "1.Note")[0] == "hello"
    fresh = Device()
    pins = Pins(fresh, flash.record)
    assert pins.handed == [(2, True)]
    assert fresh.model.get(PIN + "1.Note")[0] == "-"


def test_dm_04_a_setter_that_fails_at_a_boot_keeps_what_is_kept():
    device = Device()
    Pins(device)
    flash = Flash(device)
    assert code(device, set_values([(PIN + f"{n}.Level", "1", None) for n in (4, 1)])) == 0
    fresh = Device()
    pins = Pins(fresh)
    pins.broken = OSError(5)
    fresh.model.restore(flash.record)
    assert pins.handed == [(1, True)]
    assert fresh.model.values[PIN + "4.Level"] == "1"


def test_dm_04_a_declaration_that_cannot_work_is_refused_at_boot():
    device = Device()
    Pins(device)
    for text in (
        "Device.A.\nLevel - b @nothing\n",
        "Device.A.\nLevel W b @temperature\n",
        "Device.A.\nLevel W b =7\n",
        "Device.A\nLevel W b =1\n",
        "Device.A.{i}. many\nLevel W b =1\n",
        "Device.A.{i}. @nothing\nLevel W b =1\n",
        "Device.A.\nLevel W q =1\n",
        "Device.A.\nLevel W b\n",
    ):
        try:
            Model((text,), device.model.settings, device.model.getters)
        except (ValueError, KeyError):
            continue
        raise AssertionError(text)


def test_dm_03_a_getter_that_fails_does_not_end_an_answer():
    device = Device()
    Pins(device)

    def broken():
        raise OSError(116)

    device.model.getters["temperature"] = broken
    lines = []
    device.model.log = lambda level, area, text: lines.append((level, area, text))
    values = values_of(device.ask(get_values("Device.X_020000_Board.")))
    assert values == [
        ("Device.X_020000_Board.Pins", "unsignedInt", "4"),
        ("Device.X_020000_Board.Temperature", "int", "0"),
    ]
    assert lines[0][:2] == ("E", "model") and "temperature" in lines[0][2]
