"""The site configuration: one table that declares every setting, used by the board and by the host
tools alike.

What the table calls acs, connection_request, stun and inform are the factory defaults of
data-model parameters: what the ACS writes later overrides them and is kept, a factory reset
returns to them. This file imports nothing.
"""

# (section, key, kind, default, limit, secret, help). Kinds and what `limit` says:
#   "str"  the longest text          "int"  (lowest, highest)      "bool" nothing
#   "one"  the texts allowed         "url" "oui" "time" "ipv4"  fixed forms, "" where the default
# is ""
_U32 = 4294967295
SETTINGS = (
    ("device", "manufacturer", "str", "esp-cwmp", 64, False, "DeviceId.Manufacturer"),
    (
        "device",
        "oui",
        "oui",
        "020000",
        None,
        False,
        "OUI of the manufacturer (default: locally administered)",
    ),
    ("device", "product_class", "str", "esp-cwmp", 64, False, "DeviceId.ProductClass"),
    ("device", "serial_number", "str", "", 64, False, "empty: the board's unique id"),
    ("device", "model_name", "str", "esp-cwmp", 64, False, "DeviceInfo.ModelName"),
    (
        "device",
        "root",
        "one",
        "Device",
        ("Device", "InternetGatewayDevice"),
        False,
        "root of the data model; the other one for an old ACS",
    ),
    ("device", "hardware_version", "str", "1", 64, False, "DeviceInfo.HardwareVersion"),
    ("device", "description", "str", "", 256, False, "DeviceInfo.Description"),
    ("device", "provisioning_code", "str", "", 64, False, "DeviceInfo.ProvisioningCode"),
    ("acs", "url", "url", "", 256, False, "http or https; empty: no ACS, no session"),
    ("acs", "username", "str", "", 256, False, "the CPE's name towards the ACS"),
    ("acs", "password", "str", "", 256, True, "its password"),
    ("acs", "ca", "str", "", 256, False, "file of the CA (PEM or DER) that https is checked with"),
    ("acs", "tls_verify", "bool", True, None, False, "false: anybody can pose as the ACS"),
    (
        "acs",
        "bundle_key",
        "str",
        "",
        256,
        False,
        "RSA public key (PEM) that bundles are signed with",
    ),
    ("acs", "allow_basic", "bool", False, None, False, "answer a Basic challenge without TLS"),
    (
        "acs",
        "timeout_s",
        "int",
        30,
        (1, 600),
        False,
        "wait for an answer; TR-069 asks for 30 or more",
    ),
    ("connection_request", "username", "str", "", 256, False, "empty: every request is refused"),
    ("connection_request", "password", "str", "", 256, True, "empty: every request is refused"),
    ("connection_request", "port", "int", 7547, (1, 65535), False, "UDP and TCP port"),
    (
        "connection_request",
        "http_enable",
        "bool",
        True,
        None,
        False,
        "HTTPConnectionRequestEnable: rings by TCP",
    ),
    (
        "connection_request",
        "http_host",
        "str",
        "",
        128,
        False,
        "in ConnectionRequestURL; empty: the local address",
    ),
    ("connection_request", "lenient", "bool", True, None, False, "take what real ACSs send"),
    (
        "connection_request",
        "limit_count",
        "int",
        5,
        (1, 1000),
        False,
        "accepted requests per period",
    ),
    ("connection_request", "limit_period_s", "int", 60, (1, 86400), False, "that period"),
    (
        "connection_request",
        "cpu_share_percent",
        "int",
        50,
        (1, 100),
        False,
        "for checking signatures",
    ),
    ("stun", "enable", "bool", False, None, False, "STUNEnable"),
    ("stun", "server", "str", "", 256, False, "empty: the host of the ACS URL"),
    ("stun", "port", "int", 3478, (0, 65535), False, "STUNServerPort"),
    ("stun", "username", "str", "", 256, False, "STUNUsername"),
    ("stun", "password", "str", "", 256, True, "STUNPassword"),
    ("stun", "minimum_keepalive_s", "int", 30, (0, _U32), False, "STUNMinimumKeepAlivePeriod"),
    ("stun", "maximum_keepalive_s", "int", -1, (-1, 2147483647), False, "-1: no maximum"),
    (
        "stun",
        "transaction_id",
        "one",
        "cookie",
        ("cookie", "classic"),
        False,
        "first 4 bytes of the id",
    ),
    ("stun", "send_username", "bool", True, None, False, "USERNAME in every keepalive"),
    ("inform", "periodic_enable", "bool", True, None, False, "PeriodicInformEnable"),
    ("inform", "periodic_interval_s", "int", 3600, (1, _U32), False, "PeriodicInformInterval"),
    (
        "inform",
        "periodic_time",
        "time",
        "0001-01-01T00:00:00Z",
        None,
        False,
        "phase; year below 1000: any",
    ),
    ("time", "ntp_server", "str", "", 256, False, "host or host:port; empty: none is asked"),
    ("app", "folder", "str", "", 256, False, "folder of an application: see docs/data-model.md"),
    ("network", "local_ip", "ipv4", "", None, False, "empty: find out"),
    ("log", "level", "one", "I", ("D", "I", "W", "E"), False, "least important line printed"),
    (
        "limits",
        "body_bytes",
        "int",
        32768,
        (1024, 1048576),
        False,
        "longest HTTP body from the ACS",
    ),
    ("limits", "session_guard_s", "int", 60, (5, 3600), False, "a session without progress fails"),
    (
        "limits",
        "freshness_write_s",
        "int",
        10,
        (0, 3600),
        False,
        "least time between two flash writes",
    ),
    (
        "limits",
        "memory",
        "one",
        "auto",
        ("auto", "keep", "save"),
        False,
        "save: load what sessions need when they come; auto: on small boards",
    ),
    ("limits", "datagram_bytes", "int", 1472, (512, 1472), False, "longest datagram looked at"),
)

