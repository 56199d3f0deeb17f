"""All Mobility Headers on the underlay, captured by tcpdump and read by tshark; with IPsec what protects them."""

from __future__ import annotations

import subprocess
from collections import Counter

from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import UNDERLAY
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.waiting import until

_START_TIMEOUT = 10.0  # s
#: What is captured: Mobility Headers; with IPsec also datagrams of signalling, IKEv2, and ESP by itself and in UDP.
_FILTER = "ip6 proto 135"
_IPSEC_FILTER = "ip6 proto 135 or udp port {port} or ip6 proto 50 or udp port 500 or udp port 4500"
#: Names by which tshark tells what belongs to IPsec: ESP, IKEv2, and what keeps UDP ports open (RFC 3948, section 4).
_OF_IPSEC = ("esp", "isakmp", "udpencap")


class Capture:
    """The capture of one lab, in ``file``."""

    def __init__(self, lab: Lab) -> None:
        self.file = lab.directory / "signalling.pcap"
        self._lab = lab

    def start(self) -> None:
        """Start the capture and return when it has begun; ``LabError`` when it does not begin."""
        argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", UNDERLAY, "-w", str(self.file), self._filter()]
        log = self._lab.directory / "log" / "tcpdump.log"
        self._process = self._lab.launch(UNDERLAY, argv, log)
        if not until(lambda: "listening on" in log.read_text(), _START_TIMEOUT):
            raise LabError(f"tcpdump does not start: {log.read_text()}")

    def _filter(self) -> str:
        signalling = self._lab.profile.signalling
        return _IPSEC_FILTER.format(port=signalling.udp_port) if signalling.ipsec else _FILTER

    def judge(self, stage: Stage) -> None:
        """End the capture, and have tshark judge the captured frames."""
        self._process.terminate()
        self._process.wait(10)
        if self._lab.profile.signalling.ipsec:
            judge_protected(stage, self._dissect("frame.protocols"))
        else:
            judge_headers(stage, self._dissect("mip6.mhtype", "_ws.malformed", "_ws.expert.message"))

    def _dissect(self, *fields: str) -> list[list[str]]:
        """These fields of each frame, as tshark finds them."""
        argv = ["tshark", "-r", str(self.file), "-T", "fields", "-E", "separator=/t"]
        argv += [word for field in fields for word in ("-e", field)]
        found = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if found.returncode:
            raise LabError(f"tshark cannot read the capture: {found.stderr.strip()}")
        return [line.split("\t") for line in found.stdout.splitlines()]


def judge_headers(stage: Stage, frames: list[list[str]]) -> None:
    """Report whether all frames are Mobility Headers; each has its type, and the faults that tshark finds in it."""
    types = Counter(frame[0] or "none" for frame in frames)
    faulty = [frame for frame in frames if not frame[0] or any(frame[1:])]
    stage.report.figures["capture"] = {"frames": len(frames), "by_type": dict(types), "faulty": len(faulty)}
    stage.saw(
        "valid Mobility Headers",
        bool(frames) and not faulty and {"5", "6", "11"} <= set(types),
        f"{len(frames)} messages, {len(faulty)} faulty in tshark",
        "tshark takes every message for a valid Mobility Header; PBU, PBA and the draft's are among them",
    )


def judge_protected(stage: Stage, frames: list[list[str]]) -> None:
    """Report whether no frame is in the clear; each has its protocols, from the outermost on."""
    names = (frame[0].split(":") for frame in frames)
    counts = Counter(next((name for name in _OF_IPSEC if name in found), "clear") for found in names)
    stage.report.figures["capture"] = {"frames": len(frames), "by_protocol": dict(counts)}
    stage.saw(
        "protected signalling",
        counts["esp"] > 0 and not counts["clear"],
        f"{counts['esp']} packets of ESP, {counts['isakmp']} of IKEv2, {counts['clear']} in the clear",
        "all signalling on the underlay is protected by ESP, and nothing is in the clear",
    )
