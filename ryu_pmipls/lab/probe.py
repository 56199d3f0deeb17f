"""A probe: numbered UDP datagrams at a steady rate from one node to another, and their fate."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import count, pairwise
from pathlib import Path

from ryu_pmipls.lab import processes
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.probe_ends import RECORD

_SETTLING = 0.5  # seconds in which the last datagrams may still arrive
_TIMEOUT = 30.0  # seconds for an end to start or to finish
_numbers = count(1)


@dataclass(frozen=True)
class Arrival:
    """A datagram that came; times in seconds since 1970."""

    number: int
    sent: float
    received: float


@dataclass(frozen=True)
class Gap:
    """A time without arrivals: ``start`` in seconds since 1970, ``lost`` is the number of datagrams that never came."""

    start: float
    milliseconds: float
    lost: int


@dataclass(frozen=True)
class ProbeResult:
    """Result of ``sent`` datagrams at the receiver. ``received`` counts each of them once."""

    sent: int
    ended: float  # when the sender stopped, in seconds since 1970
    received: int
    duplicated: int
    reordered: int  # arrivals after one with a higher number
    arrivals: tuple[Arrival, ...]

    @property
    def lost(self) -> int:
        return self.sent - self.received

    def gap_at(self, instant: float) -> Gap:
        """The time without arrivals round an instant (seconds since 1970); infinite when none came afterwards."""
        before = [arrival for arrival in self.arrivals if arrival.received <= instant]
        after = next((arrival for arrival in self.arrivals if arrival.received > instant), None)
        first = before[-1] if before else Arrival(-1, instant, instant)
        if after is None:
            return Gap(first.received, float("inf"), self.sent - first.number - 1)
        return self._gap(first, after)

    def longest_gap(self, start: float = 0, end: float = float("inf")) -> Gap:
        """The longest time without arrivals that began between two instants (seconds since 1970).

        It may last until the sender stopped; when nothing at all arrived it is infinite.
        """
        if not self.arrivals:
            return Gap(start, float("inf"), self.sent)
        after_last = Arrival(self.sent, self.ended, max(self.ended, self.arrivals[-1].received))
        pairs = [(a, b) for a, b in pairwise((*self.arrivals, after_last)) if start <= a.received <= end]
        if not pairs:
            return Gap(start, 0.0, 0)
        one, other = max(pairs, key=lambda pair: pair[1].received - pair[0].received)
        return self._gap(one, other)

    def lost_between(self, start: float, end: float) -> int:
        """Datagrams sent between two instants (seconds since 1970) that never came, by those round them that did."""
        came = {arrival.number for arrival in self.arrivals}
        near = [arrival.number for arrival in self.arrivals if start < arrival.sent < end]
        return sum(number not in came for number in range(min(near), max(near))) if near else self.sent

    def _gap(self, one: Arrival, other: Arrival) -> Gap:
        arrived = {arrival.number for arrival in self.arrivals}
        lost = sum(number not in arrived for number in range(one.number + 1, other.number))
        return Gap(one.received, (other.received - one.received) * 1000, lost)


def analyse(sent: int, ended: float, arrivals: Sequence[Arrival]) -> ProbeResult:
    """The result for ``sent`` datagrams until ``ended`` and all arrivals, in the order of their coming."""
    seen: set[int] = set()
    highest = -1
    duplicated = reordered = 0
    for arrival in arrivals:
        if arrival.number in seen:
            duplicated += 1
        elif arrival.number < highest:
            reordered += 1
        seen.add(arrival.number)
        highest = max(highest, arrival.number)
    return ProbeResult(sent, ended, len(seen), duplicated, reordered, tuple(arrivals))


class Probe:
    """A probe from ``source`` to ``destination``, two nodes of which one is the correspondent node.

    ``rate`` is in datagrams per second, ``size`` in octets of UDP payload (at least 16).
    """

    def __init__(self, lab: Lab, source: str, destination: str, rate: int = 1000, size: int = 100) -> None:
        self.lab = lab
        self.source = source
        self.destination = destination
        self._rate = rate
        self._size = size
        self._files: tuple[Path, ...] = ()
        self._ends: tuple[subprocess.Popen[bytes], ...] = ()

    def start(self) -> None:
        """Start both ends; ``LabError`` when an end has no address or does not start."""
        address = self._address(self.destination)
        directory = self.lab.directory / "traffic"
        directory.mkdir(exist_ok=True)
        stem = directory / f"probe-{next(_numbers)}-{time.time_ns()}"
        arrivals, receiver_log, sender_log = self._files = tuple(
            stem.with_suffix(suffix) for suffix in (".arrivals", ".receiver", ".sender")
        )
        module = [sys.executable, "-m", "ryu_pmipls.lab.probe_ends"]
        receiver = self.lab.launch(self.destination, [*module, "receive", str(address), str(arrivals)], receiver_log)
        port = _first_line(receiver, receiver_log)
        sender = self.lab.launch(
            self.source, [*module, "send", str(address), port, str(self._rate), str(self._size)], sender_log
        )
        self._ends = (sender, receiver)
        _first_line(sender, sender_log)

    def stop(self) -> ProbeResult:
        """End the sender, let datagrams under way arrive, and count."""
        sender, receiver = self._ends
        _finish(sender)
        time.sleep(_SETTLING)
        _finish(receiver)
        arrivals, _, sender_log = self._files
        sent, ended = sender_log.read_text().split()[-2:]
        return analyse(int(sent), int(ended) / 1e9, _load_arrivals(arrivals))

    def _address(self, node: str) -> IPv6Address:
        plan = self.lab.plan
        return plan.correspondent_address.ip if node == plan.correspondent else self.lab.address(node)


def _first_line(end: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _TIMEOUT
    while "\n" not in (text := log.read_text()):
        if end.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"an end of the probe does not start; its last words:\n{processes.last_lines(log)}")
        time.sleep(0.01)
    return text.splitlines()[0]


def _finish(end: subprocess.Popen[bytes]) -> None:
    end.send_signal(signal.SIGTERM)
    try:
        end.wait(_TIMEOUT)
    except subprocess.TimeoutExpired:
        end.kill()
        end.wait()


def _load_arrivals(path: Path) -> list[Arrival]:
    return [
        Arrival(number, sent / 1e9, received / 1e9) for number, sent, received in RECORD.iter_unpack(path.read_bytes())
    ]
