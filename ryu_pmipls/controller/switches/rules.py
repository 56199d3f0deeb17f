"""Flow entries and groups that a MAG or an LMA needs: pure functions of profile, ports, bindings and uplinks.

Ports come as a mapping of names to OpenFlow port numbers, as the switch reports them. An entry whose port is not there
(yet) is left out; it is added when the port appears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from operator import attrgetter

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.switches import pipeline
from ryu_pmipls.controller.switches.flow import Bucket, FlowEntry, Group, GroupKind, Output, ToGroup
from ryu_pmipls.domain.profile import ERROR_PORT_PREFIX, Lma, Mag, Profile

Ports = Mapping[str, int]

#: Numbers after which the groups of tunnels begin, and those of access ports. Groups of anchors come first.
_TUNNEL_GROUPS = 0x10000
_ACCESS_GROUPS = 0x20000


def tunnel_port(peer: str) -> str:
    """The name of the port of the tunnel to a peer."""
    return f"t-{peer}"


def error_port(ports: Ports) -> tuple[int, int] | None:
    """The port for undeliverable packets, and the MTU of the tunnels (octets), from the port's name."""
    for name, number in ports.items():
        mtu = name.removeprefix(ERROR_PORT_PREFIX)
        if mtu != name and mtu.isascii() and mtu.isdigit() and int(mtu) < 2**16 - 14:
            return number, int(mtu)
    return None


def group_id(profile: Profile, anchor: str) -> int:
    """The group of a MAG that carries the uplink of the mobile nodes of an anchor: the anchor's place from 1 up."""
    return 1 + next(index for index, lma in enumerate(profile.lmas) if lma.name == anchor)


def mag_base(profile: Profile, mag: Mag, ports: Ports) -> Iterator[FlowEntry]:
    """The entries that a MAG needs before any mobile node."""
    for rule in (*pipeline.MAG_MISS, *pipeline.MAG_LINK_LOCAL, pipeline.MAG_ANY_SIZE):
        yield rule.entry()
    for name in mag.access_ports:
        if name in ports:
            for kind in pipeline.NEIGHBOUR_DISCOVERY:
                yield pipeline.MAG_DISCOVERY.entry(port=ports[name], icmpv6_type=kind)
            yield pipeline.MAG_FROM_ACCESS.entry(port=ports[name])
    for lma in profile.lmas:
        tunnel = ports.get(tunnel_port(lma.name))
        if tunnel is not None:
            yield pipeline.MAG_FROM_TUNNEL.entry(tunnel=tunnel)
    yield from _mag_errors(profile, ports)


def _mag_errors(profile: Profile, ports: Ports) -> Iterator[FlowEntry]:
    """The entries by which a MAG answers undeliverable packets."""
    there = error_port(ports)
    if there is None:
        return
    errors, mtu = there
    yield pipeline.MAG_NOTE_SIZE.entry(mtu=mtu)
    yield pipeline.MAG_TOO_LARGE.entry(errors=errors)
    for rule in pipeline.MAG_USED_UP:
        for hop_limit in pipeline.USED_UP:
            yield rule.entry(hop_limit=hop_limit, errors=errors)
    yield pipeline.MAG_BUFFERED.entry(errors=errors)
    yield pipeline.MAG_ERROR_UPLINK.entry(errors=errors, pool=profile.home_prefix_pool)
    yield pipeline.MAG_ERROR_DOWNLINK.entry(errors=errors)


def tunnel_group(profile: Profile, lma: str) -> int:
    """The group of a MAG that sends into the tunnel to an LMA, or to another LMA while that one is not alive."""
    return _TUNNEL_GROUPS + group_id(profile, lma)


def access_group(port: int) -> int:
    """The group of a MAG that sends out of an access port, or to the agent while the link there is down."""
    return _ACCESS_GROUPS + port


def mag_groups(profile: Profile, mag: Mag, uplinks: Mapping[str, Sequence[str]], ports: Ports) -> Iterator[Group]:
    """A group per LMA for its tunnel, one per anchor for the uplink of its mobile nodes, and one per access port.

    ``uplinks`` maps each anchor to the LMAs that carry that uplink, one for each equal slot of it. A flow keeps to its
    slot, so that a slot that another LMA takes over moves the flows of that slot only.
    """
    names = [lma.name for lma in profile.lmas]
    for index, name in enumerate(names):
        # Each LMA has another one as its first stand-in.
        order = [tunnel_port(other) for other in names[index:] + names[:index]]
        tunnels = (ports[port] for port in order if port in ports)
        buckets = tuple(Bucket(Output(tunnel), watch=tunnel) for tunnel in tunnels)
        yield Group(tunnel_group(profile, name), GroupKind.FAST_FAILOVER, buckets)
    for name in names:
        carriers = uplinks[name] if len(set(uplinks[name])) > 1 else uplinks[name][:1]
        kind = GroupKind.INDIRECT if len(carriers) == 1 else GroupKind.SELECT
        slots = tuple(Bucket(ToGroup(tunnel_group(profile, carrier))) for carrier in carriers)
        yield Group(group_id(profile, name), kind, slots)
    errors = error_port(ports) if profile.handoff.buffer else None
    keep = () if errors is None else (Bucket(Output(errors[0]), watch=errors[0]),)
    for port in _access_ports(mag, ports):
        yield Group(access_group(port), GroupKind.FAST_FAILOVER, (Bucket(Output(port), watch=port), *keep))


