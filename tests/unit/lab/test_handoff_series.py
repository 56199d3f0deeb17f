"""What is counted of handoffs, and the labs in which they are done; without a lab."""

from __future__ import annotations

import math

import pytest
import yaml

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import plan
from ryu_pmipls.lab.lab_links import LinkChange
from ryu_pmipls.lab.measuring.handoff_series import judge, losses
from ryu_pmipls.lab.measuring.handoff_ways import STANDARD, WAYS
from ryu_pmipls.lab.measuring.handoffs import derive, draw
from ryu_pmipls.lab.probe import Arrival, analyse
from ryu_pmipls.lab.traffic_generator import FlowResult, Interval

PORT = plan(load_profile("two-lma")).access_ports[0]
TRANSIT = 0.002


def seen(lost, late=(), number=2000):
    """A datagram each millisecond from 100.0 s on; of those ``late`` each comes 50 ms after its time."""
    arrivals = [
        Arrival(each, 100 + each / 1000, 100 + each / 1000 + TRANSIT + (0.05 if each in late else 0))
        for each in range(number)
        if each not in lost
    ]
    return analyse(number, 100 + number / 1000, sorted(arrivals, key=lambda arrival: arrival.received))


def change(started, joined):
    milliseconds = (joined - started) * 1000
    return LinkChange("mn1", None, PORT, started, joined, 0.0, milliseconds, True)


def transfer(*intervals):
    return FlowResult("mn1 tcp down", "tcp", "down", (), tuple(intervals), None)


def test_a_loss_is_placed_by_when_the_datagram_should_have_arrived():
    found = losses(seen({0, 1, 500, 501, 1999}))
    wanted = [100.0, 100.0, 100.5, 100.501, 101.999]
    assert all(math.isclose(one, other + TRANSIT, abs_tol=0.003) for one, other in zip(found, wanted, strict=True))


def test_each_part_of_a_handoff_has_its_losses():
    lost = {*range(510, 560), *range(1497, 1560)}  # the second gap begins a little before that handoff
    changes = [change(100.5, 100.5405), change(101.5, 101.5625)]
    first, second = judge(seen(lost), transfer(Interval(100.4, 0.5, 0, retransmits=7)), changes)
    assert (first.lost_link_layer, first.lost_protocol) == (29, 21)
    assert math.isclose(first.gap_ms, 51, abs_tol=0.1)
    assert math.isclose(first.protocol_gap_ms, 21.5, abs_tol=0.1)
    assert (second.lost_link_layer, second.lost_protocol, second.protocol_gap_ms) == (63, 0, 0)
    assert (first.tcp_retransmitted, second.tcp_retransmitted) == (7, 0)


def test_what_comes_late_is_not_lost():
    (handoff,) = judge(seen(set(), late=range(510, 530)), transfer(), [change(100.5, 100.52)])
    assert (handoff.lost_link_layer, handoff.lost_protocol, handoff.late) == (0, 0, 20)


def test_a_probe_of_which_nothing_arrived_tells_nothing():
    with pytest.raises(LabError, match="not one datagram"):
        losses(seen(range(2000)))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("name", ["two-lma", "four-lma"])
def test_every_way_has_a_valid_profile(tmp_path, way, name):
    document = yaml.safe_load((SHIPPED_PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(derive(document, way)), encoding="utf-8")
    made, shipped = load_profile(path), load_profile(name)
    assert len(made.lmas) == (1 if way is STANDARD else len(shipped.lmas))
    assert (made.handoff.forwarding, made.handoff.buffer) == tuple(way.handoff.values())
    assert made.mags == shipped.mags and made.lab.lma_cpu == {}


def test_the_distributions_are_drawn(tmp_path):
    some = judge(seen({*range(510, 560)}), transfer(), [change(100.5, 100.54), change(101.5, 101.53)])
    draw({way.name: some for way in WAYS}, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
