"""The data model under any sequence of writes: all or nothing, on flash first, and back after a
boot.
"""

import json
from typing import Any

from device import INFO, MS, Board
from hypothesis import given
from hypothesis import strategies as st

from cwmp.core import cwmp_parse, cwmp_types
from cwmp.core.fault import CwmpFault
from cwmp.core.model_record import keep

NAMES = list(Board().model.expand(""))
TEXTS = st.sampled_from(
    ["", "0", "1", "-1", "30", "1000", "65535", "65536", "true", "http://acs.example/", "x" * 65,
     "2026-11-22T13:45:10.000Z", "é & <", "4294967295"]
)  # fmt: skip
TYPES = st.sampled_from([None, "xsd:string", "xsd:int", "xsd:unsignedInt", "xsd:boolean"])
ITEMS = st.lists(st.tuples(st.sampled_from([*NAMES, MS, MS + "NoSuch"]), TEXTS, TYPES), max_size=6)
KEYS = st.text(max_size=34)
PATHS = st.sampled_from([*NAMES, "", "Device.", INFO, MS, MS + "NoSuch"])
ACCESS = st.none() | st.lists(st.sampled_from(["Subscriber", "X_020000_a", "x" * 65]), max_size=3)
ATTRIBUTES = st.lists(
    st.tuples(PATHS, st.none() | st.integers(-1, 7), ACCESS), min_size=1, max_size=4
)


def state(board: Board) -> dict[str, Any]:
    """Everything an ACS and the agent can read."""
    model = board.model
    return {name: (model.value(name), model.attributes(name)) for name in NAMES}


@given(st.lists(st.tuples(ITEMS, KEYS), max_size=4))
def test_cwmp_51_cwmp_52_all_or_nothing(calls: list[tuple[list[Any], str]]) -> None:
    board = Board()
    model = board.model
    for items, key in calls:
        before = state(board)
        flash = board.flash
        expected_errors = model.set_errors(items)
        try:
            status = model.set(items, key)
        except CwmpFault as fault:
            assert fault.code == 9003
            assert expected_errors or len(key) > 32
            assert state(board) == before and board.flash is flash
            assert all(9005 <= code <= 9008 for _, code, _ in fault.details)
            continue
        assert status in (0, 1) and not expected_errors and len(key) <= 32
        after = dict(before)
        for name, text, _ in items:
            kind = model.get(name)[1]
            value = cwmp_types.to_native(kind, cwmp_parse.parse(kind, text))
            after[name] = (value, before[name][1])
        after[MS + "ParameterKey"] = (key, before[MS + "ParameterKey"][1])
        assert state(board) == after
        if after != before:
            assert board.flash is not flash


@given(st.lists(st.tuples(ITEMS, ATTRIBUTES), max_size=4))
def test_dm_04_snapshot_restore_round_trip(calls: list[tuple[list[Any], list[Any]]]) -> None:
    board = Board()
    for items, attributes in calls:
        for item in items:
            try:
                board.model.set([item], "k")
            except CwmpFault:
                continue
        try:
            board.model.set_attributes(attributes)
        except CwmpFault:
            pass
    before = state(board)
    record = json.loads(json.dumps(board.model.snapshot()))
    if board.flash is not None:  # what is on flash is what the model holds: nothing is forgotten
        assert json.loads(json.dumps(board.flash)) == record
    board.boot()
    assert board.model.restore(record) == ()
    assert state(board) == before
    assert board.lines == []
    assert json.loads(json.dumps(board.model.snapshot())) == record
    keep(board.model, {}, {}, {})
    assert state(board) == state(Board())


@given(st.lists(ATTRIBUTES, max_size=4))
def test_cwmp_60_cwmp_61_attributes_all_or_nothing(calls: list[list[Any]]) -> None:
    board = Board()
    model = board.model
    for items in calls:
        before = state(board)
        try:
            model.set_attributes(items)
        except CwmpFault as fault:
            assert fault.code in (9003, 9005, 9009)
            assert state(board) == before
            continue
        path, notification, access = items[-1]
        for name in model.expand(path):
            forced = name in (INFO + "SoftwareVersion", INFO + "ProvisioningCode")
            if notification is not None:
                assert model.attributes(name)[0] == (2 if forced else notification)
            if access is not None:
                assert model.attributes(name)[1] == tuple(access)
    assert model.attributes(INFO + "UpTime")[0] < 2


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([*NAMES, "values", "attributes", "seen"]), inner, max_size=3
    ),
    max_leaves=8,
))  # fmt: skip
def test_b26_restore_takes_any_record_without_a_crash(record: Any) -> None:
    board = Board()
    board.model.restore(record)
    state(board)
