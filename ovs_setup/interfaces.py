"""Addresses and routes of network interfaces, by ip(8).

Addresses and routes are texts in the notation of ip-address(8) and ip-route(8): ``192.0.2.1/24 broadcast 192.0.2.255``,
``2001:db8:f::/48 via fd00::1 metric 77``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ovs_setup.vswitch import OpenVSwitch

#: Families of addresses by the option of ip(8) for each.
FAMILIES = {"-4": "inet", "-6": "inet6"}
_ANYWHERE = {"-4": "0.0.0.0/0", "-6": "::/0"}


def links(ovs: OpenVSwitch) -> dict[str, Any]:
    """Interfaces by name, with their addresses, as ``ip -json address show`` tells them."""
    return {link["ifname"]: link for link in json.loads(ovs.execute("ip", "-json", "address", "show"))}


def addresses(link: dict[str, Any], family: str) -> list[str]:
    """The addresses of a link in one of :data:`FAMILIES`, without link-local ones, which come and go by themselves."""
    return [
        f"{entry['local']}/{entry['prefixlen']}" + (f" broadcast {entry['broadcast']}" if "broadcast" in entry else "")
        for entry in link["addr_info"]
        if entry["family"] == FAMILIES[family] and entry["scope"] != "link"
    ]


def routes(ovs: OpenVSwitch, port: str, family: str) -> list[str]:
    """Routes that an administrator made; the kernel itself makes those of addresses and of router advertisements."""
    found = []
    for route in json.loads(ovs.execute("ip", family, "-json", "route", "show", "dev", port) or "[]"):
        if route.get("protocol") not in ("kernel", "ra"):
            words = [_ANYWHERE[family] if route["dst"] == "default" else route["dst"]]
            for key, word in (("gateway", "via"), ("prefsrc", "src"), ("metric", "metric")):
                words += [word, str(route[key])] if key in route else []
            words += ["onlink"] if "onlink" in route.get("flags", ()) else []
            found.append(" ".join(words))
    return found


def assign(ovs: OpenVSwitch, device: str, wanted: Iterable[str], routes: Iterable[str]) -> None:
    """Give a device addresses and routes, beside those that it has."""
    for address in wanted:
        detection = ["nodad"] if _family(address) == "-6" else []
        ovs.execute("ip", _family(address), "address", "replace", *address.split(), "dev", device, *detection)
    for route in routes:
        ovs.execute("ip", _family(route), "route", "replace", *route.split(), "dev", device)


def clear(ovs: OpenVSwitch, device: str) -> None:
    """Take all addresses from a device, and its IPv4 routes; those of IPv6 go when it is disabled there."""
    ovs.execute("ip", "-4", "route", "flush", "dev", device)
    ovs.execute("ip", "address", "flush", "dev", device)


def _family(text: str) -> str:
    """The family of an address or a route; records of earlier releases call the IPv6 destination ::/0 "default"."""
    first = text.split()[0]
    return "-6" if ":" in first or first == "default" else "-4"
