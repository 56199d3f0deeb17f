"""The RMS, which adjusts the uplink of its first MAG again and again, and writes down what that takes.

``ryu-manager tests.bench.adjusting_rms``; in ``$PMIPLS_ADJUSTMENTS`` are how often, and the path of the result, a JSON
document.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.session import WriteOutcome
from ryu_pmipls.loadsharing import whole
from ryu_pmipls.rms import RouteManagementServer

PAUSE = 0.01
#: Seconds after which a switch has done what reconciliation leaves behind.
SETTLED = 2.0


class AdjustingServer(RouteManagementServer):
    """Adjusts as soon as all switches that are connected are ready."""

    def start(self) -> None:
        super().start()
        self.threads.append(hub.spawn(self._adjust))

    def _adjust(self) -> None:
        mag, *_ = self.switches.mags.values()
        lmas = [*self.switches.lmas]
        while any(switch.state is not SwitchState.READY for switch in (mag, *self.switches.lmas.values())):
            hub.sleep(0.1)
        hub.sleep(SETTLED)
        uplinks = self.state._uplinks
        sent: list[bytes] = []
        session = mag._session
        assert session is not None
        send = session.datapath.send

        def counted(octets: bytes) -> bool:
            sent.append(octets)
            return bool(send(octets))

        rounds, _, result = os.environ["PMIPLS_ADJUSTMENTS"].partition(" ")
        seconds = []
        for number in range(int(rounds)):
            uplinks[mag.name] = {**uplinks[mag.name], lmas[0]: whole(lmas[(number + 1) % 2])}
            session.datapath.send = counted
            begin = time.perf_counter()
            transaction = self.switches.adjust(mag.name)
            assert transaction is not None
            outcome = transaction.wait()
            seconds.append(time.perf_counter() - begin)
            del session.datapath.send
            assert outcome is WriteOutcome.ACKED
            hub.sleep(PAUSE)
        messages = sum(map(_messages, sent)) / len(seconds)
        Path(result).write_text(json.dumps({"seconds": seconds, "messages": messages}))


def _messages(octets: bytes) -> int:
    """OpenFlow messages in a write."""
    count = position = 0
    while position < len(octets):
        position += int.from_bytes(octets[position + 2 : position + 4], "big")
        count += 1
    return count
