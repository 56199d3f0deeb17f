"""Which counters prove that packets get lost, and which do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.controller.data_path import (
    LEAST_PACKETS,
    LEAST_TIME,
    SETTLING,
    DataPathFault,
    NodeFault,
    NodeFaults,
    Observation,
    OneWay,
    TunnelCounters,
)

UNKNOWN = 2**64 - 1
P1, P2 = b"\x20\x01" + bytes(6), b"\x20\x01" + bytes(5) + b"\1"


def play(way: OneWay, seconds: int, sent: int, received: int, *, start: int = 0, base: tuple[int, int] = (0, 0)) -> int:
    """Both ends are read every second, while so many packets a second are sent and received; when it became silent."""
    for second in range(start, start + seconds):
        way.add_received(base[1] + received * (second - start), second + 0.5)
        way.add_sent(base[0] + sent * (second - start), float(second + 1))
        if way.silent:
            return second
    return -1


class TestOneWay:
    def test_it_is_silent_when_nothing_arrives_for_a_while_of_what_is_sent(self) -> None:
        assert LEAST_TIME <= play(OneWay(), 60, 7, 0) <= LEAST_TIME + 2 * SETTLING + 3

    def test_slow_packets_are_enough(self) -> None:
        assert play(OneWay(), 60, 1, 0) > 0

    def test_it_is_not_silent_when_something_arrives_if_only_little(self) -> None:
        assert play(OneWay(), 600, 100_000, 1) == -1

    def test_an_idle_tunnel_is_not_silent(self) -> None:
        assert play(OneWay(), 600, 0, 0) == -1

    def test_too_few_packets_tell_nothing(self) -> None:
        way = OneWay()
        for second in range(100):
            way.add_received(0, float(second))
            way.add_sent(min(second, LEAST_PACKETS - 1), float(second))
        assert not way.silent

    @pytest.mark.parametrize(
        ("packets", "seconds", "silent"),
        [
            (LEAST_PACKETS, LEAST_TIME, True),
            (LEAST_PACKETS - 1, LEAST_TIME, False),
            (LEAST_PACKETS, LEAST_TIME - 0.5, False),
        ],
    )
    def test_so_many_packets_in_so_long_are_enough(self, packets: int, seconds: float, silent: bool) -> None:
        way = OneWay()
        way.add_received(0, 0.0)
        way.add_sent(100, SETTLING)
        way.add_sent(100 + packets, SETTLING + seconds)
        way.add_received(0, SETTLING + seconds + SETTLING)
        assert way.silent is silent

    def test_what_was_sent_a_moment_ago_may_be_under_way(self) -> None:
        way = OneWay()
        for second in range(100):
            way.add_received(0, second - 0.5)
            way.add_sent(0, float(second))
        way.add_sent(1000, 100.0)
        way.add_received(0, 100.0 + SETTLING / 2)
        assert not way.silent
        way.add_received(0, 100.0 + SETTLING)
        assert way.silent

    def test_it_ends_with_the_first_packet(self) -> None:
        way = OneWay()
        assert play(way, 60, 7, 0) > 0
        way.add_received(1, 100.0)
        assert not way.silent

    def test_what_was_sent_before_the_last_packet_arrived_does_not_count(self) -> None:
        """Not even if the sending end counts it later than the other."""
        way = OneWay()
        for second in range(120):
            way.add_received(60_000 if second > 5 else 0, second + 0.5)
            way.add_sent(60_000 if second > 6 else 0, float(second + 1))
        assert not way.silent

    def test_a_sending_end_that_begins_anew_has_not_lost_what_it_sent(self) -> None:
        way = OneWay()
        for second in range(9):
            way.add_received(0, second - 0.5)
            way.add_sent(100 * second, float(second))
        for second in range(9, 100):
            way.add_received(0, second - 0.5)
            way.add_sent(3, float(second))
        assert not way.silent

    def test_a_receiving_end_that_begins_anew_is_not_silent(self) -> None:
        way = OneWay()
        assert play(way, 60, 7, 0, base=(0, 1000)) > 0
        way.add_received(0, 100.0)
        assert not way.silent

    def test_unknown_counters_tell_nothing(self) -> None:
        way = OneWay()
        for second in range(100):
            way.add_received(UNKNOWN, second - 0.5)
            way.add_sent(second * 100, float(second))
        assert not way.silent
        for second in range(100):
            way.add_received(5, second - 0.5)
            way.add_sent(UNKNOWN, float(second))
        assert not way.silent

    def test_rare_readings_suffice(self) -> None:
        way = OneWay()
        for second in range(0, 130, 10):
            way.add_received(0, second + 3.0)
            way.add_sent(7 * second, float(second))
        assert way.silent

    @given(
        steps=st.lists(
            st.tuples(
                st.floats(0.01, 20.0),  # seconds to the next reading
                st.booleans(),  # of which end
                st.integers(0, 50),  # packets sent in between
                st.floats(0.0, SETTLING / 2),  # how late the end counts
            ),
            max_size=80,
        ),
    )
    def test_a_direction_by_which_all_packets_come_is_never_silent(
        self, steps: list[tuple[float, bool, int, float]]
    ) -> None:
        """Whenever the ends are read, and however late they count."""
        way, now, total = OneWay(), 0.0, 0
        counted = {True: 0, False: 0}
        history = [(0.0, 0)]  # (time, packets sent by then)
        for pause, receiving, packets, delay in steps:
            now += pause
            total += packets
            history.append((now, total))
            counted[receiving] = max(
                counted[receiving], *(count for time, count in history if time <= max(now - delay, 0.0)), 0
            )
            if receiving:
                way.add_received(counted[receiving], now)
            else:
                way.add_sent(counted[receiving], now)
            assert not way.silent


class TestTunnelCounters:
    def test_the_silent_direction_is_named(self) -> None:
        tunnels = TunnelCounters(["mag1", "mag2"], ["lma1"])
        for second in range(40):
            tunnels.update("mag1", {"lma1": (7 * second, 7 * second)}, float(second))
            tunnels.update("mag2", {"lma1": (7 * second, 7 * second)}, float(second))
            tunnels.update("lma1", {"mag1": (0, 7 * second), "mag2": (7 * second, 7 * second)}, second + 0.5)
        assert tunnels.silent("mag1", "lma1")
        assert not tunnels.silent("lma1", "mag1")
        assert not tunnels.silent("mag2", "lma1")
        assert not tunnels.silent("lma1", "mag2")

    @pytest.mark.parametrize("end", ["mag1", "lma1"])
    def test_a_port_or_a_switch_that_goes_away_is_forgotten(self, end: str) -> None:
        tunnels = TunnelCounters(["mag1"], ["lma1"])
        for second in range(40):
            tunnels.update("mag1", {"lma1": (7 * second, 7 * second)}, float(second))
            tunnels.update("lma1", {"mag1": (0, 7 * second)}, second + 0.5)
        tunnels.update(end, {}, 40.0)
        assert not tunnels.silent("mag1", "lma1")


def observation(
    mag: tuple[int | None, int | None],
    lma1: tuple[int | None, int | None],
    lma2: tuple[int | None, int | None] = (0, 0),
    place: str = "mag1",
) -> Observation:
    """What the entries of one prefix at each node have counted, before and after; None: there is no entry."""

    def entries(count: int | None) -> dict[bytes, int]:
        return {} if count is None else {P1: count}

    return Observation(
        {P1: place},
        {"mag1": entries(mag[0])},
        {"lma1": entries(lma1[0]), "lma2": entries(lma2[0])},
        {"lma1": entries(lma1[1]), "lma2": entries(lma2[1])},
        {"mag1": entries(mag[1])},
    )


class TestObservation:
    def test_what_is_forwarded_and_does_not_come_is_lost(self) -> None:
        assert observation((3, 3), (0, LEAST_PACKETS)).faults() == {P1: NodeFault(DataPathFault.LOST, "mag1")}
        assert observation((3, 3), (5, 8), (7, 9)).faults() == {P1: NodeFault(DataPathFault.LOST, "mag1")}

    def test_who_gets_something_is_well(self) -> None:
        assert observation((3, 4), (0, 100_000)).faults() == {}

    def test_who_is_sent_nothing_is_well(self) -> None:
        """That is how a mobile node looks that only sends."""
        assert observation((3, 3), (8, 8)).faults() == {}
        assert observation((3, 3), (8, 8 + LEAST_PACKETS - 1)).faults() == {}

    def test_counters_that_begin_anew_are_no_loss(self) -> None:
        assert observation((3, 0), (8, 20)).faults() == {}
        assert observation((3, 3), (1000, 0)).faults() == {}

    def test_missing_entries_are_named_with_their_node(self) -> None:
        assert observation((None, None), (0, 0)).faults() == {P1: NodeFault(DataPathFault.NO_ENTRY, "mag1")}
        assert observation((0, 0), (0, 0), (None, None)).faults() == {P1: NodeFault(DataPathFault.NO_ROUTE, "lma2")}

    def test_entries_that_are_just_being_written_are_not_missing(self) -> None:
        assert observation((None, 0), (0, 0)).faults() == {}
        assert observation((0, 0), (None, 0)).faults() == {}

    def test_a_mag_that_could_not_be_asked_tells_nothing(self) -> None:
        assert observation((None, None), (0, 100), place="mag2").faults() == {}


class TestNodeFaults:
    LOST = NodeFault(DataPathFault.LOST, "mag1")

    def test_a_fault_is_proved_by_the_second_observation(self) -> None:
        faults = NodeFaults()
        faults.add(0, {P1: self.LOST})
        assert [*faults] == []
        faults.add(0, {P1: self.LOST})
        assert [*faults] == [(P1, self.LOST)]
        assert len(faults) == 1
        faults.add(0, {})
        assert [*faults] == []
        faults.add(0, {P1: self.LOST})
        assert [*faults] == []

    def test_another_fault_has_to_be_proved_again(self) -> None:
        faults = NodeFaults()
        for _ in range(2):
            faults.add(0, {P1: self.LOST})
        faults.add(0, {P1: NodeFault(DataPathFault.NO_ENTRY, "mag1")})
        assert [*faults] == []

    def test_each_group_is_observed_for_itself(self) -> None:
        faults = NodeFaults()
        for _ in range(2):
            faults.add(0, {P1: self.LOST})
            faults.add(1, {P2: self.LOST})
        assert [*faults] == [(P1, self.LOST), (P2, self.LOST)]
        faults.add(1, {})
        assert [*faults] == [(P1, self.LOST)]
