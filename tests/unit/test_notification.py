"""Which changes the ACS is owed, over sessions, failures and boots."""

from device import INFO, MS, Board

from cwmp.core.events import EventQueue
from cwmp.core.notification import Notification
from cwmp.core.retry import throttle_wait

ADDRESS = MS + "UDPConnectionRequestAddress"
NAT = MS + "NATDetected"
CODE = INFO + "ProvisioningCode"


def active(notification):
    """Whether a pending change asked for a session and is in no Inform yet."""
    return notification.pending() and 2 in notification.owed["changes"].values()


def build(asking=(), passive=()):
    board = Board()
    board.model.set_attributes([(name, 2, None) for name in asking])
    board.model.set_attributes([(name, 1, None) for name in passive])
    notification = Notification(board.model)
    board.model.on_change = notification.changed
    return board, notification


def test_cwmp_60_off_passive_active():
    _, notification = build([ADDRESS], [NAT])
    assert notification.changed(MS + "Username", False) is False
    assert not notification.pending()
    assert notification.changed(NAT, False) is False
    assert notification.pending() and not active(notification)
    assert notification.changed(ADDRESS, False) is True
    assert active(notification)
    assert sorted(notification.for_inform()) == [NAT, ADDRESS]


def test_stun_62_no_notification_unless_the_acs_asked():
    board, notification = build()
    board.address, board.nat = "203.0.113.9:2", True
    board.model.changed(ADDRESS)
    board.model.changed(NAT)
    assert not notification.pending()
    board.model.set_attributes([(ADDRESS, 2, None)])
    board.address = "203.0.113.9:1"
    board.model.changed(ADDRESS)
    assert notification.for_inform() == [ADDRESS]
    assert board.model.get(ADDRESS)[0] == "203.0.113.9:1", (
        "the value is there before the notification"
    )


def test_stun_62_a_value_read_between_two_changes_is_corrected():
    # Discovery without a NAT: there is an address, then none, then the same one again.
    for read in (False, True):
        board, notification = build()
        board.address = "192.168.1.7:7547"
        board.model.changed(ADDRESS)
        board.model.set_attributes([(ADDRESS, 2, None)])
        assert board.model.get(ADDRESS)[0] == board.address
        board.address = ""
        if read:
            assert board.model.get(ADDRESS)[0] == ""
        board.address = "192.168.1.7:7547"
        board.model.changed(ADDRESS)
        assert notification.for_inform() == ([ADDRESS] if read else [])
        notification.delivered([ADDRESS])
        assert board.model.get(ADDRESS)[0] == board.address
        board.model.changed(ADDRESS)
        assert not notification.pending()


def test_stun_62_only_the_value_that_changed_is_notified():
    board, notification = build([ADDRESS, NAT])

    def told(address, nat):
        board.address, board.nat = address, nat
        board.model.changed(ADDRESS)
        board.model.changed(NAT)
        names = notification.for_inform()
        notification.delivered(names)
        return sorted(names)

    assert told("", False) == []
    assert told("203.0.113.9:1", False) == [ADDRESS]
    assert told("203.0.113.9:1", True) == [NAT]
    assert told("203.0.113.9:1", True) == []
    assert told("203.0.113.9:2", True) == [ADDRESS]
    assert told("192.0.2.7:7547", False) == [NAT, ADDRESS]


def test_cwmp_33_inform_includes_every_pending_change():
    board, notification = build([ADDRESS], [NAT])
    queue = EventQueue(notification)
    assert queue.for_inform() == [] and notification.for_inform() == []
    board.nat = True
    board.model.changed(NAT)
    board.model.set_local(CODE, "x")
    assert sorted(notification.names()) == [CODE, NAT]
    assert sorted(notification.for_inform()) == [CODE, NAT]
    assert queue.for_inform() == [("4 VALUE CHANGE", "")]
    notification.delivered([CODE, NAT])
    assert queue.for_inform() == []


def test_cwmp_33_change_during_the_session_stays():
    _, notification = build([ADDRESS], [NAT])
    notification.changed(ADDRESS, False)
    notification.changed(NAT, False)
    names = notification.for_inform()
    notification.changed(ADDRESS, False)
    notification.delivered(names)
    assert notification.for_inform() == [ADDRESS]
    notification.delivered([NAT])
    assert notification.pending()
    notification.delivered([ADDRESS])
    assert not notification.pending()


def test_cwmp_33_passive_and_active_after_a_failure():
    _, notification = build([ADDRESS], [NAT])
    notification.changed(ADDRESS, False)
    notification.changed(NAT, False)
    notification.for_inform()
    assert not active(notification), "the running session tells it"
    notification.failed()
    assert active(notification)
    assert sorted(notification.for_inform()) == [NAT, ADDRESS]


def test_cwmp_60_what_the_acs_wrote_does_not_echo():
    board, notification = build()
    board.model.set([(CODE, "acs", None)], "key")
    assert not notification.pending()
    board.model.set_local(CODE, "local")
    assert active(notification)
    board.model.set([(CODE, "acs", None)], "key")
    assert not notification.pending(), "the ACS knows the value it has just written"


def test_cwmp_60_notification_switched_off_while_a_change_waits():
    board, notification = build([ADDRESS])
    notification.changed(ADDRESS, False)
    board.model.set_attributes([(ADDRESS, 0, None)])
    assert not notification.pending() and not active(notification)
    assert notification.for_inform() == []


def test_cwmp_61_forced_active_without_any_set_parameter_attributes():
    board, notification = build()
    board.model.set_local(CODE, "x")
    board.model.changed(INFO + "SoftwareVersion")
    board.model.changed(MS + "ConnectionRequestURL")
    assert active(notification) and len(notification.for_inform()) == 3


def test_cwmp_62_throttle():
    assert throttle_wait(1000, None, 3600) == 0
    assert throttle_wait(1000, 1000, 0) == 0
    assert throttle_wait(61000, 1000, 60) == 0
    assert throttle_wait(60999, 1000, 60) == 1
    assert throttle_wait(1000, 1000, 4294967295) == 4294967295000


def test_stun_63_device2_has_the_throttle_and_no_notification_limit():
    board, _ = build()
    names = list(board.model.expand(MS))
    assert MS + "DefaultActiveNotificationThrottle" in names
    assert MS + "UDPConnectionRequestAddressNotificationLimit" not in names


def test_cwmp_63_changes_survive_a_boot():
    board, notification = build([ADDRESS], [NAT])
    notification.owed["dirty"] = False
    notification.changed(ADDRESS, False)
    assert notification.owed["dirty"]
    notification.changed(NAT, False)
    notification.for_inform()
    kept = notification.snapshot()
    attributes = board.model.snapshot()
    model = board.boot()
    model.restore(attributes)
    again = Notification(model)
    again.restore(kept)
    assert active(again) and sorted(again.for_inform()) == [NAT, ADDRESS]
    again.delivered([ADDRESS, NAT])
    assert again.owed["dirty"] and again.snapshot() == {}


def test_cwmp_63_restore_of_odd_records():
    _, notification = build([ADDRESS])
    notification.restore({ADDRESS: 2, MS + "Gone": 2, NAT: 2, CODE: 9})
    assert notification.for_inform() == [ADDRESS]
    for record in (None, [], 5, "x"):
        notification.restore(record)
        assert not notification.pending()
