"""What is left of a lab of tests that comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ryu_pmipls.lab.lab import Lab
from tests.labs import lab_of, take_left


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Lab]:
    """The labs that have gone down; one that is up has nothing but an RMS that has said something."""
    gone: list[Lab] = []

    def up(lab: Lab, agents: bool) -> None:
        lab.directory = tmp_path
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "rms.log").write_text("the sky is falling\n")

    monkeypatch.setattr(Lab, "up", up)
    monkeypatch.setattr(Lab, "down", lambda lab: gone.append(lab))
    return gone


def test_it_goes_down_and_its_last_words_are_left_once(
    derive_profile: Callable[..., Path], ended: list[Lab], tmp_path: Path
) -> None:
    with pytest.raises(TimeoutError), lab_of(derive_profile("pul", 10)) as made:
        raise TimeoutError("4 tunnels")
    assert ended == [made]
    assert take_left() == [(f"end of {tmp_path}/log/rms.log", "    the sky is falling")]
    assert take_left() == []


def test_one_that_is_used_to_the_end_leaves_nothing(derive_profile: Callable[..., Path], ended: list[Lab]) -> None:
    with lab_of(derive_profile("pul", 10)) as made:
        pass
    assert ended == [made]
    assert take_left() == []
