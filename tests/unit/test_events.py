"""Events from the moment they happen until the ACS has them."""

from device import INFO, Board
from support import raises

from cwmp.core.events import EventQueue
from cwmp.core.notification import Notification

SINGLES = (
    "0 BOOTSTRAP",
    "1 BOOT",
    "2 PERIODIC",
    "3 SCHEDULED",
    "5 KICKED",
    "6 CONNECTION REQUEST",
    "7 TRANSFER COMPLETE",
    "8 DIAGNOSTICS COMPLETE",
    "9 REQUEST DOWNLOAD",
    "10 AUTONOMOUS TRANSFER COMPLETE",
    "13 WAKEUP",
    "14 HEARTBEAT",
)
KEYED = ("M Reboot", "M ScheduleInform", "M Download", "M Upload", "M ScheduleDownload")
SURVIVE_BOOT = (
    "0 BOOTSTRAP",
    "3 SCHEDULED",
    "5 KICKED",
    "7 TRANSFER COMPLETE",
    "10 AUTONOMOUS TRANSFER COMPLETE",
)


def codes(queue):
    return [code for code, _ in queue.for_inform()]


def filled():
    queue = EventQueue()
    for code in SINGLES:
        queue.add(code)
    for code in KEYED:
        queue.add(code, code + " key")
    return queue


def test_cwmp_40_single_once_and_each_m_with_its_key():
    queue = filled()
    for code in SINGLES:
        assert queue.add(code)
    queue.add("M Reboot", "second")
    queue.add("M Reboot", "second")
    listed = queue.for_inform()
    assert [event for event in listed if event[0][0] != "M"] == [(code, "") for code in SINGLES]
    assert [key for code, key in listed if code == "M Reboot"] == [
        "M Reboot key",
        "second",
        "second",
    ]
    assert len(listed) == len(set(listed)) + 1


def test_cwmp_40_listed_in_the_order_of_the_codes():
    queue = EventQueue()
    for code in reversed(SINGLES):
        queue.add(code)
    assert codes(queue) == list(SINGLES)


def test_cwmp_40_bad_code_or_key():
    queue = EventQueue()
    raises(ValueError, queue.add, "1 boot")
    raises(ValueError, queue.add, "1 BOOT", "key")
    raises(ValueError, queue.add, "M Reboot", "k" * 33)
    assert queue.for_inform() == []
    assert queue.add("M Reboot", "k" * 32) and queue.add("M Reboot", "")


def test_cwmp_30_never_more_than_64_and_singles_always_fit():
    lines = []
    board = Board()
    notification = Notification(board.model)
    queue = EventQueue(notification, lambda level, area, text: lines.append(text))
    taken = 0
    for number in range(100):
        taken += 1 if queue.add("M ScheduleInform", str(number)) else 0
    assert taken >= 50 and len(lines) == 100 - taken
    for code in SINGLES:
        assert queue.add(code)
    notification.changed(INFO + "ProvisioningCode", False)
    listed = queue.for_inform()
    assert len(listed) <= 64 and ("4 VALUE CHANGE", "") in listed and ("0 BOOTSTRAP", "") in listed


def test_cwmp_40_delivered_by_which_response():
    queue = filled()
    listed = queue.for_inform()
    queue.delivered(listed)
    assert queue.for_inform() == [
        ("7 TRANSFER COMPLETE", ""),
        ("9 REQUEST DOWNLOAD", ""),
        ("10 AUTONOMOUS TRANSFER COMPLETE", ""),
        ("M Download", "M Download key"),
        ("M Upload", "M Upload key"),
        ("M ScheduleDownload", "M ScheduleDownload key"),
    ]
    queue.delivered(listed, "RequestDownload")
    queue.delivered(listed, "AutonomousTransferComplete")
    queue.delivered(
        [("7 TRANSFER COMPLETE", ""), ("M Download", "M Download key")], "TransferComplete"
    )
    assert codes(queue) == ["M Upload", "M ScheduleDownload"]


def test_cwmp_40_event_during_the_session_is_not_delivered_by_it():
    queue = EventQueue()
    queue.add("3 SCHEDULED")
    queue.add("M ScheduleInform", "a")
    listed = queue.for_inform()
    queue.add("3 SCHEDULED")
    queue.add("M ScheduleInform", "a")
    queue.add("M ScheduleInform", "b")
    queue.delivered(listed)
    assert queue.for_inform() == [
        ("3 SCHEDULED", ""),
        ("M ScheduleInform", "a"),
        ("M ScheduleInform", "b"),
    ]


def test_tcr_24_connection_request_is_dropped_by_a_failure_and_nothing_else_is():
    queue = filled()
    before = queue.for_inform()
    assert queue.pending() == before
    queue.failed()
    after = queue.for_inform()
    assert [event for event in before if event not in after] == [("6 CONNECTION REQUEST", "")]
    assert len(after) == len(before) - 1


