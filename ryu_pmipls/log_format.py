"""The format of all logs: local time with milliseconds, level, text."""

from __future__ import annotations

import logging

_FORMATTER = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
_FORMATTER.default_msec_format = "%s.%03d"


def start_log() -> None:
    """Log to standard error, from INFO on: for a process that has no log yet."""
    handler = logging.StreamHandler()
    handler.setFormatter(_FORMATTER)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def format_log() -> None:
    """Give the format to the log that another program has started, where that has chosen none."""
    for handler in logging.getLogger().handlers:
        if handler.formatter is None:
            handler.setFormatter(_FORMATTER)
