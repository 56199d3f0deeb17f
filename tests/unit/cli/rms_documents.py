"""Documents as the RMS gives them, with an identifier that looks like markup."""

from __future__ import annotations

NAI = "[/b]@example.net"
BINDING = {
    "prefix": "2001:db8:114:dc02::/64",
    "identifier": NAI,
    "mag": "mag1",
    "previous_mag": "mag2",
    "anchor": "lma1",
    "since": 1_700_000_000.5,
}
REASON = "lma1 is overloaded: CPU 100% (from 80% on, until below 70%) and 43273 packets in a window of 10 s"
DECISION = {
    "id": "1796070241814-mag1",
    "time": 1_700_000_000.0,
    "mag": "mag1",
    "old_lma": "lma1",
    "new_lma": "lma2",
    "outcome": "acknowledged",
    "reason": REASON,
}
NODE = {
    "name": "mag1",
    "address": "fd00:5213::21",
    "datapath_id": "0000000000000021",
    "state": "ready",
    "ports": {"acc1": 1, "acc2": 2, "acc3": 3, "t-lma1": 4, "t-lma2": 5, "u0": 6},
    "uplinks": {"lma1": {"lma1": 20, "lma2": 12}, "lma2": {"lma2": 32}},
}
LOAD = {
    "lma": "lma1",
    "state": "overloaded",
    "cpu": 1.0,
    "packets": 65_716,
    "mags": [{"mag": f"mag{number}", "packets": 12_345} for number in range(1, 5)],
    "source": "openflow",
    "cpu_age": 0.5,
}
INCIDENT = {
    "time": 1_700_000_000.0,
    "lma": "lma1",
    "kind": "died",
    "reason": "its switch and all of its tunnels are down",
}
DEGRADED = {
    "status": "degraded",
    "domain": "two-lma",
    "bindings": 2,
    "switches": {"mag1": "ready"},
    "downlink": {"lma1": "bgp down"},
    "refused": {"a Tnl_ack of a mobile access gateway that was not asked for anything": 1},
}
