"""Fuzz target: capture files, and the dissection of what is in them. The input is a file."""

from __future__ import annotations

from io import BytesIO

from ryu_pmipls.cli.capture import CaptureError, captured
from tests.fuzz.dissection import check


def execute(data: bytes) -> None:
    """Read it to the end, and take apart each Mobility Header found."""
    try:
        for found in captured(BytesIO(data), udp_port=5436):
            check(found.data)
    except CaptureError as error:
        assert str(error)
