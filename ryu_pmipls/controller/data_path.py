"""Signs of packet loss between the nodes of a domain, from switch counters: pure, without clock and switch.

The RMS asks switches one after the other, and they count with a delay. So a counter that stands still is a sign only if
a packet *must* have arrived between two readings of it: one that was sent, and counted as sent, in between. Times are
seconds of the monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

#: Seconds for which the sending end must have sent, and packets that it must have sent, of which none arrived.
LEAST_TIME = 10.0
LEAST_PACKETS = 5
#: Seconds within which switches count packets that they have sent or received.
SETTLING = 2.0
#: OpenFlow 1.3, section A.3.5.6: a counter that the switch does not have reads as all ones.
_UNKNOWN = 2**64 - 1
#: Readings of the sending end that may wait for one of the receiving end.
_WAITING = 64


class _Reading(NamedTuple):
    time: float
    packets: int


class OneWay:
    """One direction of a tunnel, judged by the packets that one end counts as sent and the other as received.

    A direction is ``silent`` when nothing arrives although the other end sends, until something arrives.
    """

    def __init__(self) -> None:
        self.silent = False
        self._received: _Reading | None = None  # the first with the present count
        self._first: _Reading | None = None  # the sending end's first reading since then
        self._sent: deque[_Reading] = deque(maxlen=_WAITING)  # later ones, whose packets may still be under way

    def add_sent(self, packets: int, now: float) -> None:
        """Add the counter of the sending end as read at ``now``."""
        if packets == _UNKNOWN or self._received is None or now < self._received.time + SETTLING:
            return
        last = self._sent[-1] if self._sent else self._first
        if self._first is None or last is None or packets < last.packets:  # a counter that falls has started again
            self._first = _Reading(now, packets)
            self._sent.clear()
        else:
            self._sent.append(_Reading(now, packets))

    def add_received(self, packets: int, now: float) -> None:
        """Add the counter of the receiving end as read at ``now``."""
        if packets == _UNKNOWN:
            return
        if self._received is None or packets != self._received.packets:
            self.forget()
            self._received = _Reading(now, packets)
            return
        first = self._first
        while first is not None and self._sent and self._sent[0].time <= now - SETTLING:
            reading = self._sent.popleft()
            if reading.packets - first.packets >= LEAST_PACKETS and reading.time - first.time >= LEAST_TIME:
                self.silent = True

    def forget(self) -> None:
        """Start over, because one end is disconnected."""
        self.silent = False
        self._received = self._first = None
        self._sent.clear()


class TunnelCounters:
    """All directions of all tunnels between ``mags`` and ``lmas``, by the counters of their ports."""

    def __init__(self, mags: Iterable[str], lmas: Iterable[str]) -> None:
        pairs = [(mag, lma) for lma in lmas for mag in mags]
        self._ways = {way: OneWay() for mag, lma in pairs for way in ((mag, lma), (lma, mag))}
        self._peers: dict[str, list[str]] = {}
        for node, peer in self._ways:
            self._peers.setdefault(node, []).append(peer)

    def update(self, node: str, counters: Mapping[str, tuple[int, int]], now: float) -> None:
        """Add the counters of ``node``'s switch: peer -> packets received and sent by the tunnel, all tunnels."""
        for peer in self._peers[node]:
            if peer in counters:
                received, sent = counters[peer]
                self._ways[peer, node].add_received(received, now)
                self._ways[node, peer].add_sent(sent, now)
            else:
                self._ways[peer, node].forget()
                self._ways[node, peer].forget()

    def silent(self, node: str, peer: str) -> bool:
        """True when nothing that ``node`` sends by their tunnel arrives at ``peer``."""
        return self._ways[node, peer].silent


class DataPathFault(str, Enum):
    """A cause why a mobile node does not get its downlink."""

    NO_ROUTE = "no route"  # an LMA has no flow entry for it
    NO_ENTRY = "no entry"  # its MAG has none
    LOST = "lost"  # an LMA forwards packets for it, and none reaches the flow entry at its MAG


class NodeFault(NamedTuple):
    """A fault, and the name of the node that has it."""

    fault: DataPathFault
    node: str


#: A node's flow entries by home network prefix (8 octets), each with its packet counter.
Entries = Mapping[bytes, int]


@dataclass(frozen=True)
class Observation:
    """The downlink entries of some prefixes at all nodes that answered, read twice each.

    The RMS reads the MAGs first and last and the LMAs in between, ``SETTLING`` after and before them, and
    ``LEAST_TIME`` apart. ``places`` maps prefixes to the MAG of their mobile node; it holds those whose binding did not
    change meanwhile.
    """

    places: Mapping[bytes, str]
    mags_before: Mapping[str, Entries]
    lmas_before: Mapping[str, Entries]
    lmas_after: Mapping[str, Entries]
    mags_after: Mapping[str, Entries]

    def faults(self) -> dict[bytes, NodeFault]:
        """Find the prefixes whose mobile node gets nothing, or not everything."""
        found = {}
        lmas = self.lmas_before.keys() & self.lmas_after.keys()
        for prefix, mag in self.places.items():
            if mag not in self.mags_before or mag not in self.mags_after:
                continue
            before, after = self.mags_before[mag].get(prefix), self.mags_after[mag].get(prefix)
            if before is None and after is None:
                found[prefix] = NodeFault(DataPathFault.NO_ENTRY, mag)
            elif before is not None and before == after and self._forwarded(prefix, lmas) >= LEAST_PACKETS:
                found[prefix] = NodeFault(DataPathFault.LOST, mag)
            else:
                for lma in sorted(lmas):
                    if prefix not in self.lmas_before[lma] and prefix not in self.lmas_after[lma]:
                        found[prefix] = NodeFault(DataPathFault.NO_ROUTE, lma)
                        break
        return found

    def _forwarded(self, prefix: bytes, lmas: Collection[str]) -> int:
        """Count the packets that the LMAs have sent to the MAG in between, at least."""
        unknown: Entries = {}
        gains = (
            self.lmas_after.get(lma, unknown).get(prefix, 0) - self.lmas_before.get(lma, unknown).get(prefix, 0)
            for lma in lmas
            if prefix in self.lmas_before[lma]
        )
        return sum(max(gain, 0) for gain in gains)


class NodeFaults:
    """Faults of mobile nodes that two observations in a row have shown; iterates over (prefix, fault).

    The RMS observes the mobile nodes in groups, each group on its own.
    """

    def __init__(self) -> None:
        self._latest: dict[int, Mapping[bytes, NodeFault]] = {}
        self._proved: dict[int, Mapping[bytes, NodeFault]] = {}

    def __iter__(self) -> Iterator[tuple[bytes, NodeFault]]:
        for proved in self._proved.values():
            yield from proved.items()

    def __len__(self) -> int:
        return sum(map(len, self._proved.values()))

    def add(self, group: int, faults: Mapping[bytes, NodeFault]) -> None:
        """Add the faults that an observation of all mobile nodes of a group has found."""
        before = self._latest.get(group, {})
        self._latest[group] = faults
        self._proved[group] = {prefix: fault for prefix, fault in faults.items() if before.get(prefix) == fault}
