"""Wording of the RMS's documents for printing."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def local_time(value: float) -> str:
    """Seconds since 1970 as the local time of day, to the millisecond."""
    return datetime.fromtimestamp(value, timezone.utc).astimezone().strftime("%H:%M:%S.%f")[:-3]


def local_date(value: float) -> str:
    """Seconds since 1970 as the local date and time, to the second."""
    return datetime.fromtimestamp(value, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def reason_lines(document: Any) -> list[str]:
    """The reasons in a health document, a line each."""
    return [f"{reason['text']} (since {local_time(reason['since'])})" for reason in document["reasons"]]
