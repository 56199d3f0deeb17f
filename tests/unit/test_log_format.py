from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ryu_pmipls.log_format import format_log, start_log

LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WARNING lma1: disconnected\n"


@contextmanager
def own_root() -> Iterator[logging.Logger]:
    """The root logger, for a while without the handlers of pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_a_log_has_time_level_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    with own_root() as root:
        start_log()
        root.warning("lma1: disconnected")
        root.debug("an access")
    assert re.fullmatch(LINE, capsys.readouterr().err)


def test_a_log_that_another_program_has_started_gets_the_format() -> None:
    stream = io.StringIO()
    with own_root() as root:
        root.addHandler(logging.StreamHandler(stream))
        format_log()
        root.warning("lma1: disconnected")
    assert re.fullmatch(LINE, stream.getvalue())


def test_a_format_that_the_operator_has_chosen_stays() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    with own_root() as root:
        root.addHandler(handler)
        format_log()
        root.warning("lma1: disconnected")
    assert stream.getvalue() == "[WARNING] lma1: disconnected\n"
