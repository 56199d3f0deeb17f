from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ryu_pmipls.loadsharing import Liveness, Sign

LMAS = ("lma1", "lma2", "lma3")
MAGS = ("mag1", "mag2")
SILENT_AFTER = 20.0
DEFAULT = [[Sign.SWITCH, Sign.TUNNELS]]
COMBINATIONS = [list(chosen) for size in (1, 2, 3) for chosen in combinations(Sign, size)]


def alive(liveness: Liveness, now: float = 0.0) -> Liveness:
    """All is well."""
    for lma in LMAS:
        liveness.update_switch(lma, answers=True, ready=True, now=now)
        liveness.update_agent(lma, now)
    for mag in MAGS:
        liveness.update_tunnels(mag, dict.fromkeys(LMAS, True), now)
    liveness.add_witness(now)
    return liveness


def made(dead_when: list[list[Sign]] = DEFAULT) -> Liveness:
    return alive(Liveness(LMAS, dead_when, silent_after=SILENT_AFTER, now=0.0))


def show(liveness: Liveness, sign: Sign, now: float, lma: str = "lma1") -> None:
    if sign is Sign.SWITCH:
        liveness.update_switch(lma, answers=False, ready=False, now=now)
    elif sign is Sign.TUNNELS:
        for mag in MAGS:
            liveness.update_tunnels(mag, {other: other != lma for other in LMAS}, now)
    for other in LMAS:
        if sign is not Sign.AGENT or other != lma:
            liveness.update_agent(other, now)


@given(st.sampled_from(COMBINATIONS), st.sets(st.sampled_from(Sign)))
def test_an_lma_dies_exactly_when_all_signs_of_a_combination_show(combination: list[Sign], shown: set[Sign]) -> None:
    liveness = made([combination])
    for sign in shown:
        show(liveness, sign, 1.0)
    now = 1.0 + SILENT_AFTER
    for lma in LMAS:
        if lma != "lma1" or Sign.AGENT not in shown:
            liveness.update_agent(lma, now)
    for seconds in range(1, int(now) + 1):
        liveness.add_witness(float(seconds))
    verdicts = liveness.judge(now)
    assert set(liveness.signs("lma1", now)) == shown
    assert [(verdict.lma, verdict.dead) for verdict in verdicts] == (
        [("lma1", True)] if shown.issuperset(combination) else []
    )


def test_a_killed_switch_is_dead_as_soon_as_the_mags_see_it() -> None:
    liveness = made()
    show(liveness, Sign.SWITCH, 1.0)
    liveness.add_witness(1.2)
    assert liveness.judge(1.2) == []
    show(liveness, Sign.TUNNELS, 1.7)
    liveness.add_witness(1.7)
    (verdict,) = liveness.judge(1.7)
    assert (verdict.lma, verdict.dead, verdict.time) == ("lma1", True, 1.7)
    assert verdict.reason == "its switch does not answer and no MAG has a live tunnel to it"
    assert liveness.dead == ("lma1",)
    assert liveness.judge(2.0) == []


def test_one_mag_that_still_reaches_it_speaks_for_its_life() -> None:
    liveness = made()
    show(liveness, Sign.SWITCH, 1.0)
    liveness.update_tunnels("mag1", {"lma1": False, "lma2": True, "lma3": True}, 1.5)
    liveness.add_witness(2.0)
    assert liveness.judge(2.0) == []
    liveness.update_tunnels("mag2", {}, 3.0)  # the switch of mag2 has gone, and its word with it
    liveness.add_witness(3.0)
    assert [verdict.lma for verdict in liveness.judge(3.0)] == ["lma1"]


def test_an_rms_that_is_cut_off_declares_nobody_dead() -> None:
    liveness = made([[Sign.SWITCH], [Sign.AGENT]])
    for lma in LMAS:
        liveness.update_switch(lma, answers=False, ready=False, now=1.0)
    for mag in MAGS:
        liveness.update_tunnels(mag, {}, 1.0)
    assert liveness.judge(1000.0) == []
    liveness.add_witness(1000.0)  # the network is back, and all have time to come
    assert liveness.judge(1000.0) == []
    liveness.update_switch("lma1", answers=True, ready=True, now=1001.0)
    for seconds in (4.0, 8.0, 12.0):
        assert liveness.judge(1000.0 + seconds - 2.1) == []
        liveness.add_witness(1000.0 + seconds)
    assert [verdict.lma for verdict in liveness.judge(1012.0)] == ["lma2", "lma3"]


