"""Ways to do handoffs that are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Way:
    """A way to do handoffs; ``lmas`` is the number of LMAs of the profile to use, None: all."""

    name: str
    handoff: Mapping[str, Any]
    lmas: int | None = None


#: Way of RFC 5213: one LMA for a mobile node, which makes the tunnel when it accepts the PBU (section 5.6.1).
STANDARD = Way("standard PMIPv6", {"forwarding": False, "buffer": 0}, lmas=1)
WAYS = (
    STANDARD,
    Way("routes only", {"forwarding": False, "buffer": 0}),
    Way("forwarding", {"forwarding": True, "buffer": 0}),
    Way("forwarding and buffering", {"forwarding": True, "buffer": 1000}),
)
