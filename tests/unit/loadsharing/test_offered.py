from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sharing_helpers import LIGHT, LMAS, OVERLOADED, SETTINGS, Domain, Load, Rounds, load, snapshot

from ryu_pmipls.loadsharing import LoadList
from ryu_pmipls.loadsharing.offered_load import OfferedRates
from ryu_pmipls.loadsharing.window import UNKNOWN_COUNTER

BALANCE = replace(SETTINGS, policy="balance")


def fed(*samples: tuple[float, int]) -> OfferedRates:
    """One MAG and one LMA; rates are those of 6 to 8 s, and what is sampled is forgotten after 10 s."""
    rates = OfferedRates(1, 1, keep=10.0, span=8.0)
    for now, packets in samples:
        rates.add(slice(None), np.array([[packets]], dtype=np.uint64), now)
    return rates


def rate(rates: OfferedRates, now: float) -> tuple[float, float] | None:
    found, span = (float(values[0, 0]) for values in rates.rates(now))
    assert np.isnan(found) == np.isnan(span)
    return None if np.isnan(found) else (found, span)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], None),
        ([(0, 500)], None),
        ([(0, 500), (5, 800)], None),  # too little to go by
        ([(0, 500), (6, 1100)], (100.0, 6.0)),
        ([(0, 500), (6, 1060), (7, 1060)], (80.0, 7.0)),
        ([(0, 2**64 - 100), (6, 500)], (100.0, 6.0)),  # wrapped
        ([(0, 5000), (6, 100)], None),  # reset
        ([(0, 5000), (4, 100), (10, 700)], (100.0, 6.0)),
        ([(0, 500), (6, 1100), (6, 1700), (3, 2000)], (100.0, 6.0)),  # late
        ([(0, 500), (4, UNKNOWN_COUNTER), (6, 1100)], (100.0, 6.0)),
        ([(0, 500), (11, 1600)], None),  # began too long ago
        ([(second, 100 * second) for second in range(60)], (100.0, 7.0)),
        # A counter that moves on in jerks: what counts is the span.
        ([(second, 400 * (second // 4)) for second in range(60)], (pytest.approx(100.0, rel=0.5), 7.0)),
        # What came first counts no more.
        ([(second, 900 * second) for second in range(10)] + [(second, 9000) for second in range(10, 30)], (0.0, 7.0)),
    ],
)
def test_a_rate_is_what_came_in_three_quarters_of_a_span_at_least(
    samples: list[tuple[float, int]], expected: tuple[float, float] | None
) -> None:
    found = rate(fed(*samples), samples[-1][0] if samples else 0)
    assert found is None if expected is None else found == (expected[0], pytest.approx(expected[1], abs=2.0))


def test_a_rate_is_forgotten() -> None:
    rates = fed((0, 500), (6, 1100))
    assert (rate(rates, 16), rate(rates, 16.1)) == ((100.0, 6.0), None)


def full_list(arriving: int, **sent: int) -> LoadList:
    """lma1, full, gets so many packets per second from mag1, which sends more than that; mag2 tells nothing."""
    loads = LoadList(["lma1", "lma2"], ["mag1", "mag2"], window=10, report_interval=1)
    loads.set_ports("lma1", ["mag1"])
    for now in range(42, 51):
        loads.add_load_info("lma1", 1.0, 0, {}, now)
        loads.add_load_info("lma2", 0.2, 0, {}, now)
        loads.add_port_statistics("lma1", {"mag1": (arriving * now, 0)}, now)
        for mag, packets in sent.items():
            loads.add_sent_statistics(mag, {"lma1": packets * now}, now)
    return loads


def test_what_a_full_lma_loses_is_the_difference_to_what_is_sent_to_it() -> None:
    loads = full_list(300, mag1=1200)
    assert loads.full() == ["lma1"]
    shot = loads.snapshot(50)
    assert (shot.lma("lma1").loss, shot.lma("lma2").loss) == (0.75, None)
    assert [(traffic.mag, traffic.packets, traffic.offered) for traffic in shot.traffic("lma1")] == [
        ("mag1", 2400, 1200.0)
    ]
    assert shot.lma("lma1").packets == 2400  # the draft's counts are those of what has arrived


def test_an_lma_that_gets_more_than_is_sent_loses_nothing() -> None:
    """The counters are read at different times."""
    assert full_list(300, mag1=290).snapshot(50).lma("lma1").loss == 0.0


def test_without_an_answer_the_loss_is_unknown() -> None:
    assert full_list(300).snapshot(50).lma("lma1").loss is None
    assert full_list(300, mag1=1200).snapshot(53).lma("lma1").loss is None  # by then it is too old


def full(loss: float | None, offered: dict[str, float]) -> list[Load]:
    """lma1 is full with what is left of four MAGs; lma2 is idle."""
    entry, traffic = load("lma1", OVERLOADED, 1.0, dict.fromkeys(offered, 2500))
    traffic = [replace(each, offered=offered[each.mag]) for each in traffic]
    return [(replace(entry, loss=loss), traffic), load("lma2", LIGHT, 0.0, {})]


def test_balance_goes_by_what_is_offered() -> None:
    """mag1 sends most of what is lost. Counted by what arrives, all are equal, and two of them would move."""
    offered = {"mag1": 3000.0, "mag2": 300.0, "mag3": 300.0, "mag4": 400.0}
    (decision,) = Rounds(BALANCE).decide(snapshot(*full(0.75, offered)), {}, 100.0)
    assert decision.mag == "mag1"
    assert decision.share == pytest.approx(2 / 3, abs=1 / 32)
    assert decision.rate == pytest.approx(2000, rel=0.05)
    assert decision.predicted_cpu == pytest.approx(2.0, abs=0.1)


def test_what_is_offered_before_a_move_says_nothing_of_the_time_after_it() -> None:
    offered = dict.fromkeys(("mag1", "mag2", "mag3", "mag4"), 1000.0)
    rounds = Rounds(BALANCE)
    first = rounds.decide(snapshot(*full(0.75, offered)), {}, 100.0)
    assert first[0].predicted_cpu == pytest.approx(1.0)
    again = rounds.decide(snapshot(*full(0.75, offered)), {}, 101.5)
    assert all(each.predicted_cpu is not None and each.predicted_cpu < 1.0 for each in again)


def test_closed_loop_what_mags_tell_saves_moves() -> None:
    """Two LMAs are full, one with twice what it can carry, one with little more than that, and two are idle."""
    offered = {f"mag{number}": 2000.0 / 6 for number in range(1, 7)} | {"mag7": 520.0, "mag8": 520.0}
    anchors = {"mag7": "lma2", "mag8": "lma2"}
    blind, seeing = Domain(offered, LMAS, anchors=anchors), Domain(offered, LMAS, anchors=anchors, tells=True)
    moves = {domain.tells: len(domain.run(BALANCE, 60)) for domain in (blind, seeing)}
    assert max(map(seeing.utilisation, LMAS)) < 0.8
    assert moves[True] <= 8 < moves[False]
