"""The Device:2 parameters this agent has, as data (section 5, DM-01, DM-02): the one place to add
or change one.

Only what is implemented is declared.
"""

INFORM_TABLE = "Device.ManagementServer.InformParameter."

# One text for each object: its path, then a line `name flags type default` for each parameter. A
# text takes a third of the memory of tuples. Parents stand before children.
#
# A table says `path.{i}. rows` once for all its rows. `rows` is the most that the ACS may create,
# kept on flash (CWMP-55), or `@` and the name of a getter, which gives their number, or a list of
# instance numbers.
#
# Flags, - for none:
#   W  writable by the ACS, and kept on flash
#   K  on flash though the ACS cannot write it
#   H  hidden: reads back as "" over CWMP (CWMP-54)
#   F  forceEnabled: active notification, for ever (CWMP-61)
#   A  forceDefaultEnabled: active unless the ACS says otherwise
#   D  canDeny that is used: active notification is refused. Not used for ParameterKey, ModelName
#      and Description: they are granted, they change with the ACS or never
#   I  forced inform: in every Inform (CWMP-31)
#   U  http or https URL
#   N  complete name of a parameter, or a pattern     E  list of events: both of InformParameter
#   L  later: a write is committed at once and used by the next session (CWMP-23)
# Type: a letter of `cwmp_types.TYPES`, then the longest text, `one|of|these`, or `lowest:highest`;
# without, what the type holds.
# Default:
#   =text        kept where it is written
#   section.key  the same, of the settings
#   @name        of a getter; with W of a setter, too; with K what was written is kept, and set
#                again at each boot
#   ~text        what is written is forgotten at a boot
#   #table       how many rows that has
DEVICE2 = (
    """Device.
RootDataModelVersion I s32 =2.15
""",
    """Device.DeviceInfo.
Manufacturer - s64 device.manufacturer
ManufacturerOUI - s6 device.oui
ModelName - s64 device.model_name
Description - s256 device.description
ProductClass - s64 device.product_class
SerialNumber - s64 device.serial_number
HardwareVersion I s64 device.hardware_version
SoftwareVersion IF s64 @software_version
ProvisioningCode WIF s64 device.provisioning_code
UpTime D u @up_time
""",
    """Device.ManagementServer.
EnableCWMP W b =1
URL WUL s256 acs.url
Username W s256 acs.username
Password WH s256 acs.password
PeriodicInformEnable W b inform.periodic_enable
PeriodicInformInterval W u1:4294967295 inform.periodic_interval_s
PeriodicInformTime W t inform.periodic_time
ParameterKey KI s32 =
ConnectionRequestURL IA s256 @connection_request_url
ConnectionRequestUsername W s256 connection_request.username
ConnectionRequestPassword WH s256 connection_request.password
UpgradesManaged W b =1
DefaultActiveNotificationThrottle W u =0
CWMPRetryMinimumWaitInterval W u1:65535 =5
CWMPRetryIntervalMultiplier W u1000:65535 =2000
HTTPConnectionRequestEnable W b connection_request.http_enable
SupportedConnReqMethods - s =HTTP,STUN
UDPConnectionRequestAddress - s256 @udp_connection_request_address
STUNEnable W b stun.enable
STUNServerAddress W s256 stun.server
STUNServerPort W u0:65535 stun.port
STUNUsername W s256 stun.username
STUNPassword WH s256 stun.password
STUNMaximumKeepAlivePeriod W i-1:2147483647 stun.maximum_keepalive_s
STUNMinimumKeepAlivePeriod W u stun.minimum_keepalive_s
NATDetected - b @nat_detected
AliasBasedAddressing I b =0
InformParameterNumberOfEntries - u #Device.ManagementServer.InformParameter.
""",
    """Device.ManagementServer.InformParameter.{i}. 8
Enable W b =0
ParameterName WN s256 =
EventList WE s512 =
""",
)
