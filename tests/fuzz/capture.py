"""Fuzz target: capture files, and the dissection of what is in them. The input is a file."""

from __future__ import annotations

from collections import Counter
from io import BytesIO

from ryu_pmipls.cli.capture import captured
from ryu_pmipls.cli.capture_file import CaptureError
from tests.fuzz.dissection import check


def execute(data: bytes) -> None:
    """Read it to the end, and take apart each Mobility Header found."""
    try:
        for found in captured(BytesIO(data), udp_port=5436, unread=Counter()):
            check(found.data)
    except CaptureError as error:
        assert str(error)
