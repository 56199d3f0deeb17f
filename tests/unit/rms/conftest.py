"""The RMS's application wired up as in production, over fakes, in virtual time: no root, no Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.rms_domain import RmsDomain, profile_with, running


@pytest.fixture
def domain() -> Iterator[RmsDomain]:
    """The default domain at a quick pace; everything runs, and all switches are in line."""
    with running(profile_with()) as made:
        yield made
