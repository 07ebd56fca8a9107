"""Rows under any sequence of RPCs, failures of the flash and boots, against a model of a few lines
(CWMP-51, 52, 55).
"""

import copy
from typing import Any

from cwmp_device import Device, between, faults_of
from hypothesis import given
from hypothesis import strategies as st

from cwmp.core.device2 import INFORM_TABLE as TABLE

ROWS = st.integers(0, 12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.just(0)),
        st.tuples(st.just("delete"), ROWS),
        st.tuples(st.just("set"), ROWS),
        st.tuples(st.just("break"), st.just(0)),
        st.tuples(st.just("mend"), st.just(0)),
        st.tuples(st.just("boot"), st.just(0)),
    ),
    max_size=40,
)


class Flash:
    def __init__(self) -> None:
        self.record: dict[str, Any] | None = None
        self.broken = False

    def save(self, record: dict[str, Any]) -> None:
        if self.broken:
            raise OSError(5)
        self.record = copy.deepcopy(record)


def body(step: str, number: int, key: str) -> str:
    key = f"<ParameterKey>{key}</ParameterKey>"
    if step == "add":
        return f"<c:AddObject><ObjectName>{TABLE}</ObjectName>{key}</c:AddObject>"
    if step == "delete":
        name = f"<ObjectName>{TABLE}{number}.</ObjectName>"
        return f"<c:DeleteObject>{name}{key}</c:DeleteObject>"
    value = f"<Name>{TABLE}{number}.ParameterName</Name><Value>{step}{number}</Value>"
    item = f"<ParameterValueStruct>{value}</ParameterValueStruct>"
    return (
        f"<c:SetParameterValues><ParameterList>{item}</ParameterList>{key}</c:SetParameterValues>"
    )


@given(STEPS)
def test_cwmp_55_rows_are_what_was_acknowledged(steps: list[tuple[str, int]]) -> None:
    flash = Flash()
    device = Device()
    device.model.persist = flash.save
    rows: dict[int, str] = {}
    numbers: set[int] = set()
    key = ""
    for at, (step, number) in enumerate(steps):
        if step in ("break", "mend"):
            flash.broken = step == "break"
            continue
        if step == "boot":
            device = Device()
            device.model.restore(flash.record)
            device.model.persist = flash.save
        else:
            said = device.ask(body(step, number, f"k{at}"))
            fault = faults_of(said)
            if step == "add":
                expected = 9004 if len(rows) >= 8 else 0
            elif number not in rows:
                expected = 9005 if step == "delete" else 9003
            else:
                expected = 0
            if not expected and flash.broken:
                expected = 9002
            assert (fault[0] if fault else 0) == expected, said
            if not expected:
                key = f"k{at}"
                if step == "add":
                    number = int(between(said, "<InstanceNumber>", "<")[0])
                    assert number not in numbers
                    numbers.add(number)
                    rows[number] = ""
                elif step == "delete":
                    del rows[number]
                else:
                    rows[number] = f"set{number}"
        model = device.model
        assert {name for name, _ in model.children(TABLE, True)} == {f"{TABLE}{n}." for n in rows}
        for number, text in rows.items():
            assert model.get(f"{TABLE}{number}.ParameterName")[0] == text
        assert model.get("Device.ManagementServer.ParameterKey")[0] == key
        assert model.get("Device.ManagementServer.InformParameterNumberOfEntries")[0] == str(
            len(rows)
        )
