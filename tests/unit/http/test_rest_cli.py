from __future__ import annotations

import click
import pytest

from ryu_pmipls.cli.commands.explanation import chosen

DECISIONS = [
    {"id": "1796070241814-mag1", "mag": "mag1"},
    {"id": "1796070241814-mag2", "mag": "mag2"},
    {"id": "1796070251814-mag1", "mag": "mag1"},
    {"id": "1796070251814-mag11", "mag": "mag11"},
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("1796070241814-mag1", 0),
        ("1796070251814-mag1", 2),  # though another id begins with it
        ("1796070251814-mag11", 3),
        ("1796070241814-mag2", 1),
        ("mag2", 1),
        ("last", 3),
    ],
)
def test_a_decision_is_chosen_by_id_by_the_only_one_of_a_mag_or_as_the_last(wanted: str, number: int) -> None:
    assert chosen(DECISIONS, wanted) is DECISIONS[number]


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one() -> None:
    assert chosen(DECISIONS[1:3], "17960702518") is DECISIONS[2]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "179607024",
            "2 decisions have the id, its beginning, or the MAG '179607024'; "
            "choose one of: 1796070241814-mag1, 1796070241814-mag2, last",
        ),
        (
            "mag1",
            "2 decisions have the id, its beginning, or the MAG 'mag1'; "
            "choose one of: 1796070241814-mag1, 1796070251814-mag1, last",
        ),
    ],
)
def test_of_several_none_is_chosen_and_they_are_named(wanted: str, message: str) -> None:
    with pytest.raises(click.ClickException) as caught:
        chosen(DECISIONS, wanted)
    assert caught.value.message == message


def test_only_the_latest_of_many_are_named() -> None:
    many = [{"id": f"{number}-mag1", "mag": "mag1"} for number in range(100, 200)]
    with pytest.raises(click.ClickException, match=r"no decision has .*: \.\.\., 190-mag1, .*, 199-mag1, last$"):
        chosen(many, "x")


def test_before_the_first_decision_that_is_said() -> None:
    with pytest.raises(click.ClickException, match="there is no decision yet"):
        chosen([], "last")
