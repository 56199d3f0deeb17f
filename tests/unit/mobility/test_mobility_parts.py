from __future__ import annotations

from ipaddress import IPv6Network
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobility_helpers import MAG1

from ryu_pmipls.mobility import PrefixPool
from ryu_pmipls.mobility.timer_queue import TimerQueue, delays
from ryu_pmipls.mobility.tunnels import TRANSITIONS, TunnelAction, TunnelEvent, Tunnels, TunnelState


def test_delays_double_up_to_the_ceiling() -> None:
    assert list(islice(delays(1, 32), 8)) == [1, 2, 4, 8, 16, 32, 32, 32]
    assert list(delays(1, tries=3)) == [1, 2, 4]
    assert next(islice(delays(1, 32), 5000, None)) == 32


class TestTimers:
    def test_the_handlers_are_called_in_the_order_of_their_times(self) -> None:
        timers, called = TimerQueue(), []

        def ring(subject: str, now: float) -> None:
            called.append((subject, now))

        timers.set(ring, "b", 2.0)
        timers.set(ring, "a", 1.0)
        timers.set(ring, "c", 3.0)
        assert timers.deadline() == 1.0
        timers.run(2.5)
        assert called == [("a", 2.5), ("b", 2.5)]
        assert timers.deadline() == 3.0

    def test_a_timer_that_is_set_again_or_cancelled_does_not_ring_at_its_old_time(self) -> None:
        timers, called = TimerQueue(), []

        def ring(subject: str, now: float) -> None:
            called.append(subject)

        timers.set(ring, "a", 1.0)
        timers.set(ring, "a", 5.0)
        timers.set(ring, "b", 1.0)
        timers.cancel(ring, "b")
        timers.run(4.0)
        assert called == []
        timers.run(5.0)
        assert called == ["a"]
        assert timers.deadline() is None

    def test_timers_that_are_set_over_and_over_take_no_more_room(self) -> None:
        timers = TimerQueue()
        for when in range(10_000):
            timers.set(print, "a", float(10_000 - when))
        assert len(timers._heap) < 100
        assert timers.deadline() == 1.0

    def test_timers_that_are_cancelled_take_no_more_room(self) -> None:
        timers = TimerQueue()
        for subject in range(10_000):
            timers.set(print, subject, float(subject))
        for subject in range(9_999, 0, -1):
            timers.cancel(print, subject)
        assert len(timers._heap) < 100
        assert timers.deadline() == 0.0


class TestTunnels:
    def test_every_event_is_foreseen_in_every_state(self) -> None:
        assert set(TRANSITIONS) == {(state, event) for state in TunnelState for event in TunnelEvent}

    def test_a_tunnel_is_built_once_and_confirmed_every_time(self) -> None:
        tunnels = Tunnels([MAG1])
        assert tunnels.advance(MAG1, TunnelEvent.WANTED) is TunnelAction.BUILD
        assert tunnels.advance(MAG1, TunnelEvent.WANTED) is TunnelAction.NOTHING
        assert not tunnels.is_up(MAG1)
        assert tunnels.advance(MAG1, TunnelEvent.BUILT) is TunnelAction.CONFIRM
        assert tunnels.is_up(MAG1)
        assert tunnels.advance(MAG1, TunnelEvent.WANTED) is TunnelAction.CONFIRM
        assert tunnels.advance(MAG1, TunnelEvent.FAILED) is TunnelAction.REMOVE
        assert tunnels.advance(MAG1, TunnelEvent.WANTED) is TunnelAction.BUILD


def nothing_taken(prefix: IPv6Network) -> bool:
    return False


class TestPrefixPool:
    def test_slices_do_not_overlap_and_stay_within_the_network(self) -> None:
        network = IPv6Network("2001:db8:100::/60")
        slices = [PrefixPool(network, index, 3) for index in range(3)]
        prefixes = [pool.prefix(number) for pool in slices for number in range(pool.size)]
        assert len(prefixes) == 15 == len(set(prefixes))
        assert all(prefix.subnet_of(network) for prefix in prefixes)
        for pool in slices:
            assert [prefix in pool for prefix in prefixes].count(True) == pool.size

    def test_a_prefix_of_another_length_is_not_in_the_pool(self) -> None:
        pool = PrefixPool(IPv6Network("2001:db8:100::/40"))
        assert IPv6Network("2001:db8:100::/64") in pool
        assert IPv6Network("2001:db8:100::/128") not in pool
        assert IPv6Network("2001:db8:100::/48") not in pool

    @given(st.binary(max_size=40))
    def test_a_node_comes_back_to_its_prefix(self, identifier: bytes) -> None:
        pool = PrefixPool(IPv6Network("2001:db8:100::/40"), 1, 2)
        prefix = pool.choose(identifier, nothing_taken, 0)
        assert prefix is not None and prefix in pool
        assert PrefixPool(pool.network, 1, 2).choose(identifier, nothing_taken, 0) == prefix

    @given(st.binary(max_size=40))
    def test_every_free_prefix_is_found_and_none_twice(self, identifier: bytes) -> None:
        pool = PrefixPool(IPv6Network("2001:db8:100::/61"))
        taken: set[IPv6Network] = set()
        for _ in range(8):
            prefix = pool.choose(identifier, taken.__contains__, len(taken))
            assert prefix is not None and prefix not in taken
            taken.add(prefix)
        assert pool.choose(identifier, taken.__contains__, len(taken)) is None

    def test_an_empty_slice_has_nothing(self) -> None:
        pool = PrefixPool(IPv6Network("2001:db8:100::/64"), 1, 2)
        assert pool.size == 0
        assert pool.choose(b"mn1", nothing_taken, 0) is None
        assert IPv6Network("2001:db8:100::/64") not in pool

    @pytest.mark.parametrize(("network", "index"), [("2001:db8::/65", 0), ("2001:db8::/60", 2), ("2001:db8::/60", -1)])
    def test_a_slice_that_cannot_be_is_refused(self, network: str, index: int) -> None:
        with pytest.raises(ValueError, match=r"must be"):
            PrefixPool(IPv6Network(network), index, 2)
