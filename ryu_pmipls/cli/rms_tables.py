"""Tables of the documents of the RMS's REST interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ryu_pmipls.cli.tables import print_table
from ryu_pmipls.http.wording import local_time


class RmsTable(NamedTuple):
    """Columns, those of them that may be wrapped (``prose``), and the function that makes rows of a document."""

    columns: tuple[str, ...]
    rows: Callable[[Any], list[list[str]]]
    prose: tuple[str, ...] = ()

    def print(self, document: Any) -> None:
        """Print a document as a table."""
        print_table(self.columns, self.rows(document), self.prose)


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}".replace(",", " ")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _load_rows(document: Any) -> list[list[str]]:
    rows = []
    for load in document["lmas"]:
        mags = ", ".join(f"{mag['mag']} {_number(mag['packets'])}" for mag in load["mags"])
        age = "unknown" if load["cpu_age"] is None else f"{load['cpu_age']:.1f}"
        counts = load["source"] or "none"
        rows.append([load["lma"], load["state"], _percent(load["cpu"]), _number(load["packets"]), mags, counts, age])
    return rows


def _node_rows(document: Any) -> list[list[str]]:
    return [
        [node["name"], node["address"], node["datapath_id"], node["state"], " ".join(sorted(node["ports"]))]
        for node in document
    ]


def _mag_rows(document: Any) -> list[list[str]]:
    return [
        [*row, ", ".join(f"{anchor} by {_carriers(shares)}" for anchor, shares in node["uplinks"].items())]
        for row, node in zip(_node_rows(document), document, strict=True)
    ]


def _carriers(shares: Mapping[str, int]) -> str:
    total = sum(shares.values())
    return " and ".join(lma if slots == total else f"{lma} ({slots}/{total})" for lma, slots in shares.items())


def _tunnel_rows(document: Any) -> list[list[str]]:
    return [
        [
            tunnel["mag"],
            tunnel["lma"],
            _yes(tunnel["up"]),
            _number(tunnel["uplink_packets"]),
            _number(tunnel["downlink_packets"]),
        ]
        for tunnel in document
    ]


def _binding_rows(document: Any) -> list[list[str]]:
    return [
        [
            entry["prefix"],
            entry["identifier"] or "unknown",
            entry["mag"],
            entry["previous_mag"] or "-",
            entry["anchor"] or "unknown",
            local_time(entry["since"]),
        ]
        for entry in document
    ]


def _traffic_rows(document: Any) -> list[list[str]]:
    return [
        [way, _number(document[f"{way}_packets"]), _number(document[f"{way}_octets"])] for way in ("uplink", "downlink")
    ]


def _decision_rows(document: Any) -> list[list[str]]:
    return [
        [
            entry["id"],
            local_time(entry["time"]),
            entry["mag"],
            f"{entry['old_lma']} -> {entry['new_lma']}",
            entry["outcome"],
            entry["reason"],
        ]
        for entry in document
    ]


def _incident_rows(document: Any) -> list[list[str]]:
    return [[local_time(entry["time"]), entry["lma"], entry["kind"], entry["reason"]] for entry in document]


def _health_rows(document: Any) -> list[list[str]]:
    rows = [["status", document["status"]], ["domain", document["domain"]], ["bindings", str(document["bindings"])]]
    rows += [[f"switch of {name}", state] for name, state in document["switches"].items()]
    rows += [[f"downlink by {name}", state] for name, state in document["downlink"].items()]
    return rows + [[f"refused: {reason}", str(count)] for reason, count in document["refused"].items()]


_NODE = ("name", "address", "datapath id", "state", "ports")
BINDINGS = RmsTable(("prefix", "mobile node", "MAG", "previous MAG", "anchor", "since"), _binding_rows)
DECISIONS = RmsTable(("id", "time", "MAG", "uplink", "outcome", "reason"), _decision_rows, ("reason",))
HEALTH = RmsTable(("what", "how"), _health_rows, ("what", "how"))
INCIDENTS = RmsTable(("time", "LMA", "what", "why"), _incident_rows, ("why",))
LMAS = RmsTable(_NODE, _node_rows, ("ports",))
LOAD_LIST = RmsTable(("LMA", "state", "CPU", "packets", "by MAG", "counted by", "CPU age (s)"), _load_rows, ("by MAG",))
MAGS = RmsTable((*_NODE, "uplinks"), _mag_rows, ("ports", "uplinks"))
TRAFFIC = RmsTable(("way", "packets", "octets"), _traffic_rows)
TUNNELS = RmsTable(("MAG", "LMA", "up", "uplink packets", "downlink packets"), _tunnel_rows)
