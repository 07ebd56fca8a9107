"""Parts of the data model that only some boards have (DM-03), over a board made of values."""

from cwmp_device import Device
from device import Model

from cwmp.core.device2 import DEVICE2
from cwmp.runtime import part_wifi


class Link:
    """A station, as `port.wlan` gives it."""

    def __init__(self, address):
        self._address = address

    def address(self):
        return self._address

    def mac(self):
        return "02:00:00:00:00:01"

    def signal(self):
        return -61 if self._address else 0


class Agent:
    def __init__(self, address):
        self.site = {"network": {"ssid": "barn"}}
        self.port = self
        self.link = Link(address)


def values(address):
    agent = Agent(address)
    device = Device()
    model = Model(
        DEVICE2 + part_wifi.texts(agent),
        device.model.settings,
        device.model.getters,
        others=lambda key: part_wifi.value(agent, key.partition("wifi.")[2]),
    )
    return {name[12:]: model.get(name)[0] for name in model.expand("Device.WiFi.")}


def test_dm_03_wifi_of_a_station_that_is_connected():
    found = values("192.0.2.7")
    assert found["SSID.1.SSID"] == "barn" and found["SSID.1.Status"] == "Up"
    assert found["SSID.1.MACAddress"] == "02:00:00:00:00:01"
    assert found["EndPoint.1.Stats.SignalStrength"] == "-61"
    assert found["EndPoint.1.Status"] == "Enabled"


def test_dm_03_wifi_of_a_station_that_is_not():
    found = values("")
    assert found["SSID.1.Status"] == "Down" and found["EndPoint.1.Stats.SignalStrength"] == "0"
