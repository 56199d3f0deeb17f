"""The supervisor of a lab under a storm: kills daemons when told to, and starts again whatever has ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

from ovs_setup import OvsSetupError
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.waiting import expect

#: Seconds between two looks at all daemons.
_INTERVAL = 0.1
#: Seconds until a daemon that ended by itself, or did not start, is started again.
_PAUSE = 1.0
_DEATH = 15.0  # seconds from SIGKILL to the end of a process that its quota keeps waiting
#: Seconds within which a daemon may end because its switch was not there: an agent asks, waits, says why, and ends.
_AFTERMATH = 10.0
#: Daemons of an Open vSwitch, behind the name of their node.
_SWITCH, _DATABASE = "ovs-vswitchd", "ovsdb-server"


@dataclass(frozen=True)
class Death:
    """A daemon that ended without being killed: ``at`` in seconds of the monotonic clock.

    ``without_switch``: its own node's Open vSwitch was not whole at that time, or shortly before.
    """

    at: float
    daemon: str
    status: int
    without_switch: bool


@dataclass(frozen=True)
class Downtime:
    """The time that a daemon was down, in seconds of the monotonic clock."""

    daemon: str
    since: float
    until: float


def switch_daemon(node: str, daemon: str = _SWITCH) -> str:
    """The name of a daemon of a node's Open vSwitch: ``mag1/ovs-vswitchd``."""
    return f"{node}/{daemon}"


def victims(daemons: tuple[str, ...], switches: tuple[str, ...]) -> tuple[str, ...]:
    """All daemons that may be killed: those of the lab, and two of each switch."""
    return (*daemons, *(switch_daemon(node, daemon) for node in switches for daemon in (_SWITCH, _DATABASE)))


class Supervisor:
    """Watches the daemons of a lab from a thread of its own, from :meth:`start` to :meth:`stop`."""

    def __init__(self, lab: Lab) -> None:
        self.deaths: list[Death] = []
        self.downtimes: list[Downtime] = []
        #: Starts that failed, and were repeated: daemon, reason.
        self.failures: list[tuple[str, str]] = []
        self._lab = lab
        self._due: dict[str, float] = {}  # daemon that is down -> when it is to be started
        self._down: dict[str, float] = {}  # daemon that is down -> since when
        self._starting: dict[str, Future[None]] = {}  # node whose Open vSwitch is being started
        self._lock = Lock()
        self._ends = Event()
        self._pool = ThreadPoolExecutor(4)
        self._thread = Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the watch, with no start under way."""
        self._ends.set()
        self._thread.join()
        self._pool.shutdown()

    def kill(self, name: str, down: float) -> bool:
        """SIGKILL to a daemon, which is started again after so many seconds; false when it was down already."""
        with self._lock:
            if name in self._down:
                return False
            now = self._down[name] = time.monotonic()
        node, _, daemon = name.partition("/")
        was_there = self._kill_of_switch(node, daemon) if daemon else self._lab.kill(name)
        with self._lock:
            self._due[name] = now + down
        return was_there

    def whole(self) -> bool:
        """True while every daemon runs."""
        with self._lock:
            return not self._down and not any(True for _ in self._ended())

    def pids(self) -> dict[str, int]:
        """Process ids of all daemons that run, by name."""
        switches = {
            switch_daemon(node, daemon): self._pid(node, daemon)
            for node in self._lab.plan.switches
            for daemon in (_SWITCH, _DATABASE)
        }
        found = {name: process and process.pid for name in self._lab.daemons for process in [self._lab.process(name)]}
        return {name: pid for name, pid in (found | switches).items() if pid is not None}

    def _kill_of_switch(self, node: str, daemon: str) -> bool:
        pid = self._pid(node, daemon)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        expect(lambda: self._pid(node, daemon) is None, _DEATH, f"{daemon} of {node} does not end by SIGKILL")
        return True

    def _pid(self, node: str, daemon: str) -> int | None:
        switch = self._lab.openvswitch(node)
        return switch.vswitchd_process() if daemon == _SWITCH else switch.database_process()

    def _ended(self) -> Iterator[tuple[str, int]]:
        """Daemons that have ended, though nobody has killed them, and their exit status."""
        for name in self._lab.daemons:
            status = self._lab.ended(name)
            if status is not None and name not in self._down:
                yield name, status
        for node in self._lab.plan.switches:
            for daemon in (_SWITCH, _DATABASE):
                name = switch_daemon(node, daemon)
                if name not in self._down and self._pid(node, daemon) is None:
                    yield name, 0

    def _run(self) -> None:
        while not self._ends.wait(_INTERVAL):
            with self._lock:
                now = time.monotonic()
                for name, status in [*self._ended()]:
                    self.deaths.append(Death(now, name, status, self._without_switch(name, now)))
                    self._down[name], self._due[name] = now, now + _PAUSE
                due = [name for name, when in self._due.items() if when <= now]
                for name in due:
                    self._start(name)

    def _without_switch(self, name: str, now: float) -> bool:
        """True if the Open vSwitch of a daemon's node is not whole, or was not a moment ago."""
        daemons = {switch_daemon(name.partition("/")[0], each) for each in (_SWITCH, _DATABASE)}
        ends = [downtime.until for downtime in self.downtimes if downtime.daemon in daemons]
        return not daemons.isdisjoint(self._down) or any(end > now - _AFTERMATH for end in ends)

    def _start(self, name: str) -> None:
        node, _, daemon = name.partition("/")
        if not daemon:
            self._lab.start_daemon(name)
            self._up(name)
            return
        under_way = self._starting.get(node)
        if under_way is not None and not under_way.done():
            return  # one start sees to both daemons of a switch; if it came too early for this one, the next will
        del self._due[name]
        self._starting[node] = self._pool.submit(self._start_switch, node, name)

    def _start_switch(self, node: str, name: str) -> None:
        """Start what is down of a switch, and set it up, as a host's service does."""
        try:
            self._lab.start_switch(node)
        except (OvsSetupError, LabError, OSError) as error:
            with self._lock:
                self.failures.append((name, str(error)))
                self._due[name] = time.monotonic() + _PAUSE
            return
        with self._lock:
            self._up(name)

    def _up(self, name: str) -> None:
        self._due.pop(name, None)
        self.downtimes.append(Downtime(name, self._down.pop(name), time.monotonic()))
