"""Sessions for which neither MAG nor anchor answers any more leave tables, store and switches in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.loadsharing import SLOTS
from ryu_pmipls.wire import RouteAdjust, UplinkShare
from tests.fakes.rms_domain import SLOW_PACE, RmsDomain, profile_with, running

LIFETIME = 120.0
#: Seconds by which a session without owners has ended.
IN_THE_END = LIFETIME + 60


@pytest.fixture
def slow() -> Iterator[RmsDomain]:
    """A domain in which hours may pass, and whose LMAs report every minute until they are stopped."""
    timers = {**SLOW_PACE["timers"], "binding_lifetime": LIFETIME}  # type: ignore[dict-item]
    with running(profile_with({**SLOW_PACE, "timers": timers})) as domain:
        yield domain


def keep_reporting(domain: RmsDomain, *lmas: str) -> None:
    def run() -> None:
        while True:
            for lma in lmas:
                domain.load(lma, 0.1, {})
            hub.sleep(30)

    hub.spawn(run)


def places(domain: RmsDomain) -> dict[str, str]:
    return {binding["prefix"]: binding["mag"] for binding in domain.get("/v1/bindings")}


def test_a_session_whose_mag_and_anchor_are_silent_ends_everywhere(slow: RmsDomain) -> None:
    keep_reporting(slow, "lma2")
    slow.attach(1, "mag1", anchor="lma1")
    slow.attach(2, "mag1", anchor="lma2")
    slow.agents["mag1"].mute = True
    slow.run(LIFETIME)
    assert len(places(slow)) == 2
    slow.run(60)
    assert [*places(slow)] == [str(slow.prefix(2))]
    for switch in slow.switches:
        assert slow.prefix(1) not in {entry.home_prefix for entry in slow.entries(switch)}
    ends = [told for told in slow.agents["lma2"].route_adjusts() if told.new_mag.is_unspecified]
    assert [end.network for end in ends] == [slow.prefix(1)]
    kept = {binding.network: binding.mag for binding in slow.store.store.load_bindings()}
    assert kept == {slow.prefix(1): None, slow.prefix(2): "mag1"}  # forgotten like all that are detached
    slow.run(2 * IN_THE_END)
    assert [*places(slow)] == [str(slow.prefix(2))]  # its anchor answers for it


def test_a_mag_that_reports_its_nodes_answers_for_them_and_is_asked_again_later(slow: RmsDomain) -> None:
    """Only the RMS does not hear the LMA."""
    said = slow.report("mag1", 1, None, "mag1")
    slow.report("mag1", 2, None, "mag1")
    asked = []

    def repeat(message: object) -> object:
        if isinstance(message, RouteAdjust) and message.prefix.is_unspecified:
            asked.append(slow.clock.monotonic())
            slow.agents["mag1"].say(said)
        return message

    slow.agents["mag1"].confirms = repeat  # type: ignore[assignment]
    slow.run(IN_THE_END)
    assert [*places(slow)] == [str(slow.prefix(1))]
    slow.run(2 * IN_THE_END)
    assert [*places(slow)] == [str(slow.prefix(1))]
    assert len(asked) == 3


def test_an_anchor_that_is_back_in_time_answers_for_its_sessions(slow: RmsDomain) -> None:
    slow.attach(1, "mag1")
    slow.agents["mag1"].mute = True
    slow.run(LIFETIME - 60)
    keep_reporting(slow, "lma1")
    slow.run(3 * IN_THE_END)
    assert [*places(slow)] == [str(slow.prefix(1))]


def test_a_restart_of_the_rms_gives_all_of_them_a_lifetime(slow: RmsDomain) -> None:
    slow.attach(1, "mag1")
    slow.agents["mag1"].mute = True
    slow.run(LIFETIME - 60)
    slow.stop_rms()
    slow.start_rms()
    slow.connect()
    slow.run(LIFETIME - 60)
    assert [*places(slow)] == [str(slow.prefix(1))]
    slow.run(120)
    assert places(slow) == {}


def test_sessions_of_nodes_that_the_profile_has_no_more_end_as_well(slow: RmsDomain) -> None:
    slow.stop_rms()
    prefix = slow.prefix(1).network_address.packed[:8]
    slow.store.store.save_bindings([Binding(prefix, "mag9", None, "mn1@example.net", None, 1, "lma9", 1)])
    slow.start_rms()
    slow.connect()
    slow.run(IN_THE_END)
    assert places(slow) == {}
    slow.run(60)
    assert [*slow.store.store.load_bindings()] == []


def test_the_end_that_an_anchor_reports_counts_wherever_the_rms_takes_the_node_to_be(slow: RmsDomain) -> None:
    """Its last MAG may have come and gone without a word to the RMS."""
    slow.attach(1, "mag1")
    ended = slow.report("lma1", 1, "mag2", None)
    slow.until(lambda: ended in slow.agents["lma1"].heard)
    assert places(slow) == {}


def test_mags_are_told_the_shares_of_their_uplinks_once_in_a_lifetime(slow: RmsDomain) -> None:
    slow.run(LIFETIME + 1)
    (told,) = slow.agents["mag1"].load_adjusts()
    lmas = [lma.address for lma in slow.profile.lmas]
    assert told.old_lma == told.new_lma == lmas[0]
    assert [(share.lma, share.slots) for share in told.all(UplinkShare)] == [(lma, SLOTS) for lma in lmas]
