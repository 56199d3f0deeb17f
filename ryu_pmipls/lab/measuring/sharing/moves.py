"""Cost of a move of a MAG at 10 000 packets per second: its uplink goes to and fro between two LMAs."""

from __future__ import annotations

import time

from ryu_pmipls.lab.measuring.sharing import probes
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed

_MOVES = 6
_PAUSE = 1.5  # seconds before, between and after them


def measure(testbed: Testbed) -> Figures:
    testbed.raise_lma_quotas()
    one, other = (lma.name for lma in testbed.profile.lmas[:2])
    node, mag = testbed.profile.mobile_nodes[0].name, testbed.profile.mags[0].name
    testbed.attach({node: mag})
    testbed.renew("static")
    started = probes.start(testbed.lab, up={node: probes.FAST}, down=())
    for number in range(_MOVES):
        time.sleep(_PAUSE)
        testbed.move(mag, (other, one)[number % 2])
    time.sleep(_PAUSE)
    (result,) = probes.stop(started).values()
    return probes.figures(result) | {"moves": _MOVES, "rate": probes.FAST}
