"""``docs/conformance.md``, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.mobility.conformance import lma, mag, page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "conformance.md"
REQUESTS = [case for cases in lma.cases().values() for case in cases]
ACKNOWLEDGEMENTS = [case for cases in mag.cases().values() for case in cases]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.title)
def test_an_lma_answers_as_prescribed(case: lma.Request) -> None:
    assert case.got() == case.expected()


@pytest.mark.parametrize("case", ACKNOWLEDGEMENTS, ids=lambda case: case.title)
def test_a_mag_does_as_prescribed(case: mag.Acknowledgement) -> None:
    assert case.got() == case.expected()


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(), "run python -m tests.unit.mobility.conformance > docs/conformance.md"
