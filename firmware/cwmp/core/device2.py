"""The Device:2 parameters this agent has, as data (section 5, DM-01, DM-02): the one place to add
or change one.

Only what is implemented is declared. SupportedConnReqMethods must list HTTP where it is present,
and there is no listener for it: the parameter is optional and left out, as is
HTTPConnectionRequestEnable.
"""

from micropython import const

WRITABLE = const(1)  # by the ACS, and kept on flash
KEPT = const(2)  # on flash though the ACS cannot write it
HIDDEN = const(4)  # reads back as "" over CWMP (CWMP-54)
DYNAMIC = const(8)  # `default` is the name of a getter
FORCE = const(16)  # forceEnabled: active notification, for ever (CWMP-61)
FORCE_DEFAULT = const(32)  # forceDefaultEnabled: active unless the ACS says otherwise
DENY = const(64)  # canDeny that is used: active notification is refused
INFORM = const(128)  # forced inform: in every Inform (CWMP-31)
URL = const(256)  # http or https
LATER = const(512)  # a write is committed at once and used by the next session (CWMP-23)

# (object path, its parameters); a parameter is (name, type, limit, default, flags). `limit` is the
# longest text or (lowest, highest), None = what the type holds. `default` is a text, a (section,
# key) of the settings or a getter. Parents stand before children; no object can be created or
# deleted (CWMP-55). canDeny of ParameterKey, ModelName and Description is not used: they are
# granted, they change with the ACS or never.
DEVICE2 = (
    (
        "Device.",
        (("RootDataModelVersion", "string", 32, "2.15", INFORM),),
    ),
    (
        "Device.DeviceInfo.",
        (
            ("Manufacturer", "string", 64, ("device", "manufacturer"), 0),
            ("ManufacturerOUI", "string", 6, ("device", "oui"), 0),
            ("ModelName", "string", 64, ("device", "model_name"), 0),
            ("Description", "string", 256, ("device", "description"), 0),
            ("ProductClass", "string", 64, ("device", "product_class"), 0),
            ("SerialNumber", "string", 64, ("device", "serial_number"), 0),
            ("HardwareVersion", "string", 64, ("device", "hardware_version"), INFORM),
            ("SoftwareVersion", "string", 64, "software_version", DYNAMIC | INFORM | FORCE),
            (
                "ProvisioningCode",
                "string",
                64,
                ("device", "provisioning_code"),
                WRITABLE | INFORM | FORCE,
            ),
            ("UpTime", "unsignedInt", None, "up_time", DYNAMIC | DENY),
        ),
    ),
    (
        "Device.ManagementServer.",
        (
            ("EnableCWMP", "boolean", None, "1", WRITABLE),
            ("URL", "string", 256, ("acs", "url"), WRITABLE | URL | LATER),
            ("Username", "string", 256, ("acs", "username"), WRITABLE),
            ("Password", "string", 256, ("acs", "password"), WRITABLE | HIDDEN),
            ("PeriodicInformEnable", "boolean", None, ("inform", "periodic_enable"), WRITABLE),
            (
                "PeriodicInformInterval",
                "unsignedInt",
                (1, 4294967295),
                ("inform", "periodic_interval_s"),
                WRITABLE,
            ),
            ("PeriodicInformTime", "dateTime", None, ("inform", "periodic_time"), WRITABLE),
            ("ParameterKey", "string", 32, "", KEPT | INFORM),
            (
                "ConnectionRequestURL",
                "string",
                256,
                "connection_request_url",
                DYNAMIC | INFORM | FORCE_DEFAULT,
            ),
            (
                "ConnectionRequestUsername",
                "string",
                256,
                ("connection_request", "username"),
                WRITABLE,
            ),
            (
                "ConnectionRequestPassword",
                "string",
                256,
                ("connection_request", "password"),
                WRITABLE | HIDDEN,
            ),
            ("UpgradesManaged", "boolean", None, "1", WRITABLE),
            ("DefaultActiveNotificationThrottle", "unsignedInt", None, "0", WRITABLE),
            ("CWMPRetryMinimumWaitInterval", "unsignedInt", (1, 65535), "5", WRITABLE),
            ("CWMPRetryIntervalMultiplier", "unsignedInt", (1000, 65535), "2000", WRITABLE),
            (
                "UDPConnectionRequestAddress",
                "string",
                256,
                "udp_connection_request_address",
                DYNAMIC,
            ),
            ("STUNEnable", "boolean", None, ("stun", "enable"), WRITABLE),
            ("STUNServerAddress", "string", 256, ("stun", "server"), WRITABLE),
            ("STUNServerPort", "unsignedInt", (0, 65535), ("stun", "port"), WRITABLE),
            ("STUNUsername", "string", 256, ("stun", "username"), WRITABLE),
            ("STUNPassword", "string", 256, ("stun", "password"), WRITABLE | HIDDEN),
            (
                "STUNMaximumKeepAlivePeriod",
                "int",
                (-1, 2147483647),
                ("stun", "maximum_keepalive_s"),
                WRITABLE,
            ),
            (
                "STUNMinimumKeepAlivePeriod",
                "unsignedInt",
                None,
                ("stun", "minimum_keepalive_s"),
                WRITABLE,
            ),
            ("NATDetected", "boolean", None, "nat_detected", DYNAMIC),
            ("AliasBasedAddressing", "boolean", None, "0", INFORM),
        ),
    ),
)
