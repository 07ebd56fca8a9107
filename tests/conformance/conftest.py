"""Conformance tests talk to a CPE: see tests/targets.py."""

import pytest

from host_tools.lab.certificates import Certificates
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
