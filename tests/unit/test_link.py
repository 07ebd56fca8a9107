"""When a network link that looks well is not trusted any more (B22)."""

from cwmp.port.link import Keeper

MINUTE = 60000


def restarts(silences):
    """Return those of the given silences (ms) at which the link was restarted."""
    found = []
    keeper = Keeper(None, lambda level, area, text: found.append(text), None)
    for ms in silences:
        known = len(found)
        keeper.restart = False
        assert keeper.silent(ms) == keeper.restart
        assert keeper.restart == (len(found) > known)
        if keeper.restart:
            assert found[-1] == "distrusted silent_s={}".format(ms // 1000)
            found[-1] = ms
    return found


def test_b22_five_minutes_without_any_answer_restart_the_link():
    assert restarts([0, MINUTE, 5 * MINUTE - 1]) == []
    assert restarts([0, MINUTE, 5 * MINUTE]) == [5 * MINUTE]


def test_b22_a_server_that_is_gone_costs_ever_fewer_restarts():
    day = range(0, 24 * 60 * MINUTE, MINUTE)
    found = [ms // MINUTE for ms in restarts(day)]
    assert found[:6] == [5, 15, 35, 75, 155, 235]
    gaps = [later - earlier for earlier, later in zip(found, found[1:])]
    assert max(gaps) == 80


def test_b22_an_answer_forgives_everything():
    silences = [5 * MINUTE, 15 * MINUTE, 0, 4 * MINUTE, 5 * MINUTE]
    assert restarts(silences) == [5 * MINUTE, 15 * MINUTE, 5 * MINUTE]