def test_b18_undelivered_events_survive_a_boot():
    queue = filled()
    queue.for_inform()
    again = EventQueue()
    again.restore(queue.snapshot())
    again.after_boot()
    listed = again.for_inform()
    assert [code for code, _ in listed if code[0] != "M"] == sorted(
        SURVIVE_BOOT + ("1 BOOT",), key=lambda code: int(code.split(" ")[0])
    )
    assert [event for event in listed if event[0][0] == "M"] == [
        (code, code + " key") for code in KEYED
    ]
    # The same queue without a store in between follows the same rules.
    queue.after_boot()
    assert queue.for_inform() == listed


def test_cwmp_40_reboot_event_comes_with_boot():
    queue = EventQueue()
    queue.contact("http://acs/")
    queue.delivered(queue.for_inform())
    queue.add("M Reboot", "key")
    again = EventQueue()
    again.restore(queue.snapshot())
    again.after_boot("http://acs/")
    assert again.for_inform() == [("1 BOOT", ""), ("M Reboot", "key")]


def test_cwmp_40_bootstrap_on_first_contact_and_on_a_new_acs():
    queue = EventQueue()
    queue.after_boot("http://a/")
    assert queue.for_inform() == [("0 BOOTSTRAP", ""), ("1 BOOT", "")]
    queue.delivered(queue.for_inform())
    assert not queue.contact("http://a/") and queue.for_inform() == []
    again = EventQueue()
    again.restore(queue.snapshot())
    again.after_boot("http://a/")
    assert again.for_inform() == [("1 BOOT", "")]
    again.restore(queue.snapshot())
    again.after_boot("http://b/")
    assert again.for_inform() == [("0 BOOTSTRAP", ""), ("1 BOOT", "")]


def test_cwmp_40_bootstrap_discards_what_the_previous_acs_was_owed():
    board = Board()
    notification = Notification(board.model)
    queue = EventQueue(notification)
    queue.after_boot("http://a/")
    for code in KEYED:
        queue.add(code, "k")
    queue.add("7 TRANSFER COMPLETE")
    notification.changed(INFO + "ProvisioningCode", False)
    assert queue.contact("http://b/")
    assert queue.for_inform() == [("0 BOOTSTRAP", "")]
    assert not notification.pending()
    queue.add("2 PERIODIC")
    assert codes(queue) == ["0 BOOTSTRAP", "2 PERIODIC"], (
        "what happens later belongs to the new one"
    )


def test_dm_04_bootstrap_survives_until_it_is_delivered():
    queue = EventQueue()
    queue.bootstrap()
    for _ in range(3):
        queue.for_inform()
        queue.failed()
        kept = queue.snapshot()
        queue = EventQueue()
        queue.restore(kept)
        queue.after_boot()
    assert codes(queue) == ["0 BOOTSTRAP", "1 BOOT"]


def test_cwmp_33_value_change_iff_changes_are_included():
    board = Board()
    notification = Notification(board.model)
    queue = EventQueue(notification)
    queue.add("4 VALUE CHANGE")
    assert queue.for_inform() == []
    notification.changed(INFO + "ProvisioningCode", False)
    queue.add("1 BOOT")
    queue.add("M Reboot", "k")
    assert codes(queue) == ["1 BOOT", "4 VALUE CHANGE", "M Reboot"]
    names = notification.for_inform()
    queue.failed()
    assert codes(queue) == ["1 BOOT", "4 VALUE CHANGE", "M Reboot"]
    notification.delivered(names)
    assert names and codes(queue) == ["1 BOOT", "4 VALUE CHANGE", "M Reboot"], "failed: owed still"
    notification.delivered(notification.for_inform())
    assert codes(queue) == ["1 BOOT", "M Reboot"]


def test_cwmp_63_pending_changes_are_in_the_same_record():
    board = Board()
    notification = Notification(board.model)
    queue = EventQueue(notification)
    notification.changed(INFO + "ProvisioningCode", False)
    kept = queue.snapshot()
    other = EventQueue(Notification(board.model))
    other.restore(kept)
    other.after_boot()
    assert codes(other) == ["1 BOOT", "4 VALUE CHANGE"]


def test_b18_dirty_says_when_the_store_is_behind():
    board = Board()
    notification = Notification(board.model)
    queue = EventQueue(notification)
    queue.after_boot("http://a/")
    assert queue.owed["dirty"]
    queue.owed["dirty"] = False
    for code in ("2 PERIODIC", "6 CONNECTION REQUEST", "8 DIAGNOSTICS COMPLETE"):
        queue.add(code)  # nothing of these goes to flash: no wear
    queue.for_inform()
    assert not queue.owed["dirty"]
    queue.add("M Reboot", "k")
    assert queue.owed["dirty"]
    queue.owed["dirty"] = False
    notification.changed(INFO + "ProvisioningCode", False)
    assert queue.owed["dirty"]
    queue.owed["dirty"] = False
    assert not notification.owed["dirty"]
    queue.delivered(queue.for_inform())
    assert queue.owed["dirty"] and queue.snapshot()["events"] == []


def test_b18_restore_of_odd_records():
    queue = EventQueue()
    odd = {"events": [["99 FUTURE", ""], ["1"], 5, ["M Reboot", "k" * 40]]}
    for record in (None, {}, odd, 5, [], "events", {"events": 7, "changes": [], "acs": 3}):
        queue.restore(record)
        assert queue.for_inform() == []