# More rows, by the network driver of the board.
NETWORKS = {
    "host": (),
    "wlan": (
        ("network", "ssid", "str", "", 32, False, "Wi-Fi to join"),
        ("network", "password", "str", "", 64, True, "its password"),
        ("network", "power_save", "bool", False, None, False, "true: rings may come much later"),
    ),
    "lan": (),
    "ppp": (
        ("network", "ppp_username", "str", "", 64, False, "PAP; empty: none is asked for"),
        ("network", "ppp_password", "str", "", 64, True, "its password"),
    ),
}


class SettingsError(ValueError):
    """The text names section.key, what was given and what is allowed."""


def load(data, extra=()):
    """Return {section: {key: value}} with defaults filled in, for the parsed JSON `data`.

    `extra` adds rows in the form of SETTINGS: what a board's network driver wants to be told.
    """
    if not isinstance(data, dict):
        raise SettingsError("settings: want sections with keys in them")
    rows = SETTINGS + tuple(extra)
    result = {}
    for section, key, kind, default, limit, secret, _ in rows:
        values = result.setdefault(section, {})
        given = data.get(section, {})
        if not isinstance(given, dict):
            raise SettingsError("{}: want keys in it, got {}".format(section, _show(given)))
        if key in given:
            value = given[key]
            wrong = _check(kind, limit, default, value)
            if wrong:
                shown = "a value that is secret" if secret else _show(value)
                raise SettingsError("{}.{}: want {}, got {}".format(section, key, wrong, shown))
            values[key] = value
        else:
            values[key] = default
    for section in data:
        known = result.get(section)
        if known is None:
            raise SettingsError("{}: unknown section, known are {}".format(section, _list(result)))
        for key in data[section]:
            if key not in known:
                raise SettingsError(
                    "{}.{}: unknown key, known are {}".format(section, key, _list(known))
                )
    return result


def _show(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _list(names):
    return ", ".join(sorted(names))


def _check(kind, limit, default, value):
    # Returns None when `value` will do, else what is wanted.
    if kind == "bool":
        return None if isinstance(value, bool) else "true or false"
    if kind == "int":
        good = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and limit[0] <= value <= limit[1]
        )
        return None if good else "a whole number from {} to {}".format(limit[0], limit[1])
    if kind == "one":
        good = isinstance(value, str) and value in limit
        return None if good else "one of " + _list(limit)
    if not isinstance(value, str):
        return "a text"
    # By bytes: a character that is taken out of a text becomes a name for ever.
    for byte in value.encode():
        if byte < 32 or byte == 127:
            return "a text without control characters"
    if kind != "str" and value == "" and default == "":
        return None
    if kind == "oui":
        good = len(value) == 6 and _only(value, b"0123456789ABCDEF")
        return None if good else "6 upper-case hex digits"
    if kind == "time":
        return None if _is_time(value) else "a time as 2026-01-31T13:45:00Z"
    if kind == "ipv4":
        return None if _is_ipv4(value) else "an IPv4 address"
    if kind == "url":
        host = value[value.find("//") + 2 :].split("/")[0]
        good = value.startswith("http://") or value.startswith("https://")
        if not good or not host or " " in value:
            return "an http or https URL"
    return None if len(value) <= limit else "at most {} characters".format(limit)


def _only(text, allowed):
    for byte in text.encode():
        if byte not in allowed:
            return False
    return text != ""


def _is_ipv4(text):
    parts = text.split(".")
    if len(parts) != 4:
        return False
    for part in parts:
        if len(part) > 3 or not _only(part, b"0123456789") or int(part) > 255:
            return False
    return True


def _is_time(text):
    # The one form that needs no reading: the data model parses the others, which an ACS may send.
    shape = bytes([48 if 48 <= byte <= 57 else byte for byte in text.encode()])
    if shape != b"0000-00-00T00:00:00Z":
        return False
    month, day = int(text[5:7]), int(text[8:10])
    clock = int(text[11:13]) < 24 and int(text[14:16]) < 60 and int(text[17:19]) < 60
    return clock and 1 <= month <= 12 and 1 <= day <= _days(int(text[:4]), month)


def _days(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
