"""Handoffs one after the other under a UDP and a TCP downlink, and the fate of each packet."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_links import LinkChange
from ryu_pmipls.lab.probe import Probe, ProbeResult
from ryu_pmipls.lab.traffic_generator import Flow, FlowResult
from ryu_pmipls.lab.waiting import expect

PROBE_RATE = 1000  # datagrams per second
#: Rate of the TCP transfer, in Mbit/s: an LMA of the default lab carries it besides the probe.
TCP_RATE = 5.0

_AHEAD = 0.01  # s before a handoff that count as part of it
_WARM_UP = 2.0  # s before the first handoff
_TIMEOUT = 15.0  # s for a mobile node to get an address, or for its route to be in force


@dataclass(frozen=True)
class MeasuredHandoff:
    """One handoff, as the probe's receiver saw it.

    A lost datagram belongs to the link layer's part if it should have arrived before the new link carried frames, else
    to the protocol's. ``gap_ms`` is the longest time without arrivals, ``protocol_gap_ms`` its part after the
    new link carried frames, and ``late`` are datagrams that came after one with a higher number.
    """

    to: str
    started: float  # seconds since 1970
    link_layer_ms: float
    gap_ms: float
    protocol_gap_ms: float
    lost_link_layer: int
    lost_protocol: int
    late: int
    tcp_retransmitted: int  # segments


def series(
    lab: Lab, mobile_node: str, number: int, interval: float, before: Callable[[str], Callable[[], None]]
) -> list[MeasuredHandoff]:
    """Hand a mobile node off ``number`` times, to and fro between the first two MAGs, every ``interval`` seconds.

    ``before(mag)`` is called before the handoff to a MAG; the function it returns is called when the mobile node has
    solicited a router there. ``LabError`` when a flow does not live to the end.
    """
    mags = [mag.name for mag in lab.profile.mags[:2]]
    lab.attach(mobile_node, mags[0])
    expect(lambda: lab.network.addresses(mobile_node), _TIMEOUT, f"{mobile_node} gets no address")
    expect(lambda: _reached(lab, mobile_node), _TIMEOUT, f"{mobile_node} does not reach the correspondent node")
    flow = Flow(lab, mobile_node, "tcp", "down", TCP_RATE)
    probe = Probe(lab, lab.plan.correspondent, mobile_node, PROBE_RATE)
    flow.start()
    probe.start()
    time.sleep(_WARM_UP)
    changes = []
    for turn in range(1, number + 1):
        mag = mags[turn % 2]
        after = before(mag)
        start = time.monotonic()
        changes.append(lab.handoff(mobile_node, mag))
        after()
        time.sleep(max(0.0, start + interval - time.monotonic()))
    alive = flow.running()
    seen, transfer = probe.stop(), flow.stop()
    if not alive or transfer.error is not None:
        raise LabError(f"the TCP transfer broke: {transfer.error}")
    return judge(seen, transfer, changes)


def judge(seen: ProbeResult, transfer: FlowResult, changes: Sequence[LinkChange]) -> list[MeasuredHandoff]:
    """Effect of each of ``changes``, in order, on a probe and on a transfer that both lasted over all of them."""
    lost = losses(seen)
    late, highest = [], -1
    for arrival in seen.arrivals:
        if arrival.number < highest:
            late.append(arrival.received)
        highest = max(highest, arrival.number)
    starts = [change.started - _AHEAD for change in changes]
    ends = [*starts[1:], seen.ended]
    handoffs = []
    for change, start, end in zip(changes, starts, ends, strict=True):
        gap = seen.longest_gap(start, end)
        gap_end = gap.start + gap.milliseconds / 1000
        handoffs.append(
            MeasuredHandoff(
                to=change.new.mag,
                started=change.started,
                link_layer_ms=change.link_layer_ms,
                gap_ms=gap.milliseconds,
                protocol_gap_ms=max(0.0, gap_end - max(change.joined, gap.start)) * 1000,
                lost_link_layer=_count(lost, start, change.joined),
                lost_protocol=_count(lost, change.joined, end),
                late=_count(late, start, end),
                tcp_retransmitted=sum(
                    interval.retransmits
                    for interval in transfer.sent
                    if start <= interval.start + interval.seconds < end
                ),
            )
        )
    return handoffs


def losses(seen: ProbeResult) -> list[float]:
    """Expected arrival times of the lost datagrams, in seconds since 1970, by those before and after each."""
    if not seen.arrivals:
        raise LabError("not one datagram of the probe arrived")
    transit = median(arrival.received - arrival.sent for arrival in seen.arrivals)
    sent = sorted({arrival.number: arrival.sent for arrival in seen.arrivals}.items())
    due = [sent[0][1] + transit] * sent[0][0]
    for (one, first), (other, second) in pairwise([*sent, (seen.sent, max(seen.ended, sent[-1][1]))]):
        due += [first + (second - first) * place / (other - one) + transit for place in range(1, other - one)]
    return due


def _count(times: list[float], start: float, end: float) -> int:
    ordered = sorted(times)
    return bisect_left(ordered, end) - bisect_left(ordered, start)


def _reached(lab: Lab, mobile_node: str) -> bool:
    address = str(lab.plan.correspondent_address.ip)
    return lab.execute(mobile_node, ["ping", "-6", "-q", "-c", "1", "-W", "1", address], timeout=5).returncode == 0
