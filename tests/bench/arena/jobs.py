"""What the parts of the arena are told to do, and the numbers that they agree on."""

from __future__ import annotations

from dataclasses import dataclass

#: Where switches find the RMS, the raw writer and the ordinary application.
RMS_PORT, RAW_PORT, ORDINARY_PORT = 6653, 6654, 6655
#: The ports of an LMA's tunnels to the MAGs.
TUNNEL_PORTS = 10, 11


@dataclass(frozen=True)
class Handoffs:
    """``handoffs``, one after the other over so many mobile ``nodes``, from one MAG to the other and back.

    With a ``rate`` (per second) they are sent at equal distances, else as soon as fewer than ``window`` are unanswered.
    With ``pause`` (s) there is that much time between an answer and the next one. ``first_node`` sets the nodes apart
    from those of another job.
    """

    handoffs: int
    nodes: int
    window: int = 1
    rate: float | None = None
    pause: float = 0.0
    first_node: int = 0


@dataclass(frozen=True)
class Outcome:
    """``seconds`` from the first message to the last answer, ``latencies`` (s) in order of size, ``repeated`` messages.

    ``told`` counts what LMA agents were told meanwhile, ``processor`` is the generator's own processor time (s).
    """

    seconds: float
    latencies: list[float]
    repeated: int
    told: int
    processor: float


@dataclass(frozen=True)
class Writing:
    """``rounds`` of writing ``routes`` to each switch, ``piece`` to a barrier, with ``pause`` (s) between rounds."""

    rounds: int
    routes: int
    piece: int = 500
    pause: float = 0.0
