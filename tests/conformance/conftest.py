"""Conformance tests talk to a CPE: see tests/targets.py."""

from tests.targets import (
    cpe,
    embedded_services,
    firmware_image,
    make_cpe,
    port,
    site,
)

__all__ = ["cpe", "embedded_services", "firmware_image", "make_cpe", "port", "site"]
