"""Blows, carried out: each at its time of the monotonic clock, none waiting for the end of another one's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any

from pyroute2 import NetlinkError

from ryu_pmipls.http.client import ClientError, path_of, rms_of, send
from ryu_pmipls.lab.clock_steps import ClockSteps
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.storm.blows import (
    Attach,
    Blow,
    ClockStep,
    Detach,
    DrainLma,
    Handoff,
    Kill,
    Stranger,
    UndrainLma,
)
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind
from ryu_pmipls.lab.storm.supervision import Supervisor

#: Seconds for which the operator repeats a command that the RMS does not answer, and between two tries.
_OPERATOR_PATIENCE, _OPERATOR_INTERVAL = 60.0, 1.0
_REFUSED = "refused"


@dataclass(frozen=True)
class Struck:
    """A blow that has been carried out: begun and over, in seconds after the storm's beginning, and what came of it.

    ``outcome`` is empty when it came as planned.
    """

    blow: Blow
    begun: float
    over: float
    outcome: str

    def document(self) -> dict[str, Any]:
        return self.blow.document() | {"begun": self.begun, "over": self.over, "outcome": self.outcome}


class Strikes:
    """Carries out the blows of one storm.

    What happens to mobile nodes' links happens one after the other, and so does what the operator commands; strangers
    come as they like.
    """

    def __init__(
        self, lab: Lab, supervisor: Supervisor, clocks: ClockSteps, strangers: Mapping[str, StrangerKind]
    ) -> None:
        self.struck: list[Struck] = []
        self._lab = lab
        self._supervisor = supervisor
        self._clocks = clocks
        self._strangers = strangers
        self._lock = Lock()

    def carry_out(self, blows: Iterable[Blow], begin: float, say: Callable[[Blow], None]) -> None:
        """Carry out all blows; ``begin`` is the storm's beginning on the monotonic clock."""
        with ExitStack() as stack:
            lanes = {
                lane: stack.enter_context(ThreadPoolExecutor(workers))
                for lane, workers in (("kills", 4), ("links", 1), ("operator", 1), ("clocks", 1), ("strangers", 4))
            }
            futures: list[Future[None]] = []
            for blow in blows:
                time.sleep(max(0.0, begin + blow.at - time.monotonic()))
                say(blow)
                lane, strike = self._strike(blow)
                futures.append(lanes[lane].submit(self._record, blow, begin, strike))
        for future in futures:
            future.result()  # raises what should not have been
        self.struck.sort(key=lambda struck: struck.begun)

    def _record(self, blow: Blow, begin: float, strike: Callable[[], str]) -> None:
        begun = time.monotonic() - begin
        try:
            outcome = strike()
        except (LabError, NetlinkError, OSError) as error:
            outcome = str(error)
        with self._lock:
            self.struck.append(Struck(blow, begun, time.monotonic() - begin, outcome))

    def _strike(self, blow: Blow) -> tuple[str, Callable[[], str]]:
        """The lane of a blow, and the function that carries it out and returns its outcome."""
        match blow:
            case Kill():
                return "kills", lambda: self._kill(blow)
            case Attach() | Detach() | Handoff():
                return "links", lambda: self._link(blow)
            case DrainLma():
                return "operator", lambda: self._command(blow.target, "drain")
            case UndrainLma():
                return "operator", lambda: self._command(blow.target, "undrain")
            case ClockStep():
                return "clocks", lambda: self._step(blow)
            case Stranger():
                return "strangers", lambda: self._stranger(blow)
        raise TypeError(blow)

    def _kill(self, blow: Kill) -> str:
        return "" if self._supervisor.kill(blow.target, blow.down) else "was down already"

    def _link(self, blow: Attach | Detach | Handoff) -> str:
        match blow:
            case Attach():
                self._lab.attach(blow.target, blow.mag)
            case Detach():
                self._lab.detach(blow.target)
            case Handoff():
                self._lab.handoff(blow.target, blow.mag)
        return ""

    def _step(self, blow: ClockStep) -> str:
        self._clocks.step(blow.target, blow.seconds)
        return ""

    def _command(self, lma: str, command: str) -> str:
        ends = time.monotonic() + _OPERATOR_PATIENCE
        while True:
            try:
                send(rms_of(self._lab.profile), path_of("lmas", lma, command), {})
            except ClientError as error:
                if command == "drain" and "cannot be drained" in str(error):
                    return _REFUSED
                if time.monotonic() > ends:
                    return str(error)
                time.sleep(_OPERATOR_INTERVAL)
            else:
                return ""

    def _stranger(self, blow: Stranger) -> str:
        self._strangers[blow.what].act(self._lab, blow.target, Random(blow.seed))
        return ""
