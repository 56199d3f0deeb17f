"""Clocks of nodes that differ from the RMS's by more than it tolerates in the timestamps of reports."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.clock import Clock, deviation
from ryu_pmipls.controller.bindings.binding_table import MAX_SKEW
from ryu_pmipls.controller.reasons import Symptom
from ryu_pmipls.signalling import Endpoint
from ryu_pmipls.wire import LoadInfo, Timestamp

#: Seconds for which a difference is shown; a new message of the node may end it earlier.
_SHOWN = 120.0
#: Seconds by which a difference may change and still be the same one.
_JITTER = 1.0


class ClockSkews:
    """Compares nodes' times of day with that of the RMS, which is set by the wall clock where that helps."""

    def __init__(self, clock: Clock, endpoint: Endpoint) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._found: dict[str, tuple[float, float]] = {}  # node -> seconds ahead, and the time of the message

    def add_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        """Compare with the timestamp of a Load_info, if it has one."""
        timestamp = message.option(Timestamp)
        if timestamp is not None:
            self.compare(lma, timestamp.seconds, now)

    def compare(self, node: str, sent: float, now: float) -> None:
        """Compare with a message of a node that was ``sent`` (seconds since 1970) just before ``now``."""
        if abs(sent - self._clock.time_of_day(now)) > MAX_SKEW:
            self._clock.synchronise(sent, now)
        ahead = sent - self._clock.time_of_day(now)
        if abs(ahead) <= MAX_SKEW:
            self._found.pop(node, None)
            return
        before, _ = self._found.get(node, (ahead, now))
        self._found[node] = before if abs(ahead - before) <= _JITTER else ahead, now

    def symptoms(self, now: float) -> Iterator[Symptom]:
        """Yield a symptom for each node whose clock differs."""
        found = {node: ahead for node, (ahead, when) in self._found.items() if now - when <= _SHOWN}
        for address, ahead in self._endpoint.clock_skews().items():
            found[self._endpoint.peer(address).name] = ahead
        for node, ahead in found.items():
            yield Symptom(node, f"the clock of {node} is {deviation(ahead)} the RMS's")
