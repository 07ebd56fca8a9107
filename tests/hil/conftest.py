"""Tests over the serial port of any target: see tests/targets.py."""

from tests.conformance.rig import make_rig, rig
from tests.targets import (
    _fixture_classes_and_options,
    bench,
    cpe,
    embedded_services,
    firmware_image,
    make_cpe,
    port,
    site,
)

__all__ = [
    "_fixture_classes_and_options",
    "bench",
    "cpe",
    "embedded_services",
    "firmware_image",
    "make_cpe",
    "make_rig",
    "port",
    "rig",
    "site",
]
