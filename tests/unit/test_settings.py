"""The site configuration: defaults, and errors that say what to write instead."""

from support import raises

from cwmp.core.settings import SETTINGS, SettingsError, load


def refused(section, key, value):
    return str(raises(SettingsError, load, {section: {key: value}}))


def test_settings_defaults_are_complete_and_valid():
    settings = load({})
    for section, key, _, default, _, _, text in SETTINGS:
        assert settings[section][key] == default
        assert load({section: {key: default}}) == settings
        assert text
    assert settings["connection_request"]["port"] == 7547
    assert settings["stun"]["maximum_keepalive_s"] == -1


def test_settings_given_values_replace_defaults():
    given = {"acs": {"url": "https://acs.example:7547/x"}, "stun": {"enable": True, "port": 0}}
    settings = load(given)
    assert settings["acs"]["url"] == "https://acs.example:7547/x"
    assert settings["acs"]["timeout_s"] == 30
    assert settings["stun"]["enable"] is True and settings["stun"]["port"] == 0
    settings["acs"]["url"] = ""
    assert given["acs"]["url"], "the caller's dict is not the result"


def test_settings_error_names_key_value_and_what_is_allowed():
    text = refused("stun", "port", 65536)
    assert text == "stun.port: want a whole number from 0 to 65535, got 65536"
    text = refused("stun", "transaction_id", "rfc5389")
    assert text == "stun.transaction_id: want one of classic, cookie, got 'rfc5389'"
    text = refused("acs", "url", "ftp://acs.example/")
    assert text == "acs.url: want an http or https URL, got 'ftp://acs.example/'"


def test_settings_unknown_section_and_key():
    text = str(raises(SettingsError, load, {"stunn": {}}))
    assert text.startswith(
        "stunn: unknown section, known are acs, app, connection_request, device,"
    )
    text = refused("log", "levle", "I")
    assert text == "log.levle: unknown key, known are level"
    text = refused("acs", "Url", "http://a/")
    assert text.startswith("acs.Url: unknown key") and "timeout_s" in text


def test_settings_wrong_types():
    for section, key, value in (
        ("acs", "timeout_s", "30"),
        ("acs", "timeout_s", True),
        ("acs", "timeout_s", 30.0),
        ("acs", "timeout_s", None),
        ("acs", "allow_basic", 1),
        ("acs", "username", 5),
        ("log", "level", ["I"]),
        ("acs", "username", "a\nb"),
        ("acs", "username", "x" * 257),
        ("device", "oui", "02000g"),
        ("device", "oui", "aabbcc"),
        ("device", "oui", ""),
        ("network", "local_ip", "10.0.0.256"),
        ("network", "local_ip", "10.0.0"),
        ("acs", "url", "http:///x"),
        ("acs", "url", "http://a b/"),
        ("inform", "periodic_time", "2026-02-30T00:00:00Z"),
        ("inform", "periodic_time", "2026-02-03"),
        ("inform", "periodic_interval_s", 0),
        ("stun", "maximum_keepalive_s", -2),
    ):
        assert refused(section, key, value).startswith(section + "." + key + ": want "), (
            key,
            value,
        )
    assert str(raises(SettingsError, load, [])).startswith("settings: ")
    assert str(raises(SettingsError, load, {"acs": "http://a/"})).startswith("acs: want keys")


def test_b13_settings_secret_is_never_in_an_error():
    text = refused("acs", "password", "hunter2\n")
    assert "hunter2" not in text and "secret" in text
    secrets = [(row[0], row[1]) for row in SETTINGS if row[5]]
    assert secrets == [
        ("acs", "password"),
        ("connection_request", "password"),
        ("stun", "password"),
    ]


def test_settings_a_board_adds_rows_of_its_own():
    extra = (("network", "ssid", "str", "", 32, False, "Wi-Fi name"),)
    settings = load({"network": {"ssid": "lab"}}, extra)
    assert settings["network"] == {"local_ip": "", "ssid": "lab"}
    assert load({"network": {"local_ip": "10.0.0.2"}}, extra)["network"]["ssid"] == ""
    raises(SettingsError, load, {"network": {"ssid": "lab"}})
