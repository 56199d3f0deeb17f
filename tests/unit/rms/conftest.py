"""The RMS's application wired up as in production, over fakes, in virtual time: no root, no Open vSwitch."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ryu_pmipls.domain.profile import LAB_PROFILE, PROFILE_VARIABLE

# The application reads a profile when it is imported; each test gives it that of its own domain.
os.environ.setdefault(PROFILE_VARIABLE, LAB_PROFILE)

from tests.fakes.rms_domain import RmsDomain, profile_with, running


@pytest.fixture
def domain() -> Iterator[RmsDomain]:
    """The default domain at a quick pace; everything runs, and all switches are in line."""
    with running(profile_with()) as made:
        yield made
