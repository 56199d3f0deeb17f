"""Agreement between the sections of a profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Interface, IPv6Network
from itertools import chain
from typing import Any

from ryu_pmipls.domain.profile.faults import Fault, Place
from ryu_pmipls.domain.profile.nodes import RMS_NAME, is_beyond_loopback
from ryu_pmipls.domain.profile.sound_parts import UNSOUND, values
from ryu_pmipls.domain.profile.values import format_link_layer

_Placed = Iterable[tuple[Place, Any]]


def inconsistencies(sound: Any) -> Iterator[Fault]:
    """Values that do not agree with others, or that must be unique in the domain and are not.

    ``sound`` is a profile, or the sound parts of one (:mod:`.sound_parts`): a check does without missing values.
    """
    for group in _unique(sound):
        yield from _repeats(group)
    yield from _reserved_names(sound)
    yield from _home_prefix_faults(sound)
    yield from _anchor_faults(sound)
    yield from _failure_faults(sound)
    yield from _certificate_faults(sound)
    yield from _protection_faults(sound)
    yield from _lab_faults(sound)
    yield from _rest_faults(sound)


def _unique(sound: Any) -> Iterator[_Placed]:
    """Groups of values; each value must be unique within its group."""

    def found(*paths: str) -> _Placed:
        return chain.from_iterable(values(sound, path) for path in paths)

    yield found(*_NAMES)
    yield _addresses(found("rms.address", "lmas.*.address", "mags.*.address"), found(*_WITH_LENGTH))
    yield ((place, f"{number:#x}") for place, number in found("lmas.*.datapath_id", "mags.*.datapath_id"))
    yield found("mobile_nodes.*.identifier")
    yield ((place, format_link_layer(octets)) for place, octets in found("mobile_nodes.*.link_layer_address"))
    yield ((place, prefix) for place, prefix in found("mobile_nodes.*.prefix") if prefix is not None)
    for place, ports in found("mags.*.access_ports"):
        yield (((*place, index), port) for index, port in enumerate(ports) if isinstance(port, str))


_NAMES = ("lmas.*.name", "mags.*.name", "mobile_nodes.*.name", "lab.correspondent.name")
_WITH_LENGTH = ("lmas.*.core.address", "lab.correspondent.address")


def _addresses(plain: _Placed, with_length: _Placed) -> Iterator[tuple[Place, Any]]:
    yield from plain
    for place, interface in with_length:
        yield place, interface.ip


def _repeats(group: _Placed) -> Iterator[Fault]:
    first: dict[Any, Place] = {}
    for place, value in group:
        if first.setdefault(value, place) is not place:
            yield Fault(place, f"must be unique; {value} is already", first[value])


def _reserved_names(sound: Any) -> Iterator[Fault]:
    for path in _NAMES:
        for place, name in values(sound, path):
            if name == RMS_NAME:
                yield Fault(place, f"{name} is the name of the RMS; allowed: any other")


def _home_prefix_faults(sound: Any) -> Iterator[Fault]:
    pool = sound.home_prefix_pool
    if not isinstance(pool, IPv6Network):
        return
    if pool.prefixlen > 64:
        message = f"{pool} must be a /64 or shorter: it is handed out in /64 prefixes"
        yield Fault(("home_prefix_pool",), message)
    plain = (values(sound, path) for path in ("rms.address", "lmas.*.address", "mags.*.address"))
    for place, address in _addresses(chain.from_iterable(plain), values(sound, "lmas.*.core.address")):
        if address in pool:
            yield Fault(place, f"{address} must not lie in home_prefix_pool {pool}")
    first, mask = int(pool.network_address), int(pool.netmask)
    for place, prefix in values(sound, "mobile_nodes.*.prefix"):
        if prefix is not None and (prefix.prefixlen != 64 or int(prefix.network_address) & mask != first):
            yield Fault(place, f"{prefix} must be a /64 of home_prefix_pool {pool}")


def _anchor_faults(sound: Any) -> Iterator[Fault]:
    lmas = _lma_names(sound)
    for place, anchor in values(sound, "mobile_nodes.*.anchor") if lmas else ():
        if anchor is not None and anchor not in lmas:
            yield Fault(place, f"no LMA is called {anchor!r}; allowed: {', '.join(lmas)}")


def _lma_names(sound: Any) -> dict[str, None]:
    """The names of all LMAs; none unless all are sound, for others may refer to the missing one."""
    names = [name for _, name in values(sound, "lmas.*.name")]
    return dict.fromkeys(names) if isinstance(sound.lmas, tuple) and len(names) == len(sound.lmas) else {}


def _failure_faults(sound: Any) -> Iterator[Fault]:
    for _, interval in values(sound, "tunnel.bfd_interval"):
        for place, signs in values(sound, "failure.dead_when.*") if interval is None else ():
            if "tunnels" in signs:
                message = "nobody watches tunnels while tunnel.bfd_interval is null; allowed: switch, agent"
                yield Fault(place, message)


def _certificate_faults(sound: Any) -> Iterator[Fault]:
    """A lab makes certificates where the profile names no folder of them."""
    folders = [folder for _, folder in values(sound, "certificates.folder")]
    for place, tls in values(sound, "rms.openflow.tls"):
        if tls and folders == [None] and sound.lab is None:
            yield Fault(place, "TLS needs certificates.folder, the folder of certificates; allowed without one: false")


def _protection_faults(sound: Any) -> Iterator[Fault]:
    for place, protection in values(sound, "signalling.protection"):
        for _, keys in values(sound, "signalling.keys"):
            if "keys" in (protection or ()) and keys is None:
                yield Fault(place, "keys need a file; name it in", ("signalling", "keys"))
            if protection == () and keys is not None:
                yield Fault(place, "must be keys while there is a file of them in", ("signalling", "keys"))
        if "ipsec" in (protection or ()) and sound.lab is None and not _ipsec_has_identities(sound):
            message = "ipsec needs certificates.folder, or a file of keys in"
            yield Fault(place, message, ("signalling", "ipsec_keys"))


def _ipsec_has_identities(sound: Any) -> bool:
    """True unless the nodes have nothing by which to know each other; a faulty value counts as one."""
    found = (*values(sound, "certificates.folder"), *values(sound, "signalling.ipsec_keys"))
    return len(found) < 2 or any(value is not None for _, value in found)


def _rest_faults(sound: Any) -> Iterator[Fault]:
    folders = [folder for _, folder in values(sound, "certificates.folder")]
    lacks_certificates = folders == [None] and sound.lab is None
    for path in ("rms.rest", "lmas.*.api", "mags.*.api"):
        for place, endpoint in values(sound, path):
            host = getattr(endpoint, "host", UNSOUND)
            if not isinstance(host, str) or not is_beyond_loopback(host):
                continue
            if lacks_certificates:
                message = f"at {host}, beyond loopback, REST needs TLS, and so certificates.folder; without it: ::1"
                yield Fault((*place, "host"), message)
            allowed = getattr(endpoint, "unauthenticated", UNSOUND)
            if allowed in ("read", "operate"):
                message = f"{allowed} is for loopback only, not for {host}; allowed there: nothing"
                yield Fault((*place, "unauthenticated"), message)


def _lab_faults(sound: Any) -> Iterator[Fault]:
    lmas = _lma_names(sound)
    for place, _ in values(sound, "lab.lma_cpu.*") if lmas else ():
        if place[-1] not in lmas:
            yield Fault(place, f"no LMA is called so; allowed: {', '.join(lmas)}")
    for _, length in values(sound, "lab.underlay_prefix_length"):
        for _, rms in values(sound, "rms.address"):
            underlay = IPv6Interface((rms, length)).network
            for place, address in chain(values(sound, "lmas.*.address"), values(sound, "mags.*.address")):
                if address not in underlay:
                    message = f"{address} must lie in {underlay}, the lab's underlay, as rms.address does"
                    yield Fault(place, message)
    for _, correspondent in values(sound, "lab.correspondent.address"):
        for place, gateway in values(sound, "lmas.*.core.gateway"):
            if gateway != correspondent.ip:
                message = (
                    f"must be {correspondent.ip} (lab.correspondent.address), for the correspondent node is the "
                    "gateway of a lab's core network"
                )
                yield Fault(place, message)