def test_it_is_back_only_when_it_holds_all_that_it_shall() -> None:
    liveness = made()
    show(liveness, Sign.SWITCH, 1.0)
    show(liveness, Sign.TUNNELS, 1.0)
    liveness.add_witness(1.0)
    liveness.judge(1.0)
    liveness.update_switch("lma1", answers=True, ready=False, now=5.0)
    assert liveness.judge(5.0) == []
    alive(liveness, 6.0)
    liveness.update_switch("lma1", answers=True, ready=False, now=6.0)
    assert liveness.judge(6.0) == []
    liveness.update_switch("lma1", answers=True, ready=True, now=7.0)
    (verdict,) = liveness.judge(7.0)
    assert (verdict.lma, verdict.dead) == ("lma1", False)
    assert liveness.dead == ()


def test_what_was_dead_before_a_restart_is_dead_until_it_is_back() -> None:
    liveness = Liveness(LMAS, DEFAULT, silent_after=SILENT_AFTER, now=0.0, dead=["lma2", "unknown"])
    liveness.add_witness(1.0)
    assert liveness.judge(1.0) == []
    assert liveness.dead == ("lma2",)
    alive(liveness, 2.0)
    assert [(verdict.lma, verdict.dead) for verdict in liveness.judge(2.0)] == [("lma2", False)]


def test_switches_have_time_to_find_an_rms_that_has_just_started() -> None:
    liveness = Liveness(LMAS, [[Sign.SWITCH]], silent_after=SILENT_AFTER, now=0.0, patience=10.0)
    for seconds in (0.5, 5.0, 9.0):
        liveness.add_witness(seconds)
        assert liveness.judge(seconds) == []
    liveness.add_witness(10.5)
    assert {verdict.lma for verdict in liveness.judge(10.5)} == set(LMAS)


class Domain(RuleBasedStateMachine):
    """Anything happens to anybody, in any order."""

    @initialize(dead_when=st.lists(st.sampled_from(COMBINATIONS), min_size=1, max_size=3))
    def start(self, dead_when: list[list[Sign]]) -> None:
        self.now = 0.0
        self.dead_when = dead_when
        self.liveness = alive(Liveness(LMAS, dead_when, silent_after=SILENT_AFTER, now=0.0))
        self.heard = 0.0
        self.ready = dict.fromkeys(LMAS, True)

    @rule(seconds=st.floats(0.01, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(lma=st.sampled_from(LMAS), answers=st.booleans(), ready=st.booleans())
    def switch(self, lma: str, answers: bool, ready: bool) -> None:
        self.ready[lma] = answers and ready
        self.liveness.update_switch(lma, answers, ready, self.now)

    @rule(mag=st.sampled_from(MAGS), alive=st.dictionaries(st.sampled_from(LMAS), st.booleans()))
    def tunnels(self, mag: str, alive: dict[str, bool]) -> None:
        self.liveness.update_tunnels(mag, alive, self.now)

    @rule()
    def mag_heard(self) -> None:
        self.heard = self.now
        self.liveness.add_witness(self.now)

    @rule(lma=st.sampled_from(LMAS))
    def agent_heard(self, lma: str) -> None:
        self.liveness.update_agent(lma, self.now)

    @rule()
    def judge(self) -> None:
        before = self.liveness.dead
        for verdict in self.liveness.judge(self.now):
            signs = self.liveness.signs(verdict.lma, self.now)
            if verdict.dead:
                assert verdict.lma not in before
                assert any(
                    all(sign in signs and signs[sign] <= self.heard for sign in combination)
                    for combination in self.dead_when
                )
            else:
                assert verdict.lma in before
                assert not signs and self.ready[verdict.lma]
        assert self.liveness.judge(self.now) == []

    @invariant()
    def signs_are_of_the_past(self) -> None:
        for lma in LMAS:
            assert all(since <= self.now for since in self.liveness.signs(lma, self.now).values())


TestDomain = Domain.TestCase
