"""The limit of open descriptors."""

from __future__ import annotations

import resource

import pytest

from ryu_pmipls import descriptors


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ((1024, 4096), (4096, 4096), False),
        ((1024, resource.RLIM_INFINITY), (65536, resource.RLIM_INFINITY), False),
        ((1024, 1_000_000), (65536, 1_000_000), False),
        ((100, 200), (200, 200), True),
        ((200_000, 200_000), None, False),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, False),
    ],
)
def test_it_is_raised_as_far_as_is_of_use(
    before: tuple[int, int],
    after: tuple[int, int] | None,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: made.append(limits))
    descriptors.provide(1000)
    assert made == ([] if after is None else [after])
    assert bool(caplog.records) is warned
