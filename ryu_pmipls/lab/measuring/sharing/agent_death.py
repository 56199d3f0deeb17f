"""Death of a MAG's agent: it is killed, and stays away for ten minutes, while its mobile nodes go on talking."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.sharing import probes
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed

#: Seconds for which the agent is away, and those of traffic before and after it.
AWAY, _MARGIN = 600.0, 10.0
#: Datagrams per second each way, and seconds between two requests.
_RATE, _INTERVAL = 50, 0.2


def measure(testbed: Testbed) -> Figures:
    """Losses of datagrams up and down, and of requests with their answers, of two mobile nodes at the MAG."""
    testbed.raise_lma_quotas()
    mag = testbed.profile.mags[0].name
    nodes = [node.name for node in testbed.profile.mobile_nodes[:2]]
    testbed.attach(dict.fromkeys(nodes, mag))
    testbed.renew("static")
    started = probes.start(testbed.lab, up=dict.fromkeys(nodes, _RATE), down=nodes, down_rate=_RATE)
    requests = {node: _start_requests(testbed, node) for node in nodes}
    time.sleep(_MARGIN)
    testbed.lab.kill(mag)
    time.sleep(AWAY)
    testbed.lab.start_agent(mag)
    time.sleep(_MARGIN)
    figures: Figures = {"agent_away_s": AWAY}
    figures |= {name: probes.figures(result) for name, result in probes.stop(started).items()}
    figures |= {f"{node} requests": _answered(*each) for node, each in requests.items()}
    figures["bound_after_it"] = [node for node in nodes if testbed.located(node) == mag]
    testbed.show(figures)
    return figures


def _start_requests(testbed: Testbed, node: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start echo requests from a mobile node to the correspondent node; returns the process and its output."""
    output = testbed.lab.directory / "log" / f"requests-{node}.log"
    count = str(round((AWAY + 2 * _MARGIN) / _INTERVAL))
    target = str(testbed.lab.plan.correspondent_address.ip)
    return testbed.lab.launch(node, ["ping", "-6", "-q", "-i", str(_INTERVAL), "-c", count, target], output), output


def _answered(ping: subprocess.Popen[bytes], output: Path) -> Figures:
    """Requests sent and answered, when the last one is."""
    ping.wait(timeout=6 * _MARGIN)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", output.read_text())
    if found is None:
        raise LabError(f"ping says nothing in {output}")
    return {"sent": int(found[1]), "answered": int(found[2])}
