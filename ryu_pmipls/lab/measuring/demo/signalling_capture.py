"""All Mobility Headers on the underlay, captured by tcpdump and read by tshark."""

from __future__ import annotations

import subprocess
from collections import Counter

from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import UNDERLAY
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.waiting import until

_START_TIMEOUT = 10.0  # s


class Capture:
    """The capture of one lab, in ``file``."""

    def __init__(self, lab: Lab) -> None:
        self.file = lab.directory / "signalling.pcap"
        self._lab = lab

    def start(self) -> None:
        """Start the capture and return when it has begun; ``LabError`` when it does not begin."""
        argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", UNDERLAY, "-w", str(self.file), "ip6 proto 135"]
        log = self._lab.directory / "log" / "tcpdump.log"
        self._process = self._lab.launch(UNDERLAY, argv, log)
        if not until(lambda: "listening on" in log.read_text(), _START_TIMEOUT):
            raise LabError(f"tcpdump does not start: {log.read_text()}")

    def judge(self, stage: Stage) -> None:
        """End the capture, and have tshark judge the captured frames."""
        self._process.terminate()
        self._process.wait(10)
        frames = self._dissect()
        types = Counter(frame[0] or "none" for frame in frames)
        faulty = [frame for frame in frames if not frame[0] or any(frame[1:])]
        stage.report.figures["capture"] = {"frames": len(frames), "by_type": dict(types), "faulty": len(faulty)}
        stage.saw(
            "valid Mobility Headers",
            bool(frames) and not faulty and {"5", "6", "11"} <= set(types),
            f"{len(frames)} messages, {len(faulty)} faulty in tshark",
            "tshark takes every message for a valid Mobility Header; PBU, PBA and the draft's are among them",
        )

    def _dissect(self) -> list[list[str]]:
        """Type of each frame's Mobility Header, and the faults that tshark finds in the frame."""
        argv = ["tshark", "-r", str(self.file), "-T", "fields", "-E", "separator=/t"]
        argv += ["-e", "mip6.mhtype", "-e", "_ws.malformed", "-e", "_ws.expert.message"]
        found = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if found.returncode:
            raise LabError(f"tshark cannot read the capture: {found.stderr.strip()}")
        return [line.split("\t") for line in found.stdout.splitlines()]
