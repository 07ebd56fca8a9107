"""Real servers and a real NAT for the interop tests; each fixture skips with its reason."""

from collections.abc import Iterator

import pytest

from host_tools.lab import netns
from tests.interop import servers
from tests.targets import bench, firmware_image, make_cpe

__all__ = ["bench", "firmware_image", "make_cpe"]


@pytest.fixture(scope="session")
def stund_server() -> Iterator[servers.RunningServer]:
    with servers.stund() as server:
        yield server


@pytest.fixture(scope="session")
def coturn_server() -> Iterator[servers.RunningServer]:
    """coturn that answers classic requests too."""
    with servers.coturn() as server:
        yield server


@pytest.fixture(scope="session")
def modern_coturn_server() -> Iterator[servers.RunningServer]:
    """coturn without backward compatibility, as it comes from 2026 on."""
    with servers.coturn("--no-stun-backward-compatibility") as server:
        yield server


@pytest.fixture(scope="session")
def kernel_nat_allowed() -> None:
    """Skips unless this user may build network namespaces with a NAT."""
    reason = netns.unavailable()
    if reason is not None:
        pytest.skip(reason)
