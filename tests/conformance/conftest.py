"""Conformance tests talk to a CPE: see tests/targets.py."""

from tests.conformance.rig import make_rig, rig
from tests.targets import (
    cpe,
    embedded_services,
    firmware_image,
    make_cpe,
    port,
    site,
)

__all__ = [
    "cpe",
    "embedded_services",
    "firmware_image",
    "make_cpe",
    "make_rig",
    "port",
    "rig",
    "site",
]
