"""TCP and UDP flows between a mobile node and the correspondent node, made and measured by iperf3."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from ryu_pmipls.lab import namespaces, processes
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError, LabInputError

Protocol = Literal["tcp", "udp"]
Direction = Literal["up", "down"]  # as the mobile node sees it

_DATAGRAM = 1200  # octets; fits into every tunnel of a 1348-octet underlay
_LONGEST = 86400  # seconds
_START_TIMEOUT = 30.0  # seconds for iperf3 to start
_END_TIMEOUT = 5.0  # seconds for iperf3 to write down its results, after each signal
_START_TRIES = 10
_START_CHECK = 0.3  # seconds after which a flow that could not begin has ended
_numbers = count(1)


@dataclass(frozen=True)
class Interval:
    """About half a second of a flow, as one of its ends counted it. ``start`` is in seconds since 1970."""

    start: float
    seconds: float
    octets: int
    packets: int = 0  # UDP: received and lost
    lost: int = 0  # UDP, at the receiver; below 0 when more came late than were missed
    retransmits: int = 0  # TCP, at the sender


@dataclass(frozen=True)
class FlowResult:
    """Result of a flow; ``error`` is iperf3's complaint, if the flow did not end as it should."""

    name: str
    protocol: Protocol
    direction: Direction
    received: tuple[Interval, ...]
    sent: tuple[Interval, ...]
    error: str | None

    def goodput(self, start: float = 0, end: float = float("inf")) -> float:
        """Mbit/s that the receiver got in the intervals wholly between two instants (seconds since 1970)."""
        chosen = _between(self.received, start, end)
        seconds = sum(interval.seconds for interval in chosen)
        return sum(interval.octets for interval in chosen) * 8e-6 / seconds if seconds else 0.0

    def loss(self, start: float = 0, end: float = float("inf")) -> float:
        """Fraction of a UDP flow's datagrams that were lost."""
        chosen = _between(self.received, start, end)
        packets = sum(interval.packets for interval in chosen)
        return sum(interval.lost for interval in chosen) / packets if packets else 0.0

    def retransmits(self, start: float = 0, end: float = float("inf")) -> int:
        """Segments that a TCP flow's sender retransmitted."""
        return sum(interval.retransmits for interval in _between(self.sent, start, end))


