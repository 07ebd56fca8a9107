"""CWMP types, retry waits and periodic phases against Python's own arithmetic."""

import base64
import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from cwmp.core import cwmp_parse, cwmp_types, date_time, periodic, retry

KINDS = ["string", "int", "unsignedInt", "long", "unsignedLong", "boolean", "dateTime"]
RANGES = {
    "int": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedLong": (0, 2**64 - 1),
}
moments = st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9999, 12, 30))
offsets = st.integers(-14 * 60, 14 * 60)


@given(moments)
def test_b19_unix_and_iso_agree_with_the_calendar(moment: dt.datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=dt.UTC)
    unix = int(whole.timestamp())
    text = whole.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    assert cwmp_types.unix_to_iso(unix) == text
    assert date_time.iso_to_unix(text) == unix


@given(moments, offsets)
def test_cwmp_15_offsets_and_fractions(moment: dt.datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    text = aware.isoformat()
    expected = int(aware.replace(microsecond=0).timestamp())
    assert date_time.iso_to_unix(text) == expected
    assert cwmp_parse.parse("dateTime", text) == cwmp_types.unix_to_iso(expected)


@given(st.sampled_from(list(RANGES)), st.integers(-(2**65), 2**65))
def test_cwmp_15_integer_ranges(kind: str, value: int) -> None:
    low, high = RANGES[kind]
    try:
        assert cwmp_parse.parse(kind, f" {value} ") == str(value)
        assert low <= value <= high
    except ValueError:
        assert not low <= value <= high


@given(st.binary(max_size=40))
def test_cwmp_15_binary_forms(data: bytes) -> None:
    assert cwmp_parse.parse("hexBinary", data.hex()) == data.hex().upper()
    text = base64.b64encode(data).decode()
    assert cwmp_parse.parse("base64", text) == text


@given(
    st.sampled_from([*KINDS, "hexBinary", "base64", "anything"]),
    st.text(max_size=40) | st.from_regex(r"[-+]?[0-9:TZ.+-]{0,30}", fullmatch=True),
)
def test_cwmp_15_any_text_is_canonical_or_a_value_error(kind: str, text: str) -> None:
    try:
        canonical = cwmp_parse.parse(kind, text)
    except ValueError:
        return
    assert cwmp_parse.parse(kind, canonical) == canonical
    if kind in KINDS:
        assert cwmp_types.to_text(kind, cwmp_types.to_native(kind, canonical)) == canonical


@given(
    st.integers(1, 40),
    st.integers(1, 65535),
    st.integers(1000, 65535),
    st.floats(0, 1, exclude_max=True),
)
def test_cwmp_70_cwmp_72_draw_is_in_the_window(n: int, m: int, k: int, fraction: float) -> None:
    low, high = retry.window(n, m, k)
    exponent = min(n, 10)
    assert m * 1000 * k ** (exponent - 1) <= low * 1000 ** (exponent - 1)
    assert high * 1000**exponent <= m * 1000 * k**exponent
    assert low <= retry.delay_ms(n, m, k, fraction) <= high


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**32 - 1), st.integers(0, 2**33))
def test_cwmp_41_first_instant_after_now(reference: int, interval: int, unix: int) -> None:
    wait = periodic.delay_s(reference, interval, unix)
    assert 0 < wait <= interval
    assert (unix + wait - reference) % interval == 0
