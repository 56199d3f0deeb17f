"""Mobile nodes that came to an access port while nobody listened there: while no agent ran, or the port was not there.

A node solicits when its link comes up, and then no more. So the agent asks all that are on a link as soon as it listens
there, and who answers and is not known to be there has come meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Seconds after a port is there when all on its link are asked: when the bindings of an earlier process are resumed,
#: and again for those who missed it.
_QUESTIONS = (1.0, 3.0)
#: Seconds within which a node answers: an access point may have many of them.
ANSWER_TIME = 2.0
#: Seconds after which an answer is a sign of life as any other: the last of them are late by then.
_LISTENING = _QUESTIONS[-1] + 2 * ANSWER_TIME


class Arrivals:
    """Finds out who has come.

    ``ask(OpenFlow port)`` asks all nodes on a link; ``here(link-layer address, OpenFlow port)`` is true for a node that
    is known to be there.
    """

    def __init__(self, ask: Callable[[int], None], here: Callable[[bytes, int], bool]) -> None:
        self._ask = ask
        self._here = here
        self._until: dict[int, float] = {}  # OpenFlow port -> until when answers tell of arrivals; one an access port

    def opened(self, port: int) -> None:
        """Ask on an access port that is there, as OpenFlow port ``port``, from now on; needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._until[port] = loop.time() + _LISTENING
        for delay in _QUESTIONS:
            loop.call_later(delay, self._ask, port)

    def has_come(self, link_layer_address: bytes, port: int) -> bool:
        """True when a sign of life on a link says that the node has come there unnoticed."""
        listening = asyncio.get_running_loop().time() < self._until.get(port, 0.0)
        return listening and not self._here(link_layer_address, port)
