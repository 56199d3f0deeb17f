"""Drain of an LMA under UDP, 10 000 packets per second up, and down; and once more under a TCP stream.

The two run separately: the stream would take processor time from the datagrams, drain or not.
"""

from __future__ import annotations

import time

from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.measuring.sharing import probes
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed
from ryu_pmipls.lab.traffic_generator import Flow

_TCP_RATE = 20.0  # Mbit/s


def measure(testbed: Testbed) -> Figures:
    testbed.raise_lma_quotas()
    lma = testbed.profile.lmas[0].name
    nodes = testbed.three_through(lma)
    node = nodes[0]
    started = probes.start(testbed.lab, up={node: probes.FAST}, down=nodes)
    figures: Figures = {"safe_to_stop_after_s": _drained(testbed, lma)}
    figures |= {name: probes.figures(result) for name, result in probes.stop(started).items()}
    testbed.send(f"lmas/{lma}/undrain", {})
    for mag in testbed.profile.mags[:3]:
        testbed.move(mag.name, lma)
    stream = Flow(testbed.lab, node, "tcp", "up", _TCP_RATE)
    traffic.start([stream])
    time.sleep(2)
    before, began = _timeouts(testbed, node), time.time()
    figures["safe_to_stop_after_s, tcp"] = _drained(testbed, lma)
    timeouts = _timeouts(testbed, node) - before
    result = stream.stop()
    testbed.send(f"lmas/{lma}/undrain", {})
    figures["tcp"] = {
        "mbit_s": result.goodput(began),
        "retransmits": result.retransmits(began),
        "timeouts": timeouts,
        "error": result.error,
    }
    testbed.show(figures)
    return figures


def _drained(testbed: Testbed, lma: str) -> float:
    """Drain an LMA, with 2 s before and after; returns the seconds until it was safe to stop."""
    time.sleep(2)
    began = time.time()
    testbed.send(f"lmas/{lma}/drain", {})
    testbed.expect("the end of the drain", lambda: testbed.fetch(f"lmas/{lma}")["drain"]["safe_to_stop"])
    safe = time.time() - began
    time.sleep(2)
    return safe


def _timeouts(testbed: Testbed, node: str) -> int:
    """Retransmission timeouts of TCP at a node so far."""
    text = testbed.lab.execute(node, ["cat", "/proc/net/netstat"]).stdout
    names, values = (line.split() for line in text.splitlines() if line.startswith("TcpExt:"))
    return int(dict(zip(names, values, strict=True))["TCPTimeouts"])
