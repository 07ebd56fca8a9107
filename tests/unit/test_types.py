"""CWMP-15: types, and times that do not depend on a board's epoch."""

from support import raises, vectors

from cwmp.core.cwmp_parse import local_name, parse
from cwmp.core.cwmp_types import UNKNOWN_TIME, to_native, to_text, unix_to_iso
from cwmp.core.date_time import iso_to_unix


def test_cwmp_15_canonical_forms():
    for xsd_type, text, canonical in (
        ("string", " a b ", " a b "),
        ("xsd:string", "", ""),
        ("boolean", "true", "1"),
        ("boolean", " 0\n", "0"),
        ("boolean", "false", "0"),
        ("int", "-2147483648", "-2147483648"),
        ("int", "+007", "7"),
        ("int", "-0", "0"),
        ("unsignedInt", "4294967295", "4294967295"),
        ("long", "-9223372036854775808", "-9223372036854775808"),
        ("unsignedLong", "18446744073709551615", "18446744073709551615"),
        ("dateTime", "2026-11-22T13:45:10Z", "2026-11-22T13:45:10Z"),
        ("dateTime", "2026-11-22T13:45:10.000Z", "2026-11-22T13:45:10Z"),
        ("dateTime", "2026-11-22T13:45:10.123456+02:30", "2026-11-22T11:15:10Z"),
        ("dateTime", "2026-12-31T23:59:59-00:01", "2027-01-01T00:00:59Z"),
        ("dateTime", "2026-11-22T13:45:10", "2026-11-22T13:45:10Z"),
        ("dateTime", UNKNOWN_TIME, UNKNOWN_TIME),
        ("dateTime", "0001-01-01T00:00:00", UNKNOWN_TIME),
        ("dateTime", "0001-01-03T04:05:06.7Z", "0001-01-03T04:05:06Z"),
        ("hexBinary", "0aFf", "0AFF"),
        ("hexBinary", "", ""),
        ("base64", "QU\nJD", "QUJD"),
        ("base64", "QUI=", "QUI="),
        ("base64", "QQ==", "QQ=="),
        ("base64", "", ""),
    ):
        assert parse(xsd_type, text) == canonical, (xsd_type, text)
        assert parse(xsd_type, canonical) == canonical


def test_cwmp_15_refused():
    for xsd_type, text in (
        ("boolean", ""),
        ("boolean", "TRUE"),
        ("boolean", "2"),
        ("int", "2147483648"),
        ("int", "-2147483649"),
        ("int", "1_000"),
        ("int", "1.0"),
        ("int", "0x10"),
        ("int", "1 2"),
        ("int", "\u0663"),
        ("int", "-"),
        ("unsignedInt", "-1"),
        ("unsignedInt", "4294967296"),
        ("unsignedInt", ""),
        ("unsignedLong", "18446744073709551616"),
        ("unsignedLong", "1" * 5000),
        ("dateTime", ""),
        ("dateTime", "2026-11-22"),
        ("dateTime", "2026-11-22 13:45:10Z"),
        ("dateTime", "2026-13-01T00:00:00Z"),
        ("dateTime", "2025-02-29T00:00:00Z"),
        ("dateTime", "2100-02-29T00:00:00Z"),
        ("dateTime", "2026-11-31T00:00:00Z"),
        ("dateTime", "2026-11-00T00:00:00Z"),
        ("dateTime", "0000-01-01T00:00:00Z"),
        ("dateTime", "2026-11-22T24:00:00Z"),
        ("dateTime", "2026-11-22T13:60:00Z"),
        ("dateTime", "2026-11-22T13:00:60Z"),
        ("dateTime", "2026-11-22T13:00:00.Z"),
        ("dateTime", "2026-11-22T13:00:00.5X"),
        ("dateTime", "2026-11-22T13:00:00+15:00"),
        ("dateTime", "9999-12-31T23:59:59-00:01"),
        ("dateTime", "2026-11-22T13:00:00+1:00"),
        ("dateTime", "2026-11-22T-1:00:00Z"),
        ("dateTime", "2026-11-22T13:00:00." + "0" * 40),
        ("hexBinary", "abc"),
        ("hexBinary", "0g"),
        ("base64", "QUJ"),
        ("base64", "QU=D"),
        ("base64", "Q==="),
        ("base64", "===="),
        ("base64", "QU*D"),
        ("anyURI", "http://a/"),
    ):
        raises(ValueError, parse, xsd_type, text)


def test_cwmp_15_native_values():
    assert to_native("boolean", "1") is True and to_native("boolean", "0") is False
    assert to_native("int", "-1") == -1 and to_native("string", "1") == "1"
    assert to_text("boolean", True) == "1" and to_text("boolean", False) == "0"
    assert to_text("unsignedInt", 3600) == "3600" and to_text("string", "x") == "x"
    assert local_name("xsd:int") == "int" and local_name("int") == "int"


def test_cwmp_15_unknown_time():
    assert UNKNOWN_TIME == vectors("timing")["unknown_time"]
    assert unix_to_iso(None) == UNKNOWN_TIME
    assert iso_to_unix(UNKNOWN_TIME) is None
    assert iso_to_unix("0999-12-31T23:59:59Z") is None
    assert iso_to_unix("1000-01-01T00:00:00Z") == -30610224000


def test_b19_times_count_from_1970_on_every_board():
    for unix, text in (
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (946684800, "2000-01-01T00:00:00Z"),  # the epoch of an ESP32
        (951782400, "2000-02-29T00:00:00Z"),
        (1709251199, "2024-02-29T23:59:59Z"),
        (4107542400, "2100-03-01T00:00:00Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
    ):
        assert unix_to_iso(unix) == text
        assert iso_to_unix(text) == unix
