"""Tests over the serial port of any target: with the fixtures of tests/conformance."""

from tests.conformance.conftest import *  # noqa: F403
