"""Failure of an LMA: its switch is killed under traffic of three mobile nodes and returns, with an RMS or without."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from ryu_pmipls.lab.measuring.sharing import probes
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed
from ryu_pmipls.lab.probe import Probe


def measure(testbed: Testbed, *, rms: bool) -> Figures:
    testbed.raise_lma_quotas()
    lma = testbed.profile.lmas[0].name
    nodes = testbed.three_through(lma)
    if not rms:
        testbed.lab.stop_rms()
    started = _start(testbed, nodes)
    time.sleep(2)
    killed = time.time()
    os.kill(testbed.lab.openvswitch(lma).vswitchd_pid(), signal.SIGKILL)
    figures = _evacuation(testbed, lma, killed) if rms else {}
    time.sleep(4)
    figures |= {name: probes.figures(result, killed - 0.2) for name, result in probes.stop(started).items()}
    if not rms:
        testbed.lab.start_rms()
        testbed.expect("the death", lambda: testbed.incident("died", killed))
    figures["return"] = _return(testbed, lma, nodes)
    testbed.show(figures)
    return figures


def _evacuation(testbed: Testbed, lma: str, killed: float) -> Figures:
    """Wait for the evacuation; returns the time until the RMS noticed the death, and until the switches followed."""
    died = testbed.expect("the death", lambda: testbed.incident("died", killed))
    testbed.expect("the evacuation", lambda: lma not in testbed.carriers())
    answers = [
        answer["time"]
        for decision in testbed.fetch("decisions")
        if decision["time"] >= died["time"] - 0.01
        for answer in decision["answers"]
        if answer["by"].startswith("switch")
    ]
    return {
        "dead_after_s": died["time"] - killed,
        "evacuated_after_s": max(answers, default=died["time"]) - killed,
    }


def _return(testbed: Testbed, lma: str, nodes: Sequence[str]) -> Figures:
    """Start the switch again; returns the losses until the LMA carries uplinks again."""
    started = _start(testbed, nodes)
    time.sleep(1)
    began = time.time()
    testbed.lab.start_switch(lma)
    returned = testbed.expect("the return", lambda: testbed.incident("returned", began))
    testbed.expect("the uplinks", lambda: lma in testbed.carriers())
    time.sleep(3)
    lost = {name: result.lost for name, result in probes.stop(started).items()}
    return {"lost": lost, "after_s": returned["time"] - began}


def _start(testbed: Testbed, nodes: Sequence[str]) -> dict[str, Probe]:
    return probes.start(testbed.lab, up=dict.fromkeys(nodes, probes.SLOW), down=nodes)