def _access_ports(mag: Mag, ports: Ports) -> list[int]:
    return [ports[name] for name in mag.access_ports if name in ports]


def mag_shape(mag: Mag, binding: Binding) -> tuple[int | None, str | None] | None:
    """All that a binding's entries at a MAG depend on besides prefix and link-layer address; None without entries.

    This is the access port, None when the mobile node is at another MAG, and the anchor. There are no entries when the
    mobile node is detached; or when its MAG speaks only the draft, so that it reports neither port nor link-layer
    address nor anchor, and has to do without.
    """
    if binding.mag is None or binding.mag != mag.name:
        return None if binding.mag is None else (None, binding.anchor)
    if binding.link_layer_address is None or binding.port is None or binding.anchor is None:
        return None
    return binding.port, binding.anchor


def mag_binding(profile: Profile, mag: Mag, ports: Ports, binding: Binding) -> Iterator[FlowEntry]:
    """The entries of one binding at a MAG, by the :func:`mag_shape` of the binding.

    A MAG that the mobile node has left forwards late packets. The handoff writes that entry once; it expires by
    itself.
    """
    shape, prefix, node = mag_shape(mag, binding), binding.network, binding.link_layer_address
    if shape is None:
        return
    port, anchor = shape
    group = group_id(profile, anchor or profile.lmas[0].name)
    if port is None:
        if profile.handoff.forwarding:
            yield pipeline.MAG_FORWARDING.entry(prefix=prefix, group=group)
        return
    assert node is not None
    yield pipeline.MAG_GUARD.entry(port=port, link_layer_address=node, prefix=prefix)
    yield pipeline.MAG_UPLINK.entry(prefix=prefix, group=group)
    if port in _access_ports(mag, ports):
        yield pipeline.MAG_DOWNLINK.entry(prefix=prefix, link_layer_address=node, link=access_group(port))


def lma_base(profile: Profile, lma: Lma, ports: Ports, own: bytes | None, gateway: bytes | None) -> Iterator[FlowEntry]:
    """The entries that an LMA needs before any mobile node.

    ``own`` is the link-layer address of the bridge's own interface, ``gateway`` that of the core gateway; while the
    latter is unknown nothing can leave towards the core.
    """
    pool = profile.home_prefix_pool
    for rule in pipeline.LMA_MISS:
        yield rule.entry()
    for mag in profile.mags:
        tunnel = ports.get(tunnel_port(mag.name))
        if tunnel is not None:
            yield pipeline.LMA_FROM_TUNNEL.entry(tunnel=tunnel)
    yield pipeline.LMA_BETWEEN_NODES.entry(pool=pool)
    if profile.handoff.forwarding:
        yield pipeline.LMA_FORWARDED.entry(pool=pool)
    core = ports.get(lma.core.port)
    if core is None:
        return
    yield pipeline.LMA_FROM_HOST.entry(core=core)
    for kind in pipeline.NEIGHBOUR_DISCOVERY:
        yield pipeline.LMA_DISCOVERY.entry(core=core, icmpv6_type=kind)
    yield pipeline.LMA_TO_HOST.entry(core=core, own_address=IPv6Network(lma.core.address.ip))
    yield pipeline.LMA_FROM_CORE.entry(core=core, pool=pool)
    if own is not None and gateway is not None:
        yield pipeline.LMA_TO_CORE.entry(pool=pool, own=own, gateway=gateway, core=core)
    there = error_port(ports)
    if there is None:
        return
    errors, mtu = there
    yield pipeline.LMA_NOTE_SIZE.entry(core=core, pool=pool, mtu=mtu)
    yield pipeline.LMA_TOO_LARGE.entry(errors=errors)
    for rule in pipeline.LMA_USED_UP:
        for hop_limit in pipeline.USED_UP:
            yield rule.entry(pool=pool, hop_limit=hop_limit, errors=errors)
    yield pipeline.LMA_UNKNOWN.entry(pool=pool, errors=errors)
    yield pipeline.LMA_ERROR_DOWNLINK.entry(errors=errors, pool=pool)
    if own is not None and gateway is not None:
        yield pipeline.LMA_ERROR_TO_CORE.entry(errors=errors, own=own, gateway=gateway, core=core)


#: The part of a binding, besides its prefix, on which its entries at an LMA depend: the mobile node's MAG.
lma_shape: Callable[[Binding], str | None] = attrgetter("mag")


def lma_binding(ports: Ports, binding: Binding) -> Iterator[FlowEntry]:
    """The downlink route of one binding: its prefix into the tunnel of its MAG."""
    tunnel = None if binding.mag is None else ports.get(tunnel_port(binding.mag))
    if tunnel is not None:
        yield pipeline.LMA_ROUTE.entry(prefix=binding.network, tunnel=tunnel)
