"""The groups of a MAG: one per LMA for its tunnel, one per anchor for its uplink, and one per access port."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ryu_pmipls.controller.switches.actions import Output, ToGroup
from ryu_pmipls.controller.switches.flow import Bucket, Group, GroupKind
from ryu_pmipls.controller.switches.ports import Ports, tunnel_port
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import Slots

#: Numbers after which the groups of tunnels begin, and those of access ports. Groups of anchors come first.
_TUNNEL_GROUPS = 0x10000
_ACCESS_GROUPS = 0x20000


def anchor_group(profile: Profile, anchor: str) -> int:
    """The group of a MAG that carries the uplink of the mobile nodes of an anchor: the anchor's place from 1 up."""
    return 1 + next(index for index, lma in enumerate(profile.lmas) if lma.name == anchor)


def tunnel_group(profile: Profile, lma: str) -> int:
    """The group of a MAG that sends into the tunnel to an LMA, or to another LMA while that one is not alive."""
    return _TUNNEL_GROUPS + anchor_group(profile, lma)


def access_group(port: int) -> int:
    """The group of a MAG that sends out of an access port, or to the agent while the link there is down."""
    return _ACCESS_GROUPS + port


def tunnel_groups(lmas: Sequence[str], ports: Ports, overruled: Collection[str]) -> Iterator[Group]:
    """The groups of the tunnels to LMAs; those to ``overruled`` ones have no stand-in."""
    for index, name in enumerate(lmas):
        own = tunnel_port(name)
        if name in overruled and own in ports:
            yield Group(_tunnel_group(index), GroupKind.INDIRECT, (Bucket(Output(ports[own])),))
            continue
        # Each LMA has another one as its first stand-in.
        order = [tunnel_port(other) for other in (*lmas[index:], *lmas[:index])]
        tunnels = (ports[port] for port in order if port in ports)
        buckets = tuple(Bucket(Output(tunnel), watch=tunnel) for tunnel in tunnels)
        yield Group(_tunnel_group(index), GroupKind.FAST_FAILOVER, buckets)


def anchor_groups(lmas: Sequence[str], uplinks: Mapping[str, Slots]) -> Iterator[Group]:
    """The groups of anchors: to the group of one tunnel, or to those of several by the hash of a flow."""
    rows = {name: index for index, name in enumerate(lmas)}
    for index, name in enumerate(lmas):
        carriers = uplinks[name] if len(set(uplinks[name])) > 1 else uplinks[name][:1]
        kind = GroupKind.INDIRECT if len(carriers) == 1 else GroupKind.SELECT
        yield Group(index + 1, kind, tuple(Bucket(ToGroup(_tunnel_group(rows[carrier]))) for carrier in carriers))


def access_groups(access_ports: Iterable[int], keeper: int | None) -> Iterator[Group]:
    """The groups of access ports; while a link is down, the port ``keeper`` leads to the agent, which keeps packets."""
    keep = () if keeper is None else (Bucket(Output(keeper), watch=keeper),)
    for port in access_ports:
        yield Group(access_group(port), GroupKind.FAST_FAILOVER, (Bucket(Output(port), watch=port), *keep))


def _tunnel_group(row: int) -> int:
    """The group of the tunnel to the LMA in that place of the profile, from 0 up."""
    return _TUNNEL_GROUPS + 1 + row