class Flow:
    """One flow, or ``streams`` of them that share a ``rate`` and count as one.

    ``rate`` is in Mbit/s (None: as fast as TCP can); ``seconds`` None lasts until :meth:`stop`.
    """

    def __init__(
        self,
        lab: Lab,
        mobile_node: str,
        protocol: Protocol = "tcp",
        direction: Direction = "up",
        rate: float | None = None,
        seconds: float | None = None,
        streams: int = 1,
    ) -> None:
        if protocol == "udp" and rate is None:
            raise LabInputError("a UDP flow needs a rate")
        self.lab = lab
        self.mobile_node = mobile_node
        self.protocol: Protocol = protocol
        self.direction: Direction = direction
        self.name = f"{mobile_node} {protocol} {direction}"
        self.started = 0.0  # seconds since 1970
        self._rate = rate
        self._seconds = seconds
        self._streams = streams
        self._logs: tuple[Path, ...] = ()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start both ends; ``LabError`` when the mobile node has no address, or the server does not start."""
        address = str(self.lab.address(self.mobile_node))
        correspondent = self.lab.plan.correspondent
        server_address = str(self.lab.plan.correspondent_address.ip)
        port = _free_port(self.lab.namespace(correspondent))
        directory = self.lab.directory / "traffic"
        directory.mkdir(exist_ok=True)
        stem = f"{next(_numbers)}-{port}"
        server_log, client_log = self._logs = directory / f"{stem}.server", directory / f"{stem}.client"
        common = ["--port", str(port), "--json", "--interval", "0.5"]
        server = self.lab.launch(
            correspondent, ["iperf3", "--server", "--one-off", "--bind", server_address, *common], server_log
        )
        self._processes = [server]
        _await_listener(server, port, server_log)
        argv = ["iperf3", "--client", server_address, "--bind", address, *common]
        argv += ["--time", f"{self._seconds or _LONGEST:.0f}", "--parallel", str(self._streams)]
        if self.protocol == "udp":
            argv += ["--udp", "--length", str(_DATAGRAM)]
        if self._rate is not None:
            argv += ["--bitrate", f"{self._rate / self._streams}M"]
        if self.direction == "down":
            argv.append("--reverse")
        self._processes.append(self.lab.launch(self.mobile_node, argv, client_log))
        self.started = time.time()

    def running(self) -> bool:
        """True while the flow is going on; a broken connection ends it."""
        return bool(self._processes) and self._processes[-1].poll() is None

    def wait(self) -> FlowResult:
        """Let a flow of limited duration come to its end."""
        self._processes[-1].wait()
        return self._result(interrupted=False)

    def stop(self) -> FlowResult:
        """End the flow now, if it is still going on."""
        interrupted = self.running()
        if interrupted:
            self._processes[-1].send_signal(signal.SIGINT)
        return self._result(interrupted)

    def _result(self, interrupted: bool) -> FlowResult:
        for process in reversed(self._processes):  # the client first: it tells the server
            _await_end(process)
        server, client = (_document(log) for log in self._logs)
        receiver, sender = (server, client) if self.direction == "up" else (client, server)
        error = None if interrupted and client.get("intervals") else client.get("error")
        return FlowResult(
            name=self.name,
            protocol=self.protocol,
            direction=self.direction,
            received=intervals(receiver, self.started),
            sent=intervals(sender, self.started),
            error=error,
        )


def intervals(document: Mapping[str, Any], started: float) -> tuple[Interval, ...]:
    """The intervals of an iperf3 JSON document, in order; ``started`` is when its clock began."""
    found: dict[float, Interval] = {}
    for entry in document.get("intervals", ()):
        figures = entry["sum"]
        # An interrupted iperf3 gives its last interval twice.
        found[figures["start"]] = Interval(
            start=started + figures["start"],
            seconds=figures["seconds"],
            octets=figures["bytes"],
            packets=figures.get("packets", 0),
            lost=_signed(figures.get("lost_packets", 0)),
            retransmits=figures.get("retransmits", 0),
        )
    return tuple(found.values())


def _signed(number: int) -> int:
    """Loss count with its sign: a late datagram lowers the count, and iperf3 reports -n as 2**64 - n."""
    return number - 2**64 if number >= 2**63 else number


def start(flows: Sequence[Flow]) -> None:
    """Start several flows at once; ``LabError`` when one cannot be started.

    iperf3 begins a UDP flow with one datagram each way and gives up when it is lost, which is likely where other flows
    fill the path already: such a flow is started again.
    """
    pending = list(flows)
    for _ in range(_START_TRIES):
        for flow in pending:
            flow.start()
        time.sleep(_START_CHECK)
        pending = [flow for flow in pending if flow.protocol == "udp" and not flow.running()]
        if not pending:
            return
    reasons = "; ".join(f"{flow.name}: {flow.stop().error}" for flow in pending)
    raise LabError(f"iperf3 does not start after {_START_TRIES} tries: {reasons}")


def run(flows: Sequence[Flow]) -> list[FlowResult]:
    """Run several flows of limited duration at once."""
    try:
        start(flows)
        return [flow.wait() for flow in flows]
    finally:
        for flow in flows:
            if flow.running():
                flow.stop()


def _between(candidates: Sequence[Interval], start: float, end: float) -> list[Interval]:
    return [interval for interval in candidates if start <= interval.start and interval.start + interval.seconds <= end]


def _document(log: Path) -> dict[str, Any]:
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError:
        return {"error": " ".join(text.split()) or "iperf3 wrote nothing"}
    return document


def _await_end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    process.wait()


def _await_listener(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while port not in processes.listening_ports(server.pid):
        if server.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the iperf3 server does not start; its last words:\n{processes.last_lines(log)}")
        time.sleep(0.02)


def _free_port(namespace: str) -> int:
    with namespaces.open_socket(namespace, socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        port: int = probe.getsockname()[1]
        return port
